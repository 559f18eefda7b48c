"""The same items with their options in another order, and without their questions."""

import json
from pathlib import Path

import pytest

from evals.asking.finished import Finished
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.run import Options, run_task
from evals.stats.intervals import wilson
from tests.evals.stub_engine import LETTERS, Stub, oracle, run


def test_rotations_tell_a_model_that_knows_from_one_that_likes_a_letter(tmp_path: Path):
    summary, _ = run(tmp_path, Stub(oracle), 40, rotations=True)
    assert summary["rotations"]["flip_rate"]["share"] == 0
    assert summary["rotations"]["worst_case"]["share"] == 1
    (tmp_path / "a").mkdir()
    summary, _ = run(tmp_path / "a", Stub(lambda prompt: "A"), 40, rotations=True)
    assert summary["rotations"]["flip_rate"]["share"] == 1
    assert summary["rotations"]["worst_case"]["share"] == 0
    assert summary["rotations"]["accuracy"] == pytest.approx(0.25)


def test_without_the_question_the_options_alone_are_shown(tmp_path: Path):
    seen: list[str] = []

    def choose(prompt: str) -> str:
        seen.append(prompt)
        return "B"

    summary, rows = run(tmp_path, Stub(choose), 40, blank=True)
    assert "Question 0?" in seen[0]
    assert "Question: \nA. option A of 39" in seen[-1]
    assert summary["blank"]["share"] == sum(row["gold"] == [1] for row in rows) / 40


def test_intervals_of_other_forms_are_clustered_as_the_score_is(tmp_path: Path):
    """Four questions a passage, all right or all wrong: ten independent answers, not forty."""
    file = tmp_path / "test.jsonl"
    with file.open("w", encoding="utf-8") as stream:
        for number in range(40):
            options = {letter: f"option {letter} of {number}" for letter in LETTERS}
            options["B"] += " (right)" if number // 4 % 2 else ""
            row = {
                "id": str(number),
                "context": f"Passage {number // 4}.",
                "question": f"Question {number}?",
                "options": options,
                "answer_idx": "B",
            }
            stream.write(json.dumps(row) + "\n")
    engine = Stub(lambda prompt: next((line[0] for line in prompt.splitlines() if line.endswith("(right)")), "none"))
    asked = Options(rotations=True, blank=True)
    with Finished(tmp_path / "f.sqlite") as finished:
        found = run_task(load_task("medqa"), engine, Source(file=file), tmp_path / "medqa", asked, finished)
    assert found["interval"] == "clustered"
    for other in (found["rotations"]["worst_case"], found["blank"]):
        assert other["high"] - other["low"] > 1.5 * (wilson(20, 40)[1] - wilson(20, 40)[0])
