"""Prompts are those of the benchmarks' authors, as their published code lays them out; expected texts are written here by hand from it."""

from typing import Any

import pytest

from corpora.adapters import ADAPTERS
from corpora.errors import DataError
from corpora.records import ExamItem
from evals.exam.prompts import Prompter
from evals.exam.task_files import load_task, task_names
from evals.exam.tasks import Task
from evals.reports.describe import described

OPTIONS = {"A": "维生素A", "B": "维生素B", "C": "维生素C", "D": "维生素D"}


def item(shape: str = "multiple-choice", **row: Any) -> ExamItem:
    found = ADAPTERS[shape]({"__row__": "1", **row}, "test")
    assert isinstance(found, ExamItem)
    return found


def turns(messages: list[dict[str, str]]) -> str:
    return "".join(f"[{message['role']}]{message['content']}" for message in messages)


def test_cmb_names_the_exam_and_the_kind_of_question():
    # https://github.com/FreedomIntelligence/CMB, workers/base.py, query_prompt_2
    row = {"exam_type": "医师考试", "exam_class": "规培结业", "question_type": "单项选择题", "question": "题干", "option": OPTIONS, "answer": "C"}  # fmt: skip
    listed = "A. 维生素A\nB. 维生素B\nC. 维生素C\nD. 维生素D"
    asked = (
        f"以下是中国医师考试中规培结业考试的一道单项选择题，不需要做任何分析和解释，直接输出答案选项。\n题干\n{listed}"
    )
    task = load_task("cmb-exam")
    assert Prompter(task, turns, free=True).prompt(item(**row)) == f"[user]{asked}"
    assert Prompter(task, free=True).prompt(item(**row)) == f"{asked}\n答案："
    bare = {name: row[name] for name in ("question", "option", "answer")}
    assert "一道选择题" in Prompter(task, free=True).prompt(item(**bare))


def test_cmexam_is_asked_by_the_authors_first_template():
    row = {"Question": "题干", "Options": "A 甲\nB 乙\nC 丙\nD 丁\nE 戊", "Answer": "E"}
    asked = Prompter(load_task("cmexam"), free=True).prompt(item(**row))
    assert asked == "问题: 题干, \n 选项: A 甲\nB 乙\nC 丙\nD 丁\nE 戊\n答案:"


def mmlu_pro(number: int) -> dict[str, Any]:
    return {
        "question": f"Question {number}?",
        "options": ["one", "two", "three"],
        "answer": "B",
        "answer_index": 1,
        "cot_content": f"A: Let's think step by step. Because of {number}. The answer is (B).",
        "category": "health",
    }


def test_mmlu_pro_shows_worked_examples():
    # https://github.com/TIGER-AI-Lab/MMLU-Pro, evaluate_from_local.py, generate_cot_prompt
    expected = (
        'The following are multiple choice questions (with answers) about health. Think step by step and then finish your answer with "the answer is '
        '(X)" where X is the correct letter choice.\n\n\n\n'
        "Question:\nQuestion 1?\nOptions:\nA. one\nB. two\nC. three\nAnswer: Let's think step by step. Because of 1. The answer is (B).\n\n"
        "Question:\nQuestion 2?\nOptions:\nA. one\nB. two\nC. three\nAnswer: Let's think step by step."
    )
    task = load_task("mmlu-pro-health")
    assert task.num_fewshot == 5
    assert Prompter(task, examples=[item(**mmlu_pro(1))], free=True).prompt(item(**mmlu_pro(2))) == expected


def concept(number: int, vocab: str, level: str) -> ExamItem:
    columns = {f"option{place}": f"o{place}" for place in range(1, 5)}
    return item(
        question_id=number, question=f"Q{number}", **columns, answer="o2", answer_id="B", vocab=vocab, level=level
    )


def test_medconceptsqa_shows_examples_of_the_same_vocabulary_and_level():
    # https://github.com/nadavlab/MedConceptsQA, gpt4_runner.py: df.query(vocab and level).head(shots)
    kinds = [("ATC", "easy"), ("ATC", "hard"), ("ICD9CM", "easy")]
    examples = [concept(number, *kinds[number % 3]) for number in range(18)]
    task = load_task("medconceptsqa")
    prompt = Prompter(task, examples=examples).prompt(concept(99, "ATC", "hard"))
    shown = "".join(f"Q{number}\nAnswer: B\n\n" for number in (1, 4, 7, 10))
    assert prompt == f"Answer A,B,C,D according to the answer to this multiple choice question.\n{shown}Q99\nAnswer:"


def test_medxpertqa_says_who_the_assistant_is():
    asked = Prompter(load_task("medxpertqa"), free=True).prompt(
        item(question="What?\nAnswer Choices: (A) x (B) y", options={"A": "x", "B": "y"}, label="A")
    )
    assert asked.startswith("You are a helpful medical assistant.")
    assert asked.endswith("Q: What?\nAnswer Choices: (A) x (B) y\nA: Let's think step by step.")


@pytest.mark.parametrize("name", task_names())
def test_every_task_can_be_shown_to_a_reader(name: str):
    shown = dict(described(load_task(name)))
    assert load_task(name).source in shown.values()
    assert any("prompt" in head.lower() for head in shown)


def test_a_prompt_that_names_a_field_which_the_item_lacks_says_so():
    task = Task(
        name="own", title="Own", source="test", data={"address": "here"}, prompt="{{ meta.ward }}: {{ question }}"
    )  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"task 'own', prompt of item .*ward"):
        Prompter(task).prompt(ExamItem(id="7", question="Q", options=["a", "b"], answers=[0]))


def test_a_chat_model_that_writes_its_answer_is_asked_for_it_in_the_questions_language():
    row = item(question="¿Qué vitamina?", option=OPTIONS, answer="C")
    asked = Prompter(load_task("headqa-es"), turns, free=True).prompt(row)
    assert asked.endswith('Razónelo y termine con "La respuesta es X", donde X es la letra de la opción correcta.')
