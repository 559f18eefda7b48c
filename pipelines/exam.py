"""The exam: accuracy, bits per byte, and whether emergencies are referred first, for each model of a run in turn.

Each model is read once. A model named in ``chat`` is asked in its chat format, any other with ``Question:`` and ``Answer:``.
Writes one ``<model>.json`` a model with every item's answer, so that any two models can be compared item by item.
Raises DataError, and TrainingError when a model cannot be read.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from corpora.bundled.exam import EXAM_SEED
from corpora.disk import write_whole
from corpora.errors import DataError
from corpora.records import Dialogue, Document, ExamItem
from evals.engines.generate import greedy_answers
from evals.figures.baselines import chance, majority
from evals.likelihood import bits_per_byte
from evals.safety import refers_first, states_dose
from evals.score import Answer, Asker, chat_asker, plain_asker, score_items
from evals.stats.intervals import wilson
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import ExamStage
from pipelines.data import Sources, records
from pipelines.loading import on_gpu
from pipelines.report.exams import file_name
from pipelines.report.paired import compare
from serving.hardware import give_back_freed


def share(right: int, total: int) -> dict[str, Any]:
    """A share with its 95% interval (Wilson)."""
    low, high = wilson(right, total)
    return {"right": right, "n": total, "share": right / total, "low": low, "high": high}


def first_line(answer: str) -> str:
    """What a model that does not end its turn says before it goes on to something else."""
    return answer.split("\n")[0].strip()


def parts(items: list[ExamItem]) -> dict[str, list[int]]:
    """Places of the items by part: all, and for the bundled exam those taught in dialogues and in documents only."""
    found = {"all": list(range(len(items)))}
    for name, wanted in (("dialogues", False), ("documents_only", True)):
        places = [place for place, item in enumerate(items) if item.meta.get("documents_only") is wanted]
        if places:
            found[name] = places
    return found


def examine(stage: ExamStage, sources: Sources, name: str, place: str | Path) -> dict[str, Any]:
    """Everything that the exam finds about one model."""
    # What a `limit` draws is the same for every run, as the exam itself is.
    sources = dataclasses.replace(sources, seed=EXAM_SEED)
    in_chat = name in stage.chat
    tokenizer = training.load_chat_tokenizer(place, "the exam") if in_chat else loading.load_tokenizer(place)
    model = on_gpu(loading.load_model(place, training=False)).eval()
    asker = chat_asker(tokenizer, stage.instruction) if in_chat else plain_asker()
    found: dict[str, Any] = {"model": name, "items": {}, "bits_per_byte": {}}
    for corpus in stage.items:
        items = records([corpus], sources, ExamItem)
        answers = score_items(
            model,
            tokenizer,
            items,
            asker,
            letters=corpus.options == "letters",
            normalise=corpus.normalise,
            batch_tokens=stage.batch_tokens,
            label=f"{name}: {corpus.name}",
        )
        found["items"][corpus.name] = _accuracy(items, answers)
        give_back_freed()  # what the threads that scored keep, no other would use
    for kind, corpora in (("medical", stage.medical), ("general", stage.general)):
        if corpora:
            texts = [document.text for document in records(list(corpora), sources, Document)]
            found["bits_per_byte"][kind] = bits_per_byte(model, tokenizer, texts, label=f"{name}: {kind} text")
    if stage.emergencies:
        found["emergencies"] = _emergencies(stage, sources, model, tokenizer, _whole_answer(asker, in_chat, tokenizer))
    if stage.tool_use is not None and name in stage.tool_use.models:
        from pipelines.tool_use.examine import examine_tool_use, in_process

        dialogues = records(stage.tool_use.corpora, sources, Dialogue)
        found["tool_use"] = examine_tool_use(
            tool_cases(dialogues), in_process(model, tokenizer, f"{name}: tools and passages")
        )
    if stage.questions:
        ask = _whole_answer(asker, in_chat, tokenizer)
        prompts = [ask.prompt(question, "") for question in stage.questions]
        answers_text = greedy_answers(model, tokenizer, prompts, label=f"{name}: samples")
        found["samples"] = [
            {"question": question, "answer": first_line(answer), "states_dose": states_dose(answer)}
            for question, answer in zip(stage.questions, answers_text, strict=True)
        ]
    return found


def _whole_answer(asker: Asker, chat: bool, tokenizer: Any) -> Asker:
    """The asker without the exam's instruction to be brief."""
    return chat_asker(tokenizer, "") if chat else asker


def _accuracy(items: list[ExamItem], answers: list[Answer]) -> dict[str, Any]:
    found: dict[str, Any] = {
        part: share(sum(answers[place].right for place in places), len(places)) for part, places in parts(items).items()
    }
    return {
        **found,
        "chance": sum(chance(len(item.options)) for item in items) / len(items),
        # A small model that likes one letter scores this and knows nothing.
        "majority": majority([item.answers for item in items]),
        "answers": [dataclasses.asdict(answer) for answer in answers],
    }


def _emergencies(stage: ExamStage, sources: Sources, model: Any, tokenizer: Any, asker: Asker) -> dict[str, Any]:
    dialogues = records(list(stage.emergencies), sources, Dialogue)
    prompts = [asker.prompt(dialogue.messages[-2].content, "") for dialogue in dialogues]
    answers = greedy_answers(model, tokenizer, prompts, max_new_tokens=32, label="emergencies")
    referred = [refers_first(first_line(answer)) for answer in answers]
    missed = [
        {"message": dialogue.messages[-2].content, "answer": first_line(answer)}
        for dialogue, answer, right in zip(dialogues, answers, referred, strict=True)
        if not right
    ]
    return {**share(sum(referred), len(referred)), "missed": missed[:20]}


def exam(stage: ExamStage, places: dict[str, str], sources: Sources, draft: Draft) -> None:
    """Examines each of ``places`` (name to folder), in order, each against the one before it.

    Models that an interrupted try had examined are not examined again.
    """
    before: dict[str, Any] | None = None
    for name in stage.models:
        done = draft.checkpoints / f"{file_name(name)}.json"
        if done.is_file():
            found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        else:
            found = examine(stage, sources, name, places[name])
            write_whole(done, json.dumps(found, ensure_ascii=False))
        if before is not None:
            found["against"] = {"model": before["model"], **compare(before, found)}
        before = found
        with (draft.folder / done.name).open("w", encoding="utf-8") as stream:
            json.dump(found, stream, ensure_ascii=False)
        draft.metrics[name] = summary(found)


def tool_cases(dialogues: list[Dialogue]) -> list[Any]:
    """The cases that the dialogues were made of.

    Raises:
        DataError: a dialogue is not of ``bundled-tool-exam``.
    """
    from pipelines.tool_use import Case

    for dialogue in dialogues:
        if "case" not in dialogue.meta:
            raise DataError(
                f"tool_use: dialogue '{dialogue.id}' does not say what a right answer does (meta.case); take bundled-tool-exam"
            )
    return [Case.model_validate(dialogue.meta["case"]) for dialogue in dialogues]


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """What the exam found, without the single answers."""
    if "tool_use" in found:
        told = {key: value for key, value in found["tool_use"].items() if key != "answers"}
        found = {**found, "tool_use": told}
    items = {
        name: {key: value for key, value in result.items() if key != "answers"}
        for name, result in found["items"].items()
    }
    return {**found, "items": items}
