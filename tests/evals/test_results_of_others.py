"""Results that are broken, of other items or of another model are told and never mixed in."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpora.errors import DataError, OslerError
from evals.asking.finished import Finished
from evals.figures.compare import compare
from evals.figures.results import check_writable, task_folders
from evals.figures.summary import summarise
from evals.reports import leaderboard
from evals.reports.report import write_report
from tests.evals.results_folders import write_results, write_task

GOOD = {"n": 200, "accuracy": 0.5, "low": 0.4, "high": 0.6}


def sat(out: Path, model: str, *tasks: str, **about: Any) -> Path:
    folders = [write_task(out, task, model=model, **about) for task in tasks]
    return write_results(out, {folder.name: summarise(folder) for folder in folders}, model=model)


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"model": {"id": "half"}, "tasks": {"medqa": {"n": 2',
        "[1]",
        json.dumps({"model": {}, "tasks": {"medqa": GOOD}}),
        json.dumps({"model": {"id": "x"}, "tasks": {}}),
        *(
            json.dumps({"model": {"id": "x"}, "tasks": {"medqa": one}})
            for one in (None, "x", {"n": 3}, {**GOOD, "n": None}, {**GOOD, "accuracy": "high"}, {**GOOD, "low": float("nan")})
        ),
    ],
)  # fmt: skip
def test_a_broken_result_is_left_out_of_the_leaderboard_with_its_name(tmp_path: Path, content: str):
    sat(tmp_path / "whole", "whole", "medqa")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "results.json").write_text(content)
    told: list[str] = []
    assert [one["model"]["id"] for one in leaderboard.gather(tmp_path, told.append)] == ["whole"]
    assert len(told) == 1
    assert str(tmp_path / "broken" / "results.json") in told[0]
    with pytest.raises(OslerError, match="that can be read"):
        leaderboard.gather(tmp_path / "broken")


def test_a_mean_is_over_the_same_items(tmp_path: Path):
    sat(tmp_path / "a", "a", "medqa", "pubmedqa")
    sat(tmp_path / "b", "b", "medqa", "pubmedqa")
    task = tmp_path / "b" / "medqa" / "task.json"
    task.write_text(json.dumps({**json.loads(task.read_text()), "data": {"file": "own.jsonl", "sha256": "1" * 64}}))
    told: list[str] = []
    for one in leaderboard.gather(tmp_path, told.append):
        assert one["mean"] == one["tasks"]["pubmedqa"]["accuracy"]
    assert told == [
        "medqa: the models were asked 2 different sets of items or versions of the task, so that it is in no mean"
    ]


def test_the_leaderboard_shows_names_and_runs_none(tmp_path: Path):
    sat(tmp_path / "a", "<script>alert(1)</script>|[b](javascript:x)", "medqa")
    page = "\n".join(leaderboard.lines(leaderboard.gather(tmp_path)))
    assert "<script" not in page
    assert r"&lt;script&gt;alert\(1\)&lt;/script&gt;\|\[b\]" in page


def test_what_another_model_left_in_a_folder_is_not_said_of_this_one(tmp_path: Path):
    out, base = sat(tmp_path / "mine", "mine", "medqa"), sat(tmp_path / "base", "base", "medqa", "cmexam")
    write_task(out, "cmexam", model="earlier")
    assert list(task_folders(out)) == ["medqa"]
    page = write_report(out).read_text()
    assert "Not shown, for another model answered them into this folder: cmexam." in page
    assert "CMEXAM for tests" not in page
    found = compare([base, out])
    assert [one["task"] for one in found["comparisons"]] == ["medqa"]
    assert f"cmexam: another model than mine answered it into {out}" in found["left_out"]


@pytest.mark.parametrize(
    "changed",
    [
        {"gold": [9]}, {"gold": []}, {"gold": "A"}, {"options": None}, {"chosen": 2}, {"score": "1"}, {"score": None},
        {"score": float("nan")}, {"scores": [1.0]}, {"scores": [float("nan")] * 4}, {"cluster": [1]}, {"id": 5},
        {"scores": 5}, {"scores": ["a"] * 4}, {"chosen": 0}, {"refused": "too long"},
    ],
)  # fmt: skip
def test_an_item_that_no_exam_writes_is_named_with_its_place(tmp_path: Path, changed: dict[str, Any]):
    out = sat(tmp_path / "mine", "mine", "medqa", n=20)
    lines = (out / "medqa" / "items.jsonl").read_text().splitlines()
    lines[3] = json.dumps({**json.loads(lines[3]), **changed})
    (out / "medqa" / "items.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"items\.jsonl(, line 4:|: item medqa-3 ).*run the task again"):
        summarise(out / "medqa")


def test_files_that_are_no_results_are_named(tmp_path: Path):
    out = sat(tmp_path / "mine", "mine", "medqa", n=20)
    other = sat(tmp_path / "base", "base", "medqa", n=20)
    (out / "results.json").write_text('{"tasks": {}}')
    for use in (lambda: compare([other, out]), lambda: write_report(out)):
        with pytest.raises(DataError, match=r"results\.json: no model or no tasks"):
            use()
    (out / "medqa" / "items.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(DataError, match="line 1: not valid JSON"):
        summarise(out / "medqa")


def test_a_folder_that_cannot_be_written_is_told_before_a_model_is_loaded(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    check_writable(tmp_path / "new" / "考试")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match=r"file is a file.*--output"):
            check_writable(folder)


def test_a_damaged_file_of_finished_answers_is_told(tmp_path: Path):
    (tmp_path / "f.sqlite").write_bytes(b"no database " * 200)
    with pytest.raises(OslerError, match=r"f\.sqlite: .*remove it: the run then begins anew"):
        Finished(tmp_path / "f.sqlite")


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path):
    with (
        Finished(tmp_path / "f.sqlite") as first,
        pytest.raises(OslerError, match="another run writes to this folder"),
    ):
        first.put("key", [1], 0.0)
        Finished(tmp_path / "f.sqlite")
    with Finished(tmp_path / "f.sqlite") as again:
        assert again.get("key") == ([1], 0.0)
