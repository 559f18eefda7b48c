"""``osler eval`` by tasks: one command for a user's own file, and a clear word where it cannot be done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corpora.errors import OslerError
from pipelines.cli import app

ROW = {
    "question": "Which vitamin prevents scurvy?",
    "answer": "Vitamin C",
    "options": {"A": "Vitamin A", "B": "Vitamin B1", "C": "Vitamin C", "D": "Vitamin D"},
    "meta_info": "step1",
    "answer_idx": "C",
}


def osler(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def file_of(folder: Path, *rows: object) -> Path:
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_users_file_is_run_with_one_command(tmp_path: Path, tiny_model: Path):
    file = file_of(tmp_path, *[{**ROW, "question": f"{ROW['question']} {number}"} for number in range(9)])
    out = tmp_path / "out"
    told = osler("eval", tiny_model, "--task", "medqa", "--file", file, "-o", out, "--rotations", "--blank", "--json")
    found = json.loads(told)
    assert found == json.loads((out / "results.json").read_text(encoding="utf-8"))
    medqa = found["tasks"]["medqa"]
    assert medqa["n"] == 9
    assert medqa["low"] <= medqa["accuracy"] <= medqa["high"]
    assert medqa["notes"] == ["9 items were read, and the published split has 1,273"]
    assert medqa["rotations"]["rotations"] == 4
    rows = [json.loads(line) for line in (out / "medqa" / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    assert medqa["accuracy"] == sum(row["right"] for row in rows) / 9
    assert all(row["chosen"] == [max(range(4), key=row["scores"].__getitem__)] for row in rows)
    about = json.loads((out / "medqa" / "task.json").read_text(encoding="utf-8"))
    assert about["chat_template"] is True
    assert about["licence"].endswith(", if test.jsonl holds the published rows")
    assert about["prompt_example"].startswith("<|im_start|>user\nQuestion: ")


def test_questions_and_answers_in_two_files_are_one_exam(tmp_path: Path, tiny_model: Path):
    rows = [{**ROW, "id": number, "question": f"{ROW['question']} {number}"} for number in range(1, 6)]
    keys = [{"id": row["id"], "answer": row.pop("answer_idx")} for row in rows]
    questions = file_of(tmp_path, *[{name: row[name] for name in row if name != "answer"} for row in rows])
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps(keys), encoding="utf-8")
    out = tmp_path / "out"
    words = ("eval", tiny_model, "--task", "medqa", "--file", questions, "--answers", answers, "-o", out)
    assert json.loads(osler(*words, "--json"))["tasks"]["medqa"]["n"] == 5
    about = json.loads((out / "medqa" / "task.json").read_text(encoding="utf-8"))
    assert about["data"]["file"] == "test.jsonl, answers.json"
    answers.write_text(json.dumps(keys[1:]), encoding="utf-8")
    with pytest.raises(OslerError, match=r"1 questions have no answer there \(1\)"):
        osler(*words)


def test_what_cannot_be_run_is_left_out_of_a_suite_and_an_error_alone(tmp_path: Path, tiny_model: Path):
    found = json.loads(
        osler("eval", tiny_model, "--suite", "quick", "--limit", "4", "-o", tmp_path / "out", "--json", "--no-chat")
    )
    assert found["suite"] == "quick"
    assert list(found["tasks"]) == ["bundled-exam"]
    assert set(found["skipped"]) == {"medmcqa", "pubmedqa"}
    assert "--file" in found["skipped"]["medmcqa"]
    with pytest.raises(OslerError, match="needs a judge model"):
        osler("eval", tiny_model, "--task", "healthbench", "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--task", "medqa", "--task", "medmcqa", "--file", "FILE"], "rows of one task, and 2 are asked"),
        (["--file", "FILE"], "say which with --task"),
        (["--task", "medqa", "--map", "question=q"], "name the file too"),
        (["--task", "medqa", "--file", "FILE", "--map", "quesion=q"], "not of the form OURS=THEIRS"),
        (["--task", "medqa", "--file", "FILE", "--map", "question=q"], "a row does not have"),
        (["--task", "medqa", "--engine", "jax"], "--engine is transformers, vllm or openai"),
        (["--task", "bundled-exam", "--engine", "openai"], "name its address with --url"),
        (["--task", "medqa", "--file", "none.jsonl"], "no such file"),
        (["--task", "medqa", "--file", "."], "a folder, and --file brings one file"),
        (["--task", "medqa", "--file", "FILE", "--answers", "none.json"], "none.json: no such file"),
        (
            ["--task", "medqa", "--task", "medmcqa", "--answers", "FILE"],
            "the right options of one task, and 2 are asked",
        ),
        (["--task", "medquad", "--file", "FILE", "--answers", "FILE"], "of one task, and task 'medquad' has none"),
        (["--answers", "FILE"], "say which with --task"),
        (["--task", "bundled-exam", "--answers", "FILE"], "the rows of task 'bundled-exam' hold their right answers"),
        (
            ["--task", "cmb-exam", "--answers", "FILE", "--map", "question=q"],
            "--map says what id and answer of --answers are",
        ),
        (
            ["--task", "cmb-exam", "--answers", "FILE", "--map", "answer=key", "--data", "FOLDER"],
            "2 rows cannot be used: row 1: no id",
        ),
        (["--normalise", "tokens"], "--normalise is none, bytes or unconditional, not 'tokens'"),
        (["-o", "FOLDER"], "a folder; without a task the answers are one JSON file"),
        (["--task", "medqa", "--file", "FILE", "--num-fewshot", "2"], "data of task 'medqa' are not here"),
    ],
)
def test_a_wrong_command_is_told(tmp_path: Path, tiny_model: Path, words: list[str], told: str):
    file = str(file_of(tmp_path, ROW, ROW))
    with pytest.raises(OslerError, match=told):
        given = [word.replace("FILE", file).replace("FOLDER", str(tmp_path)) for word in words]
        osler("eval", tiny_model, "-o", tmp_path / "out", *given)


EARLY = """
import sys
from pipelines.cli import main
sys.argv = ["osler", *sys.argv[1:]]
try:
    main()
finally:
    print([name for name in ("torch", "transformers", "trl") if name in sys.modules])
"""


@pytest.mark.parametrize(
    "words",
    [
        ["reproduce", "nanno"],
        ["plan", "nanno"],
        ["eval", "bundled:osler-nano-base", "--suite", "quik"],
        ["eval", "bundled:osler-nano-base", "--task", "medqa", "--file", os.devnull],
    ],
)
def test_a_wrong_word_is_told_before_a_library_that_takes_seconds_is_imported(words: list[str]):
    ended = subprocess.run([sys.executable, "-c", EARLY, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "error: " in ended.stderr
    assert ended.stdout == "[]\n"


def test_tasks_are_listed_and_shown():
    listed = json.loads(osler("eval", "--list", "--json"))
    assert "medmcqa" in listed["tasks"]
    assert "medmcqa" in listed["suites"]["quick"]
    shown = osler("tasks", "list").splitlines()
    assert set(listed["tasks"]) <= {line.split(" ")[0] for line in shown}  # whole, in a narrow terminal too
    assert "osler corpora fetch medqa-usmle" in osler("tasks", "show", "medqa")
