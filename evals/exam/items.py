"""The items of a task, and the examples that stand before its questions."""

from __future__ import annotations

import collections
import hashlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from corpora.adapters import detect
from corpora.catalog import load_catalog, stream_records
from corpora.errors import DataError
from corpora.files.reading import raw_rows
from corpora.importing import LOOKED_AT
from corpora.records import ExamItem
from evals.exam.answer_file import Questions, disagreements, of_questions, with_answers
from evals.exam.known_errors import known_errors
from evals.exam.own_file import FIRST, mapped_row
from evals.exam.published_rows import PlacedRow, checked, items_of_rows, own_shape
from evals.exam.source import BUNDLED, Source, catalogued_rows, how_to_get
from evals.exam.tasks import Task
from evals.exam.variants import can_be_varied, varied

T = TypeVar("T")


def items_of(task: Task, source: Source) -> Iterator[ExamItem]:
    """The items of ``task`` in their order, each with an id of its own; ``meta["key_error"]`` says what is known to be wrong with one.

    Those that the task's variant cannot ask are left out (``evals.exam.variants``).

    Raises:
        DataError: the data are not there, or a row of them cannot be used.
    """
    ids = DistinctIds()
    items = (
        _own_file(task, source, source.file) if source.file is not None else _catalogued(task, source, task.data.read)
    )
    if task.data.limit is not None and source.file is None:
        items = evenly(items, task.data.limit)
    known = known_errors(task.name, source.key_errors, task.plain_name)
    empty = True
    for item in itertools.islice(items, source.limit):
        own = ids.of(item.id)
        if not can_be_varied(item, task.variant, task.language):
            continue
        empty = False
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


class DistinctIds:
    """Ids of items that are told apart: a second item of one name gets a number behind it. Holds their hashes, and no name."""

    def __init__(self) -> None:
        self._seen: collections.Counter[bytes] = collections.Counter()

    def of(self, name: str) -> str:
        """``name``, or ``name#2`` and so on where an item before has it."""
        found = name
        while self._key(found) in self._seen:
            self._seen[self._key(name)] += 1
            found = f"{name}#{self._seen[self._key(name)]}"
        self._seen[self._key(found)] = 1
        return found

    @staticmethod
    def _key(name: str) -> bytes:
        return hashlib.sha256(name.encode()).digest()[:12]


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


def _catalogued(
    task: Task, source: Source, patterns: list[str], where: Mapping[str, list[str]] | None = None
) -> Iterator[ExamItem]:
    name = task.data.dataset
    entry = load_catalog().get(name)
    if source.answers is not None and (name == BUNDLED or (entry is not None and entry.files)):
        raise DataError(
            f"{source.answers}: the rows of task '{task.name}' hold their right answers; leave out --answers"
        )
    if name == BUNDLED:
        from corpora.bundled.render import render

        yield from (item for item in render(name) if isinstance(item, ExamItem))
        return
    if entry is not None and entry.files:
        if source.data_dir is None:
            raise DataError(f"the data of task '{task.name}' are not here: {how_to_get(task)}")
        yield from (checked(record, task) for record in stream_records(name, source.data_dir))
        return
    rows = catalogued_rows(task, source.data_dir, patterns)
    if patterns == task.data.read:  # not the examples, which have theirs
        rows = with_answers(_questions(task, source), task, source)
    first = list(itertools.islice(rows, LOOKED_AT))
    shape = task.data.shape or detect([row.value for _, row in first if not row.fault], "exam_item")
    yield from items_of_rows(
        itertools.chain(first, rows),
        task,
        name or task.name,
        shape or "multiple-choice",
        task.data.where if where is None else where,
    )


def _own_file(task: Task, source: Source, path: Path) -> Iterator[ExamItem]:
    def rows() -> Iterator[PlacedRow]:
        return with_answers(_questions(task, source), task, source)

    first = int(source.mapping[FIRST]) if FIRST in source.mapping else None
    shape, keys = own_shape(rows(), path, task, first)
    yield from items_of_rows(rows(), task, path.stem, shape, {}, keys, path)


def _questions(task: Task, source: Source) -> Questions:
    """Reads the rows of a task, without the answers that are in a file apart."""
    path = source.file
    if path is None:
        return lambda: catalogued_rows(task, source.data_dir, task.data.read)
    mapping = of_questions(source)
    return lambda: ((row.place, mapped_row(row, mapping, task, path)) for row in raw_rows(path))


def answers_unlike_questions(task: Task, source: Source) -> list[str]:
    """What a file of right answers says otherwise of its items than the file of questions, in sentences; none where the answers are no file apart."""
    return disagreements(_questions(task, source), task, source)


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
