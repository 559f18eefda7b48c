"""Reads a calculator's inputs from what a person wrote."""

from __future__ import annotations

import re
from typing import Any, get_args

from serving.calculators import Calculator
from serving.calculators.units import Measure, measure_of, tidy_unit
from serving.router.names import WORDS

DENIED = re.compile(r"\b(?:no|not|without|denies|denied|never|nor)\b|n't\b|无|没有|否认", re.IGNORECASE)
CLAUSE = re.compile(r"[.;!?。；\n]|\b(?:but|has|have|with|and has)\b|有(?<!没有)|但", re.IGNORECASE)
OTHERS_NO = re.compile(
    r"\b(?:none of the (?:others?|rest)|no others?|nothing else|(?:the )?rest (?:is |are )?no|all (?:others? )?no)\b|其他都?(?:没有|否|无)",
    re.IGNORECASE,
)
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


def extract(one: Calculator[Any], text: str) -> dict[str, Any]:
    """The inputs of ``one`` that ``text`` says."""
    found: dict[str, Any] = {}
    pressure = _last(r"(?<!\d)(\d{2,3})\s*/\s*(\d{2,3})(?!\d)", text)
    for name, info in one.inputs.model_fields.items():
        measure = measure_of(info)
        if name == "age":
            # "for 30 years" says how long, not how old.
            old = _last(r"(\d{1,3})[-\s]*(?:(?:years?|yrs?)[-\s]*old|yo?\b|y/o|岁)", text)
            aged = _number(name, text, None)
            if old or aged:
                found[name] = old.group(1) if old else aged[0] if aged else ""
        elif name == "sex":
            hit = _last(r"\b(female|male|woman|man|girl|boy|lady|gentleman)\b|(女|男)", text)
            if hit:
                found[name] = {"lady": "female", "girl": "female", "boy": "male", "gentleman": "male"}.get(
                    hit.group().lower(), hit.group().lower()
                )
        elif name in ("systolic", "diastolic") and pressure:
            found[name] = pressure.group(1 if name == "systolic" else 2)
        elif name == "last_period" or info.annotation is bool:
            hit = _last(r"\b(\d{4}-\d{2}-\d{2})\b", text) if name == "last_period" else None
            said = _yes_or_no(name, text) if info.annotation is bool else None
            if hit:
                found[name] = hit.group(1)
            elif said is not None:
                found[name] = said
        elif info.annotation in (float, int):
            number = _number(name, text, measure, info.description or "")
            if number:
                found[name] = number[0]
                if number[1] is not None and f"{name}_unit" in one.inputs.model_fields:
                    found[f"{name}_unit"] = number[1]
        elif not name.endswith("_unit"):
            choices = [choice for choice in get_args(info.annotation) if isinstance(choice, str)]
            label = name_pattern(name.replace("_", " "))
            chosen = next(
                (
                    choice
                    for choice in choices
                    if (
                        info.is_required()
                        and _last(rf"{label}\W+(?:is\s+)?{re.escape(choice)}|{re.escape(choice)}\s+{label}", text)
                    )
                    or (not info.is_required() and _last(name_pattern(choice), text))
                ),
                None,
            )
            if chosen:
                found[name] = chosen
            elif "none" in choices and _yes_or_no(name, text) is False:
                found[name] = "none"
    if OTHERS_NO.search(text):
        found |= {name: False for name in one.missing(found) if one.inputs.model_fields[name].annotation is bool}
    return found
