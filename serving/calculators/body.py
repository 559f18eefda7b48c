"""Body size and pregnancy: BMI, body surface area, ideal body weight, due date."""

from __future__ import annotations

from datetime import date, timedelta
from math import sqrt
from typing import Annotated, Any, Literal

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference, band
from serving.calculators.units import AdultAge, AdultHeight, Height, HeightUnit, Sex, Weight, WeightUnit

WHO_OBESITY = Reference(
    authors="World Health Organization",
    title="Obesity: preventing and managing the global epidemic",
    published="WHO Technical Report Series 894",
    year=2000,
)
WHO_ASIA = Reference(
    authors="WHO Expert Consultation",
    title="Appropriate body-mass index for Asian populations and its implications for policy and intervention strategies",
    published="Lancet 363:157-163",
    year=2004,
    doi="10.1016/S0140-6736(03)15268-3",
)
MOSTELLER = Reference(
    authors="Mosteller RD",
    title="Simplified calculation of body-surface area",
    published="N Engl J Med 317:1098",
    year=1987,
    doi="10.1056/NEJM198710223171717",
)
DUBOIS = Reference(
    authors="Du Bois D, Du Bois EF",
    title="A formula to estimate the approximate surface area if height and weight be known",
    published="Arch Intern Med 17:863-871",
    year=1916,
)
DEVINE = Reference(
    authors="Devine BJ",
    title="Gentamicin therapy",
    published="Drug Intell Clin Pharm 8:650-655",
    year=1974,
)
ACOG = Reference(
    authors="American College of Obstetricians and Gynecologists",
    title="Methods for estimating the due date (Committee Opinion 700)",
    published="Obstet Gynecol 129:e150-e154",
    year=2017,
)


class BmiInputs(Inputs):
    """What the body mass index of an adult takes."""

    age: AdultAge
    weight: Weight
    weight_unit: WeightUnit
    height: AdultHeight
    height_unit: HeightUnit


def bmi(given: BmiInputs) -> Outcome:
    """Weight in kilograms over the square of the height in metres."""
    value = round(given.amount("weight") / (given.amount("height") / 100) ** 2, 1)
    group = band(
        value,
        (
            (18.5, "underweight (below 18.5)"),
            (25, "normal range (18.5 to 24.9)"),
            (30, "pre-obese (25 to 29.9)"),
            (35, "obese class I (30 to 34.9)"),
            (40, "obese class II (35 to 39.9)"),
        ),
        "obese class III (40 or more)",
    )
    return Outcome(
        value=value,
        interpretation=f"WHO: {group}. For Asian populations WHO gives points for public health action at 23 and 27.5.",
    )


class BsaInputs(Inputs):
    """What body surface area takes."""

    weight: Weight
    weight_unit: WeightUnit
    height: Height
    height_unit: HeightUnit
    method: Annotated[Literal["mosteller", "dubois"], Field(description="Whose formula")] = "mosteller"


def bsa(given: BsaInputs) -> Outcome:
    """Mosteller: sqrt(cm x kg / 3600). Du Bois: 0.007184 x kg^0.425 x cm^0.725."""
    weight, height = given.amount("weight"), given.amount("height")
    areas = {"mosteller": sqrt(height * weight / 3600), "dubois": 0.007184 * weight**0.425 * height**0.725}
    return Outcome(
        value=round(areas[given.method], 2),
        interpretation="An estimate of the surface. The publications have no bands.",
        parts={name: round(area, 2) for name, area in areas.items()},
    )


class IbwInputs(Inputs):
    """What Devine's weight takes."""

    age: AdultAge
    sex: Sex
    height: AdultHeight
    height_unit: HeightUnit


def ibw(given: IbwInputs) -> Outcome:
    """50 kg (men) or 45.5 kg (women) and 2.3 kg for each inch over 60."""
    over = given.amount("height") / 2.54 - 60
    if over < -1e-9:
        raise ValueError("the formula starts at 60 inches (152.4 cm) and says nothing on shorter people")
    return Outcome(
        value=round((45.5 if given.sex == "female" else 50.0) + 2.3 * over, 1),
        interpretation="A reference weight for one's height, not a target. The publication has no bands.",
    )


class DueDateInputs(Inputs):
    """What Naegele's rule takes."""

    last_period: Annotated[date, Field(description="First day of the last menstrual period, as YYYY-MM-DD")]
    cycle: Annotated[int, Field(ge=20, le=45, description="Usual length of the cycle, days; the rule takes 28")] = 28
    on: Annotated[date | None, Field(description="Day for which the length of pregnancy is asked, as YYYY-MM-DD")] = (
        None
    )


def due_date(given: DueDateInputs) -> Outcome:
    """280 days after the last period, moved by what the cycle differs from 28 days."""
    shift = given.cycle - 28
    try:
        due = given.last_period + timedelta(days=280 + shift)
    except OverflowError as error:
        raise ValueError(f"last_period {given.last_period}: the calendar ends before the due date") from error
    parts: dict[str, float | str] = {}
    if given.on is not None:
        passed = (given.on - given.last_period).days - shift
        if not 0 <= passed <= 310:
            raise ValueError(
                f"on: {given.on} lies outside a pregnancy that began with the period of {given.last_period}"
            )
        parts = {f"on {given.on}": f"{passed // 7} weeks {passed % 7} days"}
    return Outcome(
        value=due.isoformat(),
        interpretation="Estimated date of 40 weeks 0 days; term begins at 37 weeks 0 days.",
        parts=parts,
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="bmi",
        title="Body mass index",
        aliases=("body mass index", "体重指数", "体质指数"),
        inputs=BmiInputs,
        compute=bmi,
        unit="kg/m2",
        formula="weight (kg) / height (m) squared.",
        sources=(WHO_OBESITY, WHO_ASIA),
        is_not="Not for children (they have percentiles) or pregnancy; it does not tell fat from muscle.",
    ),
    Calculator(
        name="bsa",
        title="Body surface area",
        aliases=("body surface area", "体表面积"),
        inputs=BsaInputs,
        compute=bsa,
        unit="m2",
        formula="Mosteller: sqrt(cm x kg / 3600); Du Bois: 0.007184 x kg^0.425 x cm^0.725.",
        sources=(MOSTELLER, DUBOIS),
        is_not="Not a dose.",
    ),
    Calculator(
        name="ibw",
        title="Ideal body weight (Devine)",
        aliases=("ideal body weight", "ideal weight", "devine", "理想体重"),
        inputs=IbwInputs,
        compute=ibw,
        unit="kg",
        formula="50 (men) or 45.5 (women) + 2.3 x (height in inches - 60).",
        sources=(DEVINE,),
        is_not="Not a healthy or wished weight, and not a dose; not for people under 152.4 cm or children.",
    ),
    Calculator(
        name="due-date",
        title="Estimated due date (Naegele)",
        aliases=("due date", "naegele", "expected date of delivery", "estimated date of delivery", "预产期"),
        inputs=DueDateInputs,
        compute=due_date,
        unit="",
        formula="first day of the last period + 280 days + (cycle - 28).",
        sources=(ACOG,),
        is_not="Not as exact as an early ultrasound scan, which replaces it when they differ; not for irregular cycles.",
    ),
)
