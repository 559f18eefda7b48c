"""Corpora made fit to train on: the steps of the recipe one after the other, each counted.

Records pass through the steps one by one; only deduplication writes them down in between. The result is ``records.jsonl``, which later
stages name as a corpus by the stage's name, a ``waterfall`` in the manifest that adds up (in = kept + dropped by reason), and a data card.
Raises DataError.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from corpora.catalog import find_dataset, load_catalog
from corpora.curate.clean import Cleaning, Quality, clean, keep_good
from corpora.curate.decontaminate import Benchmarks, Report, decontaminate
from corpora.curate.dedup import dedup_records
from corpora.curate.deidentify import Deidentification, deidentify
from corpora.curate.waterfall import Step, counted
from corpora.errors import DataError
from corpora.licences import consequence
from corpora.records import ExamItem, Record
from pipelines.artifact import Draft
from pipelines.config import (
    CleanStep,
    CurateStage,
    CurationStep,
    DecontaminateStep,
    DedupStep,
    DeidentifyStep,
    QualityStep,
)
from pipelines.data import Sources, one_by_one, records


def applied(
    number: int, step: CurationStep, stream: Iterable[Record], count: Step, sources: Sources, draft: Draft
) -> Iterator[Record]:
    """The stream after the step of this number, which ``count`` is told of."""
    settings = step.model_dump(exclude={"step"})
    if isinstance(step, CleanStep):
        yield from clean(stream, Cleaning(**settings), count)
    elif isinstance(step, QualityStep):
        try:
            yield from keep_good(stream, Quality(**settings), count)
        except TypeError as error:
            raise DataError(
                f"steps: quality: {error}; the keys are the arguments of datatrove's Gopher filters"
            ) from error
    elif isinstance(step, DeidentifyStep):
        removed: collections.Counter[str] = collections.Counter()
        yield from deidentify(stream, Deidentification(**settings), count, removed)
        draft.metrics["identifiers"] = dict(removed.most_common())
    elif isinstance(step, DedupStep):
        yield from _deduplicated(step, stream, count, draft.checkpoints / f"step-{number}")
    elif isinstance(step, DecontaminateStep):
        report = Report()
        items = {corpus.name: records([corpus], sources, ExamItem) for corpus in step.against}
        for record in decontaminate(
            counted(stream, count), Benchmarks(dict(items)), report, draft.folder / "touched.jsonl"
        ):
            count.kept += 1
            yield record
        count.dropped["holds a question of a benchmark"] = report.dropped
        draft.metrics["contamination"] = report.as_dict()


def _deduplicated(step: DedupStep, stream: Iterable[Record], count: Step, folder: Path) -> Iterator[Record]:
    folder.mkdir(parents=True, exist_ok=True)
    report = dedup_records(counted(stream, count), folder, step.by, step.shards, step.executor, step.options)
    count.dropped.update({"the same as another": report.exact, "nearly the same as another": report.near})
    adapter: TypeAdapter[Record] = TypeAdapter(Record)
    with (folder / "clean.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            count.kept += 1
            yield adapter.validate_json(line)


def curate(stage: CurateStage, sources: Sources, draft: Draft) -> None:
    """Writes what the steps leave of the stage's corpora to ``draft``.

    Raises:
        DataError: a corpus is missing or cannot be read, or nothing is left of them.
    """
    reading = Step("read")

    def read() -> Iterator[Record]:
        for corpus in stage.corpora:
            for record in one_by_one(corpus, sources):
                reading.received += 1
                reading.kept += 1
                yield record

    counts = [reading]
    stream: Iterator[Record] = read()
    for number, step in enumerate(stage.steps, start=1):
        counts.append(Step(step.step))
        stream = applied(number, step, stream, counts[-1], sources, draft)
    by_source: collections.Counter[str] = collections.Counter()
    samples: list[Record] = []
    with (draft.folder / "records.jsonl").open("w", encoding="utf-8") as out:
        for record in stream:
            out.write(record.model_dump_json() + "\n")
            by_source[record.id.split("/")[0]] += 1
            if len(samples) < 3:
                samples.append(record)
    if not by_source:
        told = "; ".join(f"{count.name} dropped {sum(count.dropped.values())}" for count in counts[1:])
        raise DataError(f"nothing is left of {', '.join(corpus.name for corpus in stage.corpora)}: {told}")
    draft.metrics |= {
        "records": sum(by_source.values()),
        "sources": dict(by_source.most_common()),
        "waterfall": [count.as_dict() for count in counts],
        "samples": [sample.model_dump(mode="json") for sample in samples],
    }
    (draft.folder / "card.md").write_text(card(stage, draft.metrics), encoding="utf-8")


def card(stage: CurateStage, metrics: dict[str, Any]) -> str:
    """The data card: sources and licences, counts at each step, identifiers removed, contamination, samples."""
    lines = [
        "# Data card",
        "",
        "## Sources",
        "",
        "| corpus | records kept | licence | address |",
        "| --- | --- | --- | --- |",
    ]
    for corpus in stage.corpora:
        entry = find_dataset(corpus.name) if corpus.name in load_catalog() else None
        kept = metrics["sources"].get(corpus.name, metrics["sources"].get(Path(corpus.name).stem, ""))
        lines.append(
            f"| {corpus.name} | {kept} | {entry.licence if entry else 'its own'} | {entry.address if entry else ''} |"
        )
    lines += ["", *(f"- The result: {said}." for said in consequence(corpus.name for corpus in stage.corpora))]
    lines += [
        "",
        "## What became of the records",
        "",
        "| step | in | kept | changed | dropped |",
        "| --- | --- | --- | --- | --- |",
    ]
    for step in metrics["waterfall"]:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in step["dropped"].items() if count)
        lines.append(f"| {step['step']} | {step['in']:,} | {step['kept']:,} | {step['changed']:,} | {reasons or '—'} |")
    if "identifiers" in metrics:
        lines += ["", "## Identifiers removed", "", "| kind | pieces |", "| --- | --- |"]
        lines += [f"| {kind} | {count:,} |" for kind, count in metrics["identifiers"].items()]
        lines += ["", "This is no legal de-identification: see docs/deidentification.md."]
    if "contamination" in metrics:
        lines += ["", "## Contamination", "", "| benchmark | items | touched |", "| --- | --- | --- |"]
        for name, found in metrics["contamination"]["benchmarks"].items():
            lines.append(f"| {name} | {found['items']:,} | {found['touched']:,} |")
    lines += ["", "## Samples", ""]
    for sample in metrics["samples"]:
        lines += ["```json", json.dumps(sample, ensure_ascii=False)[:1500], "```", ""]
    return "\n".join(lines) + "\n"
