"""The router finds the calculator and what was said, asks for the rest, and guesses nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from serving.calculators import calculate
from serving.router import route

CHADS = "CHA2DS2-VASc of a 76-year-old woman, "

SAID: list[tuple[str, str, float | str]] = [
    ("Calculate eGFR for a 50-year-old woman with creatinine 1.0 mg/dL", "egfr", 69),
    ("50岁女性，肌酐 88.4 umol/L，计算 eGFR", "egfr", 69),
    ("Na 140, Cl 104, HCO3 24: anion gap?", "anion-gap", 12),
    ("BMI: 64 kg, 160 cm, age 40", "bmi", 25),
    ("GCS E3 V4 M5", "gcs", 12),
    ("MAP for BP 120/80", "map", 93.3),
    ("QTc with QT 400, HR 120, 50 year old man, Bazett", "qtc", 566),
    ("corrected calcium: calcium 8.0 mg/dL, albumin 2.0 g/dL", "corrected-calcium", 9.6),
    ("FENa: sodium 140, urine sodium 20, creatinine 2 mg/dL, urine creatinine 100 mg/dL", "fena", 0.29),
    ("qSOFA: 60 year old, RR 24, BP 95/60, confused", "qsofa", 3),
    ("due date, LMP 2026-01-01", "due-date", "2026-10-08"),
    (CHADS + "hypertension for 30 years, none of the others", "cha2ds2-vasc", 4),
    (CHADS + "no diabetes, hypertension, or stroke. Has heart failure. No vascular disease", "cha2ds2-vasc", 4),
    (
        "Child-Pugh: age 50, bilirubin 2.5 mg/dL, albumin 3.0 g/dL, INR 1.5, slight ascites, no encephalopathy",
        "child-pugh",
        8,
    ),
    ("Winters formula, bicarbonate 12", "winters", 26),
    ("CHADS-VASc, male, 70y, DM and HTN; never had a stroke, no heart failure, no vascular disease", "cha2ds2-vasc", 3),
    ("His creatinine came back 0.9 mg/dL: eGFR of a 60 yo man?", "egfr", 98),
]


@pytest.mark.parametrize(("text", "tool", "value"), SAID)
def test_what_was_said_is_computed(text: str, tool: str, value: float | str) -> None:
    found = route([HumanMessage(text)])
    assert found is not None
    assert (found.tool, found.missing) == (tool, [])
    assert calculate(tool, found.arguments).value == value


OPEN: list[tuple[str, set[str]]] = [
    ("what is my eGFR? I'm 50, creatinine 1.0", {"age", "sex", "creatinine_unit"}),  # "I'm 50" may be anything
    ("eGFR of a woman with hypertension for 30 years, creatinine 1 mg/dL", {"age"}),  # 30 years are no age
    (
        CHADS + "no diabetes, hypertension",
        {"hypertension", "heart_failure", "stroke", "vascular_disease"},
    ),  # may be had or not
    ("anion gap: sodium 140 mg/dL, cl 104, hco3 24", {"sodium"}),  # not the formula's unit
    (
        "eGFR woman 50 years old, creatinine rose from 0.9 mg/dL to 1.6 mg/dL",
        {"creatinine", "creatinine_unit"},
    ),  # which?
    ("corrected calcium: calcium 2.0, albumin 40 g/L", {"calcium_unit"}),
]


@pytest.mark.parametrize(("text", "missing"), OPEN)
def test_what_is_missing_or_unclear_is_asked_for(text: str, missing: set[str]) -> None:
    found = route([HumanMessage(text)])
    assert found is not None
    assert set(found.missing) == missing
    assert "I still need" in found.question


@pytest.mark.parametrize(
    "text",
    [
        "What is warfarin?",
        "What does a high anion gap mean?",
        "A map of the hospital",
        "Is a heart attack dangerous?",
        "",
        "我头疼",
    ],
)
def test_other_questions_are_left_to_the_model(text: str) -> None:
    assert route([HumanMessage(text)]) is None


def test_two_medicines_together_are_checked() -> None:
    found = route([HumanMessage("Can I take warfarin with aspirin?")])
    assert found is not None
    assert (found.tool, found.arguments) == ("check_interactions", {"medicines": ["warfarin", "aspirin"]})


def test_later_words_answer_the_question_and_correct_earlier_ones() -> None:
    first = HumanMessage("Compute eGFR: 40-year-old woman, creatinine 1.0")
    asked = route([first])
    assert asked is not None
    turns: list[Any] = [first, AIMessage(asked.question), HumanMessage("mg/dL, and she is 50 years old")]
    found = route(turns)
    assert found is not None
    assert found.missing == []
    assert calculate("egfr", found.arguments).value == 69
    assert route([*turns, AIMessage("eGFR: 69"), HumanMessage("Thank you")]) is None


@pytest.mark.parametrize("filler", [" " * 20_000, (" " * 100 + ",") * 200, "\n" * 20_000, " ," * 10_000])
def test_blanks_without_an_end_hold_nothing_up(filler: str):
    started = time.process_time()
    found = route([HumanMessage(f"Calculate eGFR, hypertension{filler}creatinine is{filler}high")])
    assert found is not None
    assert "creatinine" in found.missing
    assert time.process_time() - started < 5  # seconds; where each blank is begun at anew, minutes
