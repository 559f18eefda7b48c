"""An error that the user can mend is one message, whatever it quotes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app, main


@pytest.mark.parametrize("name", ["ward[bold]list", "list[/red]", "[NAME]", r"tail\[", "列表[/]"])
def test_square_brackets_in_a_message_are_shown_and_break_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["osler", "corpora", "import", str(tmp_path / f"{name}.jsonl")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert f"{name}.jsonl" in said


def test_the_name_of_an_imported_file_is_shown_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "faq[b].jsonl").write_text('{"question": "What is gout?", "answer": "Crystals in a joint."}\n')
    out = tmp_path / "to[bold].jsonl"
    monkeypatch.setattr(sys, "argv", ["osler", "corpora", "import", str(tmp_path / "faq[b].jsonl"), "-o", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert "faq[b].jsonl: shape" in said.out
    assert "to[bold].jsonl" in said.err.replace("\n", "")
    assert out.is_file()


def test_output_below_a_file_and_a_task_in_other_letters_are_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("x")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "results.json").write_text(
        '{"model": {"id": "a[/b]c"}, "tasks": {"t": {"n": 1, "accuracy": 1.0, "low": 0.2, "high": 1.0}}}'
    )
    for words, wanted in (
        (["leaderboard", str(tmp_path / "runs"), "-o", str(tmp_path / "file")], "file: file exists"),
        (["eval", "m", "--task", "MedQA"], "did you mean 'medqa'?"),
        (["eval", "m", "--task", "bundled-exam", "--file", str(tmp_path)], "not a file"),
    ):
        monkeypatch.setattr(sys, "argv", ["osler", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        assert wanted in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["osler", "leaderboard", str(tmp_path / "runs")])
    with pytest.raises(SystemExit):
        main()
    assert "a[/b]c" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["launch", "nano", "--launch", "ddp", "--processes", "1"],
        ["deploy", "Qwen/Qwen3-8B", "--image", "registry.example/osler:1"],
    ],
)
def test_a_file_for_a_cluster_is_written_into_a_new_folder(words: list[str], tmp_path: Path):
    file = tmp_path / "jobs" / "new" / "file"
    done = CliRunner().invoke(app, [*words, "-o", str(file)])
    assert done.exit_code == 0, done.output
    assert file.read_text(encoding="utf-8").startswith("#")


@pytest.mark.parametrize("option", [["--tokens", "0"], ["--max-repeat", "0"]])
def test_a_number_out_of_range_is_a_wrong_argument(option: list[str], tmp_path: Path):
    words = ["corpora", "mix", "bundled-documents=1", "bundled-general=1", "-o", str(tmp_path / "mix"), *option]
    assert CliRunner().invoke(app, words).exit_code == 2
