"""Runs a task whose answers are written freely, and writes the same folder as for a task of options: ``items.jsonl`` and ``task.json``.

A row has no options, and beside ``score`` (None where a verdict is missing) the ``parts`` it is made of, what it would be at ``worst`` and at ``best``,
and the judge's ``verdicts``. Answers and verdicts are kept as they are finished, so that a killed run goes on and ends with the same rows.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from corpora.disk import writing
from corpora.errors import OslerError
from evals.asking import refusals
from evals.asking.cached_engine import CachedEngine
from evals.asking.finished import Finished
from evals.engines import Engine, OneByOne, Refusal, not_taken
from evals.exam.prompts import Render
from evals.exam.source import Source
from evals.exam.tasks import Task
from evals.figures import notes
from evals.figures.described_run import described_run
from evals.figures.item_line import passage, prompt_sha256
from evals.figures.results import Row, write_json
from evals.judging.verdicts import further
from evals.open.items import open_items_of
from evals.open.marking import ASKED, BY_RULE, Means, marks, unanswered, why_not
from evals.open.marks import Mark
from evals.open.shapes import OpenItem, fingerprint
from evals.reading.replies import strip_thinking

CHUNK = 128  # answers at most that are written and judged before the next are begun


def prompt_of(item: OpenItem, task: Task, render: Render | None) -> str:
    """What the model is given: its own chat template around the conversation, or plain text up to where the answer begins."""
    values = {"question": item.question, "context": item.context, "subject": item.subject or "", "meta": {}}
    last = task.filled("prompt", item.id, options="", letters="", **values)
    description = task.filled("description", item.id, options="", letters="", **values)
    asked = f"{last}\n\n{task.instruction}" if task.instruction else last
    *before, (role, _) = item.turns
    if render is not None:
        system = [("system", description)] if description.strip() else []
        return render([{"role": name, "content": text} for name, text in [*system, *before, (role, asked)]])
    if not before:
        return f"{description}{asked}{task.cue}"
    said = [f"{name.capitalize()}: {text}" for name, text in [*before, (role, asked)]]
    return f"{description}{chr(10).join(said)}\nAssistant:"


def run_open(
    task: Task, engine: Engine, source: Source, folder: Path, chat: bool, finished: Finished, means: Means
) -> Iterator[int]:
    """Asks every item of ``task`` and writes its folder; yields the number of items after each chunk, the first time all of them.

    All rows are read once before the first is asked, so that a bad one is told at once.

    Raises:
        DataError: the data are not there or cannot be used.
        OslerError: the task needs a judge and there is none, or the judge cannot be used.
    """
    reason = why_not(task, means)
    if reason is not None:
        raise OslerError(reason)
    count = sum(1 for _ in open_items_of(task, source))
    yield count
    judge = means.judge if task.scoring not in BY_RULE and task.judged != "none" else None
    if judge is not None:
        judge.connect()
    asked = CachedEngine(engine, task, finished)
    refused: list[tuple[str, Refusal]] = []
    first_prompt = ""
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / "items.jsonl") as stream:
        for chunk in _chunks(open_items_of(task, source), engine):
            found = _answered(chunk, asked, chat, means)
            first_prompt = first_prompt or found[0].prompt
            for item, one in zip(chunk, found, strict=True):
                if isinstance(one.text, Refusal):
                    refused.append((item.id, one.text))
                stream.write(json.dumps(row_of(item, one), ensure_ascii=False) + "\n")
            yield len(chunk)
        asked.refusals.check()
    judged = judge.told(ASKED[task.judged]) if judge is not None else None
    about = {
        **described_run(task, engine, source, chat, first_prompt, count),
        "judged": task.judged,
        "num_fewshot": 0,
        "notes": [
            *notes.unlike_published(task, source, count),
            *notes.without_temperature(not_taken(engine)),
            *notes.without_temperature(judged["not_taken"] if judged else (), "the judge", "verdicts"),
            *refusals.note(count, refused, scored=unanswered(task).score is not None),
        ],
        "chance": 0.0,
        "judge": judged,
        "judged_by": judged_by(judged),
        "similarity": means.similarity.name if means.similarity is not None and task.scoring == "similarity" else None,
        "seconds": asked.seconds,
    }
    write_json(folder / "task.json", about)


@dataclass(frozen=True)
class Answered:
    """What an item was asked with, what came back, and what that is worth."""

    prompt: str
    text: str | Refusal
    mark: Mark


def _chunks(items: Iterator[OpenItem], engine: Engine) -> Iterator[list[OpenItem]]:
    """Items that are asked and judged before the next are begun."""
    # Of a server each answer is kept as it comes, and with few items at a time it would have nothing to do at the end of each.
    size = engine.chunk if isinstance(engine, OneByOne) else min(CHUNK, engine.chunk)
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _answered(chunk: Sequence[OpenItem], asked: CachedEngine, chat: bool, means: Means) -> list[Answered]:
    """Each item's answer with its mark, thoughts left out of what is marked."""
    task = asked.task
    prompts = [prompt_of(item, task, asked.engine.render if chat else None) for item in chunk]
    texts = asked.texts(prompts, [item.id for item in chunk], task.max_tokens, [] if chat else task.stop)
    given = [(item, strip_thinking(text)) for item, text in zip(chunk, texts, strict=True) if isinstance(text, str)]
    found = iter(marks(task, [item for item, _ in given], [text for _, text in given], means, asked.finished))
    return [
        Answered(prompt, text, next(found) if isinstance(text, str) else unanswered(task))
        for prompt, text in zip(prompts, texts, strict=True)
    ]


def judged_by(judge: Row | None) -> str | None:
    """The judge, its wordings, whether it takes a temperature and what else it was sent in one line: two results can be compared where this is the same."""
    if judge is None:
        return None
    wordings = [f"{name} {told['prompt_sha256'][:12]}" for name, told in judge["kinds"].items()]
    drawn = ["without temperature"] if "temperature" in judge["not_taken"] else []
    fields = [further(judge["extra_body"])] if judge.get("extra_body") else []
    return ", ".join([judge["model"], *wordings, *drawn, *fields])


def row_of(item: OpenItem, answered: Answered) -> Row:
    """The line of ``items.jsonl`` for one item."""
    text, mark = answered.text, answered.mark
    return {
        "id": item.id,
        "cluster": passage(item.context),
        "subject": item.subject,
        "question": "\n\n".join(f"{role}: {said}" for role, said in item.turns)
        if len(item.turns) > 1
        else item.question,
        "options": [],
        "gold": [],
        "chosen": None,
        "right": mark.score == 1.0,
        "score": mark.score,
        "scores": None,
        "text": None if isinstance(text, Refusal) else text,
        "refused": asdict(text) if isinstance(text, Refusal) else None,
        "worst": mark.worst,
        "best": mark.best,
        "parts": mark.parts,
        "unparsed": mark.unparsed,
        "verdicts": mark.verdicts,
        "references": list(item.references[:1]),
        "marked_by": fingerprint(item),
        "key_error": "",
        "prompt_sha256": prompt_sha256(answered.prompt),
    }
