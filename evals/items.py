"""The items of a task: from the catalogued dataset below the data folder, or from a file of the user's own.

An exam is given whole or not at all: a row that cannot be used ends the run with its number, and no row is left out in silence.
"""

from __future__ import annotations

import collections
import fnmatch
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from corpora.adapters import detect
from corpora.adapters.keys import KEYS, Keys, keys_of
from corpora.catalog import find_dataset, load_catalog, locate, stream_records
from corpora.disk import file_sha256
from corpora.errors import DataError
from corpora.files.reading import raw_rows
from corpora.files.row import RawRow
from corpora.importing import LOOKED_AT, adapted
from corpora.records import ExamItem
from evals.known_errors import known_errors
from evals.own_file import FIRST, mapped, unfit
from evals.tasks import Task
from evals.variants import varied

T = TypeVar("T")
BUNDLED = "bundled-exam"
BUNDLED_FACTS = "bundled-prompts"
NUMBERED = ("multiple-choice", "medmcqa", "medmcqa-1-based", "options-1-based")  # shapes whose keys may be numbers
SHOWN = 10  # bad rows that an error names


@dataclass(frozen=True)
class Source:
    """Where the rows of a task are read."""

    data_dir: Path | None = None
    file: Path | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)  # our field -> the file's
    limit: int | None = None  # the first so many items
    key_errors: Path | None = None  # a list of known errors of the user's own (``evals.known_errors``)


@dataclass(frozen=True)
class Provenance:
    """What was read: the file's name, or several joined by commas, and the SHA-256 of its bytes or of their digests."""

    file: str
    sha256: str


def items_of(task: Task, source: Source) -> Iterator[ExamItem]:
    """The items of ``task`` in their order, each with an id of its own; ``meta["key_error"]`` says what is known to be wrong with one.

    Raises:
        DataError: the data are not there, or a row of them cannot be used.
    """
    seen: collections.Counter[bytes] = collections.Counter()
    items = _own_file(task, source) if source.file is not None else _catalogued(task, source, task.data.read)
    if task.data.limit is not None and source.file is None:
        items = evenly(items, task.data.limit)
    known = known_errors(task.name, source.key_errors)
    empty = True
    for item in itertools.islice(items, source.limit):
        empty = False
        own = _unlike(item.id, seen)
        if own != item.id:
            item = item.model_copy(update={"id": own})
        wrong = "its task lists it" if item.id in task.key_errors else known.of(item)
        if wrong:
            item = item.model_copy(update={"meta": {**item.meta, "key_error": wrong}})
        try:
            yield varied(item, task.variant, task.language)
        except ValueError as error:
            raise DataError(f"task '{task.name}', {item.id}: {error}") from error
    if empty:
        raise DataError(f"task '{task.name}': no row of its data is one of its items{_wanted(task.data.where)}")


def _unlike(name: str, seen: collections.Counter[bytes]) -> str:
    """``name``, or with a number behind it where an item before has the name; ``seen`` counts the names by their hashes."""

    def key(one: str) -> bytes:
        return hashlib.sha256(one.encode()).digest()[:12]

    found = name
    while key(found) in seen:
        seen[key(name)] += 1
        found = f"{name}#{seen[key(name)]}"
    seen[key(found)] = 1
    return found


def examples_of(task: Task, source: Source, count: int) -> list[ExamItem]:
    """The first ``count`` items of the few-shot part; of each group where the task takes them by group.

    Raises:
        DataError: there is no such part, or it has fewer items.
    """
    if count == 0:
        return []
    if not task.data.fewshot:
        raise DataError(f"task '{task.name}' names no examples (data.fewshot); ask it with --num-fewshot 0")
    try:
        items = _catalogued(task, source, task.data.fewshot, task.data.fewshot_where)
        found = list(items if task.data.fewshot_by else itertools.islice(items, count))
    except DataError as error:
        raise DataError(
            f"{error}. These are the examples before each question; --num-fewshot 0 asks without"
        ) from error
    if len(found) < count:
        raise DataError(f"task '{task.name}': {count} examples are asked for, and its few-shot part has {len(found)}")
    return found


def provenance(task: Task, source: Source) -> Provenance:
    """What the items were read from.

    Raises:
        DataError: as ``items_of``.
    """
    if source.file is not None:
        return Provenance(source.file.name, file_sha256(source.file))
    if task.data.dataset in (BUNDLED, BUNDLED_FACTS):
        from corpora.bundled.render import source_fingerprint

        return Provenance(task.data.dataset, source_fingerprint())
    paths = _paths(task, source.data_dir, task.data.read)
    digests = [file_sha256(path) for path in paths]
    joined = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return Provenance(", ".join(path.name for path in paths), joined)


def how_to_get(task: Task) -> str:
    """How a user comes by the data of a task."""
    data = task.data
    entry = load_catalog().get(data.dataset)
    if entry is not None and (entry.hub, entry.modelscope) != ("unknown", "unknown"):
        fetch = f"fetch them with `osler corpora fetch {data.dataset} --data DIR` and name DIR with --data"
    elif entry is not None and entry.files:
        fetch = f"get them from {entry.address}, and name with --data the folder that holds {', '.join(entry.files)}"
    elif data.dataset:
        address = entry.address if entry is not None else data.address
        fetch = f"get them from {address}, put them into DIR/{data.dataset} and name DIR with --data"
    else:
        fetch = f"get them from {data.address}"
    return f"{fetch}; or bring the file yourself: `osler eval MODEL --task {task.name} --file FILE`"


def _catalogued(
    task: Task, source: Source, patterns: list[str], where: Mapping[str, list[str]] | None = None
) -> Iterator[ExamItem]:
    name = task.data.dataset
    if name == BUNDLED:
        from corpora.bundled.render import render

        yield from (item for item in render(name) if isinstance(item, ExamItem))
        return
    entry = load_catalog().get(name)
    if entry is not None and entry.files:
        if source.data_dir is None:
            raise DataError(f"the data of task '{task.name}' are not here: {how_to_get(task)}")
        yield from (_checked(record, task) for record in stream_records(name, source.data_dir))
        return
    rows = catalogued_rows(task, source.data_dir, patterns)
    yield from _read(rows, task, name or task.name, task.data.where if where is None else where)


def catalogued_rows(task: Task, data_dir: Path | None, patterns: list[str]) -> Iterator[tuple[str, RawRow]]:
    """The rows of a task's data below the data folder, each with its place.

    Raises:
        DataError: the data are not there.
    """
    for path in _paths(task, data_dir, patterns):
        for row in raw_rows(path):
            if not _archived(row) or not patterns or _matches(_member(row), patterns):
                yield f"{path}, {row.place}", row


def _paths(task: Task, data_dir: Path | None, patterns: list[str]) -> list[Path]:
    name = task.data.dataset
    entry = load_catalog().get(name)
    if entry is not None and entry.files:
        return locate(name, data_dir)
    folder = data_dir / name if data_dir is not None and name else None
    if folder is None or not folder.is_dir():
        raise DataError(f"the data of task '{task.name}' are not here: {how_to_get(task)}")
    wanted = patterns or (find_dataset(name).patterns if entry is not None else [])
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    found = [path for path in paths if not wanted or _matches(path.relative_to(folder).as_posix(), wanted)]
    found = found or [path for path in paths if path.suffix == ".zip"]
    if not found:
        raise DataError(
            f"{folder}: no file like {' or '.join(wanted)} of task '{task.name}' is here: {how_to_get(task)}"
        )
    return found


def _matches(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"*/{pattern}") for pattern in patterns)


def _member(row: RawRow) -> str:
    return row.place.rpartition(", row ")[0]


def _archived(row: RawRow) -> bool:
    return ", row " in row.place


def _own_file(task: Task, source: Source) -> Iterator[ExamItem]:
    path = source.file
    assert path is not None

    def rows() -> Iterator[tuple[str, RawRow]]:
        for row in raw_rows(path):
            yield row.place, mapped_row(row, task, source, path)

    first: int | None = None
    if FIRST in source.mapping:
        first = int(source.mapping[FIRST])
    yield from _read(rows(), task, path.stem, {}, path, first, rows)


def mapped_row(row: RawRow, task: Task, source: Source, path: Path) -> RawRow:
    """A row of the user's own file ``path`` with its fields under our names; one that could not be read stays as it is."""
    return row if row.fault else RawRow(row.place, mapped(row.value, source.mapping, task, path))


def _read(
    rows: Iterator[tuple[str, RawRow]],
    task: Task,
    dataset: str,
    where: Mapping[str, list[str]],
    path: Path | None = None,
    counted_from: int | None = None,
    again: Callable[[], Iterator[tuple[str, RawRow]]] | None = None,
) -> Iterator[ExamItem]:
    """Items of the rows; after the last, an error where some could not be used."""
    first = list(itertools.islice(rows, LOOKED_AT))
    for number, (_, row) in enumerate(first, start=1):
        row.value.setdefault("__row__", str(number))
    readable = [row.value for _, row in first if not row.fault]
    shape = task.data.shape if path is None else None
    shape = shape or detect(readable, "exam_item")
    if path is not None and shape is None:
        refuse([f"{place}: {row.fault}" for place, row in first] if not readable else [], path, task)
        raise unfit(path, readable, task)
    keys: Keys | None = None
    if shape in NUMBERED and again is not None:
        keys = keys_of((row.value for _, row in again() if not row.fault), counted_from)
        if keys is None:
            raise DataError(
                f"{path}: the right options are given by number, never 0 and never the last: say whether they are counted from 0 or from "
                "1, with --map first=0 or --map first=1"
            )
        if shape == "medmcqa-1-based":
            shape = "medmcqa"  # which differ in nothing else
    faults: list[str] = []
    for number, (place, row) in enumerate(itertools.chain(first, rows), start=1):
        row.value.setdefault("__row__", str(number))
        if keys is not None:
            row.value[KEYS] = keys
        if not row.fault and any(str(row.value.get(name)) not in values for name, values in where.items()):
            continue
        try:
            if row.fault:
                raise ValueError(row.fault)
            item = _checked(adapted(row, shape or "multiple-choice", dataset), task)
        except ValueError as error:
            faults.append(f"{place}: {error}")
            continue
        if not faults:
            yield item
    refuse(faults, path, task)


def unlike_published(task: Task, source: Source, count: int) -> list[str]:
    """A note, where all of the published split was wanted and ``count`` items are another number."""
    published = task.data.published
    if published is None or source.limit is not None or task.data.limit is not None or count == published:
        return []
    return [f"{count:,} items were read, and the published split has {published:,}"]


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


def _checked(record: Any, task: Task) -> ExamItem:
    """The record, if it is one that the task can ask.

    Raises:
        ValueError: it is of another kind, or several options are right where one should be.
    """
    if not isinstance(record, ExamItem):
        raise ValueError(f"a {type(record).__name__} where an exam item is needed")
    if len(record.answers) > 1 and not task.several:
        raise ValueError(f"{len(record.answers)} options are right, and task '{task.name}' asks for one")
    return record


def _wanted(where: Mapping[str, list[str]]) -> str:
    if not where:
        return ""
    return " (" + "; ".join(f"{name} is {' or '.join(values)}" for name, values in where.items()) + ")"


def evenly(items: Iterator[T], count: int) -> Iterator[T]:
    """``count`` items spread over all of them, the same ones in every run."""
    kept = list(items)
    if len(kept) <= count:
        yield from kept
        return
    yield from (kept[place * len(kept) // count] for place in range(count))
