"""What is checked before anything is computed."""

import errno
import fcntl
import os
import shutil
from pathlib import Path

import pytest

import pipelines.checks
import pipelines.plan.devices
import pipelines.reproduce
from corpora.errors import DataError, OslerError
from pipelines.config import RecipeError, load_recipe
from pipelines.locking import alone_in

SMALL = Path(__file__).parents[1] / "recipes" / "small.yaml"


def test_too_little_disk_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipelines.checks.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10 * 2**20})())
    with pytest.raises(RecipeError, match=r"GiB are free and the run needs about .* --run"):
        pipelines.reproduce.reproduce(load_recipe(str(SMALL)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_missing_data_is_said_before_the_start(tmp_path: Path):
    with pytest.raises(DataError, match="--data"):
        pipelines.reproduce.reproduce(load_recipe("nano-base"), tmp_path)
    assert not list(tmp_path.iterdir())


def recipe_with_base(tmp_path: Path, base: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL.read_text().replace("bundled:osler-nano-base", str(base)))
    return path


def test_a_base_without_a_chat_template_is_said_before_the_start(tiny_model: Path, tmp_path: Path):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "chat_template.jinja").unlink()
    recipe = load_recipe(str(recipe_with_base(tmp_path, bare)))
    with pytest.raises(RecipeError, match=r"no chat template, which stages\.sft needs .* training\.chat_template_path"):
        pipelines.reproduce.reproduce(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    recipe.stages["sft"].training["chat_template_path"] = str(tiny_model)  # type: ignore[union-attr]
    pipelines.checks.check_base(recipe)


def test_a_missing_base_is_said_before_the_start(tmp_path: Path):
    with pytest.raises(RecipeError, match="no model here"):
        pipelines.reproduce.reproduce(load_recipe(str(recipe_with_base(tmp_path, tmp_path / "none"))), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_little_memory_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipelines.plan.devices, "free_memory", lambda: 2**27)
    monkeypatch.setattr(pipelines.plan.devices, "resident", lambda: 2**29)
    with pytest.raises(RecipeError, match=r"stages\.\w+ needs about \d\.\d GiB of memory .* 0\.6 GiB are free"):
        pipelines.reproduce.reproduce(load_recipe(str(SMALL)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_file_of_the_users_own_is_said_before_the_start(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        SMALL.read_text().replace("{name: bundled-dialogues, limit: 400}", "{name: mine.jsonl, adapter: alpaca}")
    )
    with pytest.raises(DataError, match=r"stages\.sft: mine\.jsonl: no such file"):
        pipelines.reproduce.reproduce(load_recipe(str(path)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_second_run_in_a_folder_is_refused_and_the_first_one_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(RuntimeError), alone_in(tmp_path / "run"):
        with pytest.raises(OslerError, match=rf"process {os.getpid()} runs a recipe there; wait for its end"):
            pipelines.reproduce.reproduce(load_recipe(str(SMALL)), tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
        raise RuntimeError
    with alone_in(tmp_path / "run"):
        pass  # it was let go

    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with alone_in(tmp_path / "run"):
        pass


def test_an_exam_of_the_users_own_is_drawn_in_the_report(tiny_model: Path, tmp_path: Path):
    own = tmp_path / "ward.csv"
    own.write_text("question,A,B,answer\nWhen may I visit?,At dawn,From two to eight,B\n", encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"name: mine\nbase_model: {tiny_model}\nstages:\n  exam: {{kind: exam, models: [base], items: [{{name: {own}}}]}}\n",
        encoding="utf-8",
    )
    pipelines.reproduce.reproduce(load_recipe(str(path)), tmp_path / "run")
    (picture,) = (tmp_path / "run").glob("exam-*ward.csv.png")
    assert f"]({picture.name})" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
