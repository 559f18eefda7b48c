"""What a teacher is asked for each record of a synthesise stage, and when its reply is kept: the three tasks.

A task makes one try at a record. See ``synthesise`` for the paper that the tasks follow, ``works`` for what the records are, and ``agreement``
for the rules.
"""

from __future__ import annotations

import hashlib
import math
import random
from typing import Any

from corpora.curate.units import units
from corpora.records import Dialogue, Document, ExamItem, Message
from evals.verifiers import letters
from pipelines.config import ExamTask, GroundedTask, VignetteTask
from pipelines.synthesis import agreement
from pipelines.synthesis.prompting import Prompts
from pipelines.synthesis.teacher import Failed, Spent, Teacher
from pipelines.synthesis.works import Work, exam_values, first_step, lettered


class Disagrees(Exception):
    """A reply that is not kept. ``reason`` is short and the same for all alike; ``reply`` is what was said."""

    def __init__(self, reason: str, reply: str) -> None:
        super().__init__(reason)
        self.reason, self.reply = reason, reply


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
    values = exam_values(item)
    reply = await talk.ask("exam", values, only=_only(task, item.options))
    chosen = _chosen(task, reply, item.options)
    if chosen is None:
        raise Disagrees("no option named", reply)
    if chosen != frozenset(item.answers):
        raise Disagrees("another option than the gold label", reply)
    asked = f"{item.context}\n\n{values['question']}" if item.context else values["question"]
    return talk.record(asked if task.choice == "letter" else item.question, reply, lettered(item.answers))


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
    values = exam_values(new)
    needed = math.ceil(task.agreement * task.samples)
    agreed: list[str] = []
    for number in range(1, task.samples + 1):
        answer = await talk.ask("exam", values, number, _only(task, new.options))
        if _chosen(task, answer, new.options) == frozenset(new.answers):
            agreed.append(answer)
        if len(agreed) + task.samples - number < needed:
            raise Disagrees("independent answers do not name the key", reply)
    gold = lettered(new.answers)
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
