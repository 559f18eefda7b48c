"""Atrial fibrillation: CHA2DS2-VASc for stroke, HAS-BLED for bleeding."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, scored
from serving.calculators.units import AdultAge, Sex

LIP = Reference(
    authors="Lip GYH, Nieuwlaat R, Pisters R, et al",
    title="Refining clinical risk stratification for predicting stroke and thromboembolism in atrial fibrillation using a novel "
    "risk factor-based approach: the Euro Heart Survey on atrial fibrillation",
    published="Chest 137:263-272",
    year=2010,
    doi="10.1378/chest.09-1584",
)
PISTERS = Reference(
    authors="Pisters R, Lane DA, Nieuwlaat R, et al",
    title="A novel user-friendly score (HAS-BLED) to assess 1-year risk of major bleeding in patients with atrial fibrillation: "
    "the Euro Heart Survey",
    published="Chest 138:1093-1100",
    year=2010,
    doi="10.1378/chest.10-0134",
)


class Cha2ds2VascInputs(Inputs):
    """What CHA2DS2-VASc takes."""

    age: AdultAge
    sex: Sex
    heart_failure: Annotated[bool, Field(description="Congestive heart failure or left ventricular dysfunction")]
    hypertension: Annotated[bool, Field(description="Hypertension, treated or not")]
    diabetes: Annotated[bool, Field(description="Diabetes mellitus")]
    stroke: Annotated[bool, Field(description="Earlier stroke, transient ischaemic attack or thromboembolism")]
    vascular_disease: Annotated[
        bool, Field(description="Earlier myocardial infarction, peripheral artery disease or aortic plaque")
    ]


def cha2ds2_vasc(given: Cha2ds2VascInputs) -> Outcome:
    """Table 2 of Lip 2010: two points for age 75 and for stroke, one for each other item."""
    total, parts = scored(
        {
            "heart failure": (given.heart_failure, 1),
            "hypertension": (given.hypertension, 1),
            "age 75 or over": (given.age >= 75, 2),
            "diabetes": (given.diabetes, 1),
            "stroke": (given.stroke, 2),
            "vascular disease": (given.vascular_disease, 1),
            "age 65 to 74": (65 <= given.age < 75, 1),
            "female sex": (given.sex == "female", 1),
        }
    )
    group = "low" if total == 0 else "intermediate" if total == 1 else "high"
    warnings = (
        ["The one point is for sex alone; later guidelines read it as low risk."]
        if total == 1 and parts["female sex"]
        else []
    )
    return Outcome(
        value=total,
        interpretation=f"{group.capitalize()} risk of thromboembolism (publication: 0 low, 1 intermediate, 2 or more high).",
        parts=parts,
        warnings=warnings,
    )


class HasBledInputs(Inputs):
    """What HAS-BLED takes."""

    age: AdultAge
    uncontrolled_hypertension: Annotated[bool, Field(description="Systolic blood pressure above 160 mmHg")]
    abnormal_kidney: Annotated[
        bool, Field(description="Dialysis, kidney transplant, or creatinine of 200 umol/L (2.26 mg/dL) or more")
    ]
    abnormal_liver: Annotated[
        bool,
        Field(description="Cirrhosis, or bilirubin over 2 times with AST, ALT or ALP over 3 times the upper limit"),
    ]
    stroke: Annotated[bool, Field(description="Earlier stroke")]
    bleeding: Annotated[bool, Field(description="Earlier major bleeding or predisposition to it, as anaemia")]
    labile_inr: Annotated[bool, Field(description="Unstable or high INRs: less than 60% of time in range")]
    drugs: Annotated[bool, Field(description="Antiplatelet or non-steroidal anti-inflammatory medicines")]
    alcohol: Annotated[bool, Field(description="Alcohol in excess, usually read as 8 or more units or drinks a week")]


def has_bled(given: HasBledInputs) -> Outcome:
    """One point an item."""
    total, parts = scored(
        {
            "hypertension": (given.uncontrolled_hypertension, 1),
            "kidney": (given.abnormal_kidney, 1),
            "liver": (given.abnormal_liver, 1),
            "stroke": (given.stroke, 1),
            "bleeding": (given.bleeding, 1),
            "labile INR": (given.labile_inr, 1),
            "age over 65": (given.age > 65, 1),
            "drugs": (given.drugs, 1),
            "alcohol": (given.alcohol, 1),
        }
    )
    return Outcome(
        value=total,
        interpretation="High risk of bleeding (3 or more): caution and regular review."
        if total >= 3
        else "Below the publication's mark of high risk (3 or more).",
        parts=parts,
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="cha2ds2-vasc",
        title="CHA2DS2-VASc score",
        aliases=("cha2ds2vasc", "chads-vasc", "chadsvasc", "chads vasc", "chads2-vasc", "房颤卒中风险"),
        inputs=Cha2ds2VascInputs,
        compute=cha2ds2_vasc,
        unit="points",
        formula="Heart failure 1, hypertension 1, age 75 or over 2, diabetes 1, stroke 2, vascular disease 1, age 65 to 74 1, female 1.",
        sources=(LIP,),
        is_not="Not for people without atrial fibrillation or with mechanical valves or mitral stenosis; not a decision on anticoagulation.",
    ),
    Calculator(
        name="has-bled",
        title="HAS-BLED score",
        aliases=("hasbled", "has bled", "出血风险评分"),
        inputs=HasBledInputs,
        compute=has_bled,
        unit="points",
        formula="1 point each: hypertension, kidney, liver, stroke, bleeding, labile INR, age over 65, drugs, alcohol.",
        sources=(PISTERS,),
        is_not="Not a reason by itself to withhold anticoagulation.",
    ),
)
