"""What a tool has found and the answer does not say: a language model may tell another number than the one that it was given."""

from __future__ import annotations

from typing import Any

from serving.calculators.base import Result
from serving.reference import InteractionCheck
from serving.triage import language_of
from serving.unsaid import numbers

NOTICE = {"en": "[What {tool} found: {found}]", "zh": "[{tool} 的结果：{found}]"}
DECIMALS = 6  # to which a value may be rounded in an answer, at most


def _is_stated(value: float, answer: str) -> bool:
    """Whether the answer names the value, or what it is when rounded or as a percentage."""
    forms = {round(abs(value) * scale, places) for scale in (1, 100) for places in range(DECIMALS)}
    return not numbers(answer).isdisjoint(forms - {0} if value else forms)


def unstated(result: Any, answer: str) -> str:
    """What of a tool's ``result`` does not stand in ``answer``: a calculator's value, or the effects of two medicines on each other.

    Of other tools' results nothing is known, and the text is empty.
    """
    if isinstance(result, Result) and isinstance(result.value, int | float) and not _is_stated(result.value, answer):
        return result.headline
    if isinstance(result, InteractionCheck):
        low = answer.lower()
        return "; ".join(
            f"{' with '.join(one.medicines)}: {one.effect} ({'; '.join(one.sources)})"
            for one in result.found
            if one.effect.lower() not in low
        )
    return ""


def notice(tool: str, result: Any, answer: str, question: str) -> str:
    """What to say below ``answer``, in the language of ``question``; empty where it states what the tool found."""
    found = unstated(result, answer)
    return NOTICE[language_of(question)].format(tool=tool, found=found) if found else ""
