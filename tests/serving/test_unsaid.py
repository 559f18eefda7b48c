"""Which arguments of a tool a person has said, in figures and in words, and whether an answer says what a tool found."""

from __future__ import annotations

import time
from typing import Any

import pytest

from serving.calculators import CALCULATORS
from serving.reference import check_interactions
from serving.unsaid import numbers, unsaid
from serving.unstated import notice, unstated


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("45,5 kg", {45.5}),
        ("platelets 150,000", {150_000}),
        ("E3V4M5, BP 120/80", {3, 4, 5, 120, 80}),
        ("K .9 and Na １４０", {0.9, 140}),
        ("sixty-five, or ninety nine", {65, 99}),
        ("one hundred and sixty-five cm, two hundred", {165, 200}),
        ("六十五岁，一百零五公斤，二十", {65, 105, 20}),
        ("born 2024-03-05", {2024, 3, 5}),
    ],
)
def test_numbers_are_read_in_figures_and_in_words(text: str, said: set[float]):
    assert said <= numbers(text)


@pytest.mark.parametrize("text", ["three, four and five", "三，四", "forty. Five of us", "one of ninety"])
def test_numbers_that_stand_apart_are_not_joined(text: str):
    assert not {34, 35, 45, 190, 7, 9} & numbers(text)


@pytest.mark.parametrize(
    ("arguments", "conversation", "expected"),
    [
        ({"eye": 3, "verbal": 4, "motor": 5}, "Eyes 3, verbal four. GCS?", {"motor": 5}),
        ({"age": 65, "sex": "male", "diabetes": True, "creatinine_unit": "mg/dL"}, "He is sixty-five.", {}),
        ({"height": 175, "fio2": 0.4}, "1.75 m tall, on 40% oxygen", {}),
        ({"height": 175, "fio2": 0.21}, "tall, on air", {"height": 175, "fio2": 0.21}),
        ({"creatinine": "1.1"}, "creatinine 1,1", {}),
        ({"creatinine": "1.2"}, "creatinine 1,1", {"creatinine": "1.2"}),
        ({"medicines": ["Warfarin", "aspirin"]}, "Is WARFARIN safe?", {"medicines": ["aspirin"]}),
        ({"base_excess": -4}, "base excess -4", {}),
        ({"query": "asthma 7"}, "What is asthma?", {}),
    ],
)
def test_what_was_said_is_told_from_what_was_not(
    arguments: dict[str, Any], conversation: str, expected: dict[str, Any]
):
    assert unsaid(arguments, conversation) == expected


def test_a_long_conversation_takes_no_long_time():
    unsaid({"medicines": ["warfarin"]}, "")  # what is read once
    began = time.process_time()
    for text in ("1," * 100_000, "one hundred and " * 20_000, "一" * 200_000, "." * 200_000):
        unsaid({"age": 5.5, "medicines": ["warfarin"]}, text)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("answer", "is_stated"),
    [
        ("Your eGFR is 69.", True),
        ("It is sixty-nine, which is mildly reduced.", True),
        ("Your eGFR is 96.", False),
        ("Your kidneys are fine.", False),
        ("约为69。", True),
    ],
)
def test_a_value_that_the_answer_does_not_say_is_told(answer: str, is_stated: bool):
    result = CALCULATORS["egfr"]({"age": 50, "sex": "female", "creatinine": 1.0, "creatinine_unit": "mg/dL"})
    assert (unstated(result, answer) == "") is is_stated
    if not is_stated:
        assert unstated(result, answer) == result.headline
        assert "69 mL/min/1.73 m2" in notice("egfr", result, answer, "My eGFR?")


def test_a_rounded_value_is_said():
    result = CALCULATORS["bmi"]({"weight": 71, "weight_unit": "kg", "height": 175, "height_unit": "cm", "age": 40})
    assert isinstance(result.value, float)
    assert result.value % 1
    assert unstated(result, f"About {result.value:.0f}.") == ""
    assert unstated(result, f"About {result.value + 2:.0f}.") == result.headline


def test_an_interaction_that_the_answer_leaves_out_is_told_with_its_source():
    check = check_interactions(["warfarin", "aspirin"])
    assert check.found
    told = notice("check_interactions", check, "They are safe together.", "一起吃可以吗？")
    assert told.startswith("[check_interactions 的结果：")
    assert check.found[0].effect in told
    assert check.found[0].sources[0] in told
    assert notice("check_interactions", check, f"Yes: {check.found[0].effect}.", "Safe?") == ""
    assert unstated("a text of a tool of one's own", "") == ""
