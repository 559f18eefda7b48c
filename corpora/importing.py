"""A file of any published shape -> records, with a count of what was dropped and why.

The shape of the rows is found from the first of them, or named. No row is dropped without a reason that is counted under its
general form ("turn 3 of 'messages' is empty" as "a turn of 'messages' is empty") and listed with its place.
"""

from __future__ import annotations

import collections
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tqdm import tqdm

from corpora.adapters import ADAPTERS, SHAPES, detect
from corpora.adapters.keys import KEYS, keys_of
from corpora.disk import check_file, check_target, writing
from corpora.errors import DataError, nearest
from corpora.files.reading import raw_rows
from corpora.files.row import RawRow
from corpora.records import RECORD, Record

LOOKED_AT = 200  # rows from which the shape of a file, or of a part of an archive, is found
SAMPLES = 3
MANY_FIELDS = 60  # a row has fewer

OnDrop = Callable[[RawRow, str], None]


@dataclass
class Tally:
    """What became of the rows of a file."""

    shapes: list[str] = field(default_factory=list)
    kept: int = 0
    dropped: int = 0
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    samples: list[Record] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)  # of the first row whose shape is unknown

    @property
    def shape(self) -> str:
        """The shape that was taken; several of an archive's parts joined by "+"."""
        return "+".join(self.shapes)

    @property
    def record(self) -> str:
        """The type of record that the shapes become."""
        kinds = dict.fromkeys(SHAPES[shape].record if shape in SHAPES else "document" for shape in self.shapes)
        return "+".join(kinds)

    def as_dict(self) -> dict[str, Any]:
        """For programs: ``{"shape", "record", "kept", "dropped", "reasons", "samples"}``."""
        return {
            "shape": self.shape,
            "record": self.record,
            "kept": self.kept,
            "dropped": self.dropped,
            "reasons": dict(self.reasons.most_common()),
            "samples": [sample.model_dump() for sample in self.samples],
        }


def general(reason: str) -> str:
    """The reason without what differs from row to row."""
    reason = re.sub(
        r"\b(turn|option|completion) \d+", lambda found: f"{'an' if found[1] == 'option' else 'a'} {found[1]}", reason
    )
    reason = re.sub(r"(is|role) '[^']*'(?=,|$)", r"\1 another value", reason)
    return re.sub(
        r"^(\d+) cells where the first line has (\d+)", r"another number of cells than the first line", reason
    )


def adapted(row: RawRow, shape: str, dataset: str) -> Record:
    """The record of a row.

    Raises:
        ValueError: with the reason, when there is none.
    """
    try:
        return ADAPTERS[shape](row.value, dataset)
    except KeyError as error:
        raise ValueError(f"the field '{error.args[0]}' is missing") from error
    except ValidationError as error:
        raise ValueError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error
    except (TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError("a field is of another type than the shape has") from error


def _parts(rows: Iterable[RawRow]) -> Iterator[Iterator[RawRow]]:
    """The rows of each part of an archive; all rows of a file that is none."""
    for _, part in itertools.groupby(rows, key=lambda row: row.place.rpartition(", row ")[0]):
        yield part


def import_rows(
    rows: Iterable[RawRow], dataset: str, tally: Tally, shape: str | None = None, on_drop: OnDrop | None = None
) -> Iterator[Record]:
    """Records of the rows, counted in ``tally`` as they go by.

    Args:
        rows: what was read.
        dataset: the first part of the records' ids.
        tally: counts, changed in place.
        shape: the adapter to use; otherwise it is found for each part of an archive.
        on_drop: called with each dropped row and the exact reason.
    """

    def drop(row: RawRow, reason: str) -> None:
        tally.dropped += 1
        tally.reasons[general(reason)] += 1
        if on_drop is not None:
            on_drop(row, reason)

    for part in _parts(rows):
        first: list[RawRow] = []
        readable: list[dict[str, Any]] = []
        for row in part:
            row.value["__row__"] = row.place.rpartition("row ")[2]
            first.append(row)
            if not row.fault:
                readable.append(row.value)
            if len(readable) == LOOKED_AT:
                break
        found = shape or detect(readable)
        # Letters, texts or numbers from 0 or 1: a row alone does not tell, and where the rows do not either, numbers are from 0.
        keys = keys_of(readable) if shape is None and found == "multiple-choice" else None
        if found is not None and found not in tally.shapes:
            tally.shapes.append(found)
        for row in itertools.chain(first, part):
            if row.fault:
                drop(row, row.fault)
                continue
            row.value["__row__"] = row.place.rpartition("row ")[2]
            if keys is not None:
                row.value[KEYS] = keys
            if found is None:
                tally.fields = tally.fields or [str(name) for name in row.value if name not in ("__row__", "__key__")]
                drop(row, "no known shape")
                continue
            try:
                record = adapted(row, found, dataset)
            except ValueError as error:
                drop(row, str(error))
                continue
            tally.kept += 1
            if len(tally.samples) < SAMPLES:
                tally.samples.append(record)
            yield record


def no_record(path: Path, tally: Tally) -> DataError:
    """Why a file gave no record, and what to do."""
    if not tally.shapes and len(tally.fields) > MANY_FIELDS and tally.dropped == 1:
        return DataError(
            f"{path}: one object of {len(tally.fields)} values and no rows: an answer key or an index, not a dataset"
        )
    if not tally.shapes and tally.fields:
        names = ", ".join(tally.fields[:12]) + (", …" if len(tally.fields) > 12 else "")
        return DataError(
            f"{path}: the rows have no known shape; their fields are: {names}. Known shapes: {', '.join(SHAPES)}. "
            "Rename the fields, or name the nearest shape with --as"
        )
    told = "; ".join(f"{count} × {reason}" for reason, count in tally.reasons.most_common(5))
    return DataError(
        f"{path}: no row could be kept: {told or 'the file holds no rows; an empty corpus cannot be used'}"
    )


def check_shape(shape: str | None) -> None:
    """Raises DataError when a shape is named that there is not."""
    if shape is not None and shape not in ADAPTERS:
        raise DataError(f"no shape is called '{shape}'; {nearest(shape, ADAPTERS)}")


def import_file(path: Path, shape: str | None = None, out: Path | None = None, dropped: Path | None = None) -> Tally:
    """Reads a whole file and counts; the records go to ``out`` and the dropped rows to ``dropped``, as JSON Lines.

    Raises:
        DataError: the file is missing, empty or of an unknown form, the shape is unknown, or what is written would take its place.
    """
    check_shape(shape)
    check_file(path)
    if out is not None:
        check_target(out, [path], mark=RECORD)
    if dropped is not None:
        check_target(dropped, [path, *([out] if out is not None else [])], mark='{"place": ')
    tally = Tally()
    with ExitStack() as stack:
        records, faults = (stack.enter_context(writing(path)) if path is not None else None for path in (out, dropped))

        def list_drop(row: RawRow, reason: str) -> None:
            if faults is not None:
                value = {name: content for name, content in row.value.items() if name not in ("__row__", KEYS)}
                shown = json.dumps(value, ensure_ascii=True, default=str)[:2000]
                faults.write(json.dumps({"place": row.place, "reason": reason, "row": shown}) + "\n")

        rows = tqdm(raw_rows(path), desc=path.name, unit="row", leave=False, disable=None, mininterval=0.5)
        for record in import_rows(rows, path.stem.split(".")[0], tally, shape, list_drop):
            if records is not None:
                records.write(record.model_dump_json() + "\n")
    return tally


def stream_file(path: Path, shape: str | None = None) -> Iterator[Record]:
    """Records of a file for a recipe, which takes no row that is not good.

    Raises:
        DataError: as ``import_file``, and for the first row that cannot be used.
    """

    def refuse(row: RawRow, reason: str) -> None:
        raise DataError(
            f"{path}, {row.place}: {reason}; mend it, or keep the good rows with `osler corpora import {path} --out FILE`"
        )

    check_shape(shape)
    tally = Tally()
    yield from import_rows(raw_rows(path), path.stem, tally, shape, refuse)
    if not tally.kept:
        raise no_record(path, tally)
