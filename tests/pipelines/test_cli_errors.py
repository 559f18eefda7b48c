"""An error that the user can mend is one message, whatever it quotes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app, main
from pipelines.cli.answers import told_once
from pipelines.cli.options import whole_address
from pipelines.cli.plan import short


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
        (
            ["leaderboard", str(tmp_path / "runs"), "-o", str(tmp_path / "file")],
            "file: file exists; name another place",
        ),
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


def test_an_address_is_completed_and_a_whole_one_is_left_alone():
    assert whole_address("127.0.0.1:8000") == "http://127.0.0.1:8000/v1"
    assert whole_address("localhost:8000/v1") == "http://localhost:8000/v1"
    assert whole_address("http://host:8000/") == "http://host:8000/v1"
    assert whole_address("https://host/openai/v1") == "https://host/openai/v1"
    assert whole_address(None) is None


def test_ask_completes_the_address_that_it_is_given():
    result = CliRunner().invoke(app, ["ask", "What is asthma?", "--url", "127.0.0.1:9"])
    assert str(result.exception).startswith("http://127.0.0.1:9/v1: no server answers there")


def test_a_text_without_words_is_an_error_and_not_an_all_clear():
    result = CliRunner().invoke(app, ["triage", "  "])
    assert result.exit_code != 0
    assert str(result.exception).startswith("no text")


def test_no_keys_are_told_in_words(tmp_path: Path):
    result = CliRunner().invoke(app, ["keys", "list", "--keys", str(tmp_path / "keys.json")])
    assert result.exit_code == 0
    assert "no keys yet; `osler keys add NAME` makes one" in result.output


def test_a_missing_input_is_named_as_it_is_typed():
    result = CliRunner().invoke(app, ["calc", "egfr", "--age", "50", "--sex", "female", "--creatinine", "88.4"])
    assert "missing: --creatinine-unit;" in str(result.exception)


def test_a_plan_is_whole_on_a_terminal_of_80_columns():
    result = CliRunner().invoke(app, ["plan", "qwen3-8b/8x80gb-full", "--gpus", "8xH100"], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert "…" not in result.output
    assert "8.19G" in result.output
    assert "optimizer states" in result.output


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, ""), (412, "412"), (999_600, "1M"), (9_625_000_000, "9.62G"), (184_900_000, "185M"), (2e15, "2,000T")],
)
def test_a_count_is_told_in_few_characters(number: float, said: str):
    assert short(number) == said


@pytest.mark.parametrize(
    ("said", "pieces", "left"),
    [
        ("Call 120.", ["Call ", "120.", "\n\n", "Sit down."], "Sit down."),
        ("Call 120.", ["Call 120.\n\nSit", " down."], "Sit down."),
        ("Call 120.", ["Call 120."], ""),
        ("Call 120.", ["Call a friend."], "Call a friend."),
        ("Call 120.", ["Call"], "Call"),
        ("", ["Gout ", "is arthritis."], "Gout is arthritis."),
        ("Call 120.", [], ""),
    ],
)
def test_what_the_gateway_says_first_again_is_told_once(said: str, pieces: list[str], left: str):
    assert "".join(told_once(said, iter(pieces))) == left
