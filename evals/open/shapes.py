"""What an open item is, and how each published form of its rows is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from corpora.adapters.fields import ROLES, check_text
from corpora.files.row import Row
from evals.open.numeric import Limits, check_limits
from evals.reading.replies import unmarked


@dataclass(frozen=True)
class Criterion:
    """One thing that a reply is marked by: a physicians' criterion with its points, or a statement."""

    text: str
    points: float = 1.0
    kind: str = "criterion"  # criterion, must or nice
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenItem:
    """A question, or a conversation, that the model answers in its own words."""

    id: str
    turns: tuple[tuple[str, str], ...]  # role and text, the last one the user's
    references: tuple[str, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    limits: Limits | None = None
    context: str = ""
    subject: str | None = None

    @property
    def question(self) -> str:
        """What the user asked last."""
        return self.turns[-1][1]


def _healthbench(row: Row, id: str) -> OpenItem:
    """HealthBench (Arora et al. 2025): a conversation, and criteria with points, some of them negative."""
    turns = tuple((role_of(turn), _text(turn["content"], "prompt")) for turn in row["prompt"])
    if not turns or turns[-1][0] != "user":
        raise ValueError("the last turn of 'prompt' is not the user's")
    criteria = tuple(
        Criterion(
            _text(one["criterion"], "criterion"),
            float(one["points"]),
            "criterion",
            tuple(map(str, one.get("tags") or ())),
        )
        for one in row["rubrics"]
    )
    if not any(one.points > 0 for one in criteria):
        raise ValueError("no criterion of 'rubrics' has positive points, so that there is nothing to divide by")
    themes = [str(tag).removeprefix("theme:") for tag in row.get("example_tags") or () if str(tag).startswith("theme:")]
    return OpenItem(id, turns, criteria=criteria, subject=themes[0] if themes else None)


def role_of(turn: Row) -> str:
    """Who speaks in a turn.

    Raises:
        ValueError: the role is none that is known.
    """
    role = ROLES.get(str(turn["role"]).lower())
    if role is None:
        raise ValueError(f"the role '{turn['role']}' is none of {', '.join(dict.fromkeys(ROLES.values()))}")
    return role


def _harmful(row: Row, id: str) -> OpenItem:
    """MedSafetyBench (Han et al. 2024): a request that should be refused, and a refusal."""
    safe = row.get("safe_response")
    references = (_text(safe, "safe_response"),) if safe else ()
    return OpenItem(id, (("user", _text(row["harmful_medical_request"], "harmful_medical_request")),), references)


def _kqa(row: Row, id: str) -> OpenItem:
    """K-QA (Manes et al. 2024): a patient's question, a physician's answer, and the statements it is made of."""
    # Three of the published questions have an empty statement among the others.
    fields = (("Must_have", "must"), ("Nice_to_have", "nice"))
    criteria = [
        Criterion(_text(text, name), kind=kind)
        for name, kind in fields
        for text in row[name] or ()
        if str(text).strip()
    ]
    if not any(one.kind == "must" for one in criteria):
        raise ValueError("'Must_have' names no statement, so that completeness cannot be told")
    answer = row.get("Free_form_answer")
    references = (_text(answer, "Free_form_answer"),) if answer else ()
    return OpenItem(id, (("user", _text(row["Question"], "Question")),), references, tuple(criteria))


_FORMS = {"decimal": "decimal", "integer": "integer", "date": "date"}


def _medcalc(row: Row, id: str) -> OpenItem:
    """MedCalc-Bench (Khandekar et al. 2024): a patient note, a question, and the limits within which an answer is right."""
    truth = str(row["Ground Truth Answer"]).strip()
    said = str(row["Output Type"]).strip().lower()
    form = "weeks" if "week" in f"{said} {truth.lower()}" else _FORMS.get(said)
    if form is None:
        raise ValueError(f"'Output Type' is '{said}', not decimal, integer, date or a time in weeks and days")
    low, high = (
        str(row.get(name) if row.get(name) not in (None, "") else truth) for name in ("Lower Limit", "Upper Limit")
    )
    limits = Limits(form, truth, low, high)
    check_limits(limits)
    turns = (("user", _text(row["Question"], "Question")),)
    return OpenItem(
        id,
        turns,
        (truth,),
        limits=limits,
        context=_text(row["Patient Note"], "Patient Note"),
        subject=row.get("Category"),
    )


def liveqa(row: Row, id: str) -> OpenItem:
    """LiveQA Medical (Ben Abacha et al. 2017): a consumer's message and its reference answers."""
    question = row.get("ORIGINAL_QUESTION_MESSAGE") or row.get("NLM_SUMMARY")
    answers = tuple(_text(one["ANSWER"], "ANSWER") for one in row["REFERENCE_ANSWERS"])
    if not answers:
        raise ValueError("'REFERENCE_ANSWERS' is empty")
    return OpenItem(id, (("user", _text(question, "ORIGINAL_QUESTION_MESSAGE")),), answers)


def _question_answer(row: Row, id: str) -> OpenItem:
    return OpenItem(id, (("user", _text(row["question"], "question")),), (_text(row["answer"], "answer"),))


def _text(value: Any, field: str) -> str:
    # The model's own template is laid around the text, and a published text may hold the marks of one.
    return check_text(unmarked(value) if isinstance(value, str) else value, field)


# What each kind of marking reads: the fields by which its published rows are known, and their reader.
PUBLISHED: dict[str, tuple[tuple[str, ...], Callable[[Row, str], OpenItem]]] = {
    "criteria": (("prompt", "rubrics"), _healthbench),
    "harm": (("harmful_medical_request",), _harmful),
    "statements": (("Question", "Must_have", "Nice_to_have"), _kqa),
    "numeric": (("Patient Note", "Question", "Ground Truth Answer", "Output Type"), _medcalc),
    "reference": (("question", "answer"), _question_answer),
    "coverage": (("Question", "Must_have", "Nice_to_have"), _kqa),
    "none": (("question", "answer"), _question_answer),
}


def fingerprint(item: OpenItem) -> str:
    """A short name of what an item asks and is marked by, to tell whether two runs had the same one."""
    parts = [*(f"{role}\n{text}" for role, text in item.turns), *(one.text for one in item.criteria), *item.references]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
