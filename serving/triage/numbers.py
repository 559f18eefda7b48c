"""Concepts that are read from numbers: a fever, an age in weeks, a count of tablets, a fit of ten minutes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

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
_HOURS = {"hour", "hours", "hrs", "小时", "钟"}
_DRUGS = {
    "paracetamol",
    "tylenol",
    "panadol",
    "ibuprofen",
    "aspirin",
    "acetaminophen",
    "500s",
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


def measure(text: Text) -> Iterator[tuple[str, int, int]]:
    """Concepts of ``MEASURED`` in the text, each with its first token and its end."""
    tokens = text.tokens
    for start in range(len(tokens)):
        found = _value(tokens, start)
        if found is None or (start and _value(tokens, start - 1) and is_chinese(tokens[start])):
            continue
        value, end = found
        if 1900 <= value <= 2100 and start and (tokens[start - 1] in _SINCE or tokens[end : end + 1] == ["年"]):
            yield PAST, start, end
        after = end
        while after < len(tokens) and tokens[after] in {
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
        }:
            after += 1
        unit = tokens[after] if after < len(tokens) else ""
        fever_unit = unit in {"c", "f", "度", "degrees", "degree", "celsius", "fahrenheit"} or _about(
            tokens, {"temp", "temperature", "fever", "烧", "温", "thermometer"}, start, end, 5
        )
        next_number = tokens[after + 1 : after + 2]
        decimal = "." in tokens[start] and unit not in _OTHER_UNITS
        if unit == "度" and 38 <= value < 42 and next_number and _value(tokens, after + 1):
            decimal = True
        if (fever_unit or decimal) and (38.0 <= value <= 43 or 100.4 <= value <= 109):
            yield "n_fever", start, end
        days = value if unit in _DAYS else value * 7 if unit in _WEEKS else value * 30 if unit in _MONTHS else None
        if days is not None:
            around = list(itertools.takewhile(lambda token: token not in MARKS, tokens[after + 1 : after + 4]))
            before = tokens[max(0, start - 5) : start]
            young = any(token in _OLD for token in around) or any(token in _OLD - {"old", "大"} for token in before)
            if days < 91 and young and not _NO_AGE.intersection(around) and not _NO_AGE.intersection(before):
                yield "n_young_infant", start, after + 1
            if unit in _WEEKS and 20 <= value <= 42 and "old" not in around and not _NO_AGE.intersection(around[:1]):
                yield "n_weeks", start, after + 1
            if unit not in _DAYS and days >= 20 * 7 and _about(tokens, _PREGNANT, start, after, 4):
                yield "n_pregnant", start, after + 1
        if unit in _MINUTES and value >= 5 and unit != "月":
            yield "n_minutes", start, after + 1
        if unit in _HOURS or (unit == "小" and tokens[after + 1 : after + 2] == ["时"]):
            yield "n_hours", start, after + 1
        named = tokens[end : end + 1] and tokens[end] in _DRUGS and unit not in _OTHER_UNITS  # "forty paracetamol"
        if (unit in _PILLS | _DRUGS or named) and 8 <= value < 400:
            yield "n_many_pills", start, min(after + 1, len(tokens))
        if 50 <= value < 92 and _about(
            tokens, {"sats", "saturation", "spo2", "oxygen", "oximeter", "spo", "氧", "o2"}, start, end, 5
        ):
            yield "n_low_oxygen", start, end
        if (
            _about(tokens, {"sugar", "sugars", "glucose", "glucometer", "bg", "bgl", "血糖", "糖"}, start, end, 5)
            and unit not in _PILLS
        ):
            if 0.5 <= value < 3.6 or 20 <= value < 62:
                yield "n_low_sugar", start, end
            if 15 <= value < 50 or 270 <= value < 1500:
                yield "n_high_sugar", start, end
        if 1.5 <= value < 20 and _about(tokens, {"ketones", "ketone", "酮"}, start, end, 4):
            yield "n_ketones", start, end
        if unit in {"/", "over"} and after + 1 < len(tokens):
            lower = _value(tokens, after + 1)
            if lower and value >= 170 and 90 <= lower[0] <= 180:
                yield "n_high_pressure", start, lower[1]
            if lower and 40 <= value <= 85 and 15 <= lower[0] <= 60:
                yield "n_low_pressure", start, lower[1]
        if 120 <= value <= 260 and _about(tokens, {"pulse", "bpm", "rate", "心"}, start, end, 4):
            yield "n_fast_pulse", start, end
