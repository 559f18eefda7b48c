"""Metabolism: LDL cholesterol, HbA1c, HOMA-IR."""

from __future__ import annotations

from typing import Any

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, band
from serving.calculators.units import (
    AdultAge,
    Cholesterol,
    Glucose,
    GlucoseUnit,
    Hba1c,
    Hba1cUnit,
    Insulin,
    InsulinUnit,
    LipidUnit,
    Triglycerides,
)

FRIEDEWALD = Reference(
    authors="Friedewald WT, Levy RI, Fredrickson DS",
    title="Estimation of the concentration of low-density lipoprotein cholesterol in plasma, without use of the preparative ultracentrifuge",
    published="Clin Chem 18:499-502",
    year=1972,
)
ATP3 = Reference(
    authors="Expert Panel on Detection, Evaluation, and Treatment of High Blood Cholesterol in Adults",
    title="Executive summary of the third report of the National Cholesterol Education Program (ATP III)",
    published="JAMA 285:2486-2497",
    year=2001,
)
HOELZEL = Reference(
    authors="Hoelzel W, Weykamp C, Jeppsson JO, et al",
    title="IFCC reference system for measurement of hemoglobin A1c in human blood and the national standardization schemes in the United "
    "States, Japan, and Sweden: a method-comparison study",
    published="Clin Chem 50:166-174",
    year=2004,
)
NATHAN = Reference(
    authors="Nathan DM, Kuenen J, Borg R, et al",
    title="Translating the A1C assay into estimated average glucose values",
    published="Diabetes Care 31:1473-1478",
    year=2008,
    doi="10.2337/dc08-0545",
)
ADA = Reference(
    authors="American Diabetes Association Professional Practice Committee",
    title="Diagnosis and classification of diabetes: standards of care in diabetes",
    published="Diabetes Care 47(Suppl 1):S20-S42",
    year=2024,
)
MATTHEWS = Reference(
    authors="Matthews DR, Hosker JP, Rudenski AS, et al",
    title="Homeostasis model assessment: insulin resistance and beta-cell function from fasting plasma glucose and insulin concentrations in man",
    published="Diabetologia 28:412-419",
    year=1985,
    doi="10.1007/BF00280883",
)
VOLUND = Reference(
    authors="Vølund A",
    title="Conversion of insulin units to SI units",
    published="Am J Clin Nutr 58:714-715",
    year=1993,
)


class LdlInputs(Inputs):
    """What Friedewald's estimate takes; a fasting sample."""

    age: AdultAge
    total_cholesterol: Cholesterol
    total_cholesterol_unit: LipidUnit
    hdl: Cholesterol
    hdl_unit: LipidUnit
    triglycerides: Triglycerides
    triglycerides_unit: LipidUnit


def ldl(given: LdlInputs) -> Outcome:
    """Total - HDL - triglycerides/5, in mg/dL; not above 400 mg/dL of triglycerides."""
    triglycerides = given.amount("triglycerides")
    if triglycerides > 400:
        raise ValueError(
            "triglycerides above 400 mg/dL (4.5 mmol/L): the publication's estimate does not hold; measure LDL directly"
        )
    value = given.amount("total_cholesterol") - given.amount("hdl") - triglycerides / 5
    if value < 0:
        raise ValueError("the three numbers give a negative LDL; check them and their units")
    group = band(
        round(value),
        (
            (100, "optimal (below 100 mg/dL)"),
            (130, "near or above optimal (100 to 129)"),
            (160, "borderline high (130 to 159)"),
            (190, "high (160 to 189)"),
        ),
        "very high (190 or more)",
    )
    molar = given.total_cholesterol_unit == "mmol/L"
    return Outcome(
        value=round(value / 38.67, 2) if molar else float(round(value)),
        unit=given.total_cholesterol_unit,
        interpretation=f"ATP III: {group}. Today's goals depend on the whole risk.",
    )


class Hba1cInputs(Inputs):
    """What the conversion of HbA1c takes."""

    hba1c: Hba1c
    hba1c_unit: Hba1cUnit


def hba1c(given: Hba1cInputs) -> Outcome:
    """NGSP % = 0.09148 x IFCC + 2.152; average glucose (mg/dL) = 28.7 x % - 46.7."""
    ifcc = given.amount("hba1c")
    percent = given.hba1c if given.hba1c_unit == "%" else 0.09148 * ifcc + 2.152
    glucose = 28.7 * percent - 46.7
    from_percent = given.hba1c_unit == "%"
    in_percent = band(
        round(percent, 1),
        ((5.7, "below the range of prediabetes (5.7%)"), (6.5, "range of prediabetes (5.7 to 6.4%)")),
        "range of diabetes (6.5% or more)",
    )
    in_ifcc = band(
        round(ifcc),
        ((39, "below the range of prediabetes (39 mmol/mol)"), (48, "range of prediabetes (39 to 47 mmol/mol)")),
        "range of diabetes (48 mmol/mol or more)",
    )
    group, other = (in_percent, in_ifcc) if from_percent else (in_ifcc, in_percent)
    diabetes = group.startswith("range of diabetes")
    return Outcome(
        value=float(round(ifcc)) if from_percent else round(percent, 1),
        unit="mmol/mol" if from_percent else "%",
        interpretation=f"ADA: {group}{'; without symptoms a second test must confirm it' if diabetes else ''}.",
        parts={"average glucose, mg/dL": float(round(glucose)), "average glucose, mmol/L": round(glucose / 18.016, 1)},
        # 47 mmol/mol is 6.45%, which rounds to the 6.5% of diabetes.
        warnings=[]
        if other.startswith("range of diabetes") == diabetes
        else [
            "The result is close to the limit of diabetes and rounds across it; it is read in the unit that was measured."
        ],
    )


class HomaInputs(Inputs):
    """What HOMA-IR takes; a fasting sample."""

    age: AdultAge
    glucose: Glucose
    glucose_unit: GlucoseUnit
    insulin: Insulin
    insulin_unit: InsulinUnit


def homa_ir(given: HomaInputs) -> Outcome:
    """Insulin (uU/mL) x glucose (mmol/L) / 22.5."""
    value = given.amount("insulin") * given.amount("glucose") / 18.016 / 22.5
    return Outcome(
        value=round(value, 2),
        interpretation="1 in the publication's reference person; higher means more resistance. Limits depend on the population and the assay.",
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="ldl",
        title="LDL cholesterol (Friedewald)",
        aliases=("friedewald", "ldl cholesterol", "ldl-c", "低密度脂蛋白"),
        inputs=LdlInputs,
        compute=ldl,
        unit="",
        formula="total - HDL - triglycerides / 5, in mg/dL.",
        sources=(FRIEDEWALD, ATP3),
        is_not="Not for samples without fasting, triglycerides above 400 mg/dL or type III hyperlipoproteinaemia; unsure at low LDL.",
    ),
    Calculator(
        name="hba1c",
        title="HbA1c, in the other unit",
        aliases=("a1c", "glycated haemoglobin", "glycated hemoglobin", "estimated average glucose", "糖化血红蛋白"),
        inputs=Hba1cInputs,
        compute=hba1c,
        unit="",
        formula="NGSP % = 0.09148 x IFCC (mmol/mol) + 2.152; average glucose (mg/dL) = 28.7 x % - 46.7.",
        sources=(HOELZEL, NATHAN, ADA),
        is_not="Not reliable in anaemia, pregnancy, haemoglobin variants or after transfusion.",
    ),
    Calculator(
        name="homa-ir",
        title="HOMA-IR",
        aliases=("homa ir", "homa", "insulin resistance", "胰岛素抵抗指数"),
        inputs=HomaInputs,
        compute=homa_ir,
        unit="",
        formula="insulin (uU/mL) x glucose (mmol/L) / 22.5, fasting; 1 uU/mL = 6 pmol/L.",
        sources=(MATTHEWS, VOLUND),
        is_not="Not for people on insulin, and not a diagnosis of diabetes.",
    ),
)
