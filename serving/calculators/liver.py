"""Liver: MELD 3.0, MELD-Na, Child-Pugh, FIB-4."""

from __future__ import annotations

from math import log, sqrt
from typing import Annotated, Any, Literal

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference
from serving.calculators.units import (
    AdultAge,
    Albumin,
    AlbuminUnit,
    Bilirubin,
    BilirubinUnit,
    Creatinine,
    CreatinineUnit,
    Inr,
    Sex,
    Sodium,
)

MELD3 = Reference(
    authors="Kim WR, Mannalithara A, Heimbach JK, et al",
    title="MELD 3.0: the Model for End-Stage Liver Disease updated for the modern era",
    published="Gastroenterology 161:1887-1895",
    year=2021,
    doi="10.1053/j.gastro.2021.08.050",
)
MELD_NA = Reference(
    authors="Kim WR, Biggins SW, Kremers WK, et al",
    title="Hyponatremia and mortality among patients on the liver-transplant waiting list",
    published="N Engl J Med 359:1018-1026",
    year=2008,
    doi="10.1056/NEJMoa0801209",
)
KAMATH = Reference(
    authors="Kamath PS, Wiesner RH, Malinchoc M, et al",
    title="A model to predict survival in patients with end-stage liver disease",
    published="Hepatology 33:464-470",
    year=2001,
    doi="10.1053/jhep.2001.22172",
)
OPTN = Reference(
    authors="Organ Procurement and Transplantation Network",
    title="Policy 9, Allocation of Livers and Liver-Intestines: MELD score",
    published="OPTN policies (MELD-Na in use from 2016, MELD 3.0 from 2023)",
    year=2023,
)
PUGH = Reference(
    authors="Pugh RN, Murray-Lyon IM, Dawson JL, et al",
    title="Transection of the oesophagus for bleeding oesophageal varices",
    published="Br J Surg 60:646-649",
    year=1973,
    doi="10.1002/bjs.1800600817",
)
TRIPATHI = Reference(
    authors="Tripathi D, Stanley AJ, Hayes PC, et al",
    title="UK guidelines on the management of variceal haemorrhage in cirrhotic patients",
    published="Gut 64:1680-1704",
    year=2015,
    doi="10.1136/gutjnl-2015-309262",
)
STERLING = Reference(
    authors="Sterling RK, Lissen E, Clumeck N, et al",
    title="Development of a simple noninvasive index to predict significant fibrosis in patients with HIV/HCV coinfection",
    published="Hepatology 43:1317-1325",
    year=2006,
    doi="10.1002/hep.21178",
)
MCPHERSON = Reference(
    authors="McPherson S, Hardy T, Dufour JF, et al",
    title="Age as a confounding factor for the accurate non-invasive diagnosis of advanced NAFLD fibrosis",
    published="Am J Gastroenterol 112:740-751",
    year=2017,
    doi="10.1038/ajg.2016.453",
)
MELD_MEANING = "From 6 to 40; the higher, the greater the risk of death within 90 days without a transplant."


class MeldNaInputs(Inputs):
    """What MELD-Na takes."""

    age: AdultAge
    bilirubin: Bilirubin
    bilirubin_unit: BilirubinUnit
    inr: Inr
    creatinine: Creatinine
    creatinine_unit: CreatinineUnit
    sodium: Sodium
    dialysis: Annotated[bool, Field(description="Dialysis twice or more, or 24 hours of CVVHD, within the last week")]


class Meld3Inputs(MeldNaInputs):
    """What MELD 3.0 takes: sex and albumin as well."""

    sex: Sex
    albumin: Albumin
    albumin_unit: AlbuminUnit


def _between(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def meld3(given: Meld3Inputs) -> Outcome:
    """Kim 2021: bilirubin, INR and creatinine at least 1, creatinine at most 3, sodium 125 to 137, albumin 1.5 to 3.5.

    The publication has no upper limit; 40 is that of the OPTN.
    """
    bilirubin = log(max(given.amount("bilirubin"), 1))
    creatinine = log(3.0 if given.dialysis else _between(given.amount("creatinine"), 1, 3))
    sodium = 137 - _between(given.sodium, 125, 137)
    albumin = 3.5 - _between(given.amount("albumin"), 1.5, 3.5)
    score = (
        (1.33 if given.sex == "female" else 0)
        + 4.56 * bilirubin
        + 0.82 * sodium
        - 0.24 * sodium * bilirubin
        + 9.09 * log(max(given.inr, 1))
        + 11.14 * creatinine
        + 1.85 * albumin
        - 1.83 * albumin * creatinine
        + 6
    )
    return Outcome(value=float(_between(round(score), 6, 40)), interpretation=MELD_MEANING)


def meld_na(given: MeldNaInputs) -> Outcome:
    """OPTN 2016: the MELD of Kamath 2001, from 1 to 4 mg/dL of creatinine, rounded to a tenth before ten-fold; sodium counts above 11.

    Kim 2008 has other coefficients: MELD + (140 - Na) - 0.025 MELD (140 - Na), with sodium from 125 to 140.
    """
    creatinine = 4.0 if given.dialysis else _between(given.amount("creatinine"), 1, 4)
    meld = (
        0.957 * log(creatinine)
        + 0.378 * log(max(given.amount("bilirubin"), 1))
        + 1.120 * log(max(given.inr, 1))
        + 0.643
    )
    plain = round(round(meld, 1) * 10)
    score = float(plain)
    if score > 11:
        sodium = 137 - _between(given.sodium, 125, 137)
        score += 1.32 * sodium - 0.033 * score * sodium
    return Outcome(
        value=float(_between(round(score), 6, 40)),
        interpretation=MELD_MEANING,
        parts={"MELD without sodium": float(min(plain, 40))},
    )


class ChildPughInputs(Inputs):
    """What Child-Pugh takes. The INR stands for the prothrombin time of the publication, as is usual."""

    age: AdultAge
    bilirubin: Bilirubin
    bilirubin_unit: BilirubinUnit
    albumin: Albumin
    albumin_unit: AlbuminUnit
    inr: Inr
    ascites: Annotated[Literal["none", "slight", "moderate"], Field(description="Ascites; severe counts as moderate")]
    encephalopathy: Annotated[Literal["none", "grade 1-2", "grade 3-4"], Field(description="Hepatic encephalopathy")]


# Up to which bilirubin 2 points are given, from and to. In SI the limits are those that are printed (Tripathi 2015), not 34.2 and 51.3.
_CHILD_PUGH_BILIRUBIN = {"mg/dL": (2, 3), "umol/L": (34, 51)}


def child_pugh(given: ChildPughInputs) -> Outcome:
    """1 to 3 points for each of five; bilirubin 2 and 3 mg/dL (34 and 51 umol/L), albumin 3.5 and 2.8 g/dL, INR 1.7 and 2.3."""
    low, high = _CHILD_PUGH_BILIRUBIN[given.unit("bilirubin")]
    albumin = round(given.amount("albumin"), 6)
    points = {
        "bilirubin": 1 if given.bilirubin < low else 2 if given.bilirubin <= high else 3,
        "albumin": 1 if albumin > 3.5 else 2 if albumin >= 2.8 else 3,
        "INR": 1 if given.inr < 1.7 else 2 if given.inr <= 2.3 else 3,
        "ascites": ("none", "slight", "moderate").index(given.ascites) + 1,
        "encephalopathy": ("none", "grade 1-2", "grade 3-4").index(given.encephalopathy) + 1,
    }
    total = sum(points.values())
    grade = "A (5 or 6)" if total <= 6 else "B (7 to 9)" if total <= 9 else "C (10 to 15)"
    return Outcome(
        value=float(total), interpretation=f"Class {grade}.", parts={name: float(part) for name, part in points.items()}
    )


class Fib4Inputs(Inputs):
    """What FIB-4 takes."""

    age: AdultAge
    ast: Annotated[float, Field(ge=3, le=10000, description="Aspartate aminotransferase, U/L")]
    alt: Annotated[float, Field(ge=3, le=10000, description="Alanine aminotransferase, U/L")]
    platelets: Annotated[float, Field(ge=5, le=1500, description="Platelets, 10^9/L (thousands per microlitre)")]


def fib4(given: Fib4Inputs) -> Outcome:
    """Age x AST / (platelets x square root of ALT)."""
    value = round(given.age * given.ast / (given.platelets * sqrt(given.alt)), 2)
    if value < 1.45:
        meaning = "Below 1.45: 90% of these people had no advanced fibrosis (Ishak 4 to 6) in the publication."
    elif value > 3.25:
        meaning = "Above 3.25: 65% of these people had advanced fibrosis (Ishak 4 to 6) in the publication."
    else:
        meaning = "1.45 to 3.25: indeterminate."
    warnings = (
        []
        if 35 < given.age < 65
        else ["The index is less reliable up to 35 and from 65 years: McPherson 2017, in fatty liver disease."]
    )
    return Outcome(value=value, interpretation=meaning, warnings=warnings)


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="meld-3",
        title="MELD 3.0",
        aliases=("meld 3.0", "meld3", "meld", "end-stage liver disease", "终末期肝病模型"),
        inputs=Meld3Inputs,
        compute=meld3,
        unit="points",
        formula="1.33 if female + 4.56 ln(bili) + 0.82 (137 - Na) - 0.24 (137 - Na) ln(bili) + 9.09 ln(INR) + 11.14 ln(Cr) + "
        "1.85 (3.5 - alb) - 1.83 (3.5 - alb) ln(Cr) + 6; mg/dL, g/dL, mmol/L, each within its bounds.",
        sources=(MELD3, OPTN),
        is_not="Not an allocation: the transplant network computes its own, with exceptions. Not for children.",
    ),
    Calculator(
        name="meld-na",
        title="MELD-Na (2016)",
        aliases=("meld na", "meldna", "meld with sodium"),
        inputs=MeldNaInputs,
        compute=meld_na,
        unit="points",
        formula="MELD = 10 (0.957 ln(Cr) + 0.378 ln(bili) + 1.120 ln(INR) + 0.643); above 11: + 1.32 (137 - Na) - "
        "0.033 MELD (137 - Na); mg/dL, mmol/L, each within its bounds.",
        sources=(OPTN, KAMATH, MELD_NA),
        is_not="Not the score in use in the United States since 2023, which is MELD 3.0, nor the equation of Kim 2008, whose coefficients "
        "for sodium differ. Not for children.",
    ),
    Calculator(
        name="child-pugh",
        title="Child-Pugh score",
        aliases=("child pugh", "child-turcotte-pugh"),
        inputs=ChildPughInputs,
        compute=child_pugh,
        unit="points",
        formula="1 to 3 points each for bilirubin, albumin, INR, ascites and encephalopathy.",
        sources=(PUGH, TRIPATHI),
        is_not="Not for acute liver failure or children; the publication used the prothrombin time and other bilirubin limits hold in "
        "cholestatic disease.",
    ),
    Calculator(
        name="fib-4",
        title="FIB-4 index",
        aliases=("fib4", "fibrosis-4", "fibrosis 4"),
        inputs=Fib4Inputs,
        compute=fib4,
        unit="",
        formula="age x AST / (platelets x sqrt(ALT)).",
        sources=(STERLING, MCPHERSON),
        is_not="Not a biopsy and not for acute hepatitis; it was made in people with HIV and hepatitis C, and other limits are in use "
        "for other diseases.",
    ),
)
