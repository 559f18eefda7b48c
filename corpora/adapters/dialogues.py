"""Questions with their answers: published row -> Dialogue."""

from __future__ import annotations

import re
from typing import Any

from corpora.adapters.fields import (
    ROLES,
    Row,
    check_order,
    check_text,
    field,
    first_name,
    has,
    history,
    identifier,
    label,
    merged,
    optional,
    system_turn,
    turn,
    turns,
)
from corpora.records import Dialogue, Message

# A question's name and the name that its answer has beside it, as published.
QUESTION_ANSWER = (
    ("question", "answer"),
    ("Question", "Answer"),
    ("query", "response"),
    ("prompt", "response"),
    ("prompt", "completion"),
    ("question", "response"),
    ("ask", "answer"),
    ("Patient", "Doctor"),
    ("patient", "doctor"),
    ("input", "target"),
    ("input", "output"),
    ("input", "answer_icliniq"),
    ("input", "answer"),
    ("instruction", "response"),
    ("instruction", "answer"),
    ("Open-ended Verifiable Question", "Ground-True Answer"),
    ("harmful_medical_request", "safe_response"),
    ("question_text", "answer_text"),
    ("q", "a"),
)
REASONING = (
    ("Question", "Complex_CoT", "Response"),
    ("question", "reasoning (reasoning_content)", "response (content)"),
    ("question", "reasoning", "answer"),
    ("question", "reasoning_content", "content"),
    ("prompt", "reasoning", "distilled_answer_string"),
    ("question", "Complex_CoT", "Response"),
    ("question", "thinking", "answer"),
)
TURN_LISTS = ("conversations", "conversation", "messages", "dialogue", "dialog", "dialogue_turns", "turns")
LINE_LISTS = ("data", "utterances", "dialogue", "conversation")
# "问：…", "Doctor: …": who speaks stands before the text.
SPEAKER = re.compile(
    r"^\s*(病人|患者|医生|问|答|用户|助手|patient|doctor|user|assistant|human)\s*[:：]\s*", re.IGNORECASE
)


def _dialogue(row: Row, dataset: str, messages: list[Message], **meta: Any) -> Dialogue:
    return Dialogue(
        id=identifier(row, dataset),
        messages=check_order(messages),
        source=label(row, "url", "source") or dataset,
        meta={name: value for name, value in meta.items() if value},
    )


def is_alpaca(row: Row) -> bool:
    """Whether the row has Alpaca's fields."""
    return has(row, "instruction", "output") and isinstance(row["output"], str)


def alpaca(row: Row, dataset: str) -> Dialogue:
    """``{"instruction", "input"?, "output", "history"?, "system"?}`` (Taori et al. 2023); ``history`` is a list of [question, answer]."""
    question = "\n".join(part for part in (optional(row, "instruction"), optional(row, "input")) if part)
    messages = [
        *system_turn(row),
        *history(row),
        Message(role="user", content=check_text(question, "instruction")),
        Message(role="assistant", content=field(row, "output", reasoning=True)),
    ]
    return _dialogue(row, dataset, messages)


def _turn_list(row: Row) -> list[Any] | None:
    """The row's list of turn objects, under any of the usual names."""
    for name in TURN_LISTS:
        value = row.get(name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return value
    return None


def is_sharegpt(row: Row) -> bool:
    """Whether the row has turns of ``from`` and ``value``."""
    found = _turn_list(row)
    return found is not None and has(found[0], "from", "value")


def is_messages(row: Row) -> bool:
    """Whether the row has turns of a role and a content."""
    return _turn_list(row) is not None


def messages(row: Row, dataset: str) -> Dialogue:
    """A list of turns: OpenAI's ``{"role", "content"}``, ShareGPT's ``{"from", "value"}``, or ``{"speaker", "utterance"}``.

    An empty system turn, which many exports have, is left out; turns of one speaker in a row become one.
    """
    name = next((name for name in TURN_LISTS if name in row), "messages")
    values = row[name]
    if isinstance(values, list):
        values = [value for value in values if not _blank_system(value)]
    report = optional(
        row, "self_report", "self-report"
    )  # IMCS-21: what the patient wrote before the doctor's first question
    told = [Message(role="user", content=report)] if report else []
    return _dialogue(row, dataset, merged([*system_turn(row), *told, *turns(values, name)]))


def _blank_system(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    role = value.get("role", value.get("from"))
    return role == "system" and not str(value.get("content", value.get("value")) or "").strip()


PAIRS = (("human", "assistant"), ("user", "assistant"), ("question", "answer"), ("query", "response"))


def is_pairs(row: Row) -> bool:
    """Whether the row has a list of questions with their answers."""
    found = _turn_list(row)
    return found is not None and any(has(found[0], *names) for names in PAIRS)


def pairs(row: Row, dataset: str) -> Dialogue:
    """A list of ``{"human", "assistant"}`` (Firefly, MOSS) or of other pairs, each a question and its answer."""
    name = next((name for name in TURN_LISTS if name in row), "conversation")
    made: list[Message] = []
    for number, one in enumerate(_turn_list(row) or [], start=1):
        names = next((names for names in PAIRS if isinstance(one, dict) and has(one, *names)), None)
        if names is None:
            raise ValueError(f"turn {number} of '{name}' is not a question with its answer")
        for role, key in zip(("user", "assistant"), names, strict=True):
            made.append(turn(role, one[key], f"turn {number} of '{name}'"))
    return _dialogue(row, dataset, [*system_turn(row), *made])


def is_alternating(row: Row) -> bool:
    """Whether the row has a list of texts, the user's and the assistant's by turns."""
    name = first_name(row, TURN_LISTS)
    return (
        name is not None
        and isinstance(row[name], list)
        and len(row[name]) > 1
        and all(isinstance(one, str) for one in row[name])
    )


def alternating(row: Row, dataset: str) -> Dialogue:
    """A list of texts without speakers: the user begins, and the assistant ends."""
    name = first_name(row, TURN_LISTS)
    if name is None or not isinstance(row[name], list):
        raise KeyError(" or ".join(TURN_LISTS))
    made = [
        turn(("user", "assistant")[number % 2], text, f"turn {number + 1} of '{name}'")
        for number, text in enumerate(row[name])
    ]
    return _dialogue(row, dataset, [*system_turn(row), *made])


def is_lines(row: Row) -> bool:
    """Whether the row has a list of texts, each with its speaker before it."""
    return any(
        isinstance(row.get(name), list) and row[name] and isinstance(row[name][0], str) and SPEAKER.match(row[name][0])
        for name in LINE_LISTS
    )


def lines(row: Row, dataset: str) -> Dialogue:
    """A list of texts that begin with their speaker: HuatuoGPT's ``data`` ("问：…", "答：…"), MedDialog's ``utterances`` ("病人：…")."""
    name = first_name(row, LINE_LISTS)
    if name is None or not isinstance(row[name], list):
        raise KeyError(" or ".join(LINE_LISTS))
    found = []
    for number, text in enumerate(row[name], start=1):
        spoken = SPEAKER.match(text) if isinstance(text, str) else None
        if spoken is None:
            raise ValueError(f"turn {number} of '{name}' does not begin with its speaker")
        found.append(turn(ROLES[spoken.group(1).lower()], text[spoken.end() :], f"turn {number} of '{name}'"))
    return _dialogue(row, dataset, merged(found))


def is_reasoning(row: Row) -> bool:
    """Whether the row has a question, the reasoning and the answer."""
    return any(has(row, *names) for names in REASONING)


def reasoning(row: Row, dataset: str) -> Dialogue:
    """A question, the thinking and the answer, as in HuatuoGPT-o1's ``Question``, ``Complex_CoT`` and ``Response``.

    The answer is ``<think>…</think>`` and what follows, as reasoning models write it.
    """
    names = next((names for names in REASONING if has(row, *names)), REASONING[0])
    question, thought, answer = field(row, names[0]), field(row, names[1]), field(row, names[2])
    options = optional(row, "options") if isinstance(row.get("options"), str) else ""
    user = f"{question}\n{options}" if options else question
    content = f"<think>\n{thought}\n</think>\n\n{answer}"
    return _dialogue(row, dataset, [Message(role="user", content=user), Message(role="assistant", content=content)])


def is_question_answer(row: Row) -> bool:
    """Whether the row has a question and an answer under one of the usual pairs of names, both texts."""
    return any(has(row, *names) and isinstance(row[names[1]], str) for names in QUESTION_ANSWER)


def question_answer(row: Row, dataset: str) -> Dialogue:
    """A question and its answer under any usual pair of names (see ``QUESTION_ANSWER``).

    A ``title`` that says more than the question does (Chinese medical dialogue data) goes before it.
    """
    names = next((names for names in QUESTION_ANSWER if has(row, *names)), ("question", "answer"))
    question, answer = field(row, names[0]), field(row, names[1], reasoning=True)
    title = optional(row, "title") if names[0] == "ask" else ""
    if title and title not in question:
        question = f"{title}\n{question}"
    made = [*system_turn(row), Message(role="user", content=question), Message(role="assistant", content=answer)]
    return _dialogue(row, dataset, made, focus=label(row, "focus"), qtype=label(row, "qtype"))


def is_questions_answers(row: Row) -> bool:
    """Whether the row has lists of wordings of a question and of answers."""
    return has(row, "questions", "answers")


def questions_answers(row: Row, dataset: str) -> Dialogue:
    """Huatuo-26M's ``questions`` (wordings of one question, plain or in a list of lists) and ``answers``: the first of each.

    An answer that is only an address, as in the consultation part, is refused.
    """
    question, answer = _first(row["questions"], "questions"), _first(row["answers"], "answers")
    if re.fullmatch(r"https?://\S+", answer):
        raise ValueError("'answers' is an address, not an answer")
    return _dialogue(row, dataset, [Message(role="user", content=question), Message(role="assistant", content=answer)])


def _first(value: Any, name: str) -> str:
    while isinstance(value, list):
        if not value:
            raise ValueError(f"'{name}' is empty")
        value = value[0]
    return check_text(value, name)


def is_bioasq(row: Row) -> bool:
    """Whether the row is a question of BioASQ's task b."""
    return has(row, "body", "ideal_answer")


def bioasq(row: Row, dataset: str) -> Dialogue:
    """BioASQ task b: ``body`` and the first ``ideal_answer``."""
    answer = _first(row["ideal_answer"], "ideal_answer")
    made = [Message(role="user", content=field(row, "body")), Message(role="assistant", content=answer)]
    return _dialogue(row, dataset, made, qtype=label(row, "type"))


def is_liveqa(row: Row) -> bool:
    """Whether the row is of LiveQA-Medical's test set as JSON."""
    return "REFERENCE_ANSWERS" in row and ("NLM_SUMMARY" in row or "ORIGINAL_QUESTION_MESSAGE" in row)


def liveqa(row: Row, dataset: str) -> Dialogue:
    """LiveQA-Medical (Ben Abacha et al. 2017): the summary of the question, or the question, and the first reference answer."""
    answers = row["REFERENCE_ANSWERS"]
    if not isinstance(answers, list) or not answers or not isinstance(answers[0], dict):
        raise ValueError("'REFERENCE_ANSWERS' is not a list of answers")
    question = optional(row, "NLM_SUMMARY") or field(row, "ORIGINAL_QUESTION_MESSAGE")
    made = [Message(role="user", content=question), Message(role="assistant", content=field(answers[0], "ANSWER"))]
    return _dialogue(row, dataset, made)


def is_healthbench(row: Row) -> bool:
    """Whether the row is of HealthBench."""
    return has(row, "prompt", "rubrics")


def healthbench(row: Row, dataset: str) -> Dialogue:
    """HealthBench (Arora et al. 2025): the turns of ``prompt`` and the physicians' ideal completion; the rubrics are kept in ``meta``.

    A row without an ideal completion has no answer to keep and is refused.
    """
    ideal = row.get("ideal_completions_data")
    if not isinstance(ideal, dict):
        raise ValueError("the row has no ideal completion")
    answer = Message(role="assistant", content=field(ideal, "ideal_completion"))
    return _dialogue(row, dataset, [*turns(row["prompt"], "prompt"), answer], rubrics=row["rubrics"])
