"""Reads a calculator's inputs from what a person wrote."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic.fields import FieldInfo

from serving.calculators import Calculator
from serving.calculators.units import Measure, measure_of, tidy_unit
from serving.router.names import WORDS

DENIED = re.compile(r"\b(?:no|not|without|denies|denied|never|nor)\b|n't\b|无|没有|否认", re.IGNORECASE)
CLAUSE = re.compile(r"[.;!?。；\n]|\b(?:but|has|have|with|and has)\b|有(?<!没有)|但", re.IGNORECASE)
OTHERS_NO = re.compile(
    r"\b(?:none of the (?:others?|rest)|no others?|nothing else|(?:the )?rest (?:is |are )?no|all (?:others? )?no)\b|其他都?(?:没有|否|无)",
    re.IGNORECASE,
)
_SEX = {"lady": "female", "girl": "female", "boy": "male", "gentleman": "male"}
NUMBER = r"(-?\d+(?:[.,]\d+)?)"
UNIT = r"\s*([%°]?[A-Za-zµμ]*(?:/[A-Za-z]+)?)"
# Between two values of one input: "0.9 mg/dL last year, 1.6 mg/dL now". Which is meant is not ours to guess.
THEN = (
    r"[\s,(]+(?:(?:last|this|previous(?:ly)?|earlier|years?|months?|weeks?|days?|ago|now|and|or|then|to|yesterday|today|before|later|in|was|is|it|on|"
    r"\d{4})\b[\s,():]*)*"
)


def name_pattern(name: str) -> str:
    """A pattern of a name: whole words, with hyphens, spaces and underscores alike."""
    pattern = re.sub(r"(?:\\?[-\s_])+", r"[-\\s_]*", re.escape(name.lower()))
    before = r"(?<![a-z0-9])" if name[0].isascii() else ""
    after = r"(?![a-z])" if name[-1].isascii() else ""
    return before + pattern + after


def _last(pattern: str, text: str) -> re.Match[str] | None:
    """The last match: what is said later corrects what was said before."""
    return next(iter(reversed(list(re.finditer(pattern, text, re.IGNORECASE)))), None)


def _number(name: str, text: str, measure: Measure | None, description: str = "") -> tuple[str, str | None] | None:
    """The number beside the input's name, and its unit if one is said."""
    for word in sorted({name.replace("_", " "), *WORDS.get(name, ())}, key=len, reverse=True):
        # Not part of a longer name, as the creatinine in "urine creatinine".
        longer = [one for ones in WORDS.values() for one in ones if one != word and one.endswith(f" {word}")]
        guard = "".join(f"(?<!{re.escape(one[: -len(word)])})" for one in longer)
        filler = r"(?:\s*(?:is|was|of|at|level|value|score|came back|comes back|measures|=|:|：|为|是|,)\s*){0,3}\s*"
        hit = _last(guard + name_pattern(word) + filler + NUMBER + UNIT, text)
        if hit:
            unit = tidy_unit(hit.group(2)) if hit.group(2) else None
            second = re.match(THEN + NUMBER + UNIT, text[hit.end() :], re.IGNORECASE)
            if second and (tidy_unit(second.group(2)) in measure.factors if measure else not second.group(2)):
                return None
            if measure is None and unit and "/" in unit and unit.lower() not in description.lower():
                return None  # a number in another unit than the formula's
            return hit.group(1).replace(",", "."), unit if measure and unit in measure.factors else None
    if measure:
        # A unit that belongs to one measure only names it: "80 kg".
        own = {"weight": r"kgs?|lbs?", "height": r"cm|m(?![a-z/])|inches", "temperature": r"°\s*[CF]"}.get(name)
        hit = _last(NUMBER + rf"\s*({own})(?![a-z/])", text) if own else None
        if hit:
            return hit.group(1).replace(",", "."), tidy_unit(hit.group(2))
    return None


def _yes_or_no(name: str, text: str) -> bool | None:
    """Whether the item is said to hold; None when it is not named, or when a list leaves open how far its "no" reaches."""
    words = "|".join(
        name_pattern(word) for word in sorted({name.replace("_", " "), *WORDS.get(name, ())}, key=len, reverse=True)
    )
    hit = _last(rf"(?:{words})(\s*[:=]?\s*(?:yes|no)\b)?", text)
    if hit is None:
        return None
    if hit.group(1):
        return hit.group(1).lower().endswith("yes")
    begins = max((mark.end() for mark in CLAUSE.finditer(text, 0, hit.start())), default=0)
    ends = next((mark.start() for mark in CLAUSE.finditer(text, hit.end())), len(text))
    before = text[begins : hit.start()]
    denied = next(iter(reversed(list(DENIED.finditer(before)))), None)
    if denied is None:
        return True
    if not re.search(r"[,，]|\band\b", before[denied.end() :]):
        return False
    # "no a, b or c" denies all three; "no a, b" may say either.
    return False if re.search(r"\b(?:or|nor)\b|或", text[begins + denied.end() : ends]) else None


def _age(text: str) -> str | None:
    """An age in years. "For 30 years" says how long, not how old."""
    old = _last(r"(\d{1,3})[-\s]*(?:(?:years?|yrs?)[-\s]*old|yo?\b|y/o|岁)", text)
    aged = _number("age", text, None)
    return old.group(1) if old else aged[0] if aged else None


def _sex(text: str) -> str | None:
    hit = _last(r"\b(female|male|woman|man|girl|boy|lady|gentleman)\b|(女|男)", text)
    said = hit.group().lower() if hit else None
    return _SEX.get(said, said) if said else None


def _choice(name: str, info: FieldInfo, text: str) -> str | None:
    """Which of an input's words is said: beside its name where it must be given, anywhere where it has a default."""
    choices = [choice for choice in get_args(info.annotation) if isinstance(choice, str)]
    label = name_pattern(name.replace("_", " "))
    for choice in choices:
        word = re.escape(choice)
        beside = rf"{label}\W+(?:is\s+)?{word}|{word}\s+{label}"
        if _last(beside if info.is_required() else name_pattern(choice), text):
            return choice
    return "none" if "none" in choices and _yes_or_no(name, text) is False else None


def _value(name: str, info: FieldInfo, text: str) -> Any:
    """What is said of one input that is no measured number; None where nothing is."""
    if name == "age":
        return _age(text)
    if name == "sex":
        return _sex(text)
    if name == "last_period":
        day = _last(r"\b(\d{4}-\d{2}-\d{2})\b", text)
        return day.group(1) if day else None
    if info.annotation is bool:
        return _yes_or_no(name, text)
    return None if name.endswith("_unit") else _choice(name, info, text)


def extract(one: Calculator[Any], text: str) -> dict[str, Any]:
    """The inputs of ``one`` that ``text`` says."""
    found: dict[str, Any] = {}
    pressure = _last(r"(?<!\d)(\d{2,3})\s*/\s*(\d{2,3})(?!\d)", text)
    fields = one.inputs.model_fields
    for name, info in fields.items():
        if name in ("systolic", "diastolic") and pressure:
            found[name] = pressure.group(1 if name == "systolic" else 2)
        elif info.annotation in (float, int) and name != "age":
            number, unit = _number(name, text, measure_of(info), info.description or "") or (None, None)
            if number is not None:
                found[name] = number
            if unit is not None and f"{name}_unit" in fields:
                found[f"{name}_unit"] = unit
        elif (said := _value(name, info, text)) is not None:
            found[name] = said
    if OTHERS_NO.search(text):
        found |= {name: False for name in one.missing(found) if fields[name].annotation is bool}
    return found
