"""Kidney: estimated filtration rate, creatinine clearance, fractional excretion of sodium."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, band
from serving.calculators.units import (
    AdultAge,
    Creatinine,
    CreatinineUnit,
    Sex,
    Sodium,
    UrineCreatinine,
    UrineCreatinineUnit,
    Weight,
    WeightUnit,
)

INKER = Reference(
    authors="Inker LA, Eneanya ND, Coresh J, et al",
    title="New creatinine- and cystatin C-based equations to estimate GFR without race",
    published="N Engl J Med 385:1737-1749",
    year=2021,
    doi="10.1056/NEJMoa2102953",
)
KDIGO = Reference(
    authors="Kidney Disease: Improving Global Outcomes (KDIGO)",
    title="Clinical practice guideline for the evaluation and management of chronic kidney disease",
    published="Kidney Int 105(4S):S117-S314",
    year=2024,
    doi="10.1016/j.kint.2023.10.018",
)
COCKCROFT = Reference(
    authors="Cockcroft DW, Gault MH",
    title="Prediction of creatinine clearance from serum creatinine",
    published="Nephron 16:31-41",
    year=1976,
    doi="10.1159/000180580",
)
ESPINEL = Reference(
    authors="Espinel CH",
    title="The FENa test: use in the differential diagnosis of acute renal failure",
    published="JAMA 236:579-581",
    year=1976,
)
MILLER = Reference(
    authors="Miller TR, Anderson RJ, Linas SL, et al",
    title="Urinary diagnostic indices in acute renal failure",
    published="Ann Intern Med 89:47-50",
    year=1978,
)


class EgfrInputs(Inputs):
    """What the CKD-EPI 2021 creatinine equation takes."""

    age: AdultAge
    sex: Sex
    creatinine: Creatinine
    creatinine_unit: CreatinineUnit


def egfr(given: EgfrInputs) -> Outcome:
    """Inker 2021, equation from creatinine: 142 x min(Scr/k, 1)^a x max(Scr/k, 1)^-1.200 x 0.9938^age (x 1.012 if female)."""
    female = given.sex == "female"
    ratio = given.amount("creatinine") / (0.7 if female else 0.9)
    alpha = -0.241 if female else -0.302
    rate = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.200 * 0.9938**given.age * (1.012 if female else 1)
    value = float(round(rate))
    stage = band(
        value,
        (
            (15, "G5, kidney failure (below 15)"),
            (30, "G4, severely decreased (15 to 29)"),
            (45, "G3b, moderately to severely decreased (30 to 44)"),
            (60, "G3a, mildly to moderately decreased (45 to 59)"),
            (90, "G2, mildly decreased (60 to 89)"),
        ),
        "G1, normal or high (90 or more)",
    )
    return Outcome(
        value=value,
        interpretation=f"KDIGO category {stage}. G1 and G2 are kidney disease only with other signs of damage, and any category "
        "only when it lasts 3 months or more.",
    )


class CockcroftInputs(Inputs):
    """What the Cockcroft-Gault equation takes."""

    age: AdultAge
    sex: Sex
    weight: Weight
    weight_unit: WeightUnit
    creatinine: Creatinine
    creatinine_unit: CreatinineUnit


def cockcroft_gault(given: CockcroftInputs) -> Outcome:
    """(140 - age) x weight / (72 x creatinine), times 0.85 for women."""
    clearance = (140 - given.age) * given.amount("weight") / (72 * given.amount("creatinine"))
    return Outcome(
        value=round(clearance * (0.85 if given.sex == "female" else 1), 1),
        interpretation="Estimated creatinine clearance, not adjusted to body surface. The publication has no bands.",
    )


class FenaInputs(Inputs):
    """Sodium and creatinine of one blood and one urine sample, taken together."""

    sodium: Sodium
    urine_sodium: Annotated[
        float, Field(ge=1, le=400, description="Sodium in urine, mmol/L (the same number in mEq/L)")
    ]
    creatinine: Creatinine
    creatinine_unit: CreatinineUnit
    urine_creatinine: UrineCreatinine
    urine_creatinine_unit: UrineCreatinineUnit


def fena(given: FenaInputs) -> Outcome:
    """100 x (urine sodium x serum creatinine) / (serum sodium x urine creatinine)."""
    value = round(
        100 * given.urine_sodium * given.amount("creatinine") / (given.sodium * given.amount("urine_creatinine")), 2
    )
    return Outcome(
        value=value,
        interpretation="Below 1%: favours a prerenal cause (Espinel 1976, Miller 1978)."
        if value < 1
        else "1% or more: favours acute tubular injury (Miller 1978); in Espinel 1976 such people had more than 3%.",
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="egfr",
        title="eGFR (CKD-EPI 2021, creatinine)",
        aliases=("estimated gfr", "gfr", "glomerular filtration rate", "ckd-epi", "kidney function", "肾小球滤过率"),
        inputs=EgfrInputs,
        compute=egfr,
        unit="mL/min/1.73 m2",
        formula="142 x min(Scr/k, 1)^a x max(Scr/k, 1)^-1.200 x 0.9938^age x 1.012 if female; Scr in mg/dL; k 0.7 (f) or 0.9 (m); "
        "a -0.241 (f) or -0.302 (m).",
        sources=(INKER, KDIGO),
        is_not="Not for children, pregnancy, acute kidney injury, or very small or large muscle mass; not a diagnosis.",
    ),
    Calculator(
        name="cockcroft-gault",
        title="Creatinine clearance (Cockcroft-Gault)",
        aliases=("creatinine clearance", "crcl", "cockcroft gault", "肌酐清除率"),
        inputs=CockcroftInputs,
        compute=cockcroft_gault,
        unit="mL/min",
        formula="(140 - age) x weight (kg) / (72 x Scr in mg/dL), x 0.85 if female.",
        sources=(COCKCROFT,),
        is_not="Not a dose: what a clearance means for a medicine stands in its label. Not for children, pregnancy or changing creatinine; "
        "it was made before creatinine assays were standardised.",
    ),
    Calculator(
        name="fena",
        title="Fractional excretion of sodium",
        aliases=("fractional excretion of sodium", "钠排泄分数"),
        inputs=FenaInputs,
        compute=fena,
        unit="%",
        formula="100 x (urine Na x serum creatinine) / (serum Na x urine creatinine).",
        sources=(ESPINEL, MILLER),
        is_not="Not reliable after diuretics or in chronic kidney disease; it was studied in oliguria; not a diagnosis.",
    ),
)
