"""Reading one field of a published row, with every check that a text must pass before it may be trained on."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from corpora.records import Message

Row = dict[str, Any]

LONGEST_TURN = 200_000  # characters of a turn or an option; a longer one is a fault of the export, not an answer
LONGEST_DOCUMENT = 20_000_000  # characters; the longest textbook has some five million

# Marks by which chat templates tell turns apart (ChatML, Llama 2 and 3, Gemma, Phi, Mistral). Inside a text they would be
# read as the real ones: what follows "<|im_start|>assistant" in a user's text is then learnt as the assistant's.
CONTROL = re.compile(
    r"<\|(?:im_start|im_end|im_sep|endoftext|eot_id|eom_id|start_header_id|end_header_id|begin_of_text|end_of_text"
    r"|system|user|assistant|end|pad)\|>|\[/?INST\]|<</?SYS>>|<start_of_turn>|<end_of_turn>|</s>"
)
REASONING = re.compile(r"</?think>|</?tool_call>|</?tool_response>")

ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "patient": "user", "prompter": "user", "病人": "user", "患者": "user", "问": "user", "用户": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "bard": "assistant", "model": "assistant",
    "doctor": "assistant", "chatbot": "assistant", "医生": "assistant", "答": "assistant", "助手": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool",
}  # fmt: skip


def check_text(value: Any, field: str, longest: int = LONGEST_TURN, reasoning: bool = False) -> str:
    """``value`` without white space at its ends.

    Raises:
        ValueError: it is not a text, is empty or too long, holds a NUL or half of a surrogate pair, or the marks of a chat
            template. Marks of reasoning are let through where ``reasoning`` says so. Each reason names the field.
    """
    if value is None:
        raise ValueError(f"'{field}' is null")
    if not isinstance(value, str):
        raise ValueError(f"'{field}' is of type {type(value).__name__}, not a text")
    if len(value) > longest:
        raise ValueError(f"'{field}' is longer than {longest:,} characters")
    text = value.strip()
    if not text:
        raise ValueError(f"'{field}' is empty")
    if "\0" in text:
        raise ValueError(f"'{field}' holds a NUL character")
    if not _encodable(text):
        raise ValueError(f"'{field}' is not valid Unicode (half of a surrogate pair)")
    if CONTROL.search(text) or (not reasoning and REASONING.search(text)):
        raise ValueError(f"'{field}' holds the marks of a chat template")
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def has(row: Row, *names: str) -> bool:
    """Whether the row has a field of each name."""
    return all(name in row for name in names)


def first_name(row: Row, names: Iterable[str]) -> str | None:
    """The first of ``names`` that the row has."""
    return next((name for name in names if name in row), None)


def field(row: Row, *names: str, **kwargs: Any) -> str:
    """The checked text of the first of ``names`` that the row has.

    Raises:
        KeyError: it has none of them.
        ValueError: as ``check_text``.
    """
    name = first_name(row, names)
    if name is None:
        raise KeyError(" or ".join(names))
    return check_text(row[name], name, **kwargs)


def optional(row: Row, *names: str, **kwargs: Any) -> str:
    """As ``field``, but an absent, null or blank one is the empty text."""
    name = first_name(row, names)
    if name is None or row[name] is None or (isinstance(row[name], str) and not row[name].strip()):
        return ""
    return check_text(row[name], name, **kwargs)


def label(row: Row, *names: str) -> str:
    """A short description (title, source, licence) for people to read: whatever it is, as text, cut to 500 characters."""
    name = first_name(row, names)
    value = row.get(name) if name else None
    if isinstance(value, (list, tuple)):
        value = ", ".join(str(part) for part in value)
    if not isinstance(value, (str, int, float)):
        return ""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()[:500]


IDS = (
    "id", "_id", "pid", "pmid", "PMID", "pubid", "prompt_id", "question_id", "qid", "doc_id", "uid", "sample_id", "__key__",
)  # fmt: skip


def own_id(row: Row) -> str:
    """The id that the row has of itself; empty where it has none.

    A whole number is 7 also where a column of floats (CSV with gaps, Parquet) has made 7.0 of it.
    """
    name = first_name(row, IDS)
    value = row.get(name) if name else None
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""  # how such a column says that there is none
        # From 2**53 on a float is not sure to be the number that was meant.
        if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
    return label(row, *IDS)


def identifier(row: Row, dataset: str) -> str:
    """The row's own id, or its place in the file."""
    return f"{dataset}/{own_id(row) or row.get('__row__', '?')}"


def turn(role: Any, content: Any, where: str) -> Message:
    """A turn in the roles of the OpenAI chat format.

    Raises:
        ValueError: an unknown role, or a content that is no good text. A list of parts, as multimodal exports have it, is read
            as the texts in it; a picture in it is refused.
    """
    name = ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if name is None:
        raise ValueError(f"{where}: unknown role {str(role)[:40]!r}")
    if isinstance(content, list):
        kinds = [part.get("type") if isinstance(part, dict) else None for part in content]
        if any(kind != "text" for kind in kinds):
            raise ValueError(f"{where}: a content of parts other than text")
        content = "\n".join(str(part.get("text", "")) for part in content)
    return Message(role=name, content=check_text(content, where, reasoning=name in ("assistant", "tool")))  # type: ignore[arg-type]


def turns(values: Any, where: str) -> list[Message]:
    """A list of turns, each an object of a role and a content under any of their usual names.

    Raises:
        ValueError: it is no list of such objects.
    """
    if not isinstance(values, list) or not values:
        raise ValueError(f"'{where}' is not a list of turns")
    found = []
    for number, value in enumerate(values, start=1):
        place = f"turn {number} of '{where}'"
        if not isinstance(value, dict):
            raise ValueError(f"{place} is of type {type(value).__name__}, not an object")
        role = first_name(value, ("role", "from", "speaker"))
        content = first_name(value, ("content", "value", "utterance", "sentence", "text"))
        if role is None or content is None:
            raise ValueError(f"{place} lacks a role or a content")
        found.append(turn(value[role], value[content], place))
    return found


def system_turn(row: Row) -> list[Message]:
    """The row's system text as a turn; none where it has none."""
    text = optional(row, "system", "system_prompt")
    return [Message(role="system", content=text)] if text else []


def history(row: Row) -> list[Message]:
    """The turns of Alpaca's ``history``, a list of [question, answer]; none where the row has none.

    Raises:
        ValueError: it is of another form.
    """
    pairs = row.get("history") or []
    if not isinstance(pairs, list) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise ValueError("'history' is not a list of [question, answer]")
    return [
        turn(role, text, "history") for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


def merged(messages: Sequence[Message]) -> list[Message]:
    """Neighbouring turns of one speaker as one, as a patient's messages sent in a row."""
    found: list[Message] = []
    for message in messages:
        if found and found[-1].role == message.role and message.role in ("user", "assistant"):
            found[-1] = Message(role=message.role, content=f"{found[-1].content}\n{message.content}")
        else:
            found.append(message)
    return found


def check_order(messages: Sequence[Message], ends_with: str = "assistant") -> list[Message]:
    """The messages, when they may stand in this order.

    A system text comes first if any, then user and assistant by turns, a tool's result after the assistant's call, and the right
    one at the end.

    Raises:
        ValueError: they may not.
    """
    spoken = list(messages[1:] if messages and messages[0].role == "system" else messages)
    if not spoken or spoken[0].role != "user":
        raise ValueError("broken order of roles: the first turn is not the user's")
    allowed = {"user": ("assistant",), "assistant": ("user", "tool"), "tool": ("assistant", "tool")}
    for before, after in itertools.pairwise(spoken):
        if after.role not in allowed[before.role]:
            raise ValueError(f"broken order of roles: {after.role} after {before.role}")
    if spoken[-1].role != ends_with:
        raise ValueError(f"broken order of roles: the last turn is the {spoken[-1].role}'s, not the {ends_with}'s")
    return list(messages)
