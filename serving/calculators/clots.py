"""Thrombosis, stroke and bleeding: CHA2DS2-VASc, HAS-BLED, Wells (two), PERC."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, scored
from serving.calculators.units import AdultAge, HeartRate, Sex

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
WELLS_DVT = Reference(
    authors="Wells PS, Anderson DR, Rodger M, et al",
    title="Evaluation of D-dimer in the diagnosis of suspected deep-vein thrombosis",
    published="N Engl J Med 349:1227-1235",
    year=2003,
    doi="10.1056/NEJMoa023153",
)
WELLS_PE = Reference(
    authors="Wells PS, Anderson DR, Rodger M, et al",
    title="Derivation of a simple clinical model to categorize patients probability of pulmonary embolism: increasing the models "
    "utility with the SimpliRED D-dimer",
    published="Thromb Haemost 83:416-420",
    year=2000,
)
WELLS_PE_2001 = Reference(
    authors="Wells PS, Anderson DR, Rodger M, et al",
    title="Excluding pulmonary embolism at the bedside without diagnostic imaging: management of patients with suspected pulmonary "
    "embolism presenting to the emergency department by using a simple clinical model and D-dimer",
    published="Ann Intern Med 135:98-107",
    year=2001,
)
KLINE = Reference(
    authors="Kline JA, Mitchell AM, Kabrhel C, et al",
    title="Clinical criteria to prevent unnecessary diagnostic testing in emergency department patients with suspected pulmonary embolism",
    published="J Thromb Haemost 2:1247-1255",
    year=2004,
    doi="10.1111/j.1538-7836.2004.00790.x",
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


class WellsDvtInputs(Inputs):
    """What the Wells score for deep vein thrombosis takes."""

    age: AdultAge
    active_cancer: Annotated[bool, Field(description="Cancer under treatment, treated within 6 months, or palliative")]
    paralysis: Annotated[bool, Field(description="Paralysis, paresis or recent plaster of the legs")]
    bedridden: Annotated[bool, Field(description="Bedridden for 3 days or more, or major surgery within 12 weeks")]
    tenderness: Annotated[bool, Field(description="Tenderness along the deep veins")]
    leg_swollen: Annotated[bool, Field(description="Entire leg swollen")]
    calf_swollen: Annotated[
        bool, Field(description="Calf at least 3 cm larger than the other, 10 cm below the tibial tuberosity")
    ]
    pitting_oedema: Annotated[bool, Field(description="Pitting oedema in the symptomatic leg only")]
    collateral_veins: Annotated[bool, Field(description="Collateral superficial veins that are not varicose")]
    previous_dvt: Annotated[bool, Field(description="Deep vein thrombosis documented before")]
    other_diagnosis: Annotated[bool, Field(description="Another diagnosis at least as likely")]


def wells_dvt(given: WellsDvtInputs) -> Outcome:
    """Table 1 of Wells 2003."""
    names = [name for name in WellsDvtInputs.model_fields if name not in ("age", "other_diagnosis")]
    total, parts = scored(
        {name.replace("_", " "): (bool(getattr(given, name)), 1) for name in names}
        | {"other diagnosis": (given.other_diagnosis, -2)}
    )
    return Outcome(
        value=total,
        interpretation="Deep vein thrombosis likely (2 or more)."
        if total >= 2
        else "Deep vein thrombosis unlikely (below 2).",
        parts=parts,
    )


class WellsPeInputs(Inputs):
    """What the Wells score for pulmonary embolism takes."""

    age: AdultAge
    dvt_signs: Annotated[
        bool, Field(description="Signs of deep vein thrombosis: leg swelling and pain on pressing its deep veins")
    ]
    pe_most_likely: Annotated[bool, Field(description="No other diagnosis is as likely as pulmonary embolism")]
    heart_rate: HeartRate
    immobilised: Annotated[bool, Field(description="Immobile for 3 days or more, or surgery, within 4 weeks")]
    previous_clot: Annotated[bool, Field(description="Deep vein thrombosis or pulmonary embolism before")]
    haemoptysis: Annotated[bool, Field(description="Coughing up blood")]
    active_cancer: Annotated[bool, Field(description="Cancer under treatment, treated within 6 months, or palliative")]


def wells_pe(given: WellsPeInputs) -> Outcome:
    """Wells 2000: 3, 3, 1.5, 1.5, 1.5, 1 and 1 points, and the mark of 4; the three levels as in Wells 2001."""
    total, parts = scored(
        {
            "signs of DVT": (given.dvt_signs, 3),
            "PE most likely": (given.pe_most_likely, 3),
            "heart rate over 100": (given.heart_rate > 100, 1.5),
            "immobile or surgery": (given.immobilised, 1.5),
            "previous clot": (given.previous_clot, 1.5),
            "haemoptysis": (given.haemoptysis, 1),
            "cancer": (given.active_cancer, 1),
        }
    )
    three = "low (below 2)" if total < 2 else "moderate (2 to 6)" if total <= 6 else "high (above 6)"
    two = "likely (above 4)" if total > 4 else "unlikely (4 or less)"
    return Outcome(value=total, interpretation=f"Pulmonary embolism {two}; in three levels: {three}.", parts=parts)


class PercInputs(Inputs):
    """What the PERC rule takes."""

    age: AdultAge
    heart_rate: HeartRate
    spo2: Annotated[float, Field(ge=30, le=100, description="Oxygen saturation (SpO2) on room air, %")]
    haemoptysis: Annotated[bool, Field(description="Coughing up blood")]
    oestrogen: Annotated[bool, Field(description="Takes oestrogen (contraceptive or hormone replacement)")]
    previous_clot: Annotated[bool, Field(description="Deep vein thrombosis or pulmonary embolism before")]
    leg_swollen: Annotated[bool, Field(description="One leg visibly swollen")]
    recent_surgery: Annotated[
        bool, Field(description="Surgery or trauma within 4 weeks that needed intubation or a hospital stay")
    ]


def perc(given: PercInputs) -> Outcome:
    """Counts the criteria that are not met; the rule is met at none."""
    total, parts = scored(
        {
            "age 50 or over": (given.age >= 50, 1),
            "heart rate 100 or over": (given.heart_rate >= 100, 1),
            "SpO2 below 95%": (given.spo2 < 95, 1),
            "haemoptysis": (given.haemoptysis, 1),
            "oestrogen": (given.oestrogen, 1),
            "previous clot": (given.previous_clot, 1),
            "leg swollen": (given.leg_swollen, 1),
            "recent surgery or trauma": (given.recent_surgery, 1),
        }
    )
    met = (
        "All eight criteria met: the rule is negative."
        if total == 0
        else "The rule is not met: it cannot exclude pulmonary embolism."
    )
    return Outcome(
        value=total,
        interpretation=f"{met} It holds only where the clinician already thinks pulmonary embolism unlikely.",
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
    Calculator(
        name="wells-dvt",
        title="Wells score for deep vein thrombosis",
        aliases=("wells dvt", "wells score for dvt", "wells score for deep vein thrombosis"),
        inputs=WellsDvtInputs,
        compute=wells_dvt,
        unit="points",
        formula="1 point for each of nine signs, -2 when another diagnosis is at least as likely.",
        sources=(WELLS_DVT,),
        is_not="Not a diagnosis and not an exclusion without a D-dimer or ultrasound; not for pregnancy.",
    ),
    Calculator(
        name="wells-pe",
        title="Wells score for pulmonary embolism",
        aliases=("wells pe", "wells score for pe", "wells score for pulmonary embolism"),
        inputs=WellsPeInputs,
        compute=wells_pe,
        unit="points",
        formula="Signs of DVT 3, PE most likely 3, heart rate over 100 1.5, immobile or surgery 1.5, previous clot 1.5, haemoptysis 1, cancer 1.",
        sources=(WELLS_PE, WELLS_PE_2001),
        is_not="Not a diagnosis and not an exclusion without a D-dimer or imaging; not for pregnancy.",
    ),
    Calculator(
        name="perc",
        title="PERC rule (criteria not met)",
        aliases=("perc rule", "pulmonary embolism rule-out criteria"),
        inputs=PercInputs,
        compute=perc,
        unit="of 8",
        formula="Counts: age 50 or over, heart rate 100 or over, SpO2 below 95%, haemoptysis, oestrogen, previous clot, leg swollen, "
        "recent surgery or trauma.",
        sources=(KLINE,),
        is_not="Not for people in whom pulmonary embolism is more than unlikely; not for pregnancy.",
    ),
)
