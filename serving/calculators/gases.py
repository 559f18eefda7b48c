"""Blood gases: alveolar-arterial gradient, Winters' formula."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference
from serving.calculators.units import (
    AdultAge,
    ArterialCarbonDioxide,
    ArterialOxygen,
    GasPressureUnit,
)

FENN = Reference(
    authors="Fenn WO, Rahn H, Otis AB",
    title="A theoretical study of the composition of the alveolar air at altitude",
    published="Am J Physiol 146:637-653",
    year=1946,
)
MELLEMGAARD = Reference(
    authors="Mellemgaard K",
    title="The alveolar-arterial oxygen difference: its size and components in normal man",
    published="Acta Physiol Scand 67:10-20",
    year=1966,
)
ALBERT = Reference(
    authors="Albert MS, Dell RB, Winters RW",
    title="Quantitative displacement of acid-base equilibrium in metabolic acidosis",
    published="Ann Intern Med 66:312-322",
    year=1967,
    doi="10.7326/0003-4819-66-2-312",
)


class AaGradientInputs(Inputs):
    """What the alveolar-arterial gradient takes."""

    age: AdultAge
    fio2: Annotated[float, Field(ge=0.21, le=1, description="Inspired oxygen as a fraction: 0.21 on room air")]
    pao2: ArterialOxygen
    pao2_unit: GasPressureUnit
    paco2: ArterialCarbonDioxide
    paco2_unit: GasPressureUnit
    barometric: Annotated[float, Field(ge=350, le=800, description="Barometric pressure, mmHg; 760 at sea level")] = 760


def aa_gradient(given: AaGradientInputs) -> Outcome:
    """FiO2 x (barometric - 47) - PaCO2 / 0.8 - PaO2, in mmHg; expected 2.5 + 0.21 x age on room air (Mellemgaard).

    The whole equation takes PaCO2 x (FiO2 + (1 - FiO2) / 0.8) off, which is less by 0.25 x FiO2 x PaCO2: little on room air, much on
    oxygen.
    """
    alveolar = given.fio2 * (given.barometric - 47) - given.amount("paco2") / 0.8
    gradient, expected = alveolar - given.amount("pao2"), 2.5 + 0.21 * given.age
    if gradient < -10:
        raise ValueError(
            f"PaO2 exceeds the alveolar {alveolar:.0f} mmHg, which cannot be; check fio2, units and barometric pressure"
        )
    warnings = (
        []
        if given.fio2 == 0.21
        else [
            "The gradient grows with inspired oxygen; the expected value holds on room air.",
            f"At this FiO2 the whole alveolar gas equation gives {0.25 * given.fio2 * given.amount('paco2'):.1f} mmHg more than this "
            "usual short one.",
        ]
    )
    return Outcome(
        value=round(gradient, 1),
        interpretation=f"Expected for the age on room air: about {expected:.1f} mmHg.",
        parts={"alveolar PO2": round(alveolar, 1)},
        warnings=warnings,
    )


class WintersInputs(Inputs):
    """What Winters' formula takes."""

    bicarbonate: Annotated[float, Field(ge=2, lt=24, description="Bicarbonate in metabolic acidosis, mmol/L, below 24")]


def winters(given: WintersInputs) -> Outcome:
    """1.5 x bicarbonate + 8, give or take 2 (the publication's regression is 1.54 x + 8.36, give or take 1.1)."""
    middle = 1.5 * given.bicarbonate + 8
    return Outcome(
        value=round(middle, 1),
        interpretation=f"Expected PaCO2 {middle - 2:.1f} to {middle + 2:.1f} mmHg. Measured below: respiratory alkalosis as well. "
        "Measured above: respiratory acidosis as well.",
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="aa-gradient",
        title="Alveolar-arterial oxygen gradient",
        aliases=("a-a gradient", "aa gradient", "alveolar-arterial", "alveolar arterial", "肺泡动脉氧分压差"),
        inputs=AaGradientInputs,
        compute=aa_gradient,
        unit="mmHg",
        formula="FiO2 x (barometric - 47) - PaCO2 / 0.8 - PaO2.",
        sources=(FENN, MELLEMGAARD),
        is_not="Not comparable with the expected value on extra oxygen or at altitude without the local pressure.",
    ),
    Calculator(
        name="winters",
        title="Expected PaCO2 (Winters)",
        aliases=("winters formula", "winters' formula", "winter's formula", "expected paco2", "expected pco2"),
        inputs=WintersInputs,
        compute=winters,
        unit="mmHg",
        formula="1.5 x HCO3 + 8, give or take 2.",
        sources=(ALBERT,),
        is_not="Not for anything but metabolic acidosis.",
    ),
)
