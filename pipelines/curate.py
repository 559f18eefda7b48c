"""Corpora made fit to train on: the steps of the recipe one after the other, each counted.

The records go through ``corpora.curate.flow`` in shards, on this machine, on Slurm or on Ray as the stage's ``scale`` says; shards that an
interrupted try had finished are not done again. The result is ``records.jsonl``, which later stages name as a corpus by the stage's name, a
``waterfall`` in the manifest that adds up (in = kept + dropped by reason), and a data card. Raises DataError.
"""

from __future__ import annotations

import dataclasses
import itertools

from corpora.bundled.exam import EXAM_SEED
from corpora.card import write_card
from corpora.curate.flow import Decontamination, Settings, gather
from corpora.curate.flow import curate as curated
from corpora.errors import DataError
from corpora.records import ExamItem
from pipelines.artifact import Draft
from pipelines.config import CurateStage, CurationStep, DecontaminateStep
from pipelines.data import Sources, one_by_one, records


def settings(step: CurationStep, sources: Sources) -> Settings:
    """What the curation is told of a step of the recipe."""
    if isinstance(step, DecontaminateStep):
        sources = dataclasses.replace(sources, seed=EXAM_SEED)  # what a `limit` draws is what the exam asks
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
    census = made.save(draft.folder / "records.jsonl")
    if not census.records:
        told = "; ".join(f"{count.name} dropped {sum(count.dropped.values())}" for count in made.waterfall[1:])
        raise DataError(f"nothing is left of {', '.join(corpus.name for corpus in stage.corpora)}: {told}")
    for name, parts in (("touched", made.touched), ("near", made.near)):
        if parts:
            gather(parts, draft.folder / f"{name}.jsonl")
    draft.metrics |= {**census.as_dict(), **made.as_dict()}
    write_card(draft.folder, draft.folder.stem, (corpus.name for corpus in stage.corpora), draft.metrics)
