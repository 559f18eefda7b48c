"""Both sides of every limit at which a score changes its points. Expected points are read off the printed tables."""

from __future__ import annotations

from typing import Any

import pytest

from serving.calculators import CALCULATORS, calculate

MG, UMOL = "mg/dL", "umol/L"
HEALTHY_SOFA = {
    "age": 60,
    "pao2": 90,
    "pao2_unit": "mmHg",
    "fio2": 0.21,
    "ventilated": True,
    "platelets": 200,
    "bilirubin": 1,
    "bilirubin_unit": MG,
    "circulation": 0,
    "glasgow": 15,
    "creatinine": 1,
    "creatinine_unit": MG,
    "urine": 1500,
}


@pytest.mark.parametrize(
    ("item", "unit", "values", "points"),
    [
        # Vincent 1996 in its own units, and the SI limits that Sepsis-3 prints beside them.
        ("bilirubin", MG, (1.1, 1.2, 1.9, 2, 5.9, 6, 11.9, 12), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("bilirubin", UMOL, (19, 20, 32, 33, 101, 102, 204, 205), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("creatinine", MG, (1.1, 1.2, 1.9, 2, 3.4, 3.5, 4.9, 5), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("creatinine", UMOL, (109, 110, 170, 171, 299, 300, 440, 441), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("platelets", None, (150, 149, 100, 99, 50, 49, 20, 19), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("glasgow", None, (15, 14, 13, 12, 10, 9, 6, 5), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("urine", None, (500, 499, 200, 199), (0, 3, 3, 4)),
    ],
)
def test_sofa_changes_its_points_where_the_table_does(
    item: str, unit: str | None, values: tuple[float, ...], points: tuple[int, ...]
) -> None:
    units = {f"{item}_unit": unit} if unit else {}
    assert tuple(calculate("sofa", HEALTHY_SOFA | units | {item: one}).value for one in values) == points


@pytest.mark.parametrize(
    ("unit", "pao2", "fio2", "ventilated", "points"),
    [
        ("mmHg", 84, 0.21, True, 0),  # 400
        ("mmHg", 84, 0.28, True, 1),  # 300; 84 / 0.28 is a hair less in floating point
        ("mmHg", 56, 0.28, True, 2),  # 200
        ("mmHg", 28, 0.28, True, 3),  # 100
        ("mmHg", 27, 0.28, True, 4),
        ("mmHg", 27, 0.28, False, 2),  # 3 and 4 need respiratory support
        ("kPa", 53.3, 1.0, True, 0),
        ("kPa", 40, 1.0, True, 1),
        ("kPa", 26.7, 1.0, True, 2),
        ("kPa", 13.3, 1.0, True, 3),
        ("kPa", 13.2, 1.0, True, 4),
    ],
)
def test_sofa_breathing_in_both_units(unit: str, pao2: float, fio2: float, ventilated: bool, points: int) -> None:
    given = HEALTHY_SOFA | {"pao2": pao2, "pao2_unit": unit, "fio2": fio2, "ventilated": ventilated}
    assert calculate("sofa", given).parts["breathing"] == points


@pytest.mark.parametrize(
    ("item", "unit", "values", "points"),
    [
        ("bilirubin", MG, (1.9, 2, 3, 3.1), (1, 2, 2, 3)),
        ("bilirubin", UMOL, (33, 34, 51, 52), (1, 2, 2, 3)),
        ("albumin", "g/dL", (3.6, 3.5, 2.8, 2.7), (1, 2, 2, 3)),
        ("albumin", "g/L", (36, 35, 28, 27), (1, 2, 2, 3)),
        ("INR", None, (1.6, 1.7, 2.3, 2.4), (1, 2, 2, 3)),
    ],
)
def test_child_pugh_changes_its_points_where_the_table_does(
    item: str, unit: str | None, values: tuple[float, ...], points: tuple[int, ...]
) -> None:
    well = {"age": 50, "bilirubin": 1, "bilirubin_unit": MG, "albumin": 4, "albumin_unit": "g/dL", "inr": 1}
    well |= {"ascites": "none", "encephalopathy": "none"} | ({f"{item}_unit": unit} if unit else {})
    assert tuple(calculate("child-pugh", well | {item.lower(): one}).parts[item] for one in values) == points


def limits(name: str, item: str, given: dict[str, Any], values: tuple[float, ...]) -> tuple[float | str, ...]:
    """The points of ``item`` for each value."""
    field = item.replace(" ", "_").lower()
    return tuple(calculate(name, given | {field: one}).parts[item] for one in values)


def test_news2_is_chart_1_of_the_royal_college() -> None:
    well = {"age": 40, "respiratory_rate": 16, "spo2": 98, "hypercapnic": False, "oxygen": False, "systolic": 120}
    well |= {"heart_rate": 70, "consciousness": "alert", "temperature": 37, "temperature_unit": "C"}
    assert limits("news2", "respiratory rate", well, (8, 9, 11, 12, 20, 21, 24, 25)) == (3, 1, 1, 0, 0, 2, 2, 3)
    assert limits("news2", "systolic", well, (90, 91, 100, 101, 110, 111, 219, 220)) == (3, 2, 2, 1, 1, 0, 0, 3)
    rates = (40, 41, 50, 51, 90, 91, 110, 111, 130, 131)
    assert limits("news2", "heart rate", well, rates) == (3, 1, 1, 0, 0, 1, 1, 2, 2, 3)
    degrees = (35.0, 35.1, 36.0, 36.1, 38.0, 38.1, 39.0, 39.1)
    assert limits("news2", "temperature", well, degrees) == (3, 1, 1, 0, 0, 1, 1, 2)

    def saturation(**given: bool) -> tuple[float | str, ...]:
        seen = (83, 84, 85, 86, 87, 88, 91, 92, 93, 94, 95, 96, 97, 100)
        return tuple(calculate("news2", well | given | {"spo2": one}).parts["SpO2"] for one in seen)

    assert saturation() == (3, 3, 3, 3, 3, 3, 3, 2, 2, 1, 1, 0, 0, 0)
    assert saturation(hypercapnic=True) == (3, 2, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert saturation(hypercapnic=True, oxygen=True) == (3, 2, 2, 1, 1, 0, 0, 0, 1, 1, 2, 2, 3, 3)


def test_glasgow_blatchford_is_table_4_of_its_paper() -> None:
    well = {"age": 60, "sex": "male", "urea": 5, "urea_unit": "mmol/L", "haemoglobin": 140, "haemoglobin_unit": "g/L"}
    well |= {"systolic": 120, "heart_rate": 80, "melaena": False, "syncope": False, "liver_disease": False}
    well |= {"heart_failure": False}
    urea = (6.4, 6.5, 7.9, 8.0, 9.9, 10, 24.9, 25)
    assert limits("glasgow-blatchford", "urea", well, urea) == (0, 2, 2, 3, 3, 4, 4, 6)
    nitrogen = (18.1, 18.2, 22.3, 22.4, 27.9, 28, 69.9, 70)
    assert limits("glasgow-blatchford", "urea", well | {"urea_unit": MG}, nitrogen) == (0, 2, 2, 3, 3, 4, 4, 6)
    blood = (130, 129, 120, 119, 100, 99)
    assert limits("glasgow-blatchford", "haemoglobin", well, blood) == (0, 1, 1, 3, 3, 6)
    assert limits("glasgow-blatchford", "haemoglobin", well | {"sex": "female"}, blood) == (0, 0, 0, 1, 1, 6)
    assert limits("glasgow-blatchford", "systolic", well, (110, 109, 100, 99, 90, 89)) == (0, 1, 1, 2, 2, 3)


def test_mcisaac_gives_the_table_of_1998() -> None:
    signs = ("cough", "tender_nodes", "tonsils")
    well = {"age": 30, "temperature": 37, "temperature_unit": "C"} | dict.fromkeys(signs, False)
    risks = []
    for count in range(5):
        held = {
            "cough": count < 1,
            "tender_nodes": count > 1,
            "tonsils": count > 2,
            "temperature": 39 if count > 3 else 37,
        }
        result = calculate("mcisaac", well | held)
        assert result.value == count
        risks.append(result.interpretation.split("publication: ")[1].split(",")[0])
        assert ("no throat culture" in result.interpretation) == (count < 2)
        assert ("antibiotic" in result.interpretation) == (count == 4)
    assert risks == ["2 to 3%", "4 to 6%", "10 to 12%", "27 to 28%", "38 to 63%"]


def test_curb_65_in_urea_nitrogen() -> None:
    given = {"age": 40, "confusion": False, "urea_unit": MG, "respiratory_rate": 16, "systolic": 120, "diastolic": 80}
    assert calculate("curb-65", given | {"urea": 19.6}).value == 0  # 7.0 mmol/L itself does not count
    assert calculate("curb-65", given | {"urea": 20}).value == 1


def test_every_score_reaches_the_most_that_its_unit_says() -> None:
    """Where the unit is "of N", N is what the worst of everything gives."""
    worst: dict[str, dict[str, Any]] = {
        "gcs": {"eye": 4, "verbal": 5, "motor": 6},
        "news2": {"age": 40, "respiratory_rate": 30, "spo2": 80, "hypercapnic": False, "oxygen": True, "systolic": 80}
        | {"heart_rate": 140, "consciousness": "pain", "temperature": 34, "temperature_unit": "C"},
        "glasgow-blatchford": {"age": 60, "sex": "male", "urea": 30, "urea_unit": "mmol/L", "haemoglobin": 60}
        | {"haemoglobin_unit": "g/L", "systolic": 80, "heart_rate": 120}
        | dict.fromkeys(("melaena", "syncope", "liver_disease", "heart_failure"), True),
        "qsofa": {"age": 60, "respiratory_rate": 30, "systolic": 80, "altered_mentation": True},
        "sofa": HEALTHY_SOFA
        | {"pao2": 30, "fio2": 1.0, "platelets": 5, "bilirubin": 20, "circulation": 4, "glasgow": 3, "creatinine": 8},
        "curb-65": {"age": 80, "confusion": True, "urea": 20, "urea_unit": "mmol/L", "respiratory_rate": 40}
        | {"systolic": 80, "diastolic": 40},
        "perc": {"age": 80, "heart_rate": 120, "spo2": 90}
        | dict.fromkeys(("haemoptysis", "oestrogen", "previous_clot", "leg_swollen", "recent_surgery"), True),
    }
    scores = {
        one.name: float(one.unit.removeprefix("of ")) for one in CALCULATORS.values() if one.unit.startswith("of ")
    }
    assert set(worst) == set(scores)
    assert {name: calculate(name, given).value for name, given in worst.items()} == scores
