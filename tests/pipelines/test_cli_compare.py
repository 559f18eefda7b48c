"""The commands that set models side by side, as a user gives them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from corpora.errors import OslerError
from evals.figures.summary import summarise
from pipelines.cli import app
from pipelines.cli.options import out
from tests.evals.results_folders import write_results, write_task


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", 250)


def osler(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, skill, seed in (("base", 0.3, 1), ("good", 0.7, 2), ("same", 0.3, 3)):
        folder = write_task(tmp_path / name, skill=skill, seed=seed, model=f"models/{name}")
        write_results(tmp_path / name, {"medqa": summarise(folder)}, model=f"models/{name}")
    return tmp_path


def test_better_is_printed_only_when_it_is_significant(runs: Path):
    said = osler("compare", str(runs / "base"), str(runs / "good"), str(runs / "same"))
    assert said.exit_code == 0
    lines = [line for line in said.stdout.splitlines() if "medqa" in line]
    assert len(lines) == 2
    assert "better" in lines[0]
    assert "no difference shown" in lines[1]
    assert said.stdout.count("better") == 1
    figures = json.loads(osler("compare", str(runs / "base"), str(runs / "good"), "--json").stdout)
    assert figures["comparisons"][0]["verdict"] == "better"


def test_two_files_of_answers_are_still_compared(tmp_path: Path):
    for name, right in (("a", [True, False, False]), ("b", [True, True, False])):
        answers = [{"item": str(place), "right": one} for place, one in enumerate(right)]
        (tmp_path / f"{name}.json").write_text(json.dumps({"items": {"bundled-exam": {"answers": answers}}}))
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    figures = json.loads(osler("compare", *files, "--json").stdout)["bundled-exam"]
    assert (figures["n"], figures["gained"], figures["lost"], figures["p"]) == (3, 1, 0, 1.0)
    assert "no significant difference" in osler("compare", *files).stdout
    mixed = osler("compare", files[0], str(tmp_path))
    assert isinstance(mixed.exception, OslerError)
    assert "not both together" in str(mixed.exception)
    assert "no such file" in str(osler("compare", files[0], "c.json").exception)


def test_the_leaderboard_is_printed_and_written(runs: Path):
    said = osler("leaderboard", str(runs), "--output", str(runs / "board"))
    assert said.exit_code == 0
    assert said.stdout.index("models/good") < said.stdout.index("models/base")
    assert "| models/good |" in (runs / "board" / "leaderboard.md").read_text()
    assert "<table>" in (runs / "board" / "leaderboard.html").read_text()
    assert len(json.loads(osler("leaderboard", str(runs), "--json").stdout)) == 3


def test_the_report_is_written_from_a_results_folder(runs: Path):
    assert osler("report", str(runs / "good")).exit_code == 0
    assert (runs / "good" / "report.md").read_text().startswith("# Exam of models/good")
    assert (runs / "good" / "report.html").is_file()


def test_the_folder_of_an_exam_stage_and_of_its_run_name_the_files_to_compare(tmp_path: Path):
    stage = tmp_path / "nano" / "exam"
    stage.mkdir(parents=True)
    for name in ("base", "final", "manifest"):
        (stage / f"{name}.json").write_text("{}")
    for given in (stage, stage.parent):
        done = CliRunner().invoke(app, ["compare", str(given), str(given)])
        assert f"name two of them, as {stage / 'base.json'} {stage / 'final.json'}" in str(done.exception)
    one = CliRunner().invoke(app, ["compare", str(stage / "base.json")])
    assert "and 1 is given" in str(one.exception)
