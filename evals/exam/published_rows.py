"""Rows of an exam become its items: an exam is given whole or not at all.

A row that cannot be used ends the run with its number, and no row is left out in silence.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from corpora.adapters import detect
from corpora.adapters.keys import KEYS, Keys, keys_of
from corpora.errors import DataError
from corpora.files.row import RawRow
from corpora.importing import LOOKED_AT, adapted
from corpora.records import ExamItem
from evals.exam.own_file import unfit
from evals.exam.tasks import Task

NUMBERED = ("multiple-choice", "medmcqa", "medmcqa-1-based", "options-1-based")  # shapes whose keys may be numbers
SHOWN = 10  # bad rows that an error names
PlacedRow = tuple[str, RawRow]  # a row, and where it is for people


def items_of_rows(
    rows: Iterable[PlacedRow],
    task: Task,
    dataset: str,
    shape: str,
    where: Mapping[str, list[str]],
    keys: Keys | None = None,
    path: Path | None = None,
) -> Iterator[ExamItem]:
    """The items of rows of one shape; after the last, an error where some could not be used.

    Args:
        rows: with their places.
        task: what the items are asked for.
        dataset: begins their ids.
        shape: of ``corpora.adapters``.
        where: rows whose field has one of these values; the others are no items of the task.
        keys: how the file names the right options, where its shape leaves that open.
        path: the user's own file, for the error.

    Raises:
        DataError: a row cannot be used.
    """
    faults: list[str] = []
    for number, (place, row) in enumerate(rows, start=1):
        row.value.setdefault("__row__", str(number))
        if keys is not None:
            row.value[KEYS] = keys
        if not row.fault and any(str(row.value.get(name)) not in values for name, values in where.items()):
            continue
        try:
            if row.fault:
                raise ValueError(row.fault)
            item = checked(adapted(row, shape, dataset), task)
        except ValueError as error:
            faults.append(f"{place}: {error}")
            continue
        if not faults:
            yield item
    refuse(faults, path, task)


def own_shape(rows: Iterable[PlacedRow], path: Path, task: Task, first: int | None) -> tuple[str, Keys | None]:
    """The shape of the user's own file, and how it names the right options.

    Args:
        rows: all of the file.
        path: of the file.
        task: what it is asked for.
        first: from what numbers of right options are counted, where the user says.

    Raises:
        DataError: no known shape fits, or numbers do not tell from what they are counted.
    """
    every = iter(rows)
    looked_at = list(itertools.islice(every, LOOKED_AT))
    readable = [row.value for _, row in looked_at if not row.fault]
    shape = detect(readable, "exam_item")
    if shape is None:
        refuse([f"{place}: {row.fault}" for place, row in looked_at] if not readable else [], path, task)
        raise unfit(path, readable, task)
    if shape not in NUMBERED:
        return shape, None
    rest = (row.value for _, row in every if not row.fault)
    keys = keys_of(itertools.chain(readable, rest), first)
    if keys is None:
        raise DataError(
            f"{path}: the right options are given by number, never 0 and never the last: say whether they are counted from 0 or from "
            "1, with --map first=0 or --map first=1"
        )
    return ("medmcqa" if shape == "medmcqa-1-based" else shape), keys  # these two differ in nothing but the keys


def refuse(faults: list[str], path: Path | None, task: Task) -> None:
    """Ends an exam of which rows cannot be used; ``faults`` says of each row where it is and what is wrong.

    Raises:
        DataError: there are any.
    """
    if faults:
        more = f", and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise DataError(
            f"{path or f'the data of task {task.name}'}: {len(faults)} of the rows cannot be used, and an exam is given whole or not at all: "
            f"{'; '.join(faults[:SHOWN])}{more}. Mend these rows or take them out of the file"
        )


def checked(record: Any, task: Task) -> ExamItem:
    """The record, if it is one that the task can ask.

    Raises:
        ValueError: it is of another kind, or several options are right where one should be.
    """
    if not isinstance(record, ExamItem):
        raise ValueError(f"a {type(record).__name__} where an exam item is needed")
    if len(record.answers) > 1 and not task.several:
        raise ValueError(f"{len(record.answers)} options are right, and task '{task.name}' asks for one")
    return record
