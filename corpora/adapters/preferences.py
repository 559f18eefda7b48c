"""Better and worse answers: published row -> Preference."""

from __future__ import annotations

import re
from typing import Any

from corpora.adapters.fields import (
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
from corpora.records import Message, Preference

CHOSEN = ("chosen", "response_chosen", "chosen_response", "preferred", "better")
REJECTED = ("rejected", "response_rejected", "rejected_response", "dispreferred", "worse")
PROMPTS = ("prompt", "question", "instruction", "query", "input")
LABELS = ("label", "kto_tag")


def _both(row: Row) -> tuple[str, str] | None:
    chosen, rejected = first_name(row, CHOSEN), first_name(row, REJECTED)
    return (chosen, rejected) if chosen and rejected else None


def _needed(row: Row) -> tuple[str, str]:
    names = _both(row)
    if names is None:
        raise KeyError("chosen" if first_name(row, CHOSEN) is None else "rejected")
    return names


def _answer(value: Any, name: str) -> str:
    """An answer given as a text, as one turn, or as a dialogue that ends with it."""
    if isinstance(value, list):
        found = turns(value, name)
        if found[-1].role != "assistant":
            raise ValueError(f"'{name}' does not end with the assistant's turn")
        return found[-1].content
    if isinstance(value, dict):
        found = turns([value], name)
        if found[0].role != "assistant":
            raise ValueError(f"'{name}' is not the assistant's turn")
        return found[0].content
    return check_text(value, name, reasoning=True)


def _prompt(row: Row, chosen: Any) -> list[Message]:
    """The turns before the answers, wherever the row has them."""
    before = system_turn(row)
    if isinstance(chosen, list) and len(chosen) > 1:  # a dialogue that repeats the prompt
        return merged([*before, *turns(chosen, "chosen")[:-1]])
    listed = next(
        (name for name in ("conversations", "conversation", "messages") if isinstance(row.get(name), list)), None
    )
    if listed is not None:
        return merged([*before, *turns(row[listed], listed)])
    name = first_name(row, PROMPTS)
    if name is None:
        raise KeyError(" or ".join(PROMPTS))
    if isinstance(row[name], list):
        return merged([*before, *turns(row[name], name)])
    question = field(row, name)
    extra = optional(row, "input") if name == "instruction" else ""
    return [*before, *history(row), Message(role="user", content=f"{question}\n{extra}" if extra else question)]


def _preference(row: Row, dataset: str, prompt: list[Message], chosen: str | None, rejected: str | None) -> Preference:
    if chosen is not None and chosen == rejected:
        raise ValueError("'chosen' equals 'rejected'")
    return Preference(
        id=identifier(row, dataset),
        prompt=check_order(prompt, ends_with="user"),
        chosen=chosen,
        rejected=rejected,
        source=label(row, "source") or dataset,
    )


def is_strings(row: Row) -> bool:
    """Whether the row has a prompt and two answers as texts."""
    names = _both(row)
    return (
        names is not None and all(isinstance(row[name], str) for name in names) and first_name(row, PROMPTS) is not None
    )


def is_messages(row: Row) -> bool:
    """Whether the row's answers are lists of turns."""
    names = _both(row)
    return names is not None and all(isinstance(row[name], list) for name in names)


def is_sharegpt(row: Row) -> bool:
    """Whether the row has ShareGPT's turns and two answers."""
    return _both(row) is not None and isinstance(row.get("conversations", row.get("conversation")), list)


def pair(row: Row, dataset: str) -> Preference:
    """A prompt (a text, or turns) with ``chosen`` and ``rejected``: texts, turns, or dialogues that end with the answer."""
    names = _needed(row)
    chosen, rejected = (row[name] for name in names)
    prompt = _prompt(row, chosen)
    return _preference(row, dataset, prompt, _answer(chosen, names[0]), _answer(rejected, names[1]))


# "\n\nHuman: … \n\nAssistant: …" (Bai et al. 2022)
HH_TURN = re.compile(r"\n\n(Human|Assistant):")


def is_hh(row: Row) -> bool:
    """Whether the row's two answers are whole dialogues in one text each."""
    names = _both(row)
    return names is not None and all(isinstance(row[name], str) and HH_TURN.match(row[name]) for name in names)


def hh(row: Row, dataset: str) -> Preference:
    """hh-rlhf: ``chosen`` and ``rejected`` are dialogues as one text that differ in the last turn."""
    names = _needed(row)
    chosen, rejected = (_hh_turns(row[name], name) for name in names)
    if chosen[:-1] != rejected[:-1]:
        raise ValueError(f"'{names[0]}' and '{names[1]}' answer different dialogues")
    return _preference(row, dataset, chosen[:-1], chosen[-1].content, rejected[-1].content)


def _hh_turns(text: str, name: str) -> list[Message]:
    parts = HH_TURN.split(text)[1:]
    found = [turn(role, content, name) for role, content in zip(parts[::2], parts[1::2], strict=True)]
    return check_order(merged(found))


def is_ultrafeedback(row: Row) -> bool:
    """Whether the row has an instruction and scored completions."""
    return has(row, "instruction", "completions") and isinstance(row["completions"], list)


def ultrafeedback(row: Row, dataset: str) -> Preference:
    """UltraFeedback: ``completions`` with ``response`` and a score; the best and the worst.

    The score is ``overall_score``, ``fine-grained_score``, or the mean rating of the ``annotations``.
    """
    scored = []
    for number, one in enumerate(row["completions"], start=1):
        score = _score(one) if isinstance(one, dict) else None
        if score is None:
            raise ValueError(f"completion {number} has no score")
        scored.append((score, number, field(one, "response", reasoning=True)))
    if len(scored) < 2:
        raise ValueError("fewer than two completions")
    best, worst = max(scored, key=lambda one: one[0]), min(scored, key=lambda one: one[0])
    if best[0] == worst[0]:
        raise ValueError("all completions have the same score")
    prompt = [Message(role="user", content=field(row, "instruction"))]
    return _preference(row, dataset, prompt, best[2], worst[2])


def _score(completion: Row) -> float | None:
    name = first_name(completion, ("overall_score", "fine-grained_score"))
    if name is not None:
        return float(completion[name])
    aspects = completion.get("annotations")
    ratings = (
        [one.get("Rating") for one in aspects.values() if isinstance(one, dict)] if isinstance(aspects, dict) else []
    )
    given = [float(str(one)) for one in ratings if str(one).replace(".", "", 1).isdigit()]  # "N/A" where none was given
    return sum(given) / len(given) if given else None


def is_kto(row: Row) -> bool:
    """Whether the row has one answer and says whether it is a good one."""
    name = first_name(row, LABELS)
    return (
        name is not None
        and isinstance(row[name], bool)
        and (has(row, "completion") or "messages" in row or "conversations" in row)
    )


def kto(row: Row, dataset: str) -> Preference:
    """KTO (Ethayarajh et al. 2024): an answer with ``label`` true or false; only ``chosen`` or only ``rejected`` is set."""
    name = first_name(row, LABELS)
    if name is None:
        raise KeyError(" or ".join(LABELS))
    if not isinstance(row[name], bool):
        raise ValueError(f"'{name}' is neither true nor false")
    if "completion" in row:
        answer = _answer(row["completion"], "completion")
        prompt = _prompt({key: row[key] for key in row if key != "messages"}, row["completion"])
    else:
        whole = merged(turns(row.get("messages", row.get("conversations")), "messages"))
        if whole[-1].role != "assistant":
            raise ValueError("broken order of roles: the last turn is not the assistant's")
        prompt, answer = whole[:-1], whole[-1].content
    good = row[name]
    return _preference(row, dataset, prompt, answer if good else None, None if good else answer)
