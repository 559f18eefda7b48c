"""The commands that end a run can be copied: the command line knows each, whatever the folder is called."""

import shlex
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from pipelines.cli import app
from pipelines.config import Recipe, load_recipe
from pipelines.next_steps import next_steps, program
from tests.docs.commands import parse, split


def test_each_command_is_one_that_the_command_line_takes(tmp_path: Path):
    run = tmp_path / "my runs" / "nano"
    (run / "trackio").mkdir(parents=True)
    lines = next_steps(load_recipe("nano"), run, str(run / "final" / "model"), "/a/.venv/bin/osler")
    commands = [command for line in lines for command in split(line.strip(), "end of a run")]
    assert [command.words[1] for command in commands] == ["ask", "ui", "eval", "watch"]
    for command in commands:
        parse(list(command.words[1:]))  # raises where a word is not one of the command line's
    assert commands[0].words == ("osler", "ask", "-m", str(run / "final" / "model"), "What is asthma?")
    assert commands[3].words[-1] == str(run)


@pytest.mark.parametrize("question", ["--json or -m?", "It's $HOME `ls`;\n  what?"])
def test_a_question_stays_one_whatever_it_looks_like(tmp_path: Path, question: str):
    block = {**load_recipe("nano").model_dump()["serve"], "questions": [question]}
    recipe = Recipe.model_validate({**load_recipe("nano").model_dump(), "serve": block})
    words = shlex.split(next_steps(recipe, tmp_path, "final/model", "osler")[0], comments=True)
    asked = get_command(app).commands["ask"].make_context("ask", words[2:])  # type: ignore[attr-defined]
    assert asked.params["question"] == " ".join(question.split())
    assert asked.params["as_json"] is False


def test_a_run_that_serves_nothing_and_drew_no_curve_offers_nothing(tmp_path: Path):
    recipe = Recipe.model_validate({**load_recipe("nano").model_dump(), "serve": None})
    assert next_steps(recipe, tmp_path, None, "osler") == []


def test_osler_is_named_by_its_file_where_the_shell_would_not_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / ".venv" / "bin" / "osler"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(file), "reproduce"])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert program() == ".venv/bin/osler"
    monkeypatch.setenv("PATH", f"{file.parent}:/usr/bin")
    assert program() == "osler"
    monkeypatch.setattr(sys, "argv", ["/x/pipelines/cli/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(file.with_name("python")))
    assert program() == "osler"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert program() == f"{tmp_path}/python -m pipelines.cli"
