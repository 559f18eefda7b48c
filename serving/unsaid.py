"""What a tool was given that nobody had said: a language model makes up a value that it lacks, and the result looks as sound as any."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from serving.medicine_names import usual_name
from serving.reference import known_medicines
from serving.triage import language_of

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_ONES)} | {word: 10 * at for at, word in enumerate(_TENS, start=2)}
_CHINESE = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_PLACES = {"十": 10, "百": 100, "千": 1000}
# Every repetition has an end: what a client sends may be a hundred thousand figures and commas.
_FIGURES = re.compile(r"\d{1,15}(?:[.,]\d{1,15}){0,4}|\.\d{1,15}")
_SPOKEN = re.compile(rf"\b(?:{'|'.join(sorted([*_WORDS, 'hundred'], key=len, reverse=True))})\b", re.IGNORECASE)
_WRITTEN = re.compile(rf"[{''.join([*_CHINESE, *_PLACES])}]{{1,12}}")
NOTICE = {
    "en": "[{tool} was given what your words do not say: {values}. Check it before you rely on the result.]",
    "zh": "[{tool} 用到了您没有说过的内容：{values}。请先核对，再采信结果。]",
}
LEFT_OUT = {
    "en": "[{tool} was not given all that you named: {values}. What it found says nothing of that.]",
    "zh": "[{tool} 没有用到您提到的：{values}。它的结果不包括这些。]",
}


def _readings(figures: str) -> Iterator[float]:
    """What "1,250", "2,5", "120" and "1.2.3" may mean: a comma parts thousands in one country and decimals in another."""
    for form in (figures.replace(",", ""), figures.replace(",", ".")):
        try:
            yield float(form)
        except ValueError:  # of a date or a version: its parts
            yield from (float(part) for part in re.split(r"[.,]", form) if part)


def _spoken(text: str) -> Iterator[float]:
    """Numbers in English words, up to 999: each word's own, and that of words which stand together, as in "one hundred and sixty-five"."""
    so_far, end = 0, -1
    for word in _SPOKEN.finditer(text):
        joined = end >= 0 and re.fullmatch(r"[\s-]{1,3}(?:and\s)?", text[end : word.start()]) is not None
        said = word.group().lower()
        value = 100 if said == "hundred" else _WORDS[said]
        after_hundreds = so_far >= 100 and so_far % 100 == 0
        after_tens = so_far % 100 >= 20 and so_far % 10 == 0 < value < 10
        if joined and said == "hundred" and 0 < so_far < 10:
            so_far *= 100
        elif joined and value < 100 and (after_hundreds or after_tens):
            so_far += value
        else:
            so_far = value
        end = word.end()
        yield float(value)
        yield float(so_far)


def _chinese(numeral: str) -> Iterator[float]:
    """A Chinese numeral below ten thousand; without a place each sign is a figure, as in 三五."""
    if not any(sign in _PLACES for sign in numeral):
        yield float("".join(str(_CHINESE[sign]) for sign in numeral))
        yield from (float(_CHINESE[sign]) for sign in numeral)
        return
    total, digit = 0, 0
    for sign in numeral:
        if sign in _PLACES:
            total, digit = total + (digit or 1) * _PLACES[sign], 0
        else:
            digit = _CHINESE[sign]
    yield float(total + digit)


def numbers(text: str) -> set[float]:
    """The numbers that ``text`` says in figures, in English words or in Chinese numerals, without their signs."""
    plain = unicodedata.normalize("NFKC", text)
    found = {value for figures in _FIGURES.finditer(plain) for value in _readings(figures.group())}
    found.update(_spoken(plain))
    for numeral in _WRITTEN.finditer(plain):
        found.update(_chinese(numeral.group()))
    return found


def _number(value: Any) -> float | None:
    """The number that an argument is, also as a string, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return abs(float(value))
    except (ValueError, OverflowError):
        return None


def _is_said(number: float, said: set[float]) -> bool:
    """Whether the number was said, or is one that was with its point moved two places: 1.75 m are 175 cm, and 40% is 0.4."""
    moved = number / 100 if number >= 50 else number * 100 if number < 3 and number % 1 else None
    return number in said or (moved is not None and any(abs(moved - one) < 1e-9 for one in said))


def _not_named(names: list[str], text: str) -> list[str]:
    """Those of ``names`` that ``text`` does not hold, by any of the names of the same medicine."""
    low, meant = text.lower(), {usual_name(one) for one in known_medicines(text)}
    return [
        name
        for name in names
        if name.strip().lower() not in low and meant.isdisjoint(map(usual_name, known_medicines(name)))
    ]


def unsaid(arguments: dict[str, Any], conversation: str) -> dict[str, Any]:
    """The arguments whose value stands nowhere in ``conversation``.

    Numbers are looked at, and the names of medicines. A word of a choice, a yes or no and a unit are what a model makes of a sentence,
    and nothing is said of them.

    Args:
        arguments: of one call, by name.
        conversation: what the person has said so far, and what tools have answered.
    """
    said = numbers(conversation)
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        if name == "medicines" and isinstance(value, list):
            if missing := _not_named([one for one in value if isinstance(one, str)], conversation):
                found[name] = missing
        elif (number := _number(value)) is not None and not _is_said(number, said):
            found[name] = value
    return found


def left_out(arguments: dict[str, Any], question: str) -> list[str]:
    """The medicines that ``question`` names and a check of medicines was not given."""
    if not isinstance(arguments.get("medicines"), list):
        return []
    return _not_named(known_medicines(question), " ; ".join(map(str, arguments["medicines"])))


def notices(tool: str, arguments: dict[str, Any], conversation: str, question: str) -> dict[str, tuple[Any, str]]:
    """What a person has to know of a call: ``unsaid`` and ``left_out``, where there is any, each with the line to say below the answer.

    Args:
        tool: its name.
        arguments: of the call.
        conversation: what the person has said so far, and what tools have answered.
        question: the person's last message, in whose language the lines are.
    """
    language = language_of(question)
    found: dict[str, tuple[Any, str]] = {}
    if made_up := unsaid(arguments, conversation):
        found["unsaid"] = made_up, NOTICE[language].format(tool=tool, values=_shown(made_up))
    if missing := left_out(arguments, question):
        found["left_out"] = missing, LEFT_OUT[language].format(tool=tool, values=", ".join(missing))
    return found


def _shown(values: dict[str, Any]) -> str:
    return "; ".join(
        f"{name.replace('_', ' ')} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in values.items()
    )
