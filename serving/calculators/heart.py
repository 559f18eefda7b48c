"""Heart and vessels: corrected QT interval, mean arterial pressure."""

from __future__ import annotations

from math import sqrt
from typing import Annotated, Any, Literal

from pydantic import Field

from serving.calculators.base import Calculator, Inputs, Outcome, Reference
from serving.calculators.units import AdultAge, Diastolic, HeartRate, Sex, Systolic

BAZETT = Reference(
    authors="Bazett HC",
    title="An analysis of the time-relations of electrocardiograms",
    published="Heart 7:353-370",
    year=1920,
)
FRIDERICIA = Reference(
    authors="Fridericia LS",
    title="Die Systolendauer im Elektrokardiogramm bei normalen Menschen und bei Herzkranken",
    published="Acta Med Scand 53:469-486",
    year=1920,
)
FRAMINGHAM = Reference(
    authors="Sagie A, Larson MG, Goldberg RJ, et al",
    title="An improved method for adjusting the QT interval for heart rate (the Framingham Heart Study)",
    published="Am J Cardiol 70:797-801",
    year=1992,
)
HODGES = Reference(
    authors="Hodges M, Salerno D, Erlien D",
    title="Bazett's QT correction reviewed: evidence that a linear QT correction for heart rate is better",
    published="J Am Coll Cardiol 1:694",
    year=1983,
)
RAUTAHARJU = Reference(
    authors="Rautaharju PM, Surawicz B, Gettes LS",
    title="AHA/ACCF/HRS recommendations for the standardization and interpretation of the electrocardiogram, part IV: the ST segment, "
    "T and U waves, and the QT interval",
    published="J Am Coll Cardiol 53:982-991",
    year=2009,
    doi="10.1016/j.jacc.2008.12.014",
)
SESSO = Reference(
    authors="Sesso HD, Stampfer MJ, Rosner B, et al",
    title="Systolic and diastolic blood pressure, pulse pressure, and mean arterial pressure as predictors of cardiovascular disease "
    "risk in men",
    published="Hypertension 36:801-807",
    year=2000,
)
SSC = Reference(
    authors="Evans L, Rhodes A, Alhazzani W, et al",
    title="Surviving Sepsis Campaign: international guidelines for management of sepsis and septic shock 2021",
    published="Intensive Care Med 47:1181-1247",
    year=2021,
    doi="10.1007/s00134-021-06506-y",
)


class QtcInputs(Inputs):
    """What the corrected QT interval takes."""

    age: AdultAge
    sex: Sex
    qt: Annotated[float, Field(ge=200, le=800, description="QT interval, ms")]
    heart_rate: HeartRate
    method: Annotated[
        Literal["bazett", "fridericia", "framingham", "hodges"], Field(description="Whose formula; all four are shown")
    ] = "fridericia"


def qtc(given: QtcInputs) -> Outcome:
    """RR in seconds: QT/sqrt(RR), QT/cube root of RR, QT + 154 (1 - RR), QT + 1.75 (rate - 60)."""
    rr = 60 / given.heart_rate
    values = {
        "bazett": given.qt / sqrt(rr),
        "fridericia": given.qt / rr ** (1 / 3),
        "framingham": given.qt + 154 * (1 - rr),
        "hodges": given.qt + 1.75 * (given.heart_rate - 60),
    }
    value, limit = float(round(values[given.method])), 460 if given.sex == "female" else 450
    if value >= limit:
        meaning = f"prolonged ({limit} ms or more in {'women' if limit == 460 else 'men'})"
    else:
        meaning = (
            "short (390 ms or less)"
            if value <= 390
            else f"neither prolonged ({limit} ms or more) nor short (390 ms or less)"
        )
    far = given.method == "bazett" and not 60 <= given.heart_rate <= 100
    return Outcome(
        value=value,
        interpretation=f"{given.method.capitalize()}: {meaning}, by AHA/ACCF/HRS 2009.",
        parts={name: float(round(one)) for name, one in values.items()},
        warnings=["Bazett's formula corrects too much at fast rates and too little at slow ones."] if far else [],
    )


class MapInputs(Inputs):
    """What mean arterial pressure takes."""

    systolic: Systolic
    diastolic: Diastolic


def mean_arterial_pressure(given: MapInputs) -> Outcome:
    """Diastolic plus a third of the pulse pressure."""
    if given.diastolic >= given.systolic:
        raise ValueError(
            f"diastolic {given.diastolic:g} is not below systolic {given.systolic:g}; check whether they are swapped"
        )
    value = round(given.diastolic + (given.systolic - given.diastolic) / 3, 1)
    return Outcome(
        value=value,
        interpretation="In septic shock on vasopressors the first target is 65 mmHg (Surviving Sepsis Campaign 2021).",
    )


CALCULATORS: tuple[Calculator[Any], ...] = (
    Calculator(
        name="qtc",
        title="Corrected QT interval",
        aliases=("corrected qt", "qt correction", "qt interval", "校正qt"),
        inputs=QtcInputs,
        compute=qtc,
        unit="ms",
        formula="Bazett QT/sqrt(RR); Fridericia QT/RR^(1/3); Framingham QT + 154 (1 - RR); Hodges QT + 1.75 (rate - 60); RR in s.",
        sources=(BAZETT, FRIDERICIA, FRAMINGHAM, HODGES, RAUTAHARJU),
        is_not="Not for atrial fibrillation on one beat, wide QRS or pacing; not for children.",
    ),
    Calculator(
        name="map",
        title="Mean arterial pressure",
        aliases=("mean arterial pressure", "mean arterial", "平均动脉压"),
        inputs=MapInputs,
        compute=mean_arterial_pressure,
        unit="mmHg",
        formula="diastolic + (systolic - diastolic) / 3.",
        sources=(SESSO, SSC),
        is_not="Not a measured mean: it strays in fast or irregular rhythms, and other shares of the pulse pressure than a third "
        "have been proposed.",
    ),
)
