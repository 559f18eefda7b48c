"""The option that a reply states is read from it, in English and Chinese; where none is stated nothing is guessed."""

import json
import time
from pathlib import Path

import pytest

from evals.exam.task_files import load_task, task_names
from evals.reading.extraction import extract_choices
from evals.reading.replies import strip_thinking

DRUGS = ["Ibuprofen", "Paracetamol", "Aspirin", "Low-dose aspirin"]


def cases(language: str) -> list[dict]:
    lines = Path(__file__).with_name(f"extraction_cases_{language}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_hand_made_case_is_read_right(language: str):
    wrong = [
        (case["text"][-200:], case["chosen"], found)
        for case in cases(language)
        if (found := extract_choices(case["text"], case["options"], case["several"], language)) != case["chosen"]
    ]
    assert wrong == []


def test_the_cases_are_many_and_different():
    both = cases("en") + cases("zh")
    assert len({json.dumps(case) for case in both}) == len(both) > 1000
    assert sum(case["chosen"] is None for case in both) > 300


@pytest.mark.parametrize("place", range(4))
def test_no_letter_is_favoured(place: int):
    letter = "ABCD"[place]
    for form in (
        "{}",
        "({})",
        "Answer: {}",
        "The answer is {}.",
        "故选{}。",
        "答案：{}",
        "\\boxed{{{}}}",
        "{} is correct.",
    ):
        assert extract_choices(form.format(letter), DRUGS) == [place], form


def test_thoughts_are_cut_off():
    assert strip_thinking("<think>a</think> b") == "b"
    assert strip_thinking("a</think>b") == "b"
    assert strip_thinking("plain") == "plain"
    assert strip_thinking("<think>never ended") == ""
    assert strip_thinking("[THINK]a[/THINK]b") == "b"
    assert strip_thinking("<unused94>thought\na<unused95>b") == "b"


def test_what_no_rule_was_written_for_is_refused():
    with pytest.raises(ValueError, match="not in 'fr'"):
        extract_choices("C", DRUGS, language="fr")
    with pytest.raises(ValueError, match="2 to 26"):
        extract_choices("C", ["one"])


@pytest.mark.parametrize(
    "said",
    [
        " ",
        "A ",
        "A, ",
        "A and ",
        "答案",
        "选",
        "the answer is ",
        "not ",
        "B or ",
        "C. ",
        "<think>",
        "(",
        "\\boxed{",
        "so ",
        "aspirin and ",
        '{"answer": ',
    ],
)
def test_a_model_that_says_one_thing_for_ever_holds_nothing_up(said: str):
    reply = said * (20_000 // len(said)) + "x"
    started = time.monotonic()
    extract_choices(reply, DRUGS, several=True)
    assert time.monotonic() - started < 2


SPANISH = [
    ("La respuesta es C", 2), ("Razonando: es un déficit de vitamina C.\n\nLa respuesta es C.", 2), ("La respuesta correcta es la C.", 2),
    ("La respuesta correcta es la opción B: Vitamina B1", 1), ("La opción correcta es la D", 3), ("Respuesta: C", 2),
    ("**Respuesta final: (C)**", 2), ("La opción C es correcta.", 2), ("La correcta es la C", 2), ("Elijo la opción A", 0),
    ("La respuesta es Vitamina C.", 2), ("C", 2), ("La A es incorrecta y la B es incorrecta. La respuesta es D", 3),
    ("La respuesta no es A, sino que la respuesta es C", 2), ("La respuesta es A o C", None), ("La respuesta es A y C", None),
    ("No lo sé", None), ("La respuesta es E", None), ("A un paciente se le da hierro", None), ("Por lo tanto, la respuesta es C", 2),
    ("La respuesta a esta pregunta es C", 2), ("Para dar respuesta a la pregunta hay que pensar en el escorbuto.", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), SPANISH)
def test_a_spanish_reply_is_read_as_its_tasks_ask_for_it(text: str, wanted: int | None):
    options = ["Vitamina A", "Vitamina B1", "Vitamina C", "Vitamina D"]
    assert extract_choices(text, options, language="es") == (None if wanted is None else [wanted])


def test_every_language_of_a_task_is_read():
    for name in task_names():
        extract_choices("A", ["x", "y"], language=load_task(name).language)


def test_words_with_the_letter_of_another_option_behind_them_are_a_contradiction():
    assert extract_choices("The answer is paracetamol (B).", DRUGS) == [1]
    assert extract_choices("The answer is paracetamol (C).", DRUGS) is None
    assert extract_choices("Paracetamol (C)", DRUGS) is None
    assert extract_choices("I would choose paracetamol (option B)", DRUGS) == [1]


def test_a_letter_behind_words_counts_with_them_in_a_verdict_too():
    assert extract_choices("Paracetamol (B) is correct.", DRUGS) == [1]
    assert extract_choices("Paracetamol (C) is correct.", DRUGS) is None
    assert extract_choices("Ibuprofen (A) is wrong; paracetamol (B) is right.", DRUGS) == [1]
    assert extract_choices("Ibuprofen (A) and aspirin (C) are correct.", DRUGS, several=True) == [0, 2]
    assert extract_choices("Both ibuprofen (A) and aspirin (C) are correct", DRUGS) is None
    assert extract_choices("I believe that low-dose aspirin (D) is right", DRUGS) == [3]
    assert extract_choices("Ibuprofen (A) - wrong\nParacetamol (B) - correct\nAspirin (C) - wrong", DRUGS) == [1]


def test_a_letter_in_square_brackets_is_one():
    assert extract_choices("The answer is paracetamol [B].", DRUGS) == [1]
    assert extract_choices("The answer is paracetamol [C].", DRUGS) is None
    assert extract_choices("The answer is paracetamol [1].", DRUGS) == [1]


def test_a_symbol_behind_words_is_no_letter():
    elements = ["Zinc", "Iodine", "Selenium", "Copper"]
    assert extract_choices("The answer is iodine (I).", elements) == [1]
    assert extract_choices("Iodine (I) is correct.", elements) == [1]
    assert extract_choices("The answer is zinc (I).", elements) is None  # no option has it
