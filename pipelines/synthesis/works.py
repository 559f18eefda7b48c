"""The records that a synthesise stage wishes, from its sources, and the prompts that each of them takes."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from corpora.adapters.documents import script
from corpora.curate.units import units
from corpora.errors import DataError
from corpora.records import LETTERS, Document, ExamItem
from evals.score import question_text
from pipelines.config import ExamTask, GroundedTask, SynthesiseStage, SynthesisTask, VignetteTask
from pipelines.data import Sources, one_by_one


@dataclass(frozen=True)
class Work:
    """One record that is wished."""

    key: str  # the record's id
    task: SynthesisTask
    source: ExamItem | Document
    passage_id: str
    passage: str
    unfit: str = ""  # why it is dropped before anything is asked

    @property
    def language(self) -> str:
        """Of the prompt."""
        return script(self.passage)


def passages(text: str, limit: int) -> list[str]:
    """The text in pieces of ``limit`` characters at most, cut between lines and sentences where it can be."""
    found = [""]
    for sentence in re.split(r"(?<=\n)|(?<=[.!?]\s)|(?<=[。！？])", text):
        for start in range(0, len(sentence), limit):
            part = sentence[start : start + limit]
            if len(found[-1]) + len(part) > limit:
                found.append("")
            found[-1] += part
    return [piece.strip() for piece in found if piece.strip()]


def _pieces(task: SynthesisTask, source: ExamItem | Document) -> Iterator[tuple[str, str, str]]:
    """Id and text of each passage of a source, and why it is unfit."""
    if isinstance(source, ExamItem):
        many = len(source.options) > len(LETTERS)
        yield source.id, question_text(source, letters=not many), "more options than letters" if many else ""
    elif isinstance(task, GroundedTask):
        for number, passage in enumerate(passages(source.text, task.passage_characters), start=1):
            yield f"{source.id}#{number}", passage, ""
    elif isinstance(task, VignetteTask):
        first = next(iter(passages(source.text, task.passage_characters)), "")
        yield source.id, first, "" if units(source.title) else "the document has no title"


def sourced(stage: SynthesiseStage, sources: Sources) -> Iterator[Work]:
    """The records that are wished, in the order of the sources.

    Raises:
        DataError: a corpus is missing, cannot be read, is empty, or holds records of another type than its task needs.
    """
    for task in stage.tasks:
        wanted = ExamItem if isinstance(task, ExamTask) else Document
        met: collections.Counter[str] = collections.Counter()
        for corpus in task.corpora:
            empty = True
            for record in one_by_one(corpus, sources):
                empty = False
                if not isinstance(record, (ExamItem, Document)) or not isinstance(record, wanted):
                    raise DataError(
                        f"corpus '{corpus.name}' holds {type(record).__name__} records; a task of kind {task.task} needs "
                        f"{wanted.__name__}"
                    )
                for identifier, passage, unfit in _pieces(task, record):
                    for _ in range(task.each):
                        met[identifier] += 1
                        turn = f"/{met[identifier]}" if met[identifier] > 1 else ""
                        key = f"{task.name or task.task}/{identifier}{turn}"
                        yield Work(key, task, record, identifier, passage, unfit)
            if empty:
                raise DataError(f"corpus '{corpus.name}' is empty after its filters; an empty corpus cannot be used")


def lettered(places: Iterable[int]) -> str:
    """Options by their letters, in order."""
    return ", ".join(LETTERS[place] for place in sorted(places))


def exam_values(item: ExamItem) -> dict[str, Any]:
    """The values of the prompt of an exam item."""
    return {
        "question": question_text(item, letters=True),
        "stem": item.question,
        "context": item.context,
        "several": len(item.answers) > 1,
    }


def first_step(work: Work) -> tuple[str, dict[str, Any]]:
    """The step that a record begins with, and the values of its prompt."""
    source, task = work.source, work.task
    if isinstance(source, ExamItem):
        if isinstance(task, ExamTask) and task.write == "items":
            answer, options = lettered(source.answers), len(source.options)
            return "item", {"question": question_text(source, letters=True), "answer": answer, "options": options}
        return "exam", exam_values(source)
    return task.task, {"title": source.title, "passage": work.passage}


def further_steps(work: Work) -> list[tuple[str, dict[str, Any]]]:
    """The steps after the first when nothing is sampled again, without what the teacher will have written."""
    task = work.task
    if isinstance(task, ExamTask) and task.write == "items" and isinstance(work.source, ExamItem):
        return [("exam", exam_values(work.source))] * task.samples
    if isinstance(task, GroundedTask) and task.judge:
        return [("judge", {"passage": work.passage, "question": "", "answer": ""})]
    return [("diagnose", {"case": ""})] * task.samples if isinstance(task, VignetteTask) else []
