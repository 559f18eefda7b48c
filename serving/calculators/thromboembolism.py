"""Venous thromboembolism: the Wells scores for deep vein thrombosis and pulmonary embolism, PERC."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, scored
from serving.calculators.units import AdultAge, HeartRate

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
