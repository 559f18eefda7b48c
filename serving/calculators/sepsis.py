"""Sepsis: qSOFA, SOFA."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, scored
from serving.calculators.units import (
    AdultAge,
    ArterialOxygen,
    Bilirubin,
    BilirubinUnit,
    Creatinine,
    CreatinineUnit,
    GasPressureUnit,
    RespiratoryRate,
    Systolic,
)

SEPSIS3 = Reference(
    authors="Singer M, Deutschman CS, Seymour CW, et al",
    title="The Third International Consensus Definitions for Sepsis and Septic Shock (Sepsis-3)",
    published="JAMA 315:801-810",
    year=2016,
    doi="10.1001/jama.2016.0287",
)
VINCENT = Reference(
    authors="Vincent JL, Moreno R, Takala J, et al",
    title="The SOFA (Sepsis-related Organ Failure Assessment) score to describe organ dysfunction/failure",
    published="Intensive Care Med 22:707-710",
    year=1996,
    doi="10.1007/BF01709751",
)

ATMOSPHERE = 760.0  # mmHg at sea level, of which the blood can have no more oxygen than FiO2's share


class QsofaInputs(Inputs):
    """What qSOFA takes."""

    age: AdultAge
    respiratory_rate: RespiratoryRate
    systolic: Systolic
    altered_mentation: Annotated[bool, Field(description="Confused or drowsy: Glasgow Coma Scale below 15")]


def qsofa(given: QsofaInputs) -> Outcome:
    """One point each: respiratory rate 22 or over, systolic pressure 100 or less, altered mentation."""
    total, parts = scored(
        {
            "respiratory rate 22 or over": (given.respiratory_rate >= 22, 1),
            "systolic 100 or less": (given.systolic <= 100, 1),
            "altered mentation": (given.altered_mentation, 1),
        }
    )
    return Outcome(
        value=total,
        interpretation="2 or more: with a suspected infection, a poor outcome typical of sepsis is more likely; look for organ dysfunction."
        if total >= 2
        else "Below 2. This does not exclude sepsis.",
        parts=parts,
    )


class SofaInputs(Inputs):
    """What SOFA takes: the worst value of each within 24 hours."""

    age: AdultAge
    pao2: ArterialOxygen
    pao2_unit: GasPressureUnit
    fio2: Annotated[float, Field(ge=0.21, le=1, description="Inspired oxygen as a fraction, 0.21 to 1")]
    ventilated: Annotated[bool, Field(description="Respiratory support")]
    platelets: Annotated[float, Field(ge=0, le=2000, description="Platelets, 10^9/L")]
    bilirubin: Bilirubin
    bilirubin_unit: BilirubinUnit
    circulation: Annotated[
        int,
        Field(
            ge=0,
            le=4,
            description="Points of the circulation as the publication gives them: 0 mean pressure 70 mmHg or more; 1 below 70; "
            "2 dobutamine or dopamine up to 5 ug/kg/min; 3 dopamine above 5, or (nor)adrenaline up to 0.1; 4 dopamine above 15, or "
            "(nor)adrenaline above 0.1",
        ),
    ]
    glasgow: Annotated[int, Field(ge=3, le=15, description="Glasgow Coma Scale")]
    creatinine: Creatinine
    creatinine_unit: CreatinineUnit
    urine: Annotated[float, Field(ge=0, le=15000, description="Urine in 24 hours, mL")]


# Limits of Vincent 1996. In SI they are those that Singer 2016 prints beside them, which are not the exact conversions.
# 12.0 and 5.0 mg/dL stand in no row of the table (11.9, then above 12.0); they get 4 points, as their 205 and 442 umol/L do.
_PAO2_FIO2 = {"mmHg": (100, 200, 300, 400), "kPa": (13.3, 26.7, 40, 53.3)}
_BILIRUBIN = {"mg/dL": (1.2, 2, 6, 12), "umol/L": (20, 33, 102, 205)}
_CREATININE = {"mg/dL": (1.2, 2, 3.5, 5), "umol/L": (110, 171, 300, 441)}


def _reached(value: float, limits: tuple[float, ...]) -> int:
    """How many of the limits ``value`` reaches; 84 / 0.28 is 300 and not a hair less."""
    return sum(round(value, 6) >= limit for limit in limits)


def sofa(given: SofaInputs) -> Outcome:
    """Table 3 of Vincent 1996."""
    if given.amount("pao2") > given.fio2 * ATMOSPHERE:
        raise ValueError(
            f"pao2 {given.pao2:g} {given.unit('pao2')} is more than there is in air with fio2 {given.fio2:g}; check both and the unit"
        )
    breathing = 4 - _reached(given.pao2 / given.fio2, _PAO2_FIO2[given.unit("pao2")])
    kidney = _reached(given.creatinine, _CREATININE[given.unit("creatinine")])
    points = {
        "breathing": breathing if given.ventilated else min(breathing, 2),
        "platelets": sum(given.platelets < limit for limit in (150, 100, 50, 20)),
        "liver": _reached(given.bilirubin, _BILIRUBIN[given.unit("bilirubin")]),
        "circulation": given.circulation,
        "brain": sum(given.glasgow < limit for limit in (15, 13, 10, 6)),
        "kidney": max(kidney, 4 if given.urine < 200 else 3 if given.urine < 500 else 0),
    }
    return Outcome(
        value=float(sum(points.values())),
        interpretation="From 0 to 24. Sepsis-3: a rise of 2 or more from the person's baseline, with infection, is sepsis.",
        parts={name: float(part) for name, part in points.items()},
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="qsofa",
        title="qSOFA",
        aliases=("quick sofa", "q-sofa"),
        inputs=QsofaInputs,
        compute=qsofa,
        unit="of 3",
        formula="1 point each: respiratory rate 22 or over, systolic pressure 100 mmHg or less, altered mentation.",
        sources=(SEPSIS3,),
        is_not="Not a test that excludes sepsis, and not a sole screening tool; not for children.",
    ),
    Calculator(
        name="sofa",
        title="SOFA",
        aliases=("sofa score", "organ failure assessment"),
        inputs=SofaInputs,
        compute=sofa,
        unit="of 24",
        formula="0 to 4 points each for breathing, platelets, liver, circulation, brain and kidney.",
        sources=(VINCENT, SEPSIS3),
        is_not="Not a forecast for one person; not for children.",
    ),
)
