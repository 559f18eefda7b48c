"""Acute illness: GCS, NEWS2, Glasgow-Blatchford."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, band
from serving.calculators.units import (
    AdultAge,
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
TEASDALE_1976 = Reference(
    authors="Teasdale G, Jennett B",
    title="Assessment and prognosis of coma after head injury",
    published="Acta Neurochir (Wien) 34:45-55",
    year=1976,
    doi="10.1007/BF01405862",
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
    """The sum of the three. The scale of 1974 did not yet tell withdrawal from abnormal flexion; with both the most is 15."""
    total = given.eye + given.verbal + given.motor
    group = band(total, ((9, "severe (3 to 8)"), (13, "moderate (9 to 12)")), "mild (13 to 15)")
    return Outcome(
        value=float(total),
        interpretation=f"E{given.eye} V{given.verbal} M{given.motor}; as usually grouped after head injury: {group}.",
    )


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


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="gcs",
        title="Glasgow Coma Scale",
        aliases=("glasgow coma", "coma scale", "格拉斯哥昏迷"),
        inputs=GcsInputs,
        compute=gcs,
        unit="of 15",
        formula="Eye (1 to 4) + verbal (1 to 5) + motor (1 to 6).",
        sources=(TEASDALE, TEASDALE_1976),
        is_not="Not for small children, who have a scale of their own; unreliable under sedation or with a tube.",
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
)
