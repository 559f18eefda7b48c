"""Right answers that are published in a file of their own, as those of CMB's test split are: joined to their questions by id.

Both files are read to their ends before the first item, for an id without its partner says that they are not of one exam. That is done once for a
``Source``, which then holds an id and an answer for each item, and no other text. Ids are compared as text, so that 7 in one file is "7" in the
other, and 7.0 too, which a table makes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpora.adapters.fields import own_id
from corpora.adapters.keys import ANSWERS, answer_name
from corpora.errors import DataError
from corpora.files.reading import raw_rows
from corpora.files.row import RawRow, Row
from evals.exam.own_file import names_of
from evals.exam.published_rows import SHOWN, PlacedRow
from evals.exam.source import Source, answer_paths, catalogued_rows, how_to_get
from evals.exam.tasks import Task

RIGHT = "answer"  # the field in which a question gets its right answer

Questions = Callable[[], Iterable[PlacedRow]]  # begins to read them anew


def of_questions(source: Source) -> dict[str, str]:
    """The user's mapping as it is for the questions: where their answers are a file apart, ``answer`` names a field of that file."""
    return {ours: name for ours, name in source.mapping.items() if ours != RIGHT or source.answers is None}


@dataclass(frozen=True)
class Joined:
    """What a file of right answers has for a file of questions."""

    answers: dict[str, Any]  # by id, as the file has them
    unlike: list[str]  # in what other fields the two files differ, in sentences


def with_answers(questions: Questions, task: Task, source: Source) -> Iterator[PlacedRow]:
    """The questions, each with its right answer; as they are where the answers are no file apart.

    Raises:
        DataError: the answers are not there, a row has no id, an answer is empty, a question has one already, or the ids of the two files are not
            the same ones, each once.
    """
    joined = _joined(questions, task, source)
    if joined is None:
        yield from questions()
        return
    for place, row in questions():
        yield place, row if row.fault else RawRow(row.place, {**row.value, RIGHT: _answer(joined, row, place)})


def disagreements(questions: Questions, task: Task, source: Source) -> list[str]:
    """A sentence for each field that both files have and in which they differ: answers of another version may have the same ids.

    Args:
        questions: as ``with_answers`` gives them.
        task: what they are asked for.
        source: where they are read.

    Raises:
        DataError: as ``with_answers``.
    """
    joined = _joined(questions, task, source)
    return joined.unlike if joined is not None else []


def _joined(questions: Questions, task: Task, source: Source) -> Joined | None:
    """The answers, checked against the questions; None where they are no file apart. Read at the first call for these data."""
    key = task.data.model_dump_json()
    if key not in source.joined:
        paths = answer_paths(task, source)
        source.joined[key] = _read(questions, task, source, paths[0]) if paths else None
    found: Joined | None = source.joined[key]
    return found


def _read(questions: Questions, task: Task, source: Source, path: Path) -> Joined:
    answers = _by_id(task, source, path)
    asked, unread, differ = _asked(questions(), answers, path)
    faults = [
        _told("questions have an id that another has", [one for one, times in asked.items() if times > 1]),
        _told("questions have no answer there", [one for one in asked if one not in answers]),
        # Where rows cannot be read, these may be theirs.
        "" if unread else _told("answers there have no question", [one for one in answers if one not in asked]),
    ]
    if any(faults):
        raise DataError(
            f"{path}: these answers are not those of the questions: {'; '.join(filter(None, faults))}. Bring both files whole and of the same "
            "version; where their ids are in other fields, --map id=FIELD names that of both"
        )
    unlike = [
        f"in {times:,} of the {asked.total():,} items the file of answers says another '{name}' than the file of questions: are both of the same "
        "version?"
        for name, times in sorted(differ.items())
    ]
    return Joined({own: row[RIGHT] for own, row in answers.items()}, unlike)


def _answer(joined: Joined, row: RawRow, place: str) -> Any:
    own = _id(row.value)
    if own not in joined.answers:
        raise DataError(
            f"{place}: this question was not here when the exam began; leave its files alone, and start anew"
        )
    return joined.answers[own]


def _id(row: Row) -> str:
    """The row's id, by which both files know it."""
    return _whole(own_id(row))


def _whole(text: str) -> str:
    """A whole number without the point that a table of floats gives it, which in CSV is text; any other text as it is."""
    whole, point, rest = text.partition(".")
    return whole if point and whole.isdecimal() and rest and not rest.strip("0") else text


def _by_id(task: Task, source: Source, path: Path) -> dict[str, Row]:
    """The rows of the answer file, each with its answer under ``RIGHT``."""
    if source.answers is not None:
        rows: Iterable[PlacedRow] = ((row.place, row) for row in raw_rows(path))
    else:
        rows = catalogued_rows(task, source.data_dir, task.data.answers)
    found: dict[str, Row] = {}
    faults: list[str] = []
    twice: list[str] = []
    for place, row in rows:
        value = row.value
        if "id" in source.mapping and source.mapping["id"] in value:
            value = {**value, "id": value[source.mapping["id"]]}
        name, own = source.mapping.get(RIGHT) or answer_name(value), _id(value)
        if row.fault or not own or name is None or value.get(name) in (None, ""):
            lacks = "no id" if not own else f"no answer (known names: {', '.join(ANSWERS)})"
            faults.append(f"{place}: {row.fault or f'{lacks}; its fields are: {names_of(row.value)}'}")
        elif own in found:
            twice.append(own)
        else:
            found[own] = {**value, RIGHT: value[name]}
    if faults or twice:
        told = [*([f"{len(faults):,} rows cannot be used: {'; '.join(faults[:3])}"] if faults else [])]
        told += filter(None, [_told("answers have an id that another has", twice)])
        raise DataError(
            f"{path}: {'; '.join(told)}. Name the fields with --map id=FIELD and --map answer=FIELD, or mend the file"
        )
    if not found:
        raise DataError(f"{path}: the right answers of task '{task.name}' are not in this file: {how_to_get(task)}")
    return found


def _asked(
    questions: Iterable[PlacedRow], answers: Mapping[str, Row], path: Path
) -> tuple[Counter[str], int, Counter[str]]:
    """How often each id is asked, how many rows cannot be read, which are told later, with the other bad ones, and how often a field differs."""
    asked: Counter[str] = Counter()
    differ: Counter[str] = Counter()
    unread = 0
    for place, row in questions:
        if row.fault:
            unread += 1
            continue
        own, name = _id(row.value), answer_name(row.value)
        if not own:
            raise DataError(
                f"{place}: this question has no id by which its answer in {path} could be found; its fields are: {names_of(row.value)}. Say which "
                "is the id with --map id=FIELD"
            )
        if name is not None:
            raise DataError(
                f"{place}: this question has an answer of its own, in '{name}', and {path} holds another: leave out --answers, or that field"
            )
        asked[own] += 1
        other = answers.get(own, {})
        shared = row.value.keys() & other.keys()
        differ.update(field for field in shared if _whole(str(row.value[field])) != _whole(str(other[field])))
    return asked, unread, differ


def _told(what: str, ids: Sequence[str]) -> str:
    more = ", …" if len(ids) > SHOWN else ""
    return f"{len(ids):,} {what} ({', '.join(ids[:SHOWN])}{more})" if ids else ""
