"""Data for a recipe: what is bundled, what the catalogue knows, and files that are brought to the board."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpora.bundled.render import CORPORA, render
from corpora.catalog import find_dataset, load_catalog, stream_records
from corpora.disk import file_sha256
from corpora.errors import DataError
from corpora.importing import SAMPLES, import_file, no_record, stream_file
from corpora.licences import consequence
from corpora.records import Dialogue, Document, ExamItem, Preference, Record
from pipelines.board.places import Places

TEACHABLE = ("bundled-documents", "bundled-dialogues")  # the other bundled corpora ask a model or examine it
MOST_FAULTS = 50  # that are shown
RECORDS: dict[type[Any], str] = {
    Document: "document",
    Dialogue: "dialogue",
    Preference: "preference",
    ExamItem: "exam_item",
}


@dataclass
class Look:
    """What is to be seen of a corpus before anything is trained on it."""

    name: str  # as a recipe names it
    record: str = "unknown"
    shape: str = ""
    kept: int | None = None
    dropped: int = 0
    samples: list[Record] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    faults: list[dict[str, str]] = field(default_factory=list)  # place, reason, row
    warnings: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)  # of the command that does the same


def choices(places: Places) -> list[tuple[str, str]]:
    """Corpora to choose from: a label and the name of each, the user's own first."""
    own = [(f"own file · {Path(name).name}", name) for name in places.files()]
    bundled = [(f"bundled · {name}", name) for name in TEACHABLE]
    entries = sorted(load_catalog().items(), key=lambda pair: (not at_hand(pair[0], places.data), pair[0]))
    known = [
        (f"{'at hand' if at_hand(name, places.data) else 'catalogue'} · {name} ({entry.record})", name)
        for name, entry in entries
        if entry.kind != "benchmark"
    ]
    return [*own, *bundled, *known]


def at_hand(name: str, data: Path | None) -> bool:
    """Whether the files of a catalogued dataset are below the data folder."""
    if data is None:
        return False
    files = find_dataset(name).files
    return all((data / file).is_file() for file in files) if files else (data / name).is_dir()


def look(name: str, places: Places) -> Look:
    """The first records of a corpus, and what there is to know.

    Raises:
        DataError: there is none of that name, or it cannot be read.
    """
    found = Look(name)
    first: Iterator[Record]
    if name in CORPORA:
        first = render(name)
        found.words = ["corpora", "stats", name]
    elif name in load_catalog():
        entry = find_dataset(name)
        found.record, found.words = entry.record, ["corpora", "show", name]
        found.warnings = consequence([name])
        if not at_hand(name, places.data):
            where = f"--data {places.data}" if places.data else "--data DIR"
            found.warnings.append(
                f"not at hand: fetch it with `osler corpora fetch {name} {where}`, and start the board with {where}"
            )
            return found
        first = stream_records(name, places.data)
    elif name in places.files():
        first = stream_file(Path(name))
        found.words = ["corpora", "import", name]
    else:
        raise DataError(f"no corpus is called '{name}' here")
    found.samples = list(itertools.islice(first, SAMPLES))
    if found.samples:
        found.record = RECORDS[type(found.samples[0])]
    return found


def bring(path: Path, places: Places) -> Look:
    """Reads a file of any known shape and keeps its good rows as a corpus that a recipe can name.

    Raises:
        DataError: it is empty, of no form or shape that is known, or has no row that could be kept.
    """
    target = places.file(path.name).with_suffix("")
    target = _free(target.with_name(target.name + ".jsonl"), path)
    dropped = target.with_suffix(".dropped.jsonl")
    try:
        tally = import_file(path, None, target, dropped)
        if not tally.kept:
            target.unlink(missing_ok=True)
            dropped.unlink(missing_ok=True)
            raise no_record(path, tally)
    except DataError as error:  # where the browser's file was put is of no use to a reader
        raise DataError(str(error).replace(str(path), path.name)) from error
    _mark(target).write_text(file_sha256(path), encoding="utf-8")
    with dropped.open(encoding="utf-8") as lines:
        faults = [json.loads(line) for line in itertools.islice(lines, MOST_FAULTS)]
    warnings = []
    if tally.dropped:
        share = tally.dropped / (tally.kept + tally.dropped)
        warnings.append(
            f"{tally.dropped:,} of {tally.kept + tally.dropped:,} rows ({share:.0%}) cannot be used and are left out"
        )
    else:
        dropped.unlink(missing_ok=True)
    if tally.record not in RECORDS.values():
        warnings.append(
            f"the file holds several kinds of records ({tally.record}): divide it, and bring each kind by itself"
        )
    if tally.kept < 50:
        warnings.append(f"{tally.kept} rows are very few: a model learns them by heart, and little from them")
    return Look(
        name=str(target),
        record=tally.record,
        shape=tally.shape,
        kept=tally.kept,
        dropped=tally.dropped,
        samples=tally.samples,
        reasons=dict(tally.reasons.most_common()),
        faults=faults,
        warnings=warnings,
        words=["corpora", "import", path.name, "-o", str(target)],
    )


def _mark(target: Path) -> Path:
    """Where the hash of the file is kept that a corpus was read from."""
    return target.with_suffix(".sha256")


def _free(target: Path, source: Path) -> Path:
    """The first place by this name that is free or was read from the same file: a run may still read what another file gave."""
    digest = file_sha256(source)
    for number in itertools.count(1):
        place = target if number == 1 else target.with_name(f"{target.stem}-{number}.jsonl")
        if not place.exists() or (_mark(place).is_file() and _mark(place).read_text(encoding="utf-8") == digest):
            return place
    raise AssertionError("numbers do not end")


def shown_turns(record: Record) -> list[tuple[str, str]]:
    """A record as pairs of who (or what) and text."""
    if isinstance(record, Document):
        return [(record.title or "text", record.text)]
    if isinstance(record, Dialogue):
        return [(message.role, message.content) for message in record.messages]
    if isinstance(record, Preference):
        turns = [(message.role, message.content) for message in record.prompt]
        return [
            *turns,
            *((name, text) for name, text in (("chosen", record.chosen), ("rejected", record.rejected)) if text),
        ]
    options = [
        (f"{'✓' if place in record.answers else '·'} {place + 1}", text) for place, text in enumerate(record.options)
    ]
    return [("question", record.question), *options]
