"""Acute illness: GCS, qSOFA, SOFA, CURB-65, NEWS2, Glasgow-Blatchford, McIsaac."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, band, scored
from serving.calculators.units import (
    AdultAge,
    Bilirubin,
    BilirubinUnit,
    Creatinine,
    CreatinineUnit,
    Diastolic,
    GasPressure,
    GasPressureUnit,
    Haemoglobin,
    HaemoglobinUnit,
    HeartRate,
    RespiratoryRate,
    Saturation,
    Sex,
    Systolic,
    Temperature,
    TemperatureUnit,
    Urea,
    UreaUnit,
)

TEASDALE = Reference(
    authors="Teasdale G, Jennett B",
    title="Assessment of coma and impaired consciousness: a practical scale",
    published="Lancet 304:81-84",
    year=1974,
    doi="10.1016/S0140-6736(74)91639-0",
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
LIM = Reference(
    authors="Lim WS, van der Eerden MM, Laing R, et al",
    title="Defining community acquired pneumonia severity on presentation to hospital: an international derivation and validation study",
    published="Thorax 58:377-382",
    year=2003,
    doi="10.1136/thorax.58.5.377",
)
RCP = Reference(
    authors="Royal College of Physicians",
    title="National Early Warning Score (NEWS) 2: standardising the assessment of acute-illness severity in the NHS",
    published="Royal College of Physicians, London",
    year=2017,
)
BLATCHFORD = Reference(
    authors="Blatchford O, Murray WR, Blatchford M",
    title="A risk score to predict need for treatment for upper-gastrointestinal haemorrhage",
    published="Lancet 356:1318-1321",
    year=2000,
    doi="10.1016/S0140-6736(00)02816-6",
)
NICE_CG141 = Reference(
    authors="National Institute for Health and Care Excellence",
    title="Acute upper gastrointestinal bleeding in over 16s (CG141)",
    published="NICE",
    year=2012,
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


class GcsInputs(Inputs):
    """The best response of each kind."""

    eye: Annotated[int, Field(ge=1, le=4, description="Eyes: 4 open, 3 to voice, 2 to pain, 1 none")]
    verbal: Annotated[int, Field(ge=1, le=5, description="Speech: 5 oriented, 4 confused, 3 words, 2 sounds, 1 none")]
    motor: Annotated[
        int,
        Field(
            ge=1,
            le=6,
            description="Movement: 6 obeys, 5 localises, 4 withdraws, 3 abnormal flexion, 2 extension, 1 none",
        ),
    ]


def gcs(given: GcsInputs) -> Outcome:
    """The sum of the three."""
    total = given.eye + given.verbal + given.motor
    group = band(total, ((9, "severe (3 to 8)"), (13, "moderate (9 to 12)")), "mild (13 to 15)")
    return Outcome(
        value=float(total),
        interpretation=f"E{given.eye} V{given.verbal} M{given.motor}; as usually grouped after head injury: {group}.",
    )


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
    pao2: GasPressure
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


def sofa(given: SofaInputs) -> Outcome:
    """Table 3 of Vincent 1996."""
    ratio = given.amount("pao2") / given.fio2
    breathing = 4 - sum(ratio >= limit for limit in (100, 200, 300, 400))
    kidney = sum(given.amount("creatinine") >= limit for limit in (1.2, 2, 3.5, 5))
    points = {
        "breathing": breathing if given.ventilated else min(breathing, 2),
        "platelets": sum(given.platelets < limit for limit in (150, 100, 50, 20)),
        "liver": sum(given.amount("bilirubin") >= limit for limit in (1.2, 2, 6, 12)),
        "circulation": given.circulation,
        "brain": sum(given.glasgow < limit for limit in (15, 13, 10, 6)),
        "kidney": max(kidney, 4 if given.urine < 200 else 3 if given.urine < 500 else 0),
    }
    return Outcome(
        value=float(sum(points.values())),
        interpretation="From 0 to 24. Sepsis-3: a rise of 2 or more from the person's baseline, with infection, is sepsis.",
        parts={name: float(part) for name, part in points.items()},
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


class News2Inputs(Inputs):
    """What NEWS2 takes."""

    age: Annotated[int, Field(ge=16, le=120, description="Age in years; 16 or over")]
    respiratory_rate: RespiratoryRate
    spo2: Saturation
    hypercapnic: Annotated[
        bool, Field(description="SpO2 scale 2: a clinician has set 88 to 92% for hypercapnic respiratory failure")
    ]
    oxygen: Annotated[bool, Field(description="Breathes supplemental oxygen")]
    systolic: Systolic
    heart_rate: HeartRate
    consciousness: Annotated[
        Literal["alert", "confusion", "voice", "pain", "unresponsive"],
        Field(description="ACVPU; confusion means new confusion"),
    ]
    temperature: Temperature
    temperature_unit: TemperatureUnit


def _steps(value: float, limits: tuple[tuple[float, int], ...], last: int) -> int:
    """The points of the first limit that ``value`` does not exceed."""
    return next((points for limit, points in limits if value <= limit), last)


def news2(given: News2Inputs) -> Outcome:
    """Chart 1 of the report; observations are whole numbers there, and the temperature has one decimal."""
    spo2 = round(given.spo2)
    if not given.hypercapnic:
        saturation = _steps(spo2, ((91, 3), (93, 2), (95, 1)), 0)
    elif spo2 >= 93 and given.oxygen:
        saturation = _steps(spo2, ((94, 1), (96, 2)), 3)
    else:
        saturation = _steps(spo2, ((83, 3), (85, 2), (87, 1)), 0)
    points = {
        "respiratory rate": _steps(round(given.respiratory_rate), ((8, 3), (11, 1), (20, 0), (24, 2)), 3),
        "SpO2": saturation,
        "oxygen": 2 if given.oxygen else 0,
        "systolic": _steps(round(given.systolic), ((90, 3), (100, 2), (110, 1), (219, 0)), 3),
        "heart rate": _steps(round(given.heart_rate), ((40, 3), (50, 1), (90, 0), (110, 1), (130, 2)), 3),
        "consciousness": 0 if given.consciousness == "alert" else 3,
        "temperature": _steps(round(given.amount("temperature"), 1), ((35.0, 3), (36.0, 1), (38.0, 0), (39.0, 1)), 2),
    }
    total = sum(points.values())
    if total >= 7:
        meaning = "High (7 or more): emergency response."
    elif total >= 5:
        meaning = "Medium (5 or 6): urgent response."
    elif 3 in points.values():
        meaning = "Low to medium (3 in one item): urgent review on the ward."
    else:
        meaning = "Low (0 to 4): response on the ward."
    return Outcome(
        value=float(total), interpretation=meaning, parts={name: float(part) for name, part in points.items()}
    )


class BlatchfordInputs(Inputs):
    """What the Glasgow-Blatchford score takes."""

    age: AdultAge
    sex: Sex
    urea: Urea
    urea_unit: UreaUnit
    haemoglobin: Haemoglobin
    haemoglobin_unit: HaemoglobinUnit
    systolic: Systolic
    heart_rate: HeartRate
    melaena: Annotated[bool, Field(description="Black, tarry stools")]
    syncope: Annotated[bool, Field(description="Fainted")]
    liver_disease: Annotated[bool, Field(description="Known liver disease")]
    heart_failure: Annotated[bool, Field(description="Heart failure")]


def blatchford(given: BlatchfordInputs) -> Outcome:
    """Table 4 of Blatchford 2000."""
    urea, haemoglobin = round(given.amount("urea"), 2), round(given.amount("haemoglobin") * 10, 1)  # mmol/L and g/L
    if given.sex == "male":
        blood = 6 if haemoglobin < 100 else 3 if haemoglobin < 120 else 1 if haemoglobin < 130 else 0
    else:
        blood = 6 if haemoglobin < 100 else 1 if haemoglobin < 120 else 0
    points = {
        "urea": 0 if urea < 6.5 else 2 if urea < 8 else 3 if urea < 10 else 4 if urea < 25 else 6,
        "haemoglobin": blood,
        "systolic": 3 if given.systolic < 90 else 2 if given.systolic < 100 else 1 if given.systolic < 110 else 0,
        "heart rate 100 or over": 1 if given.heart_rate >= 100 else 0,
        "melaena": 1 if given.melaena else 0,
        "syncope": 2 if given.syncope else 0,
        "liver disease": 2 if given.liver_disease else 0,
        "heart failure": 2 if given.heart_failure else 0,
    }
    total = sum(points.values())
    return Outcome(
        value=float(total),
        interpretation="0: NICE CG141 considers early discharge."
        if total == 0
        else "Above 0 (of 23): may need hospital treatment.",
        parts={name: float(part) for name, part in points.items()},
    )


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
    return Outcome(
        value=value,
        interpretation=f"Chance of group A streptococcus in the publication: {risk}, for which it advises {step}.",
        parts=parts,
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="gcs",
        title="Glasgow Coma Scale",
        aliases=("glasgow coma", "coma scale", "格拉斯哥昏迷"),
        inputs=GcsInputs,
        compute=gcs,
        unit="of 15",
        formula="Eye (1 to 4) + verbal (1 to 5) + motor (1 to 6).",
        sources=(TEASDALE,),
        is_not="Not for small children, who have a scale of their own; unreliable under sedation or with a tube.",
    ),
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
        name="news2",
        title="NEWS2",
        aliases=("news 2", "national early warning score", "early warning score"),
        inputs=News2Inputs,
        compute=news2,
        unit="of 20",
        formula="0 to 3 points each for respiratory rate, SpO2, systolic, heart rate, consciousness, temperature; 2 for oxygen.",
        sources=(RCP,),
        is_not="Not for people under 16 or pregnant; a low score does not outweigh concern.",
    ),
    Calculator(
        name="glasgow-blatchford",
        title="Glasgow-Blatchford score",
        aliases=("blatchford", "gbs score", "glasgow blatchford"),
        inputs=BlatchfordInputs,
        compute=blatchford,
        unit="of 23",
        formula="Urea 0 to 6, haemoglobin 0 to 6, systolic 0 to 3, heart rate 1, melaena 1, syncope 2, liver disease 2, heart failure 2.",
        sources=(BLATCHFORD, NICE_CG141),
        is_not="Not for bleeding from the lower gut; not a reason to stay home with bleeding that goes on.",
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
