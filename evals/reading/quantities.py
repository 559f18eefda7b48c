"""Numbers as a text says them: sign, value and unit, in English and Chinese, however they are written.

A **quantity** is a sign ("below", "at least"), a number and a unit with all that it is per ("10 mg/kg/day"). ``corpora.curate.units`` does not
know "0.5" from "5", so that numbers are read apart from the words.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple


class Quantity(NamedTuple):
    """A number as it is said: sign ("<", ">" or ""), value, unit ("" for a bare number)."""

    sign: str
    value: str
    unit: str


_UNITS = {
    "mg": "mg|milligrams?|milligrammes?|毫克", "mcg": "mcg|μg|ug|micrograms?|microgrammes?|微克", "ng": "ng|nanograms?|纳克",
    "kg": "kg|kilograms?|kilos?|kilogrammes?|公斤|千克", "g": "g|gm|gms|grams?|grammes?|克", "ml": "ml|cc|millilit(?:re|er)s?|毫升",
    "dl": "dl|decilit(?:re|er)s?|分升", "l": "l|lit(?:re|er)s?|升", "mmol": "mmol|millimoles?|毫摩尔", "mol": "mol|moles?|摩尔",
    "umol": "μmol|umol|micromoles?|微摩尔", "meq": "meq", "unit": "iu|units?|international units?|国际单位|单位", "%": "%|per ?cent|percent",
    "mmhg": "mm ?hg|毫米汞柱", "kpa": "kpa", "cm": "cm|centimet(?:re|er)s?|厘米", "mm": "mm|millimet(?:re|er)s?|毫米",
    "°c": "°c|℃|degrees celsius|摄氏度", "°f": "°f|degrees fahrenheit", "kcal": "kcal|千卡", "gy": "gy",
    "second": "s|secs?|seconds?|秒", "minute": "mins?|minutes?|分钟", "hour": "h|hrs?|hours?|hourly|小时", "day": "d|days?|daily|天|日",
    "week": "wks?|weeks?|weekly|周|星期", "month": "months?|monthly|个月|月", "year": "yrs?|years?|yearly|岁|年",
    "tablet": "tab|tabs|tablets?|片", "capsule": "caps?|capsules?|粒", "puff": "puffs?|喷", "drop": "drops?|滴", "dose": "doses?|剂",
    "time": "times?|beats?|breaths?|次|回", "ampoule": "ampoules?|ampules?|支", "vial": "vials?|瓶", "sachet": "sachets?|袋", "pill": "pills?|丸",
    "spoon": "teaspoons?|tablespoons?|spoonfuls?|勺", "patch": "patch|patches|贴", "inhalation": "inhalations?|吸",
    "m2": "m2|square met(?:re|er)s?|平方米", "fold": "fold|倍", "suppository": "suppositor(?:y|ies)|枚", "injection": "injections?|针",
}  # fmt: skip
_UNIT_OF = {name: re.compile(f"(?:{words})\\Z") for name, words in _UNITS.items()}
UNIT = f"(?:{'|'.join(_UNITS.values())})"
_END = r"(?![a-z])"
_PER = rf"\s*(?:/|per\s|an?\s|each\s|every\s)\s*(?:{UNIT}){_END}|\s+(?:daily|hourly|weekly|monthly|yearly){_END}"
UP_TO_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
UP_TO_TEN_IN_CHINESE = "零一二三四五六七八九十"
_NUMBER_WORDS = {
    **{word: str(value) for words in (UP_TO_TWENTY, UP_TO_TEN_IN_CHINESE) for value, word in enumerate(words)},
    **{"half": "0.5", "半": "0.5", "两": "2"},
}
_LATIN_WORDS = "|".join([*UP_TO_TWENTY, "half|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million"])
# Every repetition has an end, so that a teacher that says one thing for ever cannot hold the run up.
_VALUE = r"\d{1,12}(?:\.\d{1,12})?(?:/\d{1,12}(?:\.\d{1,12})?){0,2}"
_WORDED = rf"(?<![a-z])(?:{_LATIN_WORDS})(?:[\s-](?:and\s)?(?:{_LATIN_WORDS})){{0,6}}(?:\s(?:of\s)?an?)?(?![a-z])|[零一二两三四五六七八九十百千万半]{{1,12}}"
_JOIN = r"\s?(?:-|–|—|~|～|to|and|or|至|到|或)\s?"
_SIGNS = {
    "<": r"≤|<=|<|no more than|not more than|not exceed(?:ing)?|at most|up to|less than|fewer than|lower than|below|under|maximum(?: of)?|"
    "不超过|不高于|不大于|至多|最多|低于|小于|少于|不足",
    ">": r"≥|>=|>|no less than|not less than|at least|more than|greater than|higher than|above|over|exceed(?:s|ing)?|minimum(?: of)?|"
    "不低于|不少于|不小于|至少|最少|高于|大于|超过|多于",
}
_SIGN = "|".join(_SIGNS.values())
_SAID = re.compile(
    rf"(?P<sign>{_SIGN})?\s*(?P<values>(?:{_VALUE}|{_WORDED})(?:{_JOIN}(?:{_VALUE}|{_WORDED})){{0,3}})\s*-?\s*"
    rf"(?P<unit>(?:{UNIT}){_END}(?:{_PER}){{0,3}})"
)
_BARE = re.compile(rf"(?P<sign>{_SIGN})?\s*(?<![a-z]-)(?<![a-z0-9.])(?P<values>{_VALUE})")
_SHORTHAND = [
    (re.compile(r"(?<![\d.,])(\d{1,3})\.(\d{3}),(?=\d)"), r"\1\2."),  # 1.234,5
    (re.compile(r"(?<=\d)(?<!(?<!\d)0)[,，](?=\d{3}(?!\d))"), ""),  # 1,000, and not 0,125
    (re.compile(r"(?<=\d)[,·](?=\d)"), "."),  # 0,5 and 0·5
    (re.compile(r"^\s*\d{1,2}[.)、]\s+", re.MULTILINE), ""),  # the numbers of a list
    (re.compile(r"(?<![a-z])(?:thrice)(?![a-z])"), "3 times"),
    (re.compile(r"(?<![a-z])twice(?![a-z])"), "2 times"),
    (re.compile(r"(?<=\d)(\s?)bpm(?![a-z])"), r"\1beats/minute"),
    (re.compile(r"次\s?(?:/|每)\s?分(?!钟)"), "次/分钟"),
    (re.compile(r"(?<![a-z])once(?=\s+(?:daily|a |per |each |every |weekly|monthly|hourly))"), "1 time"),
    (re.compile(r"(?<![a-z])q\s?(\d+)\s?h(?![a-z])"), r"every \1 hours"),
    (re.compile(r"(?<![a-z])b\.?[id]\.?[ds]?\.?(?![a-z])(?<!b)"), "2 times/day"),
    (re.compile(r"(?<![a-z])t\.?(?:i\.?d|d\.?s)\.?(?![a-z])"), "3 times/day"),
    (re.compile(r"(?<![a-z])q\.?(?:i\.?d|d\.?s)\.?(?![a-z])"), "4 times/day"),
    # "每日3次" and "一天三次" are 3 times a day, "每周10毫克" 10 mg a week.
    (
        re.compile(
            rf"[每一1]\s*(日|天|周|星期|月|年|小时|分钟)[\s服用,，:：给予口]*((?:{_VALUE}|{_WORDED})(?:{_JOIN}(?:{_VALUE}|{_WORDED})){{0,3}}\s*{UNIT})"
        ),
        r"\2/\1",
    ),
]  # fmt: skip


def plain(text: str) -> str:
    """The text in one way of writing: widths, case, decimal commas, ``twice daily`` and the like."""
    text = unicodedata.normalize("NFKC", joined_thousands(text)).casefold().replace("µ", "μ")
    text = re.sub(r"[^\S\n]+", " ", re.sub(r"\s*\n\s*", "\n", text) if "\n" in text else text)
    for pattern, instead in _SHORTHAND:
        text = pattern.sub(instead, text)
    return text


# Narrow and unbreakable spaces; a plain one only before 000, since "2 500 mg tablets" are two.
_THOUSANDS = re.compile(r"(?<=\d)(?:[\u00a0\u2009\u202f](?=\d{3}(?!\d))| (?=000(?!\d)))")


def joined_thousands(text: str) -> str:
    """Thousands such as "10 000" as "10000", before other normal forms make all spaces alike."""
    return _THOUSANDS.sub("", text)


_RAISED = re.compile(r"(?<![\d.])10\s?([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})|(?<![\d.])10\*\*(?=[-+]?\d)")


def with_carets(text: str) -> str:
    """Powers of ten in one way of writing: "10⁹" and "10**9" as "10^9", which other normal forms make "109"."""
    return _RAISED.sub(lambda found: "10^" + unicodedata.normalize("NFKC", found[1] or "").replace("−", "-"), text)


def _value(text: str) -> str:
    """One way of writing for "5.0" and "5", "two" and "2"; number words that are not known stay as they are."""
    text = re.sub(r"\s+(?:of\s+)?an?$", "", text)
    if text in _NUMBER_WORDS:
        return _NUMBER_WORDS[text]
    try:
        return "/".join(repr(float(part)) if float(part) % 1 else str(int(float(part))) for part in text.split("/"))
    except ValueError:
        return " ".join(re.split(r"[\s-]+", text))


def _sign(text: str | None) -> str:
    return next((sign for sign, words in _SIGNS.items() if text and re.fullmatch(words, text)), "")


def _unit(text: str) -> str:
    pieces = re.split(r"\s*/\s*|\s+(?:per|an?|each|every)\s+|\s+(?=daily|hourly|weekly|monthly|yearly)", text.strip())
    return "/".join(next((name for name, words in _UNIT_OF.items() if words.match(piece)), piece) for piece in pieces)


class Said(NamedTuple):
    """One place of a text where a number is said: a single one, or several as the ends of a range."""

    start: int  # in the text as ``plain`` gives it
    negative: bool  # a minus stands before it
    quantities: tuple[Quantity, ...]


def said(text: str) -> list[Said]:
    """Every place of the text with a number, in order; both ends of a range have the range's unit."""
    text = plain(text)
    found: list[Said] = []

    def take(match: re.Match[str], unit: str) -> None:
        values = re.findall(rf"{_VALUE}|{_WORDED}", match["values"])
        start = match.start("values")
        negative = re.search(r"(?:^|[\s:=(（])[-−–]\s?$", text[max(0, start - 3) : start]) is not None
        sign = _sign(match["sign"])
        found.append(Said(start, negative, tuple(Quantity(sign, _value(value.strip()), unit) for value in values)))

    rest = list(text)
    for match in _SAID.finditer(text):
        take(match, _unit(match["unit"]))
        rest[match.start() : match.end()] = " " * (match.end() - match.start())
    for match in _BARE.finditer("".join(rest)):
        take(match, "")
    return sorted(found)


def quantities(text: str) -> set[Quantity]:
    """Every number of the text with its sign and unit."""
    return {quantity for place in said(text) for quantity in place.quantities}


# What one of a unit is in the first unit of its dimension. Amounts of substance and of mass are apart: how they convert
# depends on the substance. Millimetres of mercury: 133.322 Pa (BIPM, The International System of Units, 8th edition, table 8).
_SCALES = {
    "mg": ("g", 1e-3), "mcg": ("g", 1e-6), "ng": ("g", 1e-9), "kg": ("g", 1e3), "ml": ("l", 1e-3), "dl": ("l", 0.1),
    "mmol": ("mol", 1e-3), "umol": ("mol", 1e-6), "mmhg": ("kpa", 0.133322), "cm": ("mm", 10.0),
    "minute": ("second", 60.0), "hour": ("second", 3600.0), "day": ("second", 86400.0), "week": ("second", 604800.0),
}  # fmt: skip


def scaled(unit: str) -> tuple[tuple[str, ...], float]:
    """A unit's dimension and what one of it is in that dimension's own unit: "mg/dl" gives (("g", "l"), 0.01)."""
    parts = [_SCALES.get(part, (part, 1.0)) for part in unit.split("/")]
    factor = parts[0][1]
    for _, per in parts[1:]:
        factor /= per
    return (parts[0][0], *sorted(name for name, _ in parts[1:])), factor
