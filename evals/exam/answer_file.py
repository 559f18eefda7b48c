"""Right answers that are published in a file of their own, as those of CMB's test split are: joined to their questions by id.

Both files are read to their ends before the first item, for an id without its partner says that they are not of one exam. Ids are compared as
text, so that 7 in one file is "7" in the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

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


def with_answers(questions: Questions, task: Task, source: Source) -> Iterator[PlacedRow]:
    """The questions, each with its right answer; as they are where the answers are no file apart.

    Raises:
        DataError: the answers are not there, a row has no id, an answer is empty, a question has one already, or the ids of the two files are not
            the same ones, each once.
    """
    paths = answer_paths(task, source)
    if not paths:
        yield from questions()
        return
    answers = _by_id(task, source, paths[0])
    asked, unread = _asked(questions(), paths[0])
    faults = [
        _told("questions have an id that another has", [one for one, times in asked.items() if times > 1]),
        _told("questions have no answer there", [one for one in asked if one not in answers]),
        # Where rows cannot be read, these may be theirs.
        "" if unread else _told("answers there have no question", [one for one in answers if one not in asked]),
    ]
    if any(faults):
        raise DataError(
            f"{paths[0]}: these answers are not those of the questions: {'; '.join(filter(None, faults))}. Bring both files whole and of the same "
            "version; where their ids are in other fields, --map id=FIELD names that of both"
        )
    for place, row in questions():
        yield place, row if row.fault else RawRow(row.place, {**row.value, RIGHT: answers[own_id(row.value)][RIGHT]})


def disagreements(questions: Questions, task: Task, source: Source) -> list[str]:
    """A sentence for each field that both files have and in which they differ: answers of another version may have the same ids.

    Args:
        questions: as ``with_answers`` gives them.
        task: what they are asked for.
        source: where they are read.
    """
    paths = answer_paths(task, source)
    answers = _by_id(task, source, paths[0]) if paths else {}
    differ: Counter[str] = Counter()
    count = 0
    for _, row in questions() if answers else ():
        other = answers.get(own_id(row.value), {})
        count += 1
        differ.update(name for name in row.value.keys() & other.keys() if str(row.value[name]) != str(other[name]))
    return [
        f"in {times:,} of the {count:,} items the file of answers says another '{name}' than the file of questions: are both of the same version?"
        for name, times in sorted(differ.items())
    ]


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
        name, own = source.mapping.get(RIGHT) or answer_name(value), own_id(value)
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


def _asked(questions: Iterable[PlacedRow], path: Path) -> tuple[Counter[str], int]:
    """How often each id is asked, and how many rows cannot be read, which are told later, with the other bad ones."""
    asked: Counter[str] = Counter()
    unread = 0
    for place, row in questions:
        if row.fault:
            unread += 1
            continue
        own, name = own_id(row.value), answer_name(row.value)
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
    return asked, unread


def _told(what: str, ids: Sequence[str]) -> str:
    more = ", …" if len(ids) > SHOWN else ""
    return f"{len(ids):,} {what} ({', '.join(ids[:SHOWN])}{more})" if ids else ""
