"""Corpora made fit to train on: the steps of the recipe one after the other, each counted.

The records go through ``corpora.curate.flow`` in shards, on this machine, on Slurm or on Ray as the stage's ``scale`` says; shards that an
interrupted try had finished are not done again. The result is ``records.jsonl``, which later stages name as a corpus by the stage's name, a
``waterfall`` in the manifest that adds up (in = kept + dropped by reason), and a data card. Raises DataError.
"""

from __future__ import annotations

import collections
import itertools
import json
from pathlib import Path
from typing import Any

from corpora.catalog import find_dataset, load_catalog
from corpora.curate.flow import Decontamination, Settings, gather
from corpora.curate.flow import curate as curated
from corpora.errors import DataError
from corpora.licences import consequence
from corpora.records import ExamItem, Record
from pipelines.artifact import Draft
from pipelines.config import CurateStage, CurationStep, DecontaminateStep
from pipelines.data import Sources, one_by_one, records


def settings(step: CurationStep, sources: Sources) -> Settings:
    """What the curation is told of a step of the recipe."""
    if isinstance(step, DecontaminateStep):
        return Decontamination(
            benchmarks={corpus.name: records([corpus], sources, ExamItem) for corpus in step.against}
        )
    return step


def curate(stage: CurateStage, sources: Sources, draft: Draft) -> None:
    """Writes what the steps leave of the stage's corpora to ``draft``.

    Raises:
        DataError: a corpus is missing or cannot be read, or nothing is left of them.
    """
    stream = itertools.chain.from_iterable(one_by_one(corpus, sources) for corpus in stage.corpora)
    steps = [settings(step, sources) for step in stage.steps]
    made = curated(stream, steps, draft.checkpoints, stage.scale)
    by_source: collections.Counter[str] = collections.Counter()
    samples: list[Record] = []
    with (draft.folder / "records.jsonl").open("w", encoding="utf-8") as out:
        for record in made.records():
            out.write(record.model_dump_json() + "\n")
            by_source[record.id.split("/")[0]] += 1
            if len(samples) < 3:
                samples.append(record)
    if not by_source:
        told = "; ".join(f"{count.name} dropped {sum(count.dropped.values())}" for count in made.waterfall[1:])
        raise DataError(f"nothing is left of {', '.join(corpus.name for corpus in stage.corpora)}: {told}")
    for name, parts in (("touched", made.touched), ("near", made.near)):
        if parts:
            gather(parts, draft.folder / f"{name}.jsonl")
    draft.metrics |= {
        "records": sum(by_source.values()),
        "sources": dict(by_source.most_common()),
        **made.as_dict(),
        "samples": [sample.model_dump(mode="json") for sample in samples],
    }
    (draft.folder / "card.md").write_text(card(stage, draft.metrics), encoding="utf-8")


def card(stage: CurateStage, metrics: dict[str, Any]) -> str:
    """The data card: sources and licences, counts at each step, contamination, samples."""
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
    if "contamination" in metrics:
        lines += ["", "## Contamination", "", "| benchmark | items | touched |", "| --- | --- | --- |"]
        for name, found in metrics["contamination"]["benchmarks"].items():
            lines.append(f"| {name} | {found['items']:,} | {found['touched']:,} |")
    lines += ["", "## Samples", ""]
    for sample in metrics["samples"]:
        lines += ["```json", json.dumps(sample, ensure_ascii=False)[:1500], "```", ""]
    return "\n".join(lines) + "\n"
