"""Conversions between laboratory units."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference
from serving.calculators.units import (
    CONVERTIBLE,
    tidy_unit,
)

SI = Reference(
    authors="Young DS",
    title="Implementation of SI units for clinical laboratory data",
    published="Ann Intern Med 106:114-129",
    year=1987,
)


class ConvertInputs(Inputs):
    """A value, its unit, and the unit wanted."""

    analyte: Annotated[
        Literal[
            "creatinine",
            "urea",
            "glucose",
            "bilirubin",
            "albumin",
            "haemoglobin",
            "calcium",
            "cholesterol",
            "triglycerides",
            "insulin",
            "hba1c",
            "weight",
            "height",
            "temperature",
            "gas pressure",
        ],
        Field(description="What was measured; urea in mg/dL means urea nitrogen (BUN)"),
    ]
    value: Annotated[float, Field(description="The number to convert")]
    from_unit: Annotated[str, Field(description="Its unit, as mg/dL, umol/L, mmol/L, g/L, kPa")]
    to_unit: Annotated[str, Field(description="The unit wanted")]


def convert(given: ConvertInputs) -> Outcome:
    """By the factors of ``serving.calculators.units``."""
    measure = CONVERTIBLE[given.analyte]
    units = [tidy_unit(given.from_unit), tidy_unit(given.to_unit)]
    for unit in units:
        if unit not in measure.factors:
            raise ValueError(f"{given.analyte} is not given in {unit}; its units here are {', '.join(measure.factors)}")
    measure.check(given.analyte, given.value, units[0])
    value = measure.from_base(measure.to_base(given.value, units[0]), units[1])
    return Outcome(value=float(f"{value:.4g}"), unit=units[1], interpretation="The same amount in another unit.")


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="convert",
        title="Conversion of a laboratory unit",
        aliases=("convert", "unit conversion", "换算"),
        inputs=ConvertInputs,
        compute=convert,
        unit="",
        formula="value x factor of the analyte.",
        sources=(SI,),
        is_not="Not an interpretation of the value.",
    ),
)
