"""Units of the amounts that calculators take: conversions, plausible ranges, and the field types of the inputs.

A factor between mass and amount of substance is the molar mass of the substance: creatinine 113.12 g/mol, glucose 180.16, urea nitrogen 28.0, bilirubin 584.66, cholesterol 386.65, triglycerides 885.7 (triolein, by convention), calcium 40.08.
The plausible ranges are ours. They are wide, and stand to catch a wrong unit or a slip of the pen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Measure:
    """A measured amount: its units, and the range within which a value is believed.

    Attributes:
        label: what is measured.
        factors: unit to the factor that turns a value into the first unit.
        low: least plausible value, in the first unit.
        high: greatest plausible value, in the first unit.
        zeros: unit to the reading that is zero of the first unit, for temperatures.
    """

    label: str
    factors: Mapping[str, float]
    low: float
    high: float
    zeros: Mapping[str, float] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The first unit."""
        return next(iter(self.factors))

    def to_base(self, value: float, unit: str) -> float:
        """``value`` in the first unit."""
        return (value - self.zeros.get(unit, 0.0)) * self.factors[unit]

    def from_base(self, value: float, unit: str) -> float:
        """A value of the first unit in ``unit``."""
        return value / self.factors[unit] + self.zeros.get(unit, 0.0)

    def check(self, name: str, value: float, unit: str) -> None:
        """Raises ValueError when ``value`` is not plausible in ``unit``."""
        if not self.low <= round(self.to_base(value, unit), 6) <= self.high:
            low, high = (f"{self.from_base(limit, unit):.4g}" for limit in (self.low, self.high))
            raise ValueError(
                f"{name} {value:g} {unit} is not plausible ({low} to {high} {unit}); check the number and its unit"
            )

    def amount(self) -> FieldInfo:
        """The field of an amount."""
        told = " or ".join(self.factors)
        info: FieldInfo = Field(description=f"{self.label}, in {told}")
        return info


def measure_of(info: FieldInfo) -> Measure | None:
    """The measure of a field of the inputs, if it is an amount."""
    return next((extra for extra in info.metadata if isinstance(extra, Measure)), None)


def tidy_unit(text: Any) -> Any:
    """A unit as people write it, in the spelling used here: ``µmol/l`` becomes ``umol/L``."""
    if not isinstance(text, str):
        return text
    plain = text.strip().replace("µ", "u").replace("μ", "u").replace("°", "").replace(" ", "")
    return SPELLINGS.get(plain.lower(), plain)


CREATININE = Measure("creatinine in serum", {"mg/dL": 1.0, "umol/L": 1 / 88.4}, 0.1, 25)
URINE_CREATININE = Measure("creatinine in urine", {"mg/dL": 1.0, "mmol/L": 1000 / 88.4, "umol/L": 1 / 88.4}, 1, 1000)
UREA = Measure("urea in mmol/L, or urea nitrogen (BUN) in mg/dL", {"mmol/L": 1.0, "mg/dL": 1 / 2.8}, 0.3, 100)
GLUCOSE = Measure("glucose in plasma", {"mg/dL": 1.0, "mmol/L": 18.016}, 10, 2500)
BILIRUBIN = Measure("total bilirubin in serum", {"mg/dL": 1.0, "umol/L": 1 / 17.104}, 0.05, 80)
# The least of these is above what a value in g/dL would be if it were read in g/L: a haemoglobin of 13.5 g/L is a slip of the unit.
ALBUMIN = Measure("albumin in serum", {"g/dL": 1.0, "g/L": 0.1}, 0.6, 7)
HAEMOGLOBIN = Measure("haemoglobin in blood", {"g/dL": 1.0, "g/L": 0.1}, 2, 25)
CALCIUM = Measure("total calcium in serum", {"mg/dL": 1.0, "mmol/L": 4.008}, 3, 25)
CHOLESTEROL = Measure("cholesterol in serum", {"mg/dL": 1.0, "mmol/L": 38.67}, 5, 1500)
TRIGLYCERIDES = Measure("triglycerides in serum, fasting", {"mg/dL": 1.0, "mmol/L": 88.57}, 10, 10000)
INSULIN = Measure("insulin in plasma, fasting", {"uU/mL": 1.0, "pmol/L": 1 / 6.0}, 0.1, 500)
# An oxygen of 9 to 14 mmHg, or a carbon dioxide of 4 to 8, is kPa; a carbon dioxide of 35 kPa is mmHg.
PAO2 = Measure("partial pressure of oxygen in arterial blood", {"mmHg": 1.0, "kPa": 7.50062}, 15, 700)
PACO2 = Measure("partial pressure of carbon dioxide in arterial blood", {"mmHg": 1.0, "kPa": 7.50062}, 8, 250)
PRESSURE = Measure("partial pressure in arterial blood", {"mmHg": 1.0, "kPa": 7.50062}, 5, 700)
WEIGHT = Measure("body weight", {"kg": 1.0, "lb": 0.45359237}, 0.5, 400)
HEIGHT = Measure("height", {"cm": 1.0, "m": 100.0, "in": 2.54}, 30, 260)
ADULT_HEIGHT = Measure("height of an adult", {"cm": 1.0, "m": 100.0, "in": 2.54}, 90, 260)  # 60 to 75 cm are inches
TEMPERATURE = Measure("body temperature", {"C": 1.0, "F": 5 / 9}, 25, 45, {"F": 32.0})
# 7 to 17 mmol/mol are percent.
HBA1C = Measure("glycated haemoglobin", {"mmol/mol": 1.0, "%": 1 / 0.09148}, 18, 200, {"%": 2.152})

CONVERTIBLE: dict[str, Measure] = {
    "creatinine": CREATININE,
    "urea": UREA,
    "glucose": GLUCOSE,
    "bilirubin": BILIRUBIN,
    "albumin": ALBUMIN,
    "haemoglobin": HAEMOGLOBIN,
    "calcium": CALCIUM,
    "cholesterol": CHOLESTEROL,
    "triglycerides": TRIGLYCERIDES,
    "insulin": INSULIN,
    "hba1c": HBA1C,
    "weight": WEIGHT,
    "height": HEIGHT,
    "temperature": TEMPERATURE,
    "gas pressure": PRESSURE,
}

SPELLINGS = {unit.lower(): unit for measure in CONVERTIBLE.values() for unit in measure.factors} | {
    "uiu/ml": "uU/mL",
    "miu/l": "uU/mL",
    "mu/l": "uU/mL",
    "kgs": "kg",
    "lbs": "lb",
    "inch": "in",
    "inches": "in",
    "percent": "%",
    "celsius": "C",
    "fahrenheit": "F",
}

_Tidy = BeforeValidator(tidy_unit)
Creatinine = Annotated[float, CREATININE, CREATININE.amount()]
CreatinineUnit = Annotated[Literal["mg/dL", "umol/L"], _Tidy, Field(description="Unit of the creatinine")]
UrineCreatinine = Annotated[float, URINE_CREATININE, URINE_CREATININE.amount()]
UrineCreatinineUnit = Annotated[
    Literal["mg/dL", "mmol/L", "umol/L"], _Tidy, Field(description="Unit of the creatinine in urine")
]
Urea = Annotated[float, UREA, UREA.amount()]
UreaUnit = Annotated[Literal["mmol/L", "mg/dL"], _Tidy, Field(description="mmol/L of urea, or mg/dL of urea nitrogen")]
Glucose = Annotated[float, GLUCOSE, GLUCOSE.amount()]
GlucoseUnit = Annotated[Literal["mg/dL", "mmol/L"], _Tidy, Field(description="Unit of the glucose")]
Bilirubin = Annotated[float, BILIRUBIN, BILIRUBIN.amount()]
BilirubinUnit = Annotated[Literal["mg/dL", "umol/L"], _Tidy, Field(description="Unit of the bilirubin")]
Albumin = Annotated[float, ALBUMIN, ALBUMIN.amount()]
AlbuminUnit = Annotated[Literal["g/dL", "g/L"], _Tidy, Field(description="Unit of the albumin")]
Haemoglobin = Annotated[float, HAEMOGLOBIN, HAEMOGLOBIN.amount()]
HaemoglobinUnit = Annotated[Literal["g/dL", "g/L"], _Tidy, Field(description="Unit of the haemoglobin")]
Calcium = Annotated[float, CALCIUM, CALCIUM.amount()]
CalciumUnit = Annotated[Literal["mg/dL", "mmol/L"], _Tidy, Field(description="Unit of the calcium")]
Cholesterol = Annotated[float, CHOLESTEROL, CHOLESTEROL.amount()]
Triglycerides = Annotated[float, TRIGLYCERIDES, TRIGLYCERIDES.amount()]
LipidUnit = Annotated[Literal["mg/dL", "mmol/L"], _Tidy, Field(description="Unit of this lipid")]
Insulin = Annotated[float, INSULIN, INSULIN.amount()]
InsulinUnit = Annotated[Literal["uU/mL", "pmol/L"], _Tidy, Field(description="Unit of the insulin")]
ArterialOxygen = Annotated[float, PAO2, PAO2.amount()]
ArterialCarbonDioxide = Annotated[float, PACO2, PACO2.amount()]
GasPressureUnit = Annotated[Literal["mmHg", "kPa"], _Tidy, Field(description="Unit of this gas pressure")]
Weight = Annotated[float, WEIGHT, WEIGHT.amount()]
WeightUnit = Annotated[Literal["kg", "lb"], _Tidy, Field(description="Unit of the weight")]
Height = Annotated[float, HEIGHT, HEIGHT.amount()]
AdultHeight = Annotated[float, ADULT_HEIGHT, ADULT_HEIGHT.amount()]
HeightUnit = Annotated[Literal["cm", "m", "in"], _Tidy, Field(description="Unit of the height")]
Temperature = Annotated[float, TEMPERATURE, TEMPERATURE.amount()]
TemperatureUnit = Annotated[Literal["C", "F"], _Tidy, Field(description="Unit of the temperature")]
Hba1c = Annotated[float, HBA1C, HBA1C.amount()]
Hba1cUnit = Annotated[Literal["%", "mmol/mol"], _Tidy, Field(description="% (NGSP) or mmol/mol (IFCC)")]

AdultAge = Annotated[int, Field(ge=18, le=120, description="Age in years; adults only")]
Sex = Annotated[
    Literal["female", "male"],
    BeforeValidator(
        lambda text: {"f": "female", "m": "male", "woman": "female", "man": "male", "女": "female", "男": "male"}.get(
            str(text).strip().lower(), str(text).strip().lower()
        )
    ),
    Field(description="Sex for which the formula has a coefficient"),
]
Sodium = Annotated[float, Field(ge=90, le=200, description="Sodium in serum, mmol/L (the same number in mEq/L)")]
Inr = Annotated[float, Field(ge=0.5, le=20, description="International normalised ratio")]
Systolic = Annotated[float, Field(ge=30, le=300, description="Systolic blood pressure, mmHg")]
Diastolic = Annotated[float, Field(ge=10, le=200, description="Diastolic blood pressure, mmHg")]
HeartRate = Annotated[float, Field(ge=20, le=300, description="Heart rate, beats per minute")]
RespiratoryRate = Annotated[float, Field(ge=0, le=90, description="Breaths per minute")]
Saturation = Annotated[float, Field(ge=30, le=100, description="Oxygen saturation (SpO2), %")]
