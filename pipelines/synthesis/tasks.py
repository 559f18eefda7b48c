"""What a teacher is asked for each record of a synthesise stage, and when its reply is kept: the three tasks.

A task goes through its sources, says which prompts a record takes, and makes one try at a record. See ``synthesise`` for the paper that the
tasks follow, and ``agreement`` for the rules.
"""

from __future__ import annotations

import collections
import hashlib
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from corpora.adapters.documents import script
from corpora.curate.units import units
from corpora.errors import DataError
from corpora.records import LETTERS, Dialogue, Document, ExamItem, Message
from evals.score import question_text
from evals.verifiers import letters
from pipelines.config import ExamTask, GroundedTask, SynthesiseStage, SynthesisTask, VignetteTask
from pipelines.data import Sources, one_by_one
from pipelines.synthesis import agreement
from pipelines.synthesis.prompting import Prompts
from pipelines.synthesis.teacher import Failed, Spent, Teacher


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


class Disagrees(Exception):
    """A reply that is not kept. ``reason`` is short and the same for all alike; ``reply`` is what was said."""

    def __init__(self, reason: str, reply: str) -> None:
        super().__init__(reason)
        self.reason, self.reply = reason, reply


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


def _lettered(places: list[int] | frozenset[int]) -> str:
    return ", ".join(LETTERS[place] for place in sorted(places))


def _exam_values(item: ExamItem) -> dict[str, Any]:
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
            answer, options = _lettered(source.answers), len(source.options)
            return "item", {"question": question_text(source, letters=True), "answer": answer, "options": options}
        return "exam", _exam_values(source)
    return task.task, {"title": source.title, "passage": work.passage}


def further_steps(work: Work) -> list[tuple[str, dict[str, Any]]]:
    """The steps after the first when nothing is sampled again, without what the teacher will have written."""
    task = work.task
    if isinstance(task, ExamTask) and task.write == "items" and isinstance(work.source, ExamItem):
        return [("exam", _exam_values(work.source))] * task.samples
    if isinstance(task, GroundedTask) and task.judge:
        return [("judge", {"passage": work.passage, "question": "", "answer": ""})]
    return [("diagnose", {"case": ""})] * task.samples if isinstance(task, VignetteTask) else []


class Talk:
    """The requests for one record."""

    def __init__(self, work: Work, prompts: Prompts, teacher: Teacher, who: dict[str, str], seed: int) -> None:
        self.work, self.prompts, self.teacher, self.who, self.seed = work, prompts, teacher, who, seed
        self.spent = Spent()
        self.tries = 0
        self.prompt: dict[str, str] = {}  # that of the first step

    async def ask(self, step: str, values: dict[str, Any], number: int = 0, only: list[str] | None = None) -> str:
        """What the teacher says at a step; ``number`` tells independent answers apart, and ``only`` lists what it may say.

        Raises:
            Disagrees: the reply was cut off.
            Failed: there is none.
        """
        prompt = self.prompts[f"{step}.{self.work.language}"]
        text = prompt.render(**values)
        if step == first_step(self.work)[0] and number == 0:
            hashed = hashlib.sha256(text.encode()).hexdigest()
            self.prompt = {"prompt": prompt.name, "template_sha256": prompt.sha256, "prompt_sha256": hashed}
        drawn = hashlib.sha256(f"{self.seed}/{self.work.key}/{self.tries}/{step}/{number}".encode()).digest()
        more = {"structured_outputs": {"choice": only}} if only else {}
        reply = await self.teacher.ask(text, int.from_bytes(drawn[:4], "big") >> 1, self.spent, more)
        if reply.cut:
            raise Disagrees("cut off at max_tokens", reply.text)
        return agreement.spoken(reply.text)

    def record(self, question: str, answer: str, gold: str, **more: Any) -> Dialogue:
        """The dialogue that is kept."""
        messages = [Message(role="user", content=question), Message(role="assistant", content=answer)]
        return Dialogue(id=self.work.key, messages=messages, source=self.source, meta=self.meta(gold, **more))

    @property
    def source(self) -> str:
        """For the record."""
        return f"synthetic, by {self.who['teacher']}"

    def meta(self, gold: str, **more: Any) -> dict[str, Any]:
        """What every record carries: who wrote it, asked what, on which passage, and what it was checked against."""
        return {
            "task": self.work.task.task,
            **self.who,
            **self.prompt,
            "passage_id": self.work.passage_id,
            "passage": self.work.passage,
            "passage_source": self.work.source.source,
            "gold": gold,
            "tries": self.tries,
            **more,
        }


def _chosen(task: ExamTask, reply: str, options: list[str]) -> frozenset[int] | None:
    if task.choice == "constrained":
        return frozenset({options.index(reply)}) if reply in options else None
    return letters(reply) if task.choice == "letter" else agreement.worded(reply, options)


def _only(task: ExamTask, options: list[str]) -> list[str] | None:
    return options if task.choice == "constrained" else None


async def answered(talk: Talk, task: ExamTask, item: ExamItem) -> Dialogue:
    """A worked answer to an item, kept when it names the gold label."""
    values = _exam_values(item)
    reply = await talk.ask("exam", values, only=_only(task, item.options))
    chosen = _chosen(task, reply, item.options)
    if chosen is None:
        raise Disagrees("no option named", reply)
    if chosen != frozenset(item.answers):
        raise Disagrees("another option than the gold label", reply)
    asked = f"{item.context}\n\n{values['question']}" if item.context else values["question"]
    return talk.record(asked if task.choice == "letter" else item.question, reply, _lettered(item.answers))


async def invented_item(talk: Talk, task: ExamTask, item: ExamItem) -> Dialogue | ExamItem:
    """A new item in the style of a given one, kept when independent answers name the key that was written."""
    reply = await talk.ask(*first_step(talk.work))
    written = agreement.written_item(reply)
    if written is None:
        raise Disagrees("not an item in the asked form", reply)
    stem, options, key = written
    if agreement.copies(stem, item.question):
        raise Disagrees("copies its example", reply)
    # Teachers write the right option first too often; the order is drawn instead.
    order = list(range(len(options)))
    random.Random(f"{talk.seed}/{talk.work.key}/{talk.tries}").shuffle(order)
    new = ExamItem(
        id=talk.work.key,
        question=stem,
        options=[options[place] for place in order],
        answers=[order.index(key)],
        source=talk.source,
    )
    values = _exam_values(new)
    needed = math.ceil(task.agreement * task.samples)
    agreed: list[str] = []
    for number in range(1, task.samples + 1):
        answer = await talk.ask("exam", values, number, _only(task, new.options))
        if _chosen(task, answer, new.options) == frozenset(new.answers):
            agreed.append(answer)
        if len(agreed) + task.samples - number < needed:
            raise Disagrees("independent answers do not name the key", reply)
    gold = _lettered(new.answers)
    meta = {"agreed": len(agreed), "samples": task.samples}
    if task.record == "item":
        return new.model_copy(update={"meta": talk.meta(gold, **meta)})
    return talk.record(values["question"], agreed[0], gold, **meta)


async def grounded(talk: Talk, task: GroundedTask, document: Document) -> Dialogue:
    """A question and its answer, kept when the answer agrees with the passage that it cites."""
    passage = talk.work.passage
    reply = await talk.ask(*first_step(talk.work))
    parts = agreement.labelled(reply, "question", "answer", "quotation")
    if parts is None:
        raise Disagrees("not in the asked form", reply)
    question, answer, quotation = parts["question"], parts["answer"], parts["quotation"]
    if agreement.points_at_source(f"{question}\n{answer}"):
        raise Disagrees("speaks of the passage", reply)
    known = f"{document.title}\n{passage}"
    if not agreement.quoted(quotation, passage, task.min_quotation):
        raise Disagrees("the quotation is not in the passage", reply)
    if agreement.invented(f"{question}\n{answer}", known):
        raise Disagrees("a number or dose that the passage does not have", reply)
    if agreement.dose_support(answer, passage, document.title) < task.min_dose_support:
        raise Disagrees("a dose of something else", reply)
    if agreement.support(answer, known) < task.min_support:
        raise Disagrees("says more than the passage", reply)
    if task.judge:
        judged = await talk.ask("judge", {"passage": passage, "question": question, "answer": answer})
        if not agreement.verdict(judged):
            raise Disagrees("judged not supported", reply)
    return talk.record(question, answer, quotation, quotation=quotation, licence=document.licence)


async def vignette(talk: Talk, task: VignetteTask, document: Document) -> Dialogue:
    """A case, kept when it does not give the condition away and independent answers name it."""
    case = await talk.ask(*first_step(talk.work))
    if len(units(case)) < task.min_words:
        raise Disagrees("too short for a case", case)
    if agreement.gives_away(case, document.title):
        raise Disagrees("the case gives its condition away", case)
    answers = []
    for number in range(1, task.samples + 1):
        answers.append(await talk.ask("diagnose", {"case": case}, number))
        if not agreement.names_condition(answers[-1], document.title):
            raise Disagrees("another diagnosis than the condition", case)
    return talk.record(case, answers[0], document.title, licence=document.licence)


async def attempted(talk: Talk) -> Dialogue | ExamItem:
    """The record of one try.

    Raises:
        Disagrees: it is not kept.
        Failed: the endpoint gave no reply.
    """
    task, source = talk.work.task, talk.work.source
    if isinstance(task, ExamTask) and isinstance(source, ExamItem):
        return await (answered if task.write == "answers" else invented_item)(talk, task, source)
    assert isinstance(source, Document)
    if isinstance(task, GroundedTask):
        return await grounded(talk, task, source)
    assert isinstance(task, VignetteTask)
    return await vignette(talk, task, source)


async def made(talk: Talk, max_tries: int) -> dict[str, Any]:
    """The journal's line of one record: kept, dropped, or failed by the endpoint."""
    line: dict[str, Any] = {"key": talk.work.key, "outcome": "dropped", "reason": talk.work.unfit, "said": ""}
    try:
        while not talk.work.unfit and talk.tries < max_tries:
            talk.tries += 1
            try:
                record = await attempted(talk)
            except Disagrees as found:
                line |= {"reason": found.reason, "said": found.reply[:500]}
                continue
            line = {"key": talk.work.key, "outcome": "kept", "record": record.model_dump(mode="json")}
            break
    except Failed as failure:
        line |= {"outcome": "failed", "reason": f"endpoint: {failure.reason}", "said": talk.teacher.told(failure)}
    return {**line, "tries": talk.tries, "spent": talk.spent.as_dict()}
