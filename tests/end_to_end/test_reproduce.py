"""``osler reproduce`` with a small budget: every stage is real, vLLM and LangChain among them."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.end_to_end.conftest import RECIPE, osler

STAGES = ["replay", "extended", "cpt", "sft", "preferences", "dpo", "exam", "serve"]


def test_every_stage_left_a_manifest(run: Path):
    for name in STAGES:
        manifest = json.loads((run / name / "manifest.json").read_text())
        assert manifest["stage"] == name
        assert manifest["versions"]["trl"]
        assert manifest["wall_seconds"] > 0
    assert not list(run.glob("*.partial*"))


def test_the_report_holds_every_figure(run: Path):
    figures = json.loads((run / "report.json").read_text())
    text = (run / "report.md").read_text()
    for model in ("base", "cpt", "sft", "dpo"):
        exam = figures["exams"][model]
        score = exam["items"]["bundled-exam"]["all"]
        assert 0 <= score["low"] <= score["share"] <= score["high"] <= 1
        assert f"{100 * score['share']:.1f}" in text
        assert exam["bits_per_byte"]["general"] > 0.5
    assert figures["exams"]["dpo"]["against"]["bundled-exam"]["p"] <= 1
    assert len(figures["serve"]["turns"]) == 2
    assert all(turn["answer"] for turn in figures["serve"]["turns"])
    for picture in ("losses.png", "exam-bundled-exam.png"):
        assert (run / picture).stat().st_size > 5000
        assert picture in text
    # The page holds its pictures, so that it can be sent as one file.
    assert (run / "report.html").read_text().count("data:image/png;base64,") == 2


def test_pretraining_taught_the_model_medical_text(run: Path):
    exams = json.loads((run / "report.json").read_text())["exams"]
    assert exams["cpt"]["bits_per_byte"]["medical"] < exams["base"]["bits_per_byte"]["medical"] - 0.2


def test_a_second_run_skips_everything(run: Path):
    said = osler("reproduce", str(run / "small.yaml"), "--run", str(run))
    assert said.count("done before, skipped") == len(STAGES)


def test_a_changed_line_reruns_just_what_depends_on_it(run: Path, tmp_path: Path):
    mine = tmp_path / "run"  # the run itself is read by others at the same time
    shutil.copytree(run, mine)
    recipe = yaml.safe_load((mine / "small.yaml").read_text())
    recipe["stages"]["dpo"]["training"]["learning_rate"] = 0.0001
    changed = mine / "changed.yaml"
    changed.write_text(yaml.safe_dump(recipe, sort_keys=False))
    said = osler("dpo", str(changed), "--run", str(mine))
    for name in ("replay", "cpt", "sft", "preferences"):
        assert f"{name}: done before, skipped" in said
    assert "dpo: done before" not in said


def test_compare_reads_two_exams(run: Path):
    said = osler("compare", str(run / "exam" / "base.json"), str(run / "exam" / "cpt.json"), "--json")
    figures = json.loads(said.splitlines()[0])["bundled-exam"]
    assert figures["n"] == 60
    assert figures["gained"] - figures["lost"] == round(figures["difference"] * 60)


def test_errors_are_one_message_and_leave_nothing(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.read_text().replace("learning_rate", "learningrate", 1))
    said = osler("reproduce", str(path), "--run", str(tmp_path / "run"), expect=1)
    assert "unknown key 'learningrate'; did you mean 'learning_rate'?" in " ".join(said.split())
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()
    said = osler("reproduce", "nano-real", "--run", str(tmp_path / "run"), "--data", str(tmp_path), expect=1)
    assert "missing file of dataset" in " ".join(said.split())
    assert "Traceback" not in said
    said = osler("compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), expect=1)
    assert "no such file" in said


@pytest.mark.parametrize(
    "command",
    [
        "",
        "reproduce",
        "cpt",
        "sft",
        "prefs",
        "dpo",
        "kto",
        "orpo",
        "reward",
        "eval",
        "compare",
        "leaderboard",
        "report",
        "serve",
        "ask",
        "chat",
        "bench train",
    ],
)
def test_help_teaches_each_command(command: str):
    said = osler(*command.split(), "--help")
    assert "Usage" in said
    assert len(said) > 400
