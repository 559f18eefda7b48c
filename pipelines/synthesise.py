"""Synthetic extension: exam answers and items, questions on passages, and patient cases, written by a teacher and checked.

The three kinds and the resampling follow Fully Open Meditron (Theimer-Lienhard et al. 2026, https://arxiv.org/abs/2605.16215; its
``data_gen`` scripts): a reply is kept when it agrees with the gold label, and sampled again otherwise, eight times at most at temperature
0.7. Where that work keeps a written item or a guideline's question as it came, this one checks it too: an item's key must be found by
independent answers, an answer must be borne by its quotation and its passage (see ``agreement``), and a case must lead to its condition.

datatrove's ``InferenceRunner`` (0.10.1) was looked at first, and it does much of the running. It has no rate limit; on an endpoint at
127.0.0.1 over http it sends with code of its own that reads no Retry-After; a request that fails six times, or a wrong key, ends the
whole task without naming the item; and it writes records in the order in which they were finished, so that a resumed run differs from one
in a piece. So the requests go through OpenAI's client (see ``teacher``), and the journal is kept here.

Every finished record or drop is a line of a journal in the stage's checkpoints. A run that was killed goes on from there: what was
finished is not asked again. Records that the endpoint failed are. The result is in the order of the sources, so that an interrupted run
gives the bytes of one in a piece when the teacher gives the same reply to the same request and seed; vLLM does not always, because what
shares a batch changes its rounding. Holds keys and places in memory, and no text.

Writes ``records.jsonl``, ``dropped.jsonl`` and a waterfall that adds up. Raises DataError, RecipeError, TeacherError and ServerError.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import json
import math
import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from tqdm import tqdm

from corpora.adapters.documents import script
from corpora.curate.units import HAN, units
from corpora.curate.waterfall import Step
from corpora.errors import DataError, OslerError
from corpora.records import Dialogue, Document, ExamItem, Message
from evals.score import LETTERS, question_text
from pipelines import agreement, training
from pipelines.artifact import Draft, load_artifact
from pipelines.config import (
    ExamTask,
    GroundedTask,
    Recipe,
    RecipeError,
    SynthesiseStage,
    SynthesisTask,
    VignetteTask,
    named_corpora,
    nearest,
)
from pipelines.data import Sources, one_by_one
from pipelines.prompting import Prompts, load_prompts
from pipelines.reproduce import model_folder
from pipelines.teacher import Failed, Spent, Teacher, TeacherError
from serving.server import serving

console = Console(stderr=True, highlight=False)


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


# ------------------------------------------------------------------------------------------------------------- sources


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


# --------------------------------------------------------------------------------------------------------------- tasks


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

    async def ask(self, step: str, values: dict[str, Any], number: int = 0) -> str:
        """What the teacher says at a step; ``number`` tells independent answers apart.

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
        reply = await self.teacher.ask(text, int.from_bytes(drawn[:4], "big") >> 1, self.spent)
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
    return agreement.letters(reply) if task.choice == "letter" else agreement.worded(reply, options)


async def answered(talk: Talk, task: ExamTask, item: ExamItem) -> Dialogue:
    """A worked answer to an item, kept when it names the gold label."""
    values = _exam_values(item)
    reply = await talk.ask("exam", values)
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
        answer = await talk.ask("exam", values, number)
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


# ------------------------------------------------------------------------------------------------------------- journal


class Journal:
    """Lines on finished records, appended as they come and found again by key. A line that was torn off is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spent = Spent()  # in earlier runs
        self.outcomes: dict[str, str] = {}
        self._places: dict[str, tuple[int, int]] = {}  # key -> start and length
        self._file = path.open("a+b")
        self._file.seek(0)
        whole = 0
        for line in self._file:
            try:
                entry = json.loads(line) if line.endswith(b"\n") else None
            except json.JSONDecodeError:
                entry = None
            if entry is None:
                break
            self._note(entry, whole, len(line))
            took = entry["spent"]
            self.spent.add(Spent(**{**took, "failures": collections.Counter(took["failures"])}))
            whole += len(line)
        self._file.truncate(whole)
        self._end = whole

    def _note(self, entry: dict[str, Any], start: int, length: int) -> None:
        self.outcomes[entry["key"]] = entry["outcome"]
        self._places[entry["key"]] = (start, length)

    def forget_failed(self) -> None:
        """Lets what the endpoint failed be asked again."""
        for key in [key for key, outcome in self.outcomes.items() if outcome == "failed"]:
            del self.outcomes[key]

    def __contains__(self, key: str) -> bool:
        return key in self.outcomes

    def add(self, entry: dict[str, Any]) -> None:
        """Writes a line; it outlives the process from here on."""
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        self._file.write(line)
        self._file.flush()
        self._note(entry, self._end, len(line))
        self._end += len(line)

    def read(self, key: str) -> dict[str, Any]:
        """The last line on a key."""
        start, length = self._places[key]
        self._file.seek(start)
        found: dict[str, Any] = json.loads(self._file.read(length))
        return found

    def close(self) -> None:
        """Makes it safe from a power failure too."""
        os.fsync(self._file.fileno())
        self._file.close()


# ------------------------------------------------------------------------------------------------------------ estimate


def rough_tokens(text: str) -> int:
    """About as many tokens as a common tokenizer makes: one for four letters of Latin script, or for one Chinese character."""
    characters = len(HAN.findall(text))
    return characters + math.ceil((len(text) - characters) / 4)


def token_counter(model: str | Path | None) -> tuple[Callable[[str], int], str]:
    """Counts the tokens of a prompt, and says how: with the model's own tokenizer, or roughly where there is none."""
    if model is None:
        return rough_tokens, "about, at 4 characters a token"
    tokenizer = training.load_tokenizer(model)

    def count(text: str) -> int:
        messages = [{"role": "user", "content": text}]
        laid_out = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        return len(tokenizer(laid_out, add_special_tokens=False)["input_ids"])

    return count, "counted with the teacher's tokenizer"


@dataclass
class Estimate:
    """What the records that are not yet done will take when no reply is sampled again. ``most``: with the longest answers."""

    stage: SynthesiseStage
    counted: str  # how tokens were counted
    wished: int = 0
    done: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    most_prompt_tokens: int = 0
    largest: int = 1  # tokens of the largest request, answer included
    keys: list[str] = field(default_factory=list)

    @property
    def expected_answer(self) -> int:
        """Tokens of an answer."""
        return self.stage.teacher.expected_tokens or max(1, self.stage.teacher.max_tokens // 2)

    def cost(self, most: bool = False) -> float:
        """In the currency of the prices."""
        answer = self.stage.teacher.max_tokens if most else self.expected_answer
        prompts = self.most_prompt_tokens if most else self.prompt_tokens
        return Spent(prompt_tokens=prompts, completion_tokens=self.requests * answer).cost(
            self.stage.teacher.price_per_million
        )

    def minutes(self) -> float | None:
        """At the rate limits, at least; None where there are none."""
        tokens = self.prompt_tokens + self.requests * self.expected_answer
        limits = [(self.requests, self.stage.requests_per_minute), (tokens, self.stage.tokens_per_minute)]
        found = [amount / limit for amount, limit in limits if limit]
        return max(found) if found else None

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        found: dict[str, Any] = {
            "records_wished": self.wished,
            "records_done": self.done,
            "requests": self.requests,
            "requests_if_all_are_resampled": self.requests * self.stage.max_tries,
            "tokens": self.counted,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens_expected": self.requests * self.expected_answer,
            "completion_tokens_at_most": self.requests * self.stage.teacher.max_tokens,
            "minutes_at_the_rate_limits": self.minutes(),
        }
        if self.stage.teacher.price_per_million is not None:
            at_most = self.cost(most=True)
            found |= {"cost_expected": self.cost(), "cost_at_most": at_most}
            found["cost_if_all_are_resampled"] = at_most * self.stage.max_tries
        return found

    def lines(self) -> list[str]:
        """For people."""
        told = self.as_dict()
        lines = [
            f"{self.wished:,} records wished, {self.done:,} of them done before",
            f"requests: {self.requests:,} when no reply is sampled again, {told['requests_if_all_are_resampled']:,} at most",
            f"tokens: prompts {self.prompt_tokens:,} ({self.counted}), answers {told['completion_tokens_expected']:,} expected, "
            f"{told['completion_tokens_at_most']:,} at most",
        ]
        if "cost_expected" in told:
            lines.append(
                f"cost: {told['cost_expected']:.4g} expected, {told['cost_at_most']:.4g} at most, "
                f"{told['cost_if_all_are_resampled']:.4g} if every reply is sampled {self.stage.max_tries} times"
            )
        else:
            lines.append("cost: not known; give teacher.price_per_million")
        minutes = self.minutes()
        at_least = "no rate limit is set" if minutes is None else f"{minutes:.1f} minutes or more at the rate limits"
        return [*lines, f"time: {at_least}"]

    def check(self) -> None:
        """Raises RecipeError when it costs more than ``max_cost``, or one request is more than a minute's tokens."""
        if self.stage.max_cost is not None and self.cost(most=True) > self.stage.max_cost:
            raise RecipeError(
                f"this may cost {self.cost(most=True):.4g} and max_cost is {self.stage.max_cost:g}: nothing was sent; raise "
                "max_cost, lower max_tokens, or limit the corpora"
            )
        if self.stage.tokens_per_minute is not None and self.largest > self.stage.tokens_per_minute:
            raise RecipeError(
                f"one request may take {self.largest:,} tokens and tokens_per_minute is {self.stage.tokens_per_minute:,}; lower "
                "teacher.max_tokens or passage_characters"
            )


def estimate(
    stage: SynthesiseStage, sources: Sources, model: str | Path | None, done: Journal | frozenset[str] = frozenset()
) -> Estimate:
    """Goes through the sources, sends nothing, and counts.

    Args:
        stage: what is to be done.
        sources: where its corpora are.
        model: whose tokenizer counts; None for a rough count.
        done: keys that are not asked for again.

    Raises:
        OslerError: as ``sourced``, or a prompt cannot be made.
    """
    count, how = token_counter(model)
    found = Estimate(stage, how)
    prompts = [load_prompts(task) for task in stage.tasks]
    longest = stage.teacher.max_tokens
    for work in tqdm(sourced(stage, sources), desc="estimating", unit="record", leave=False, disable=None):
        found.keys.append(work.key)
        found.wished += 1
        if work.key in done:
            found.done += 1
            continue
        steps = [] if work.unfit else [first_step(work), *further_steps(work)]
        of_task = prompts[stage.tasks.index(work.task)]
        for number, (step, values) in enumerate(steps):
            tokens = count(of_task[f"{step}.{work.language}"].render(**values))
            found.requests += 1
            # A further step's prompt holds what the teacher wrote before.
            found.prompt_tokens += tokens + (found.expected_answer if number else 0)
            most = tokens + (longest if number else 0)
            found.most_prompt_tokens += most
            found.largest = max(found.largest, most + longest)
    return found


# ------------------------------------------------------------------------------------------------------------- the run


class _Bar:
    """What a person sees of a run."""

    def __init__(self, journal: Journal, expected: Estimate) -> None:
        self.counts = collections.Counter(journal.outcomes.values())
        self.reasons: collections.Counter[str] = collections.Counter()
        self.price = expected.stage.teacher.price_per_million
        self.bar = tqdm(
            total=expected.wished, initial=expected.done, desc="synthesise", unit="record", dynamic_ncols=True
        )

    def show(self, line: dict[str, Any], spent: Spent) -> None:
        self.counts[line["outcome"]] += 1
        if line["outcome"] != "kept":
            self.reasons[line["reason"]] += 1
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.reasons.most_common(3))
        told = [f"kept {self.counts['kept']:,}", f"dropped {self.counts['dropped'] + self.counts['failed']:,}"]
        if dropped:
            told[-1] += f" ({dropped})"
        told.append(f"{spent.prompt_tokens + spent.completion_tokens:,} tokens")
        if self.price is not None:
            told.append(f"cost {spent.cost(self.price):.4g}")
        self.bar.set_postfix_str(", ".join(told), refresh=False)
        self.bar.update()


async def _run(
    stage: SynthesiseStage,
    seed: int,
    teacher: Teacher,
    who: dict[str, str],
    sources: Sources,
    journal: Journal,
    bar: _Bar,
) -> None:
    """Makes every record that is not in the journal, ``concurrency`` at once.

    Raises:
        TeacherError: the teacher cannot be used, or failed ``stop_after`` records in a row.
    """
    prompts = [load_prompts(task) for task in stage.tasks]
    pending = (work for work in sourced(stage, sources) if work.key not in journal)
    in_a_row: collections.Counter[str] = collections.Counter()

    async def worker() -> None:
        for work in pending:
            talk = Talk(work, prompts[stage.tasks.index(work.task)], teacher, who, seed)
            line = await made(talk, stage.max_tries)
            journal.add(line)
            bar.show(line, teacher.spent)
            if line["outcome"] != "failed":
                in_a_row.clear()
                continue
            in_a_row[f"{line['reason']}: {line['said']}"] += 1
            if in_a_row.total() >= stage.stop_after:
                told = "; ".join(f"{count} × {reason}" for reason, count in in_a_row.most_common(3))
                raise TeacherError(
                    f"{teacher.url} failed {in_a_row.total()} records in a row ({told}); what was done is kept: mend the endpoint, "
                    "or raise timeout or retries, and run again"
                )

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(stage.concurrency):
                group.create_task(worker())
    except* OslerError as found:
        raise found.exceptions[0] from None
    finally:
        await teacher.close()


def _own_flags(model: str, largest: int, seed: int, stage: SynthesiseStage) -> dict[str, Any]:
    """Flags of our own vLLM: room for the largest request, as far as the model has it."""
    config = Path(model) / "config.json"
    room = json.loads(config.read_text()).get("max_position_embeddings", largest) if config.is_file() else largest
    return {"max-model-len": min(largest + 8, room), "seed": seed, **stage.teacher.vllm}


def synthesise(
    stage: SynthesiseStage, seed: int, model: str | None, fingerprint: str | None, sources: Sources, draft: Draft
) -> None:
    """Writes what the teacher's replies leave to ``draft``.

    Args:
        stage: what is to be done.
        seed: of the recipe.
        model: folder or hub id of our own teacher; None for an endpoint.
        fingerprint: of its weights.
        sources: where the stage's corpora are.
        draft: the stage's folder; the journal is in its checkpoints.

    Raises:
        DataError: a corpus cannot be used, or nothing is left.
        RecipeError: the estimate is above ``max_cost``, a prompt cannot be made, or the key's variable is empty.
        TeacherError: see ``Teacher.ask`` and ``_run``.
        ServerError: our own vLLM does not start, or has stopped.
    """
    journal = Journal(draft.checkpoints / "journal.jsonl")
    journal.forget_failed()
    before = journal.spent.requests
    expected = estimate(stage, sources, model, journal)
    block = stage.teacher
    name = block.name or str(block.model)
    console.print(f"teacher: {name}" + (f" at {block.url}" if block.url else ", our own vLLM"), markup=False)
    for told in expected.lines():
        console.print(f"  {told}", markup=False, soft_wrap=True)
    expected.check()
    who = {"teacher": name, **({"teacher_fingerprint": fingerprint} if fingerprint else {})}
    count, _ = token_counter(model)

    def ask_all(url: str, served: str, key: str | None) -> Spent:
        async def run() -> Spent:
            teacher = Teacher(stage, url, served, key, expected.largest, count, journal.spent)
            await _run(stage, seed, teacher, who, sources, journal, bar)
            return teacher.spent

        return asyncio.run(run())

    spent = journal.spent
    bar = _Bar(journal, expected)
    try:
        if expected.wished == expected.done:
            pass
        elif block.url is not None:
            spent = ask_all(block.url, name, endpoint_key(stage))
        else:
            assert model is not None
            with serving(model, flags=_own_flags(model, expected.largest, seed, stage)) as server:
                try:
                    spent = ask_all(server.url, server.model, None)
                except TeacherError:
                    server.check()  # the server's own reason, where it has stopped
                    raise
                draft.metrics |= {
                    "vllm_start_seconds": round(server.start_seconds, 1),
                    "vllm_memory_gib": round(server.peak_memory_gib, 2),
                }
    finally:
        bar.bar.close()
    _write(stage, expected.keys, journal, draft)
    journal.close()
    draft.metrics |= {
        **who,
        "endpoint": block.url or "our own vLLM",
        "estimate": expected.as_dict(),
        "spent": spent.as_dict(),
        "requests_of_this_run": spent.requests - before,
    }
    if block.price_per_million is not None:
        draft.metrics["cost"] = round(spent.cost(block.price_per_million), 6)


def estimate_stage(recipe: Recipe, wanted: str | None, run_dir: Path, data_dir: Path | None) -> tuple[str, Estimate]:
    """The name and the estimate of a recipe's synthesise stage, the last one by default, from nothing done. Sends nothing.

    Raises:
        RecipeError: there is no such stage, or it reads an earlier one that has not been run.
        DataError: a corpus cannot be used.
    """
    name = synthesise_stage(recipe, wanted)
    stage = recipe.stages[name]
    assert isinstance(stage, SynthesiseStage)
    found = {other: load_artifact(run_dir / other) for other in recipe.stages}
    artifacts = {other: artifact for other, artifact in found.items() if artifact is not None}
    for corpus in named_corpora(stage):
        if corpus.name in recipe.stages and corpus.name not in artifacts:
            raise RecipeError(
                f"stages.{name} reads '{corpus.name}', which has not been run; run it first, without --estimate"
            )
    own = stage.teacher.model
    there = own is not None and (
        own not in recipe.stages or own in artifacts
    )  # else the stages before it make its tokenizer
    model = model_folder(own, recipe, artifacts) if own is not None and there else None
    made = estimate(stage, Sources(data_dir, recipe.seed, artifacts), model)
    made.check()
    return name, made


def synthesise_stage(recipe: Recipe, wanted: str | None) -> str:
    """Name of the recipe's synthesise stage that is wanted, the last one by default.

    Raises:
        RecipeError: there is none.
    """
    names = [name for name, stage in recipe.stages.items() if isinstance(stage, SynthesiseStage)]
    if not names:
        raise RecipeError(f"recipe '{recipe.name}' has no stage of kind 'synthesise'")
    if wanted is not None and wanted not in names:
        raise RecipeError(f"no synthesise stage is called '{wanted}'; {nearest(wanted, names)}")
    return wanted or names[-1]


def endpoint_key(stage: SynthesiseStage) -> str | None:
    """The key for the teacher's endpoint, from the environment variable that the recipe names.

    Raises:
        RecipeError: the variable is not set.
    """
    variable = stage.teacher.key_env
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise RecipeError(
            f"the environment variable {variable} is not set; it holds the key for {stage.teacher.url} (key_env)"
        )
    return os.environ[variable]


def _write(stage: SynthesiseStage, keys: list[str], journal: Journal, draft: Draft) -> None:
    """Records, drops and counts, in the order of the sources.

    Raises:
        DataError: nothing was kept.
    """
    steps = {task.name or task.task: Step(task.name or task.task) for task in stage.tasks}
    gold: collections.Counter[str] = collections.Counter()
    tries: collections.Counter[int] = collections.Counter()
    samples: list[Any] = []
    with (
        (draft.folder / "records.jsonl").open("w", encoding="utf-8") as records,
        (draft.folder / "dropped.jsonl").open("w", encoding="utf-8") as drops,
    ):
        for key in keys:
            line = journal.read(key)
            step = steps[key.split("/")[0]]
            step.received += 1
            if line["outcome"] != "kept":
                step.dropped[line["reason"]] += 1
                told = {"id": key, "reason": line["reason"], "tries": line["tries"], "said": line["said"]}
                drops.write(json.dumps(told, ensure_ascii=False) + "\n")
                continue
            step.kept += 1
            tries[line["tries"]] += 1
            record = line["record"]
            if record["meta"]["task"] == "exam":
                gold[record["meta"]["gold"]] += 1
            records.write(json.dumps(record, ensure_ascii=False) + "\n")
            if len(samples) < 3:
                samples.append(record)
    told = []
    for step in steps.values():
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in step.dropped.most_common())
        told.append(f"{step.name}: {step.received:,} in, {step.kept:,} kept, dropped: {reasons or 'none'}")
        console.print(told[-1], markup=False, soft_wrap=True)
    kept = sum(step.kept for step in steps.values())
    if not kept:
        raise DataError(
            f"the teacher gave nothing that could be kept ({'. '.join(told)}); what it said last of each is in {journal.path}: choose "
            "a better teacher, mend the prompts, or raise max_tries"
        )
    draft.metrics |= {
        "records": kept,
        "waterfall": [step.as_dict() for step in steps.values()],
        "kept_at_try": {str(number): tries[number] for number in sorted(tries)},
        "gold_letters": dict(sorted(gold.items())),
        "samples": samples,
    }
