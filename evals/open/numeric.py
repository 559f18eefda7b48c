"""The number, date or time that an answer states at its end, and whether it is right within the published limits.

MedCalc-Bench (Khandekar et al. 2024, arXiv:2406.12036) counts a calculation by an equation as right within 5% of the truth, which its rows give
as a lower and an upper limit, and a score by rules, a date, or a time in weeks and days only when it is the same. An answer that states no one
value has no value: nothing is taken in its place.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from dataclasses import dataclass

from evals.reading.dates import date_in, weeks_in
from evals.reading.quantities import UP_TO_TEN_IN_CHINESE, UP_TO_TWENTY, joined_thousands, with_carets
from evals.reading.replies import after_thinking

_MARK = re.compile(
    r"\b(?:final\s+|correct\s+)?(?:answer|result)\b[\"'*_\s]*(?:\([^()\n]{0,40}\))?\s*(?:is|was|=|:|would be|equals|→)+|(?:最终|正确)?(?:答案|结果)[\"'*_\s]*(?:是|为|:|：)+"
    r"|\\boxed\s*(?=\{)|<answer>|[\"'](?:final_)?answer[\"']\s*:",
    re.IGNORECASE,
)
_END = re.compile(r"\n|</answer>|(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s+[A-Z\n]|\s*$)|。|；")
_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+]?\.\d+"
_TIMES = r"(?:[x×·⋅]|\*{1,2}|\\times|\\cdot)"
# Not the digits of a name ("CURB-65", "a 10-year risk").
_VALUE = re.compile(
    rf"(?<![\w.,^])(?<![A-Z]-)(?P<value>{_NUMBER})(?!\d|-(?:year|month|week|day|hour|minute|item|tier|variable)s?\b)"
    rf"(?:\s?{_TIMES}\s?10\s?\^\s?\(?(?P<power>[-+]?\d{{1,2}}(?!\d))\)?|[eE](?P<exp>[-+]?\d{{1,2}})(?!\w)|\s?\^\s?\(?(?P<raised>[-+]?\d{{1,2}}(?!\d))\)?)?"
)
# What makes a number a part of something else: 120/80, 1/2; 5 1/2; 1.234,5; 5 * 3; 2^x.
_GOES_ON = re.compile(rf"\s?[/÷]\s?\d|\s\d|[.,]\d|\s?(?:{_TIMES}|\+)\s?[\d(]|\s?\^")
# A decimal comma: no thousands begin with 0, and none have one, two or more than three digits.
_COMMA = re.compile(r"(?<![\d,.])0,\d+(?![\d,])|(?<![\d,])(?:\d+,\d{1,2}|\d{1,3},\d{4,})(?![\d,])")
_RANGE = re.compile(rf"(?<!\d)(?:{_NUMBER})\s?(?:-|–|—|~|to|through|or|and|至|到|或)\s?(?:{_NUMBER})", re.IGNORECASE)
_BOUND = re.compile(
    r"[<>≤≥]|\b(?:at least|at most|more than|less than|greater than|above|below|over|under|between)\b|至少|至多|超过|低于|高于|大于|小于",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"^\W*(?:not\b|n't\b|unknown|cannot|unclear|不是|并非|无法)|\b(?:cannot|can't|unable to) be?\b", re.IGNORECASE
)
_OUT_OF = re.compile(
    r"(?<![\w.])(-?\d+(?:\.\d+)?)\s*(?:out of|of|/)\s*(?:a (?:possible|maximum of) )?(\d+)(?![\w./])", re.IGNORECASE
)
_WORDS = {word: value for words in (UP_TO_TWENTY, UP_TO_TEN_IN_CHINESE) for value, word in enumerate(words)}
_WORD = re.compile(
    r"\W*(?:a |an )?(?:total |score )*(?:of )?([a-z]+\b|[零一二三四五六七八九十](?![零一二三四五六七八九十百千]))(?!\s*(?:or|to|and|或|至|到)\b)"
)
# Stars between two numbers multiply, and all others are markup.
_MARKUP = re.compile(
    r"\\(?:text|mathrm|mathbf)\s?\{([^{}]*)\}|[{}$`]|(?<![\d*])(?<!\d\s)\*+|\*++(?!\s?\d)|\\[,;! ]|\\boxed"
)
# What is said of a number behind it: how it was found, with numbers of its own.
_ASIDE = re.compile(r"(?<=[\w%])\s*\([^()]*=[^()]*\)")
_REASON = re.compile(r",?\s(?:since|because|where|given|using)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What number or date is right."""

    form: str  # decimal, integer, date or weeks
    truth: str
    low: str
    high: str


def stated(answer: str, form: str) -> float | datetime.date | tuple[int, int] | None:
    """What an answer states at its end.

    Args:
        answer: the reply, thoughts and all.
        form: ``decimal``, ``integer``, ``date``, or ``weeks`` for a time in weeks and days.

    Returns:
        The number, the date, or weeks and days; None where it states none, several, a range, or a bound.
    """
    text = after_thinking(answer)
    if not text:
        return None
    text = unicodedata.normalize("NFKC", with_carets(joined_thousands(text))).replace("−", "-").replace("–", "-")
    marks = list(_MARK.finditer(text))
    if not marks:
        return _whole(_plain(text), form)
    said = text[marks[-1].end() :].lstrip(" \t\n*:\"'")
    if form in ("date", "weeks"):
        return _value(_plain(said[:200]), form)
    return _value(_plain(_END.split(said)[0]), form)


def right(answer: str, limits: Limits) -> bool | None:
    """Whether what an answer states is right; None where it states nothing.

    A percentage counts as it stands and as a share, as the published code takes it.
    """
    found = stated(answer, limits.form)
    if found is None:
        return None
    if limits.form in ("date", "weeks"):
        return found == _truth(limits.truth, limits.form)
    assert isinstance(found, float)
    low, high = sorted((float(limits.low), float(limits.high)))
    if limits.form == "integer":
        low = high = float(limits.truth)
    near = 1e-9 * max(1.0, abs(high))  # 0.1 + 0.2 is 0.3
    values = [found, found / 100] if limits.form == "decimal" and _percentage(answer) else [found]
    return any(low - near <= value <= high + near for value in values)


def check_limits(limits: Limits) -> None:
    """Raises ValueError when the published truth or its limits cannot be read."""
    if limits.form in ("date", "weeks"):
        _truth(limits.truth, limits.form)
        return
    for text in (limits.truth, limits.low, limits.high):
        try:
            float(text)
        except ValueError as error:
            raise ValueError(f"'{text}' is not a number, as the truth and its limits must be") from error


def _truth(text: str, form: str) -> datetime.date | tuple[int, int]:
    found = date_in(text) if form == "date" else weeks_in(text)
    if found is None:
        raise ValueError(f"'{text}' is not a {'date' if form == 'date' else 'time in weeks and days'}")
    return found


def _percentage(answer: str) -> bool:
    text = unicodedata.normalize("NFKC", after_thinking(answer) or "")
    marks = list(_MARK.finditer(text))
    return "%" in _END.split(text[marks[-1].end() :] if marks else text)[0]


def _plain(text: str) -> str:
    """The text without markup, and with decimal commas as points."""
    text = _MARKUP.sub(lambda found: found[1] or "", text)
    return _COMMA.sub(lambda found: found[0].replace(",", "."), text.replace("\\%", "%"))


def _whole(text: str, form: str) -> float | datetime.date | tuple[int, int] | None:
    """The value of a reply that does not say which is its answer: it must hold one alone."""
    if form == "date":
        dates = {found for part in re.split(r"[\n;]", text) if (found := date_in(part)) is not None}
        return dates.pop() if len(dates) == 1 and text.count("\n") < 3 else None
    if form == "weeks":
        return weeks_in(text) if len(text) < 80 else None
    last = text.strip().splitlines()[-1].rpartition("=")
    if last[1]:
        return _value(last[2], form)
    numbers = _VALUE.findall(text)
    words = len(text.split())
    return (
        _value(text, form)
        if len(numbers) == 1 or (words <= 2 and not numbers) or _OUT_OF.fullmatch(text.strip(" ."))
        else None
    )


def _value(text: str, form: str) -> float | datetime.date | tuple[int, int] | None:
    if form == "date":
        return date_in(text)
    if form == "weeks":
        return weeks_in(text)
    if _DENIED.search(text):
        return None
    text = _ASIDE.sub("", text)
    stated_first = _REASON.split(text)[0]
    text = stated_first if _VALUE.search(stated_first) else text
    text = text.rpartition("=")[2] if "=" in text else text
    text = re.sub(r"(?<=\d)\s*±.*", "", text)
    first = _VALUE.search(text)
    found = _OUT_OF.search(text) if form == "integer" else None
    if found is not None and (
        first is None or found.start() <= first.start()
    ):  # "3 of 9", not "3 points, 1 of 2 for age"
        return None if _BOUND.search(text[: found.start()]) else float(found[1])
    if first is None:
        word = _WORD.match(text.lower())
        return float(_WORDS[word[1]]) if word is not None and word[1] in _WORDS else None
    # A range, a bound, or a choice of two is no one value.
    span = _RANGE.search(text)
    if (span is not None and span.start() <= first.start()) or _BOUND.search(text[: first.start()]):
        return None
    if _GOES_ON.match(text, first.end()):
        return None
    value = float(first["value"].replace(",", ""))
    if first["raised"]:
        return 10.0 ** int(first["raised"]) if value == 10 else None
    power = first["power"] or first["exp"]
    return value * 10 ** int(power) if power else value
