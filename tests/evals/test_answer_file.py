"""Questions and right answers in two files, as CMB's test split is published: rows made by hand in exactly those shapes."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pandas
import pytest

from corpora.errors import DataError
from corpora.files.reading import raw_rows
from evals.exam.items import answers_unlike_questions, items_of
from evals.exam.own_file import parse_mapping
from evals.exam.source import Source, provenance
from evals.exam.task_files import load_task

# FreedomIntelligence/CMB at 6c8ece46: data/CMB-test-choice-answer.json is a list of such objects, ids whole numbers from 1; the questions
# (CMB-Exam/CMB-test/CMB-test-choice-question-merge.json of data/CMB.zip) have the same fields without the answer, and question and option.
# An option that an item has not is there all the same, and blank.
KINDS = {"单项选择题": "C", "多项选择题": "ABD"}


def cmb(count: int = 4) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    questions, answers = [], []
    for number in range(1, count + 1):
        kind = list(KINDS)[number % 2]
        shared = {"id": number, "exam_type": "医师考试", "exam_class": "规培结业", "exam_subject": "骨科", "question_type": kind}  # fmt: skip
        options = {letter: f"选项{letter}之{number}" for letter in "ABCD"}
        questions.append({**shared, "question": f"题干{number}", "option": {**options, "E": " " if number % 3 else ""}})
        answers.append({**shared, "answer": KINDS[kind]})
    return questions, answers


def written(path: Path, rows: object) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=4), encoding="utf-8")
    return path


def source(folder: Path, questions: object, answers: object, *mapping: str) -> Source:
    file, apart = written(folder / "questions.json", questions), written(folder / "answers.json", answers)
    return Source(file=file, answers=apart, mapping=parse_mapping(list(mapping)))


def test_answers_find_their_questions_by_id_in_whatever_order(tmp_path: Path):
    questions, answers = cmb()
    given = source(tmp_path, questions, answers[::-1])
    items = list(items_of(load_task("cmb-exam"), given))
    assert [item.id for item in items] == [f"questions/{number}" for number in range(1, 5)]
    assert [item.answers for item in items] == [[0, 1, 3], [2], [0, 1, 3], [2]]
    assert all(len(item.options) == 4 for item in items)  # the blank one is none
    assert items[0].meta["question_type"] == "多项选择题"
    assert provenance(load_task("cmb-exam"), given).file == "questions.json, answers.json"
    assert answers_unlike_questions(load_task("cmb-exam"), given) == []


def test_ids_and_answers_under_other_names(tmp_path: Path):
    questions, answers = cmb()
    questions = [{**row, "id": None, "nr": str(row["id"])} for row in questions]
    answers = [{"nr": row["id"], "loesung": row["answer"]} for row in answers]
    given = source(tmp_path, questions, answers, "id=nr", "answer=loesung")
    assert [item.answers for item in items_of(load_task("cmb-exam"), given)] == [[0, 1, 3], [2], [0, 1, 3], [2]]


@pytest.mark.parametrize("table", ["csv", "parquet"])
def test_a_table_may_hold_whole_numbers_as_floats(tmp_path: Path, table: str):
    questions, answers = cmb()
    file, apart = written(tmp_path / "questions.json", questions), tmp_path / f"answers.{table}"
    # As pandas has a column in which a row is empty, and writes it.
    columns = pandas.DataFrame(
        {"id": [float(row["id"]) for row in answers], "answer": [row["answer"] for row in answers]}
    )
    columns.to_csv(apart, index=False) if table == "csv" else columns.to_parquet(apart)
    given = Source(file=file, answers=apart)
    assert [item.answers for item in items_of(load_task("cmb-exam"), given)] == [[0, 1, 3], [2], [0, 1, 3], [2]]
    assert answers_unlike_questions(load_task("cmb-exam"), given) == []


def test_numbers_that_are_not_whole_and_versions_stay_apart(tmp_path: Path):
    questions, answers = cmb(2)
    for row, own in zip((*questions, *answers), (1.5, 2, "1.05", 2), strict=True):
        row["id"] = own
    with pytest.raises(DataError, match=r"1 questions have no answer there \(1\.5\); 1 answers .* \(1\.05\)"):
        next(items_of(load_task("cmb-exam"), source(tmp_path, questions, answers)))


def test_the_answers_are_read_once_for_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given, read = source(tmp_path, *cmb()), []

    def counted(path: Path) -> Any:
        read.append(path.name)
        return raw_rows(path)

    monkeypatch.setattr("evals.exam.answer_file.raw_rows", counted)
    for _ in range(3):
        assert len(list(items_of(load_task("cmb-exam"), given))) == 4
    assert answers_unlike_questions(load_task("cmb-exam"), given) == []
    assert read == ["answers.json"]


def test_a_question_that_came_while_the_exam_ran_is_told(tmp_path: Path):
    questions, answers = cmb()
    given = source(tmp_path, questions[:3], answers[:3])
    assert len(list(items_of(load_task("cmb-exam"), given))) == 3
    written(tmp_path / "questions.json", questions)
    with pytest.raises(DataError, match="row 4: this question was not here when the exam began"):
        list(items_of(load_task("cmb-exam"), given))


def test_below_the_data_folder_questions_may_be_in_the_published_archive(tmp_path: Path):
    questions, answers = cmb()
    folder = tmp_path / "cmb"
    folder.mkdir()
    with zipfile.ZipFile(folder / "CMB.zip", "w") as archive:
        archive.writestr("CMB/CMB-Exam/CMB-test/CMB-test-choice-question-merge.json", json.dumps(questions))
        archive.writestr("CMB/CMB-Exam/CMB-val/CMB-val-merge.json", json.dumps([{**questions[0], "answer": "A"}]))
    with pytest.raises(
        DataError, match=r"right answers of task 'cmb-exam' are not in this file: .*CMB-test-choice-answer\.json"
    ):
        next(items_of(load_task("cmb-exam"), Source(tmp_path)))
    written(folder / "CMB-test-choice-answer.json", answers)
    assert len(list(items_of(load_task("cmb-exam"), Source(tmp_path)))) == 4
    assert provenance(load_task("cmb-exam"), Source(tmp_path)).file == "CMB.zip, CMB-test-choice-answer.json"
    assert [item.answers for item in items_of(load_task("cmb-exam-validation"), Source(tmp_path))] == [[0]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda q, a: a.pop(1), r"1 questions have no answer there \(2\)"),
        (lambda q, a: q.pop(0), r"1 answers there have no question \(1\)"),
        (lambda q, a: (q.pop(0), a.pop()), r"1 questions have no answer there \(30\); 1 answers there have no question \(1\)"),
        (lambda q, a: a.__delitem__(slice(0, 20)), r"20 questions have no answer there \(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …\)"),
        (lambda q, a: q.append(q[2]), r"1 questions have an id that another has \(3\)"),
        (lambda q, a: a.append(a[2]), r"1 answers have an id that another has \(3\)"),
        (lambda q, a: a[4].pop("id"), r"row 5: no id; its fields are: exam_type"),
        (lambda q, a: a[4].update(answer=""), r"row 5: no answer \(known names: answer_idx"),
        (lambda q, a: q[4].pop("id"), r"row 5: this question has no id .*--map id=FIELD"),
        (lambda q, a: q[4].update(answer="A"), r"row 5: this question has an answer of its own, in 'answer'"),
    ],
)  # fmt: skip
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, change: Any, told: str):
    questions, answers = cmb(30)
    change(questions, answers)
    with pytest.raises(DataError, match=told):
        next(items_of(load_task("cmb-exam"), source(tmp_path, questions, answers)))


def test_a_question_that_cannot_be_read_is_told_and_not_the_answer_that_it_leaves_alone(tmp_path: Path):
    questions, answers = cmb()
    file, apart = tmp_path / "questions.jsonl", written(tmp_path / "answers.json", answers)
    lines = [json.dumps(row, ensure_ascii=False) for row in questions]
    file.write_text("\n".join([*lines[:2], "{broken", *lines[3:]]), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 3: not valid JSON"):
        list(items_of(load_task("cmb-exam"), Source(file=file, answers=apart)))


@pytest.mark.parametrize("task", ["bundled-exam", "pubmedqa"])
def test_answers_to_rows_that_hold_theirs_are_refused(tmp_path: Path, task: str):
    apart = written(tmp_path / "answers.json", cmb()[1])
    with pytest.raises(DataError, match=f"answers.json: the rows of task '{task}' hold their right answers"):
        next(items_of(load_task(task), Source(answers=apart)))


def test_answers_of_another_version_are_told(tmp_path: Path):
    questions, answers = cmb()
    answers[0]["exam_subject"] = answers[2]["exam_subject"] = "眼科"
    assert answers_unlike_questions(load_task("cmb-exam"), source(tmp_path, questions, answers)) == [
        "in 2 of the 4 items the file of answers says another 'exam_subject' than the file of questions: are both of the same version?"
    ]


def test_questions_alone_are_told_that_answers_may_be_a_file_of_their_own(tmp_path: Path):
    path = written(tmp_path / "questions.json", cmb()[0])
    with pytest.raises(DataError, match=r"no field is known as the answer.*--answers FILE"):
        next(items_of(load_task("cmb-exam"), Source(file=path)))
