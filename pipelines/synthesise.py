"""Synthetic extension: exam answers and items, questions on passages, and patient cases, written by a teacher and checked.

The three kinds and the resampling follow Fully Open Meditron (Theimer-Lienhard et al. 2026, https://arxiv.org/abs/2605.16215; its
``data_gen`` scripts): a reply is kept when it agrees with the gold label, and sampled again otherwise, eight times at most at temperature
0.7. Where that work keeps a written item or a guideline's question as it came, this one checks it too: an item's key must be found by
independent answers, an answer must be borne by its quotation and its passage (see ``agreement``), and a case must lead to its condition.

datatrove's ``InferenceRunner`` (0.10.1) was looked at first, and it does much of the running. It has no rate limit; on an endpoint at
127.0.0.1 over http it sends with code of its own that reads no Retry-After; a request that fails six times, or a wrong key, ends the
whole task without naming the item; and it writes records in the order in which they were finished, so that a resumed run differs from one
in a piece. So the requests go through OpenAI's client (see ``teacher``), and the journal is kept here.

Every finished record or drop is a line of a journal in the stage's checkpoints. A run that was killed goes on from there: what was
finished is not asked again. Records that the endpoint failed are. The result is in the order of the sources, so that an interrupted run
gives the bytes of one in a piece when the teacher gives the same reply to the same request and seed; vLLM does not always, because what
shares a batch changes its rounding. Holds keys and places in memory, and no text.

Writes ``records.jsonl``, ``dropped.jsonl`` and a waterfall that adds up. Raises DataError, RecipeError, TeacherError and ServerError.
"""

from __future__ import annotations

import collections
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from tqdm import tqdm

from corpora.card import Census, write_card
from corpora.curate.shards import record_of
from corpora.curate.waterfall import Step
from corpora.errors import DataError, nearest
from pipelines.artifact import Draft, load_artifact
from pipelines.config import Recipe, RecipeError, SynthesiseStage, named_corpora
from pipelines.data import Sources
from pipelines.inputs import Inputs
from pipelines.synthesis.asking import ask_all
from pipelines.synthesis.estimate import Estimate, estimate
from pipelines.synthesis.journal import Journal
from pipelines.synthesis.prompting import load_prompts
from pipelines.synthesis.tasks import Talk, made
from pipelines.synthesis.teacher import Spent, Teacher
from pipelines.synthesis.works import Work, sourced

console = Console(stderr=True, highlight=False)


class _Bar:
    """What a person sees of a run."""

    def __init__(self, journal: Journal, expected: Estimate) -> None:
        self.counts = collections.Counter(journal.outcomes.values())
        self.reasons: collections.Counter[str] = collections.Counter()
        self.price = expected.stage.teacher.price_per_million
        self.bar = tqdm(
            total=expected.wished, initial=expected.done, desc="synthesise", unit="record", dynamic_ncols=True
        )

    def show(self, line: dict[str, Any], spent: Spent) -> None:
        self.counts[line["outcome"]] += 1
        if line["outcome"] != "kept":
            self.reasons[line["reason"]] += 1
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.reasons.most_common(3))
        told = [f"kept {self.counts['kept']:,}", f"dropped {self.counts['dropped'] + self.counts['failed']:,}"]
        if dropped:
            told[-1] += f" ({dropped})"
        told.append(f"{spent.prompt_tokens + spent.completion_tokens:,} tokens")
        if self.price is not None:
            told.append(f"cost {spent.cost(self.price):.4g}")
        self.bar.set_postfix_str(", ".join(told), refresh=False)
        self.bar.update()


def synthesise(
    stage: SynthesiseStage, seed: int, model: str | None, fingerprint: str | None, sources: Sources, draft: Draft
) -> None:
    """Writes what the teacher's replies leave to ``draft``.

    Args:
        stage: what is to be done.
        seed: of the recipe.
        model: folder or hub id of our own teacher; None for an endpoint.
        fingerprint: of its weights.
        sources: where the stage's corpora are.
        draft: the stage's folder; the journal is in its checkpoints.

    Raises:
        DataError: a corpus cannot be used, or nothing is left.
        RecipeError: the estimate is above ``max_cost``, a prompt cannot be made, or the key's variable is empty.
        TeacherError: see ``Teacher.ask`` and ``ask_all``.
        ServerError: our own vLLM does not start, or has stopped.
    """
    with closing(Journal(draft.checkpoints / "journal.jsonl")) as journal:
        _run(stage, seed, model, fingerprint, sources, draft, journal)


def _run(
    stage: SynthesiseStage,
    seed: int,
    model: str | None,
    fingerprint: str | None,
    sources: Sources,
    draft: Draft,
    journal: Journal,
) -> None:
    journal.forget_failed()
    before = journal.spent.requests
    expected = estimate(stage, sources, model, journal)
    block = stage.teacher
    name = block.name or str(block.model)
    console.print(f"teacher: {name}" + (f" at {block.url}" if block.url else ", our own vLLM"), markup=False)
    for told in expected.lines():
        console.print(f"  {told}", markup=False, soft_wrap=True)
    expected.check()
    who = {"teacher": name, **({"teacher_fingerprint": fingerprint} if fingerprint else {})}
    prompts = [load_prompts(task) for task in stage.tasks]

    async def make(teacher: Teacher, work: Work) -> dict[str, Any]:
        return await made(Talk(work, prompts[stage.tasks.index(work.task)], teacher, who, seed), stage.max_tries)

    spent = journal.spent
    bar = _Bar(journal, expected)
    try:
        if expected.wished > expected.done:
            pending = (work for work in sourced(stage, sources) if work.key not in journal)
            spent, figures = ask_all(expected, model, seed, journal, pending, make, bar.show)
            draft.metrics |= figures
    finally:
        bar.bar.close()
    _write(stage, expected.keys, journal, draft)
    draft.metrics |= {
        **who,
        "endpoint": block.url or "our own vLLM",
        "estimate": expected.as_dict(),
        "spent": spent.as_dict(),
        "requests_of_this_run": spent.requests - before,
    }
    if block.price_per_million is not None:
        draft.metrics["cost"] = round(spent.cost(block.price_per_million), 6)


def estimate_stage(recipe: Recipe, wanted: str | None, run_dir: Path, data_dir: Path | None) -> tuple[str, Estimate]:
    """The name and the estimate of a recipe's synthesise stage, the last one by default, from nothing done. Sends nothing.

    Raises:
        RecipeError: there is no such stage, or it reads an earlier one that has not been run.
        DataError: a corpus cannot be used.
    """
    name = synthesise_stage(recipe, wanted)
    stage = recipe.stages[name]
    assert isinstance(stage, SynthesiseStage)
    found = {other: load_artifact(run_dir / other) for other in recipe.stages}
    artifacts = {other: artifact for other, artifact in found.items() if artifact is not None}
    for corpus in named_corpora(stage):
        if corpus.name in recipe.stages and corpus.name not in artifacts:
            raise RecipeError(
                f"stages.{name} reads '{corpus.name}', which has not been run; run it first, without --estimate"
            )
    own = stage.teacher.model
    there = own is not None and (
        own not in recipe.stages or own in artifacts
    )  # else the stages before it make its tokenizer
    inputs = Inputs(recipe, Sources(data_dir, recipe.seed, artifacts))
    made = estimate(stage, inputs.sources, inputs.model(own) if own is not None and there else None)
    made.check()
    return name, made


def synthesise_stage(recipe: Recipe, wanted: str | None) -> str:
    """Name of the recipe's synthesise stage that is wanted, the last one by default.

    Raises:
        RecipeError: there is none.
    """
    names = [name for name, stage in recipe.stages.items() if isinstance(stage, SynthesiseStage)]
    if not names:
        raise RecipeError(f"recipe '{recipe.name}' has no stage of kind 'synthesise'")
    if wanted is not None and wanted not in names:
        raise RecipeError(f"no synthesise stage is called '{wanted}'; {nearest(wanted, names)}")
    return wanted or names[-1]


def _write(stage: SynthesiseStage, keys: list[str], journal: Journal, draft: Draft) -> None:
    """Records, drops and counts, in the order of the sources.

    Raises:
        DataError: nothing was kept.
    """
    steps = {task.name or task.task: Step(task.name or task.task) for task in stage.tasks}
    gold: collections.Counter[str] = collections.Counter()
    tries: collections.Counter[int] = collections.Counter()
    census = Census()
    with (
        (draft.folder / "records.jsonl").open("w", encoding="utf-8") as records,
        (draft.folder / "dropped.jsonl").open("w", encoding="utf-8") as drops,
    ):
        for key in keys:
            line = journal.read(key)
            step = steps[key.split("/")[0]]
            step.received += 1
            if line["outcome"] != "kept":
                step.dropped[line["reason"]] += 1
                told = {"id": key, "reason": line["reason"], "tries": line["tries"], "said": line["said"]}
                drops.write(json.dumps(told, ensure_ascii=False) + "\n")
                continue
            step.kept += 1
            tries[line["tries"]] += 1
            record = line["record"]
            if record["meta"]["task"] == "exam":
                gold[record["meta"]["gold"]] += 1
            said = json.dumps(record, ensure_ascii=False)
            records.write(said + "\n")
            census.add(record_of(said))
    counts = []
    for step in steps.values():
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in step.dropped.most_common())
        counts.append(f"{step.name}: {step.received:,} in, {step.kept:,} kept, dropped: {reasons or 'none'}")
        console.print(counts[-1], markup=False, soft_wrap=True)
    kept = sum(step.kept for step in steps.values())
    if not kept:
        raise DataError(
            f"the teacher gave nothing that could be kept ({'. '.join(counts)}); what it said last of each is in {journal.path}: choose "
            "a better teacher, mend the prompts, or raise max_tries"
        )
    draft.metrics |= {
        "records": kept,
        "waterfall": [step.as_dict() for step in steps.values()],
        "kept_at_try": {str(number): tries[number] for number in sorted(tries)},
        "gold_letters": dict(sorted(gold.items())),
        "samples": census.as_dict()["samples"],
    }
    names = [corpus.name for task in stage.tasks for corpus in task.corpora]
    figures = {**census.as_dict(), "waterfall": draft.metrics["waterfall"]}
    write_card(draft.folder, draft.folder.stem, names, figures)
