"""The items of a task whose answer is written freely, and what is known of a right answer.

The rows are read as published: HealthBench's conversations with rubrics, MedSafetyBench's harmful requests, K-QA's questions with statements,
MedCalc-Bench's notes with limits, LiveQA's and MedQuAD's questions with reference answers, and any form of dialogue that is known. As for
multiple-choice sets, an exam is given whole or not at all.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from corpora.adapters import SHAPES, detect
from corpora.bundled.render import render
from corpora.errors import DataError
from corpora.files.reading import raw_rows
from corpora.files.row import RawRow, Row
from corpora.importing import LOOKED_AT, adapted
from corpora.records import Dialogue
from evals.exam.items import DistinctIds, evenly
from evals.exam.own_file import mapped_row, names_of
from evals.exam.published_rows import refuse
from evals.exam.source import BUNDLED_FACTS, Source, catalogued_rows
from evals.exam.tasks import Task
from evals.open.shapes import PUBLISHED, Criterion, OpenItem, liveqa


def open_items_of(task: Task, source: Source) -> Iterator[OpenItem]:
    """The items of ``task`` in their order, each with an id of its own.

    Raises:
        DataError: the data are not there, or a row of them cannot be used.
    """
    items = _read(task, source)
    if task.data.limit is not None and source.file is None:
        items = evenly(items, task.data.limit)
    ids, empty = DistinctIds(), True
    for item in itertools.islice(items, source.limit):
        empty = False
        yield replace(item, id=ids.of(item.id))
    if empty:
        raise DataError(f"task '{task.name}': its data hold no item")


def _read(task: Task, source: Source) -> Iterator[OpenItem]:
    path, dataset = source.file, task.data.dataset or task.name
    if path is None and dataset == BUNDLED_FACTS:
        yield from _bundled_facts()
        return
    rows: Iterator[tuple[str, RawRow]]
    if path is not None:
        dataset = path.stem
        rows = ((row.place, mapped_row(row, source.mapping, task, path)) for row in raw_rows(path))
    else:
        rows = catalogued_rows(task, source.data_dir, task.data.read)
    first = list(itertools.islice(rows, LOOKED_AT))
    read = _reader(task, [row.value for _, row in first if not row.fault], path, dataset)
    faults: list[str] = []
    last: OpenItem | None = None
    for number, (place, row) in enumerate(itertools.chain(first, rows), start=1):
        try:
            if row.fault:
                raise ValueError(row.fault)
            item = read(row, number)
            # MedSafetyBench has a file for each principle of the American Medical Association.
            if task.judged == "harm" and (principle := re.search(r"category_(\d)\.csv", place)) is not None:
                item = replace(item, subject=f"principle {principle[1]}")
        except KeyError as error:
            faults.append(f"{place}: the field '{error.args[0]}' is missing")
            continue
        except (TypeError, AttributeError):
            faults.append(f"{place}: a field is of another type than the published form has")
            continue
        except ValueError as error:
            faults.append(f"{place}: {error}")
            continue
        if last is not None and task.name == "liveqa" and item.turns == last.turns:
            last = replace(last, references=(*last.references, *item.references))  # its XML has a row for each answer
            continue
        if last is not None and not faults:
            yield last
        last = item
    if last is not None and not faults:
        yield last
    refuse(faults, path, task)


def _bundled_facts() -> Iterator[OpenItem]:
    """Questions on the bundled facts that dialogues teach, each with the phrases of its fact; those on emergencies are apart."""
    for record in render(BUNDLED_FACTS):
        if isinstance(record, Dialogue) and record.meta["judge"] == "fact":
            *before, answer = record.messages
            phrases = tuple(Criterion(text, kind="must") for text in record.meta["items"])
            turns = tuple((turn.role, turn.content) for turn in before)
            kind = str(record.meta["fact"]).split("/")[0].replace("_", " ")
            yield OpenItem(record.id, turns, (answer.content,), phrases, subject=kind)


def _reader(task: Task, rows: list[Row], path: Path | None, dataset: str) -> Callable[[RawRow, int], OpenItem]:
    """How the rows of a task are read, from the first of them."""
    kind = task.scoring if task.scoring in PUBLISHED else task.judged
    fields, own = PUBLISHED[kind]
    if any(all(name in row for name in fields) for row in rows):
        return lambda row, number: own(row.value, f"{dataset}/{_id(row.value, number)}")
    if kind == "reference" and any("REFERENCE_ANSWERS" in row for row in rows):
        return lambda row, number: liveqa(row.value, f"{dataset}/{_id(row.value, number)}")
    shape = detect(rows, "dialogue") if kind in ("reference", "harm") else None
    if shape is not None and SHAPES[shape].record == "dialogue":
        return lambda row, number: _dialogue(row, number, shape, dataset)
    if not rows:
        raise DataError(f"{path or f'the data of task {task.name}'}: no row of this file can be read")
    raise DataError(
        f"{path or f'the data of task {task.name}'}: the rows are not of a form that task '{task.name}' is published in: it has the fields "
        f"{', '.join(fields)}, and these rows have {names_of(rows[0])}. Rename the fields, or map a question and its answer with "
        "--map question=FIELD --map answer=FIELD where the task needs no more"
    )


def _id(row: Row, number: int) -> str:
    for name in ("prompt_id", "id", "Row Number", "QUESTION_ID", "question_id"):
        if row.get(name) not in (None, ""):
            return str(row[name])
    return str(number)


def _dialogue(row: RawRow, number: int, shape: str, dataset: str) -> OpenItem:
    row.value.setdefault("__row__", str(number))
    record = adapted(row, shape, dataset)
    if not isinstance(record, Dialogue):
        raise ValueError(f"a {type(record).__name__} where a question and its answer are needed")
    *before, answer = record.messages
    if not before or before[-1].role != "user":
        raise ValueError("the turn before the reference answer is not the user's")
    subject = str(row.value["source"]) if isinstance(row.value.get("source"), str) and row.value["source"] else None
    turns = tuple((turn.role, turn.content) for turn in before)
    return OpenItem(record.id, turns, (answer.content,), subject=subject)
