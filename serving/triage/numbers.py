"""Concepts that are read from numbers: a fever, an age in weeks, a count of tablets, a fit of ten minutes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from serving.triage.text import CLAUSE_MARKS, SENTENCE_MARKS, Text, is_chinese

_WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_NUMBERS: dict[str, float] = {word: float(value) for value, word in enumerate(_WORDS.split())}
_NUMBERS |= {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "hundred": 100,
    "dozen": 12,
    "couple": 2,
    "few": 3,
    "several": 5,
}
_DIGITS = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "几": 3}
MARKS = CLAUSE_MARKS | SENTENCE_MARKS

_DAYS = {"day", "days", "天", "日"}
_WEEKS = {"week", "weeks", "wk", "wks", "周", "星"}
_MONTHS = {"month", "months", "mo", "mos", "月"}
_MINUTES = {"minute", "minutes", "min", "mins", "分"}
_HOURS = {"hour", "hours", "hrs", "钟"}
_DRUGS = {
    "paracetamol",
    "tylenol",
    "panadol",
    "ibuprofen",
    "aspirin",
    "acetaminophen",
    "sleeping",
    "xanax",
    "valium",
    "codeine",
    "nurofen",
    "advil",
    "paracetamols",
    "tylenols",
}
_PILLS = {"tablet", "tablets", "pill", "pills", "capsule", "capsules", "片", "粒", "颗", "tabs", "caplets"}
_OLD = {"old", "大", "baby", "infant", "newborn", "son", "daughter", "girl", "boy", "宝", "婴", "娃", "孩"}
_SINCE = {"in", "since", "from", "of", "back", "late", "early"}
PAST = "_past"  # a year says of its clause what "ten years ago" says
_NO_AGE = {
    "ago",
    "for",
    "since",
    "last",
    "every",
    "前",
    "后",
    "了",
    "in",
    "烧",
    "咳",
    "next",
    "past",
    "within",
    "after",
}
_OTHER_UNITS = {
    "kg",
    "%",
    "percent",
    "kilos",
    "pounds",
    "lbs",
    "miles",
    "km",
    "cm",
    "mg",
    "ml",
    "g",
    "weeks",
    "mm",
    "mmol",
    "million",
    "billion",
    "years",
    "x",
    "inches",
    "公斤",
    "斤",
    "元",
    "万",
    "块",
    "厘",
    "毫",
    "周",
    "/",
}
_BETWEEN = {
    "-",
    "个",
    "半",
    "full",
    "more",
    "or",
    "°",
    "多",
    "whole",
    "of",
    "paracetamol",
    "ibuprofen",
}  # number and unit
_DEGREES = {"c", "f", "度", "degrees", "degree", "celsius", "fahrenheit"}
_TEMPERATURE = {"temp", "temperature", "fever", "烧", "温", "thermometer"}
_OXYGEN = {"sats", "saturation", "spo2", "oxygen", "oximeter", "spo", "氧", "o2"}
_SUGAR = {"sugar", "sugars", "glucose", "glucometer", "bg", "bgl", "糖"}
_PREGNANT = {"pregnant", "gestation", "along", "pregnancy", "gestational", "孕", "怀", "胎"}

# Thresholds: fever 38.0 °C (NICE NG143); an infant under 3 months (NICE NG143); a fit of 5 minutes (NICE NG217); a saturation below 92% (SIGN 158);
# glucose below 4.0 mmol/L (NICE NG17) and above 11 mmol/L with ketones (Joint British Diabetes Societies 2023), the same in mg/dL.
MEASURED = frozenset(
    {"n_fever", "n_young_infant", "n_minutes", "n_hours", "n_many_pills", "n_pregnant", "n_low_oxygen", "n_low_sugar", "n_high_sugar", "n_high_pressure", "n_low_pressure", "n_fast_pulse", "n_weeks", "n_ketones"}
)  # fmt: skip


def _value(tokens: list[str], at: int) -> tuple[float, int] | None:
    """The number that begins at ``at``, and its end."""
    token = tokens[at]
    if token[0].isdigit():
        if not token.isascii():
            return None
        return float(token), at + 1
    if token in _NUMBERS:
        value, end = _NUMBERS[token], at + 1
        if end < len(tokens) and value >= 20 and tokens[end] in _NUMBERS and _NUMBERS[tokens[end]] < 10:
            value, end = value + _NUMBERS[tokens[end]], end + 1
        return value, end
    if token in _DIGITS or token in {"十", "半"}:
        value, end, seen = 0.0, at, False
        while end < len(tokens):
            if tokens[end] in _DIGITS:
                value += _DIGITS[tokens[end]]
            elif tokens[end] == "十":
                value = (value or 1) * 10
            elif tokens[end] == "百":
                value = (value or 1) * 100
            else:
                break
            seen, end = True, end + 1
        return (value, end) if seen else None
    return None


def _about(tokens: list[str], words: set[str], start: int, end: int, reach: int) -> bool:
    return any(token in words for token in tokens[max(0, start - reach) : end + reach])


@dataclass(frozen=True, slots=True)
class _Number:
    """A number ``[start, end)`` among the tokens of a text, and the unit at ``after``, past what may stand between the two."""

    tokens: list[str]
    value: float
    start: int
    end: int
    after: int

    @property
    def unit(self) -> str:
        return self.tokens[self.after] if self.after < len(self.tokens) else ""

    def following(self) -> tuple[float, int] | None:
        """The number right after the unit."""
        return _value(self.tokens, self.after + 1) if self.after + 1 < len(self.tokens) else None

    def about(self, words: set[str], reach: int) -> bool:
        """Whether one of the words stands within ``reach`` tokens."""
        return _about(self.tokens, words, self.start, self.end, reach)


def _numbers(text: Text) -> Iterator[_Number]:
    tokens = text.tokens
    for start in range(len(tokens)):
        found = _value(tokens, start)
        if found is None or (start and _value(tokens, start - 1) and is_chinese(tokens[start])):
            continue
        value, end = found
        after = end
        while after < len(tokens) and tokens[after] in _BETWEEN:
            after += 1
        yield _Number(tokens, value, start, end, after)


def measure(text: Text) -> Iterator[tuple[str, int, int]]:
    """Concepts of ``MEASURED``, and ``PAST``, in the text, each with its first token and its end."""
    for number in _numbers(text):
        yield from _year(number)
        yield from _fever(number)
        yield from _age_or_pregnancy(number)
        yield from _duration(number)
        yield from _pills(number)
        yield from _vital_signs(number)


def _year(one: _Number) -> Iterator[tuple[str, int, int]]:
    before, then = one.tokens[one.start - 1] if one.start else "", one.tokens[one.end : one.end + 1]
    if 1900 <= one.value <= 2100 and one.start and (before in _SINCE or then == ["年"]):
        yield PAST, one.start, one.end


def _fever(one: _Number) -> Iterator[tuple[str, int, int]]:
    told = one.unit in _DEGREES or one.about(_TEMPERATURE, 5)
    decimal = "." in one.tokens[one.start] and one.unit not in _OTHER_UNITS
    if one.unit == "度" and 38 <= one.value < 42 and one.following():  # 38度5
        decimal = True
    if (told or decimal) and (38.0 <= one.value <= 43 or 100.4 <= one.value <= 109):
        yield "n_fever", one.start, one.end


def _age_or_pregnancy(one: _Number) -> Iterator[tuple[str, int, int]]:
    value, unit, start, after = one.value, one.unit, one.start, one.after
    days = value if unit in _DAYS else value * 7 if unit in _WEEKS else value * 30 if unit in _MONTHS else None
    if days is None:
        return
    around = list(itertools.takewhile(lambda token: token not in MARKS, one.tokens[after + 1 : after + 4]))
    before = one.tokens[max(0, start - 5) : start]
    young = any(token in _OLD for token in around) or any(token in _OLD - {"old", "大"} for token in before)
    if days < 91 and young and not _NO_AGE.intersection(around) and not _NO_AGE.intersection(before):
        yield "n_young_infant", start, after + 1
    if unit in _WEEKS and 20 <= value <= 42 and "old" not in around and not _NO_AGE.intersection(around[:1]):
        yield "n_weeks", start, after + 1
    if unit not in _DAYS and days >= 20 * 7 and _about(one.tokens, _PREGNANT, start, after, 4):
        yield "n_pregnant", start, after + 1


def _duration(one: _Number) -> Iterator[tuple[str, int, int]]:
    if one.unit in _MINUTES and one.value >= 5:
        yield "n_minutes", one.start, one.after + 1
    if one.unit in _HOURS or (one.unit == "小" and one.tokens[one.after + 1 : one.after + 2] == ["时"]):
        yield "n_hours", one.start, one.after + 1


def _pills(one: _Number) -> Iterator[tuple[str, int, int]]:
    named = (
        one.end < len(one.tokens) and one.tokens[one.end] in _DRUGS and one.unit not in _OTHER_UNITS
    )  # "forty paracetamol"
    if (one.unit in _PILLS | _DRUGS or named) and 8 <= one.value < 400:
        yield "n_many_pills", one.start, min(one.after + 1, len(one.tokens))


def _vital_signs(one: _Number) -> Iterator[tuple[str, int, int]]:
    value, start, end = one.value, one.start, one.end
    if 50 <= value < 92 and one.about(_OXYGEN, 5):
        yield "n_low_oxygen", start, end
    if one.about(_SUGAR, 5) and one.unit not in _PILLS:
        if 0.5 <= value < 3.6 or 20 <= value < 62:
            yield "n_low_sugar", start, end
        if 15 <= value < 50 or 270 <= value < 1500:
            yield "n_high_sugar", start, end
    if 1.5 <= value < 20 and one.about({"ketones", "ketone", "酮"}, 4):
        yield "n_ketones", start, end
    lower = one.following() if one.unit in {"/", "over"} else None
    if lower and value >= 170 and 90 <= lower[0] <= 180:
        yield "n_high_pressure", start, lower[1]
    if lower and 40 <= value <= 85 and 15 <= lower[0] <= 60:
        yield "n_low_pressure", start, lower[1]
    if 120 <= value <= 260 and one.about({"pulse", "bpm", "rate", "心"}, 4):
        yield "n_fast_pulse", start, end
