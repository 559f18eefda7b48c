"""Medical calculators: published formulas with sources, units, valid ranges, and what each is not.

None gives a dose. Each is a function for programs (``calculate``), a LangChain tool (``calculator_tools``), and a subcommand of
``osler calc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.tools import StructuredTool

from corpora.errors import nearest
from serving.calculators import (
    acute,
    atrial_fibrillation,
    body,
    chemistry,
    conversion,
    gases,
    heart,
    infection,
    kidney,
    liver,
    metabolic,
    sepsis,
    thromboembolism,
)
from serving.calculators.base import Calculator, CalculatorError, Result

__all__ = ["CALCULATORS", "Calculator", "CalculatorError", "Result", "calculate", "calculator", "calculator_tools"]

CALCULATORS: dict[str, Calculator[Any]] = {
    one.name: one
    for group in (
        kidney,
        liver,
        atrial_fibrillation,
        thromboembolism,
        acute,
        sepsis,
        infection,
        heart,
        chemistry,
        gases,
        metabolic,
        conversion,
        body,
    )
    for one in group.CALCULATORS
}


def calculator(name: str) -> Calculator[Any]:
    """The calculator of that name; ``_`` and ``-`` are one.

    Raises:
        CalculatorError: there is none.
    """
    found = CALCULATORS.get(name.lower().replace("_", "-"))
    if found is None:
        raise CalculatorError(f"no calculator '{name}'; {nearest(name, CALCULATORS)}")
    return found


def calculate(name: str, values: Mapping[str, Any]) -> Result:
    """The result of the calculator ``name`` for ``values``.

    Raises:
        CalculatorError: no such calculator, or an input is missing, unknown, impossible, or outside the formula's range.
    """
    return calculator(name)(values)


def calculator_tools() -> list[StructuredTool]:
    """All calculators as LangChain tools."""
    return [one.tool() for one in CALCULATORS.values()]
