"""Infections: CURB-65, McIsaac."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, scored
from serving.calculators.units import (
    AdultAge,
    Diastolic,
    RespiratoryRate,
    Systolic,
    Temperature,
    TemperatureUnit,
    Urea,
    UreaUnit,
)

LIM = Reference(
    authors="Lim WS, van der Eerden MM, Laing R, et al",
    title="Defining community acquired pneumonia severity on presentation to hospital: an international derivation and validation study",
    published="Thorax 58:377-382",
    year=2003,
    doi="10.1136/thorax.58.5.377",
)
MCISAAC = Reference(
    authors="McIsaac WJ, White D, Tannenbaum D, Low DE",
    title="A clinical score to reduce unnecessary antibiotic use in patients with sore throat",
    published="CMAJ 158:75-83",
    year=1998,
)
CENTOR = Reference(
    authors="Centor RM, Witherspoon JM, Dalton HP, et al",
    title="The diagnosis of strep throat in adults in the emergency room",
    published="Med Decis Making 1:239-246",
    year=1981,
)


class Curb65Inputs(Inputs):
    """What CURB-65 takes."""

    age: AdultAge
    confusion: Annotated[bool, Field(description="New confusion")]
    urea: Urea
    urea_unit: UreaUnit
    respiratory_rate: RespiratoryRate
    systolic: Systolic
    diastolic: Diastolic


def curb65(given: Curb65Inputs) -> Outcome:
    """One point each: confusion, urea above 7 mmol/L, rate 30 or over, low pressure, age 65 or over."""
    total, parts = scored(
        {
            "confusion": (given.confusion, 1),
            "urea above 7 mmol/L": (round(given.amount("urea"), 2) > 7, 1),
            "respiratory rate 30 or over": (given.respiratory_rate >= 30, 1),
            "systolic below 90 or diastolic 60 or less": (given.systolic < 90 or given.diastolic <= 60, 1),
            "age 65 or over": (given.age >= 65, 1),
        }
    )
    group = "low (0 or 1): 1.5%" if total <= 1 else "intermediate (2): 9.2%" if total == 2 else "high (3 or more): 22%"
    return Outcome(value=total, interpretation=f"Mortality within 30 days in the publication, {group}.", parts=parts)


class McIsaacInputs(Inputs):
    """What the McIsaac score takes."""

    age: Annotated[int, Field(ge=3, le=120, description="Age in years; 3 or over")]
    temperature: Temperature
    temperature_unit: TemperatureUnit
    cough: Annotated[bool, Field(description="Has a cough")]
    tender_nodes: Annotated[bool, Field(description="Tender lymph nodes at the front of the neck")]
    tonsils: Annotated[bool, Field(description="Swollen tonsils, or pus on them")]


def mcisaac(given: McIsaacInputs) -> Outcome:
    """Centor's four signs, plus one under 15 years, minus one from 45; McIsaac counts -1 as 0 and 5 as 4."""
    total, parts = scored(
        {
            "temperature above 38 C": (round(given.amount("temperature"), 1) > 38, 1),
            "no cough": (not given.cough, 1),
            "tender nodes": (given.tender_nodes, 1),
            "tonsils": (given.tonsils, 1),
            "age under 15": (given.age < 15, 1),
            "age 45 or over": (given.age >= 45, -1),
        }
    )
    value = min(max(total, 0.0), 4.0)
    risk = ("2 to 3%", "4 to 6%", "10 to 12%", "27 to 28%", "38 to 63%")[int(value)]
    step = "no throat culture" if value <= 1 else "a throat culture"
    if value == 4:
        step += ", and an antibiotic before its result only on clinical grounds"
    return Outcome(
        value=value,
        interpretation=f"Chance of group A streptococcus in the publication: {risk}, for which it advises {step}.",
        parts=parts,
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="curb-65",
        title="CURB-65",
        aliases=("curb65", "curb 65"),
        inputs=Curb65Inputs,
        compute=curb65,
        unit="of 5",
        formula="1 point each: confusion, urea above 7 mmol/L, respiratory rate 30 or over, systolic below 90 or diastolic 60 or less, "
        "age 65 or over.",
        sources=(LIM,),
        is_not="Not a diagnosis of pneumonia, and no substitute for judgement on oxygen, other illness and home.",
    ),
    Calculator(
        name="mcisaac",
        title="McIsaac score (modified Centor)",
        aliases=("centor", "strep score", "mcisaac score"),
        inputs=McIsaacInputs,
        compute=mcisaac,
        unit="points",
        formula="1 each: above 38 C, no cough, tender nodes, tonsils; +1 under 15 years, -1 from 45; at least 0, at most 4.",
        sources=(MCISAAC, CENTOR),
        is_not="Not for children under 3, for epidemics, or for someone who cannot swallow or breathe well, who needs care now.",
    ),
)
