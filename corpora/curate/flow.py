"""A curation: the steps one after the other over the shards of a corpus, each record accounted for.

Steps that look at one record at a time run together, shard by shard; deduplication, which compares records, has datatrove's phases between
them. Every phase is a datatrove pipeline with a task for each shard, so that the same curation runs on this machine, on Slurm or on Ray (see
``executor``), a shard that is done is not done again, and the result is the same however many work at it. No corpus is held in memory.
"""

from __future__ import annotations

import functools
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from datatrove.pipeline.base import PipelineStep
from pydantic import BaseModel, ConfigDict

from corpora.card import Census, write_card
from corpora.curate.clean import Cleaning, Quality, clean, keep_good
from corpora.curate.decontaminate import Benchmarks, Contamination, decontaminate
from corpora.curate.dedup import Deduplication, dedup
from corpora.curate.deidentify import Deidentification, deidentify
from corpora.curate.executor import Scale, discard, resumable, run_tasks
from corpora.curate.language import Languages, in_languages
from corpora.curate.shards import joined, record_of, shard, shard_lines, split
from corpora.curate.waterfall import Step
from corpora.disk import check_file, check_target, writing
from corpora.errors import DataError
from corpora.importing import stream_file
from corpora.records import RECORD, ExamItem, Record


class Decontamination(BaseModel):
    """The benchmarks whose questions are looked for, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar = "decontaminate"

    benchmarks: dict[str, list[ExamItem]]

    @functools.cached_property
    def index(self) -> Benchmarks:
        """Their questions as they are looked for, made once in each process."""
        return Benchmarks(dict(self.benchmarks))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Decontamination:
        return self


Settings = Cleaning | Languages | Quality | Deidentification | Decontamination | Deduplication

# A step over a stream of records, told its settings and counts.
STREAMING: dict[str, Callable[[Iterable[Record], Any, Step], Iterator[Record]]] = {
    Cleaning.name: clean,
    Languages.name: in_languages,
    Quality.name: keep_good,
    Deidentification.name: deidentify,
}


class RecordByRecord(PipelineStep):  # type: ignore[misc]
    """Steps over a shard that look at one record at a time, and their counts."""

    type, name = "🧹 - CURATE", "record by record"

    def __init__(self, source: Path, target: Path, steps: list[Settings]) -> None:
        super().__init__()
        self.source, self.target, self.steps = source, target, steps

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> None:
        """One shard."""
        counts = [Step(step.name) for step in self.steps]
        with ExitStack() as stack:
            stream: Iterator[Record] = map(record_of, shard_lines(self.source, rank))
            for settings, count in zip(self.steps, counts, strict=True):
                if isinstance(settings, Decontamination):
                    touched = stack.enter_context(writing(self.target / "touched" / shard(Path(), rank)))
                    stream = decontaminate(stream, settings.index, count, touched)
                else:
                    stream = STREAMING[settings.name](stream, settings, count)
            out = stack.enter_context(writing(shard(self.target, rank)))
            for record in stream:
                out.write(record.model_dump_json() + "\n")
        with writing(self.target / "counts" / f"{rank:05d}.json") as told:
            json.dump([count.as_dict() for count in counts], told)


# By ``curate_files``, with words that are in each.
WRITTEN = {
    "clean.jsonl": RECORD,
    "touched.jsonl": None,
    "near.jsonl": None,
    "report.json": '"waterfall"',
    "card.md": "# Data card: ",
    "card.html": "Data card: ",
}


@dataclass
class Curated:
    """What a curation left, and what became of the rest."""

    lines: Callable[[], Iterator[str]]  # of JSON, a record each; reads them from disk
    waterfall: list[Step]
    contamination: Contamination | None = None
    touched: list[Path] = field(default_factory=list)  # which record holds which question, in files of JSON Lines
    near: list[Path] = field(default_factory=list)  # records left out for their likeness to another, the same

    def save(self, path: Path) -> Census:
        """Writes all records to ``path`` and counts them."""
        census = Census()
        with writing(path) as out:
            for line in self.lines():
                out.write(line)
                census.add(record_of(line))
        return census

    def as_dict(self) -> dict[str, Any]:
        """For programs and the data card."""
        found: dict[str, Any] = {"waterfall": [step.as_dict() for step in self.waterfall]}
        if self.contamination is not None:
            found["contamination"] = self.contamination.as_dict()
        return found


def curate(records: Iterable[Record], steps: list[Settings], work: Path, scale: Scale) -> Curated:
    """Takes ``records`` through ``steps``; what an interrupted try had finished in ``work`` is not done again.

    Raises:
        DataError: a record cannot be read, or a step's settings are not possible.
    """
    folder, shards = work / "00-read", scale.shards
    split(records, folder, shards)
    made = Curated(lambda: joined(folder, shards), [])
    for number, (apart, group) in enumerate(
        itertools.groupby(steps, key=lambda step: isinstance(step, Deduplication)), start=1
    ):
        for place, part in enumerate([[step] for step in group] if apart else [list(group)]):
            name = f"{number:02d}-{place}-{part[0].name}"
            target = work / name
            if isinstance(part[0], Deduplication):
                made.waterfall.append(dedup(folder, target, part[0], work / f"{name}-work", scale))
                made.near += sorted((work / f"{name}-work" / "near").glob("*.jsonl"))
            else:
                run_tasks([RecordByRecord(folder, target, part)], shards, name, work / "logs", scale)
                made.waterfall += _counts(target, shards)
                _contamination(made, part, sorted((target / "touched").glob("*.jsonl")))
            folder = target
    kept = made.waterfall[0].received if made.waterfall else sum(1 for _ in made.lines())
    made.waterfall.insert(0, Step("read", kept, kept))
    return made


def _counts(folder: Path, shards: int) -> list[Step]:
    """The counts of the steps over all shards."""
    found: list[Step] = []
    for number in range(shards):
        told = json.loads((folder / "counts" / f"{number:05d}.json").read_text(encoding="utf-8"))
        parts = [Step.from_dict(one) for one in told]
        found = found or [Step(part.name) for part in parts]
        for whole, part in zip(found, parts, strict=True):
            whole.add(part)
    return found


def _contamination(made: Curated, steps: list[Settings], touched: list[Path]) -> None:
    """Adds what was found of the benchmarks of the steps, if there are any among them."""
    sizes = {
        name: len(items)
        for step in steps
        if isinstance(step, Decontamination)
        for name, items in step.benchmarks.items()
    }
    if not sizes:
        return
    made.contamination = made.contamination or Contamination({})
    made.contamination.sizes |= sizes
    made.touched += touched
    for path in touched:
        with path.open(encoding="utf-8") as lines:
            made.contamination.add(lines)


def curate_files(files: list[Path], steps: list[Settings], to: Path, scale: Scale) -> Curated:
    """Reads the files and writes ``clean.jsonl``, ``report.json``, a data card, and, where there is such a step, ``touched.jsonl`` and ``near.jsonl`` to ``to``.

    The shards are in ``to/work`` meanwhile; after an error they stay, and the same call goes on from them.

    Raises:
        DataError: a file cannot be read, or a row of it is no good; a step's settings are not possible.
    """
    work = to / "work"
    for file in files:
        check_file(file)
    for name, mark in WRITTEN.items():
        check_target(to / name, files, mark)
    if (to / "clean.jsonl").is_file() and not (to / "report.json").is_file() and not work.is_dir():
        raise DataError(
            f"{to / 'clean.jsonl'}: a file is there that osler did not write, and it would be lost; name another folder with --out"
        )
    given = [[str(file), *_state(file)] for file in files]
    resumable(work, [given, [[step.name, step.model_dump()] for step in steps], scale.shards])
    made = curate(itertools.chain.from_iterable(stream_file(file) for file in files), steps, work, scale)
    census = made.save(to / "clean.jsonl")
    for name, parts in (("touched", made.touched), ("near", made.near)):
        if any(isinstance(step, Decontamination if name == "touched" else Deduplication) for step in steps):
            gather(parts, to / f"{name}.jsonl")
    with writing(to / "report.json") as out:
        json.dump(made.as_dict(), out, ensure_ascii=False, indent=1)
    title = ", ".join(file.name for file in files)
    write_card(to, title, (str(file) for file in files), {**census.as_dict(), **made.as_dict()})
    discard(work)
    return made


def _state(file: Path) -> tuple[int, int]:
    """Size and time of the last change: a file that was edited meanwhile is read anew."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def gather(parts: list[Path], to: Path) -> None:
    """Writes the lines of all parts to one file."""
    with writing(to) as out:
        for part in parts:
            with part.open(encoding="utf-8") as lines:
                shutil.copyfileobj(lines, out)
