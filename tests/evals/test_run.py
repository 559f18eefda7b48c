"""A run writes every item's answer and how it was asked, and scores what was answered and nothing else."""

import json
import random
from pathlib import Path

import pytest

from corpora.errors import DataError, OslerError
from evals.asking.finished import Finished
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.run import Options, adjusted, run_task
from evals.stats.intervals import wilson
from tests.evals.stub_engine import LETTERS, Stub, oracle, run


def test_an_oracle_is_always_right(tmp_path: Path):
    summary, rows = run(tmp_path, Stub(oracle))
    assert summary["accuracy"] == 1.0
    assert [row["id"] for row in rows] == [f"test/{number}" for number in range(400)]
    about = json.loads((tmp_path / "medqa" / "task.json").read_text())
    assert about["n"] == 400
    assert about["chance"] == 0.25
    assert about["prompt_example"].startswith("Question: Question 0?\nA. option A of 0 (right)\n")
    assert {
        "task",
        "title",
        "version",
        "language",
        "metric",
        "scoring",
        "normalise",
        "num_fewshot",
        "chat_template",
        "source",
        "licence",
    } <= set(about)
    assert set(rows[0]) == {
        "id",
        "cluster",
        "subject",
        "question",
        "options",
        "gold",
        "chosen",
        "right",
        "score",
        "scores",
        "text",
        "refused",
        "key_error",
        "prompt_sha256",
    }


def test_a_constant_scores_the_keys_share_and_a_guesser_chance(tmp_path: Path):
    (tmp_path / "a").mkdir()
    summary, rows = run(tmp_path / "a", Stub(lambda prompt: "A"))
    assert summary["accuracy"] == sum(row["gold"] == [0] for row in rows) / 400
    (tmp_path / "b").mkdir()
    summary, _ = run(tmp_path / "b", Stub(lambda prompt: random.Random(prompt).choice(LETTERS)), 4000)
    low, high = wilson(round(summary["accuracy"] * 4000), 4000, 0.99)
    assert low <= 0.25 <= high


def test_a_text_is_read_without_its_thoughts_and_garbage_is_no_answer(tmp_path: Path):
    thinker = Stub(lambda prompt: f"<think>A, B, C or D?</think>{oracle(prompt)}")
    summary, rows = run(tmp_path, thinker, 40, scoring="generative", chat=True)
    assert summary["accuracy"] == 1.0
    assert rows[0]["text"].startswith("<think>")
    (tmp_path / "b").mkdir()
    summary, rows = run(tmp_path / "b", Stub(lambda prompt: "<think>A"), 40, scoring="generative")
    assert (summary["accuracy"], summary["unparsed"]) == (0.0, 1.0)
    assert all(row["chosen"] is None for row in rows)


def test_several_right_options_are_right_as_a_set_only(tmp_path: Path):
    task = load_task("cmexam")
    rows = [{"Question": f"题{n}", "Options": "A 甲\nB 乙\nC 丙\nD 丁", "Answer": "AC"} for n in range(3)]
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = iter(["AC", "A", "ABC"])
    with Finished(tmp_path / "f.sqlite") as finished:
        summary = run_task(
            task, Stub(lambda prompt: next(said)), Source(file=file), tmp_path / "out", Options(), finished
        )
    assert summary["accuracy"] == pytest.approx(1 / 3)
    with pytest.raises(OslerError, match="several options may be right"):
        adjusted(task, Options(scoring="likelihood"))


def test_items_that_are_there_twice_are_told(tmp_path: Path):
    rows = [{"question": f"Case {n % 4}?", "options": ["w", "x", "y", "z"], "answer": "ABCD"[n % 4]} for n in range(6)]
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Finished(tmp_path / "f.sqlite") as finished:
        found = run_task(
            load_task("medqa"), Stub(lambda prompt: "A"), Source(file=file), tmp_path / "out", Options(), finished
        )
    assert [note for note in found["notes"] if "repeat" in note] == [
        "2 of the 6 items repeat an earlier one word for word, and the intervals count each of them as an answer of its own"
    ]


def test_words_are_not_asked_for_in_a_language_in_which_none_can_be_read():
    french = load_task("headqa-es").model_copy(update={"language": "fr"})
    with pytest.raises(DataError, match="answers in words can be read in en, zh, es, and its language is fr"):
        adjusted(french, Options(scoring="generative"))
    assert adjusted(french, Options()).scoring == "likelihood"


def test_a_task_that_needs_a_judge_says_so(tmp_path: Path):
    with pytest.raises(OslerError, match="needs a judge model"):
        run(tmp_path, Stub(oracle), task=load_task("healthbench"))


def test_a_file_sorted_by_its_answers_is_told_where_only_its_beginning_is_asked(tmp_path: Path):
    rows = [
        {"question": f"Case {n}?", "options": ["w", "x", "y", "z"], "answer": "A" if n < 20 else "B"} for n in range(40)
    ]
    path = tmp_path / "sorted.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = []
    for limit in (20, 40, 5):
        with Finished(tmp_path / f"{limit}.sqlite") as finished:
            source = Source(file=path, limit=limit)
            asked = Stub(lambda prompt: "A")
            found = run_task(load_task("medqa"), asked, source, tmp_path / str(limit), Options(), finished)
        told.append([note for note in found["notes"] if "same right option" in note])
    assert told[0] == [told[0][0]]
    assert told[0][0].startswith("20 of the 20 items")
    assert told[1:] == [[], []]
