"""What is kept agrees with its passage or label; what does not is found, above all a dose that nobody wrote."""

import pytest

from evals.reading.quantities import quantities
from evals.verifiers import letters
from pipelines.synthesis.agreement import (
    copies,
    dose_support,
    gives_away,
    invented,
    names_condition,
    points_at_source,
    quoted,
    support,
    verdict,
    worded,
    written_item,
)

PASSAGE = (
    "Adults with scarlet fever are given amoxicillin 500 mg three times daily for 10 days. Children under 5 years receive 15 mg/kg, "
    "not more than 1,500 mg a day. In severe disease, benzylpenicillin 1.2 g every 4 hours is given."
)
CHINESE = "成人口服阿莫西林，每次0.5克，每日三次，疗程10天。儿童每日不超过40毫克/公斤。"


@pytest.mark.parametrize(
    "answer",
    [
        "Amoxicillin 500 mg three times daily for 10 days.",
        "Amoxicillin, 500mg TDS, for ten days.",
        "AMOXICILLIN ５００ milligrams 3 times a day",
        "15 mg per kg in children, no more than 1500 mg daily",
        "benzylpenicillin 1.2 grams q4h",
    ],
)
def test_a_dose_of_the_passage_may_be_written_otherwise(answer: str):
    assert invented(answer, PASSAGE) == set()


@pytest.mark.parametrize(
    "answer",
    [
        "Amoxicillin 250 mg three times daily.",
        "Amoxicillin 500 mg four times daily.",
        "Amoxicillin 500 mg twice a day.",
        "Amoxicillin 500 mg QID.",
        "Amoxicillin 500 mcg.",
        "Amoxicillin 500 mg/kg.",
        "Amoxicillin500mg/day",
        "Amoxicillin 0.5 g.",
        "Amoxicillin 5000 mg.",
        "Amoxicillin 50.0 mg.",
        "for 10 weeks",
        "for 5-10 days",
        "two tablets",
        "half a tablet",
        "five hundred and fifty mg",
        "Children 15 mg.",
        "at least 1,500 mg a day",
        "1.2 mg every 4 hours",
        "12 g every 4 hours",
        "1,2 mg",
        "every 6 hours",
        "in 80 percent of patients",
        "Since 1995 this is so.",
    ],
)
def test_an_invented_dose_is_found(answer: str):
    assert invented(answer, PASSAGE)


@pytest.mark.parametrize("answer", ["每次0.5克，每日3次，共十天", "每次０．５克，一天三次"])
def test_a_chinese_dose_may_be_written_otherwise(answer: str):
    assert invented(answer, CHINESE) == set()


@pytest.mark.parametrize(
    "answer",
    [
        "每次0.25克",
        "每日两次",
        "每周三次",
        "每次0.5毫克",
        "每次两片",
        "疗程10周",
        "每日至少40毫克/公斤",
        "每日不超过40毫克",
        "疗程七天",
    ],
)
def test_an_invented_chinese_dose_is_found(answer: str):
    assert invented(answer, CHINESE)


def test_names_with_figures_are_no_doses():
    assert quantities("COVID-19, IL-6 and HbA1c with vitamin B12") == set()


def test_a_dose_of_another_sentence_is_not_borne():
    assert dose_support("Adults are given amoxicillin 500 mg.", PASSAGE) == 1
    assert dose_support("Benzylpenicillin 500 mg is given in severe disease.", PASSAGE) < 0.5
    assert dose_support("Children receive 500 mg.", PASSAGE) < 0.5
    assert dose_support("Rest and fluids.", PASSAGE) == 1


def test_a_quotation_stands_in_the_passage_in_one_piece():
    assert quoted("Amoxicillin 500 mg three times daily for 10 days", PASSAGE, 6)
    assert quoted("“amoxicillin 500 mg three times daily, for 10 days.”", PASSAGE, 6)
    assert quoted("成人口服阿莫西林，每次0.5克", CHINESE, 6)
    assert not quoted("amoxicillin 500 mg twice daily for 10 days", PASSAGE, 6)
    assert not quoted("Adults with scarlet fever are given benzylpenicillin 1.2 g", PASSAGE, 6)
    assert not quoted("500 mg", PASSAGE, 6)
    # Units alone do not tell these apart.
    assert not quoted("benzylpenicillin 1 2 g every 4 hours is given", PASSAGE, 6)


def test_an_answer_that_says_more_has_less_support():
    assert support("Adults are given amoxicillin for 10 days.", PASSAGE) == 1
    assert support("Add prednisolone and admit to hospital overnight.", PASSAGE) < 0.3


@pytest.mark.parametrize(
    ("reply", "places"),
    [
        ("Because of the rash. Answer: B", {1}),
        ("The answer is (C).", {2}),
        ("Not A.\n**Answer:** **D**", {3}),
        ("推理……\n答案：B", {1}),
        ("Answer: A, C and D", {0, 2, 3}),
        ("Answer: A. No: the answer is B", {1}),
        ("b", None),
        ("B.", {1}),
        ("Answer: A fracture of the hip", None),
        ("Answer: COPD", None),
        ("I do not know", None),
    ],
)
def test_the_named_letter_is_found(reply: str, places: set[int] | None):
    assert letters(reply) == (None if places is None else frozenset(places))


def test_an_option_is_found_by_its_words_when_it_alone_has_them_all():
    options = ["Vitamin C supplements", "Vitamin D supplements", "Insulin"]
    assert worded("Treat scurvy with vitamin C supplements.", options) == {0}
    assert worded("Insulin it is.", options) == {2}
    for other in (
        "Vitamin supplements",
        "Rest",
        "",
        "Vitamin C and D supplements",
        "Insulin, tea, prayer and a long walk",
    ):
        assert worded(other, options) is None
    assert worded("Activating mu receptors after food", ["Blocking mu receptors", "Activating H1 receptors"]) is None


def test_a_written_item_is_read_or_refused():
    form = "Question: A man of 60 has gout. What first?\nA. Colchicine\nB. Insulin\nC. Iron\nAnswer: A"
    assert written_item(form) == ("A man of 60 has gout. What first?", ["Colchicine", "Insulin", "Iron"], 0)
    for wrong in (
        form.replace("Answer: A", "Answer: D"),
        form.replace("Answer: A", ""),
        form.replace("B. Insulin", "B. colchicine!"),
        form.replace("B. Insulin", "D. Insulin"),
        "Question: \nA. x\nB. y\nAnswer: A",
    ):
        assert written_item(wrong) is None


def test_a_copied_question_is_found():
    old = "A man of 60 has a red, hot and swollen great toe after a feast. Which drug comes first?"
    assert copies(old.upper().replace("feast", "meal"), old)
    assert not copies("A woman of 30 has a butterfly rash and joint pain. Which antibody is found?", old)


def test_a_case_that_gives_its_condition_away_is_found():
    assert gives_away("A boy with asthmatic wheeze", "asthma")
    assert gives_away("She has Crohn's.", "Crohn's disease")
    assert gives_away("他患有糖尿多年", "糖尿病")
    assert gives_away("with COPD", "Chronic obstructive pulmonary disease (COPD)")
    assert not gives_away("A boy wheezes at night; his heart is normal.", "heart failure")


def test_a_diagnosis_names_the_condition_and_nothing_beside_it():
    assert names_condition("Wheeze at night.\nDiagnosis: Asthma.", "asthma")
    assert names_condition("**诊断：** 支气管哮喘", "哮喘")
    for other in ("Diagnosis: asthma or COPD", "Diagnosis: not asthma", "It may be asthma.", "Diagnosis: bronchitis"):
        assert not names_condition(other, "asthma")


def test_the_judges_word_is_read():
    assert verdict("Supported. The passage says so.") is True
    assert verdict("**Not supported**: another drug") is False
    assert verdict("不支持，剂量不同。") is False
    assert verdict("支持。") is True
    assert verdict("Well, supported by what?") is None


def test_a_question_that_speaks_of_the_passage_is_found():
    assert points_at_source("According to the passage, which drug?")
    assert points_at_source("根据本指南，首选什么？")
    assert not points_at_source("Which drug is given in scarlet fever?")


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("Give {} {} of morphine by mouth every 4 hours.", "2.5", "mg"),
        ("Salbutamol, {} {} by nebuliser.", "5", "mg"),
        ("Adrenaline {} {} into the thigh at once.", "500", "micrograms"),
        ("Ceftriaxone at {} {} once daily.", "80", "mg/kg"),
        ("Keep the pressure below {} {}.", "140", "mmHg"),
        ("静脉滴注甲硝唑{}{}，每8小时一次。", "0.5", "克"),
        ("Insulin at {} {} for the first hour.", "0.1", "units/kg/hour"),
    ],
)
def test_no_other_number_and_no_other_unit_passes(text: str, number: str, unit: str):
    passage = text.format(number, unit)
    assert invented(passage, passage) == set()
    value = float(number)
    others = {f"{other:g}" for other in (value * 10, value / 10, value + 1, value * 2, value / 2, value * 1000)} - {
        number
    }
    units = ["mg", "micrograms", "g", "ml", "mg/kg", "mg/day", "mmol", "mmHg", "tablets", "units", "毫升", "片", "%"]
    same = {"克": "g"}.get(unit, unit)
    for other in others:
        assert invented(text.format(other, unit), passage), other
        assert not quoted(text.format(other, unit), passage, 3)
    for other in (one for one in units if one != same):
        assert invented(text.format(number, other), passage), other
        assert not quoted(text.format(number, other), passage, 3)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("said", [" ", "\n", "*", "one ", "1", "1/", "1-", "A, ", "1 mg/", "一二", "每日", "<think>"])
def test_a_teacher_that_says_one_thing_for_ever_holds_nothing_up(said: str):
    reply = f"Answer: A{said * (20_000 // len(said))}x"
    letters(reply)
    quantities(reply)
    written_item(f"Question: {reply}\nAnswer: A")
    names_condition(f"Diagnosis: {reply}", "asthma")
