"""Amounts of medicines in an answer that nothing it rests on gives: a language model makes such numbers up."""

from __future__ import annotations

import re

from serving.triage import language_of

# A unit's spellings, and the one by which they are compared. Concentrations (mg/dL, mmol/L) are laboratory values and no doses.
_UNITS = {
    "mg": r"mg|milligrams?|毫克",
    "g": r"g|grams?|克",
    "ug": r"[µμu]g|mcg|micrograms?|微克",
    "ml": r"ml|millilit(?:re|er)s?|cc|毫升",
    "units": r"units?|iu|u|单位|個單位|个单位",
    "pieces": r"tablets?|pills?|capsules?|tabs?|片|粒|颗|顆",
    "puffs": r"puffs?|sprays?|喷|噴|吸",
    "drops": r"drops?|滴",
}
_WORDS = {
    **{
        word: str(number)
        for number, word in enumerate(["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=2)
    },
    **{
        "twelve": "12",
        "twenty": "20",
        "thirty": "30",
        "forty": "40",
        "fifty": "50",
        "hundred": "100",
        "thousand": "1000",
    },
}
# Every repetition has an end: an answer, or what a client sent, may be a hundred thousand figures and commas.
_AMOUNT = re.compile(
    rf"(?<![A-Za-z0-9_.])(?P<number>\d{{1,15}}(?:[.,]\d{{1,15}}){{0,4}}|\b(?:{'|'.join(_WORDS)})\b|[两二三四五六七八九十百千]{{1,8}}(?=毫克|微克|毫升|单位|粒|颗))\s*(?:-\s*)?(?:"
    + "|".join(f"(?P<{name}>{spellings})" for name, spellings in _UNITS.items())
    + r")(?![a-z])(?!\s*(?:/|per)\s*(?:dl|l|ml|litre|liter|mmol)\b)",
    re.IGNORECASE,
)
NOTICE = {
    "en": "[This answer names an amount ({amount}) that nothing it rests on gives. Do not take it as a dose: ask a doctor or pharmacist.]",
    "zh": "[这个回答里的数量（{amount}）没有任何依据。请不要当作用药剂量：请问医生或药师。]",
}


def _one_form(number: str) -> str:
    """One way of writing for "two" and "2", "1,000" and "1000", "2,5", "2.5" and "2.50"."""
    plain = re.sub(r",(?=\d{3}(?!\d))", "", _WORDS.get(number.lower(), number)).replace(",", ".")
    try:
        return f"{float(plain):.12g}"
    except ValueError:  # "1.2.3", or in Chinese
        return plain


def amounts(text: str) -> dict[tuple[str, str], str]:
    """Numbers with a medicine's unit: number and unit in one way of writing, to the words as they stand."""
    return {
        (_one_form(found["number"]), str(found.lastgroup)): found.group().strip() for found in _AMOUNT.finditer(text)
    }


def unsourced(answer: str, sources: str) -> list[str]:
    """The amounts of ``answer`` that stand nowhere in ``sources``, in its words."""
    found = amounts(answer)
    known = amounts(sources) if found else {}
    return [words for key, words in found.items() if key not in known]


def notice(answer: str, sources: str) -> str:
    """What to say below ``answer``; empty where it names no amount of its own.

    Args:
        answer: what the model wrote.
        sources: all that it was given: question, passages, results of tools.
    """
    found = unsourced(answer, sources)
    return NOTICE[language_of(answer)].format(amount=found[0]) if found else ""
