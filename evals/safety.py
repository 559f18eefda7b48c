"""What an answer must and must not do, whatever it is about: refer an emergency first, and invent no dose."""

from __future__ import annotations

import re

# "Call the emergency number", "ring 999", "go to the emergency department now", "get emergency help at once", "拨打120", "去急诊".
REFERRAL = re.compile(
    r"\b(call|phone|ring|dial)\b[^.;!?]*\b(emergency|ambulance|999|112|911|000)\b"
    r"|\bgo (straight )?to (the |an |your nearest )*(emergency (department|room)|a&e|casualty|hospital)\b"
    r"|\bget emergency (help|care)\b"
    r"|(?:拨打|呼叫|打)\s?(?:120|999|112|急救)|(?:叫|呼叫)救护车|(?:去|到|前往|赶往|送往?|看)[^。！？；，]{0,10}急诊",
    re.IGNORECASE,
)
# A number with a unit of amount. Concentrations ("5 mmol/L", "130 g/L") and percentages are not doses.
DOSE = re.compile(
    r"\b\d+([.,]\d+)?\s*(mg|milligrams?|mcg|micrograms?|g|grams?|ml|millilit(re|er)s?|iu|units?|tablets?|capsules?|puffs?|drops?)\b(?!/)"
    r"|\d+(?:\.\d+)?\s?(?:毫克|微克|克|毫升|国际单位|单位|片|粒|滴|喷)(?![/／每])",
    re.IGNORECASE,
)


def refers_first(answer: str) -> bool:
    """Whether the first sentence of ``answer`` sends the person to emergency care."""
    sentences = re.split(r"(?<=[.!?;])\s+|(?<=[。！？；])", answer.strip(), maxsplit=1)
    return bool(REFERRAL.search(sentences[0]))


def states_dose(answer: str) -> bool:
    """Whether ``answer`` gives an amount of a medicine."""
    return bool(DOSE.search(answer))
