"""Electrolytes and osmolality."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference
from serving.calculators.units import (
    Albumin,
    AlbuminUnit,
    Calcium,
    CalciumUnit,
    Glucose,
    GlucoseUnit,
    Sodium,
    Urea,
    UreaUnit,
)

EMMETT = Reference(
    authors="Emmett M, Narins RG",
    title="Clinical use of the anion gap",
    published="Medicine (Baltimore) 56:38-54",
    year=1977,
)
WINTER = Reference(
    authors="Winter SD, Pearson JR, Gabow PA, et al",
    title="The fall of the serum anion gap",
    published="Arch Intern Med 150:311-313",
    year=1990,
    doi="10.1001/archinte.1990.00390140057012",
)
FIGGE = Reference(
    authors="Figge J, Jabor A, Kazda A, Fencl V",
    title="Anion gap and hypoalbuminemia",
    published="Crit Care Med 26:1807-1810",
    year=1998,
    doi="10.1097/00003246-199811000-00019",
)
CALCIUM_BMJ = Reference(authors="(Editorial)", title="Correcting the calcium", published="Br Med J 1:598", year=1977)
PAYNE = Reference(
    authors="Payne RB, Little AJ, Williams RB, Milner JR",
    title="Interpretation of serum calcium in patients with abnormal serum proteins",
    published="Br Med J 4:643-646",
    year=1973,
    doi="10.1136/bmj.4.5893.643",
)
KATZ = Reference(
    authors="Katz MA",
    title="Hyperglycemia-induced hyponatremia: calculation of expected serum sodium depression",
    published="N Engl J Med 289:843-844",
    year=1973,
)
HILLIER = Reference(
    authors="Hillier TA, Abbott RD, Barrett EJ",
    title="Hyponatremia: evaluating the correction factor for hyperglycemia",
    published="Am J Med 106:399-403",
    year=1999,
)
SMITHLINE = Reference(
    authors="Smithline N, Gardner KD",
    title="Gaps: anionic and osmolal",
    published="JAMA 236:1594-1597",
    year=1976,
)
Chloride = Annotated[float, Field(ge=50, le=160, description="Chloride in serum, mmol/L (the same number in mEq/L)")]
Bicarbonate = Annotated[float, Field(ge=1, le=60, description="Bicarbonate (or total CO2) in serum, mmol/L")]


class AnionGapInputs(Inputs):
    """What the anion gap takes."""

    sodium: Sodium
    chloride: Chloride
    bicarbonate: Bicarbonate


class CorrectedAnionGapInputs(AnionGapInputs):
    """And the albumin."""

    albumin: Albumin
    albumin_unit: AlbuminUnit


GAP_MEANING = "Reference intervals depend on the analyser: about 3 to 11 mmol/L with ion-selective electrodes (Winter 1990), 8 to 16 with older ones."


def anion_gap(given: AnionGapInputs) -> Outcome:
    """Sodium - (chloride + bicarbonate); potassium is left out."""
    return Outcome(value=round(given.sodium - given.chloride - given.bicarbonate, 1), interpretation=GAP_MEANING)


def corrected_anion_gap(given: CorrectedAnionGapInputs) -> Outcome:
    """Figge 1998: 2.5 mmol/L more for each g/dL of albumin below 4.4."""
    gap = given.sodium - given.chloride - given.bicarbonate
    return Outcome(
        value=round(gap + 2.5 * (4.4 - given.amount("albumin")), 1),
        interpretation=GAP_MEANING,
        parts={"anion gap": round(gap, 1)},
    )


class CorrectedCalciumInputs(Inputs):
    """What albumin-adjusted calcium takes."""

    calcium: Calcium
    calcium_unit: CalciumUnit
    albumin: Albumin
    albumin_unit: AlbuminUnit


def corrected_calcium(given: CorrectedCalciumInputs) -> Outcome:
    """Calcium + 0.8 mg/dL for each g/dL of albumin below 4.0, or + 0.02 mmol/L for each g/L below 40.

    It often goes by Payne's name, but Payne 1973 has calcium - albumin + 4.0: a factor of 1.0 (0.025).
    """
    below = 4.0 - given.amount("albumin")
    molar = given.calcium_unit == "mmol/L"
    return Outcome(
        value=round(given.calcium + (0.2 if molar else 0.8) * below, 2),
        unit=given.calcium_unit,
        interpretation="Compare with the laboratory's own range for adjusted calcium; many laboratories have an equation of their own.",
        parts={"by Payne 1973": round(given.calcium + (0.25 if molar else 1.0) * below, 2)},
    )


class CorrectedSodiumInputs(Inputs):
    """What the correction for glucose takes."""

    sodium: Sodium
    glucose: Glucose
    glucose_unit: GlucoseUnit


def corrected_sodium(given: CorrectedSodiumInputs) -> Outcome:
    """Sodium + 1.6 (Katz) or 2.4 (Hillier) for each 100 mg/dL of glucose above 100."""
    over = (given.amount("glucose") - 100) / 100
    if over < 0:
        raise ValueError("the correction is for glucose above 100 mg/dL (5.6 mmol/L)")
    return Outcome(
        value=round(given.sodium + 1.6 * over, 1),
        interpretation="The sodium to expect once the glucose is normal. The publications have no bands.",
        parts={"Katz, 1.6": round(given.sodium + 1.6 * over, 1), "Hillier, 2.4": round(given.sodium + 2.4 * over, 1)},
    )


class OsmolalityInputs(Inputs):
    """What calculated osmolality takes."""

    sodium: Sodium
    glucose: Glucose
    glucose_unit: GlucoseUnit
    urea: Urea
    urea_unit: UreaUnit


class OsmolalGapInputs(OsmolalityInputs):
    """And the measured one."""

    measured: Annotated[float, Field(ge=150, le=600, description="Measured osmolality of serum, mOsm/kg")]


def _osmolality(given: OsmolalityInputs) -> float:
    return 2 * given.sodium + given.amount("glucose") / 18 + given.amount("urea")


def osmolality(given: OsmolalityInputs) -> Outcome:
    """2 x sodium + glucose/18 + urea nitrogen/2.8 (mg/dL)."""
    return Outcome(
        value=round(_osmolality(given), 1),
        interpretation="Compare with the laboratory's range, commonly about 275 to 295 mOsm/kg.",
    )


def osmolal_gap(given: OsmolalGapInputs) -> Outcome:
    """Measured minus calculated."""
    gap = given.measured - _osmolality(given)
    return Outcome(
        value=round(gap, 1),
        interpretation="Above 10: unmeasured solutes, such as alcohols, are possible."
        if round(gap, 1) > 10
        else "10 or less. This does not exclude poisoning with a toxic alcohol.",
        parts={"calculated osmolality": round(_osmolality(given), 1)},
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="anion-gap",
        title="Anion gap",
        aliases=("anion gap", "阴离子间隙"),
        inputs=AnionGapInputs,
        compute=anion_gap,
        unit="mmol/L",
        formula="Na - (Cl + HCO3).",
        sources=(EMMETT, WINTER),
        is_not="Not reliable with low albumin (use the corrected one); a normal gap does not exclude lactic acidosis.",
    ),
    Calculator(
        name="anion-gap-corrected",
        title="Anion gap, corrected for albumin",
        aliases=("corrected anion gap", "albumin-corrected anion gap", "校正阴离子间隙"),
        inputs=CorrectedAnionGapInputs,
        compute=corrected_anion_gap,
        unit="mmol/L",
        formula="Na - (Cl + HCO3) + 2.5 x (4.4 - albumin in g/dL).",
        sources=(EMMETT, FIGGE, WINTER),
        is_not="Not a diagnosis: other unmeasured ions move the gap too.",
    ),
    Calculator(
        name="corrected-calcium",
        title="Calcium, corrected for albumin",
        aliases=("corrected calcium", "adjusted calcium", "calcium correction", "校正钙", "校正血钙"),
        inputs=CorrectedCalciumInputs,
        compute=corrected_calcium,
        unit="",
        formula="Ca + 0.8 x (4.0 - albumin in g/dL) in mg/dL, or Ca + 0.02 x (40 - albumin in g/L) in mmol/L.",
        sources=(CALCIUM_BMJ, PAYNE),
        is_not="Not a substitute for ionised calcium, in critical illness and kidney failure above all.",
    ),
    Calculator(
        name="corrected-sodium",
        title="Sodium, corrected for glucose",
        aliases=("corrected sodium", "sodium correction", "校正钠", "校正血钠"),
        inputs=CorrectedSodiumInputs,
        compute=corrected_sodium,
        unit="mmol/L",
        formula="Na + 1.6 x (glucose in mg/dL - 100) / 100 (Katz); 2.4 in place of 1.6 (Hillier).",
        sources=(KATZ, HILLIER),
        is_not="Not a target for treatment.",
    ),
    Calculator(
        name="osmolality",
        title="Serum osmolality, calculated",
        aliases=("serum osmolality", "calculated osmolality", "血浆渗透压"),
        inputs=OsmolalityInputs,
        compute=osmolality,
        unit="mOsm/kg",
        formula="2 Na + glucose (mg/dL) / 18 + urea nitrogen (mg/dL) / 2.8.",
        sources=(SMITHLINE,),
        is_not="Not a measured osmolality; alcohols and other solutes are not in it.",
    ),
    Calculator(
        name="osmolal-gap",
        title="Osmolal gap",
        aliases=("osmolal gap", "osmolar gap", "osmol gap", "渗透压间隙"),
        inputs=OsmolalGapInputs,
        compute=osmolal_gap,
        unit="mOsm/kg",
        formula="measured osmolality - (2 Na + glucose / 18 + urea nitrogen / 2.8).",
        sources=(SMITHLINE,),
        is_not="Not a test that excludes methanol or ethylene glycol poisoning: late, the gap is normal.",
    ),
)
