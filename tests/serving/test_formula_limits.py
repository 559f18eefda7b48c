"""The formulas beyond their worked values: bounds, the number that a band reads, and what the text says beside it."""

from __future__ import annotations

from typing import Any

import pytest

from serving.calculators import calculate
from serving.router import find_calculator

MG = "mg/dL"


def kidney(rate: float) -> float:
    """The creatinine of a man of 18 whose CKD-EPI rate is ``rate``, below 127."""
    return 0.9 * float((142 * 0.9938**18 / rate) ** (1 / 1.2))


@pytest.mark.parametrize(
    ("rate", "category"),
    [
        (90, "G1"),
        (89, "G2"),
        (60, "G2"),
        (59, "G3a"),
        (45, "G3a"),
        (44, "G3b"),
        (30, "G3b"),
        (29, "G4"),
        (15, "G4"),
        (14, "G5"),
    ],
)
def test_kdigo_category_at_its_edges(rate: float, category: str) -> None:
    result = calculate("egfr", {"age": 18, "sex": "male", "creatinine": kidney(rate), "creatinine_unit": MG})
    assert result.value == rate
    assert f"category {category}, " in result.interpretation


LIVER = {"age": 55, "bilirubin": 3, "bilirubin_unit": MG, "inr": 1.8, "creatinine": 1.5, "creatinine_unit": MG}
LIVER |= {"sodium": 130, "dialysis": False}
ALBUMIN = {"albumin": 2.8, "albumin_unit": "g/dL"}


def test_meld_3_by_hand_and_at_its_bounds() -> None:
    def meld(**changed: Any) -> float | str:
        return calculate("meld-3", LIVER | ALBUMIN | {"sex": "male"} | changed).value

    # 5.010 + 5.74 - 1.846 + 5.343 + 4.517 + 1.295 - 0.519 + 6 = 25.54, and 1.33 more for a woman
    assert (meld(), meld(sex="female")) == (26, 27)
    assert meld(creatinine=9) == meld(dialysis=True) == meld(creatinine=3) > meld(creatinine=2.5)
    assert meld(creatinine=0.5) == meld(creatinine=1)
    assert meld(bilirubin=0.4, inr=0.8) == meld(bilirubin=1, inr=1)
    assert (meld(sodium=110), meld(sodium=150)) == (meld(sodium=125), meld(sodium=137))
    assert (meld(albumin=1), meld(albumin=5)) == (meld(albumin=1.5), meld(albumin=3.5))
    assert meld(bilirubin=50, inr=15, creatinine=3) == 40


def test_meld_na_by_hand_and_at_its_bounds() -> None:
    mine = LIVER | {"bilirubin": 4.2, "inr": 1.6, "creatinine": 1.9, "sodium": 128}
    result = calculate("meld-na", mine)
    # 0.6143 + 0.5425 + 0.5264 + 0.643 = 2.326 -> 23; 23 + 11.88 - 6.831 = 28.05
    assert (result.value, result.parts["MELD without sodium"]) == (28, 23)
    assert calculate("meld-na", mine | {"sodium": 140}).value == 23
    assert calculate("meld-na", mine | {"sodium": 110}).value == calculate("meld-na", mine | {"sodium": 125}).value
    assert calculate("meld-na", mine | {"creatinine": 8}).value == calculate("meld-na", mine | {"dialysis": True}).value
    worst = calculate("meld-na", mine | {"bilirubin": 60, "inr": 15, "creatinine": 4})
    assert (worst.value, worst.parts["MELD without sodium"]) == (40, 40)


def test_fib_4_reads_the_number_that_it_shows() -> None:
    def meaning(ast: float, age: int = 50) -> str:
        return calculate("fib-4", {"age": age, "ast": ast, "alt": 100, "platelets": 100}).interpretation

    assert meaning(28.8).startswith("Below 1.45: 90%")  # 50 x 28.8 / (100 x 10) = 1.44
    assert meaning(28.92).startswith("1.45 to 3.25")  # 1.446, shown as 1.45
    assert meaning(65.08).startswith("1.45 to 3.25")  # 3.254, shown as 3.25
    assert meaning(65.2).startswith("Above 3.25: 65%")
    for age, warned in ((35, True), (36, False), (64, False), (65, True)):
        given = {"age": age, "ast": 40, "alt": 40, "platelets": 200}
        assert bool(calculate("fib-4", given).warnings) == warned, age


def test_fena_reads_the_number_that_it_shows() -> None:
    given = {
        "sodium": 100,
        "creatinine": 1,
        "creatinine_unit": MG,
        "urine_creatinine": 100,
        "urine_creatinine_unit": MG,
    }
    assert "Below 1%" in calculate("fena", given | {"urine_sodium": 99}).interpretation
    just = calculate("fena", given | {"urine_sodium": 99.8})  # 0.998, shown as 1
    assert (just.value, "1% or more" in just.interpretation) == (1, True)


@pytest.mark.parametrize(
    ("value", "unit", "band"),
    [
        (38, "mmol/mol", "below the range of prediabetes"),
        (39, "mmol/mol", "range of prediabetes (39 to 47"),
        (47, "mmol/mol", "range of prediabetes (39 to 47"),  # 6.45%, which rounds to the 6.5% of diabetes
        (48, "mmol/mol", "range of diabetes (48"),
        (5.6, "%", "below the range of prediabetes"),
        (5.7, "%", "range of prediabetes (5.7"),
        (6.4, "%", "range of prediabetes (5.7"),
        (6.5, "%", "range of diabetes (6.5%"),
    ],
)
def test_hba1c_is_judged_in_the_unit_that_was_measured(value: float, unit: str, band: str) -> None:
    result = calculate("hba1c", {"hba1c": value, "hba1c_unit": unit})
    assert band in result.interpretation
    assert ("second test" in result.interpretation) == ("range of diabetes" in band)
    assert bool(result.warnings) == (value == 47)


def test_oxygen_widens_what_the_short_alveolar_equation_leaves_out() -> None:
    gas = {"age": 40, "pao2": 400, "pao2_unit": "mmHg", "paco2": 40, "paco2_unit": "mmHg"}
    result = calculate("aa-gradient", gas | {"fio2": 1.0})
    assert result.value == 263  # 713 - 50 - 400; the whole equation takes 40 and not 50 off
    assert "gives 10.0 mmHg more" in " ".join(result.warnings)
    assert not calculate("aa-gradient", gas | {"fio2": 0.21, "pao2": 90}).warnings


def test_corrected_calcium_shows_what_payne_himself_published() -> None:
    low = {"calcium": 8.0, "calcium_unit": MG, "albumin": 2.0, "albumin_unit": "g/dL"}
    result = calculate("corrected-calcium", low)
    assert (result.value, result.parts["by Payne 1973"]) == (9.6, 10.0)  # 8 + 0.8 x 2; 8 - 2 + 4
    molar = {"calcium": 2.0, "calcium_unit": "mmol/L", "albumin": 20, "albumin_unit": "g/L"}
    assert calculate("corrected-calcium", molar).parts["by Payne 1973"] == 2.5  # 2 + 0.025 x 20


def test_another_score_is_not_answered_with_this_one() -> None:
    found = find_calculator("What is her CHA2DS2-VASc? Some write CHADS2-VASc.")
    assert found is not None
    assert found.name == "cha2ds2-vasc"
    assert find_calculator("Calculate the CHADS2 score of a man of 70") is None
