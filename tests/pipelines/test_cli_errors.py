"""An error that the user can mend is one message, whatever it quotes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydantic_core
import pytest
from typer.testing import CliRunner

from corpora.errors import OslerError
from corpora.records import Dialogue
from pipelines.cli import STOPPED_HERE, app, main
from pipelines.cli.answers import told_once
from pipelines.cli.options import address, whole_address
from pipelines.cli.plan import short
from pipelines.loading import load_tokenizer

Ended = Callable[..., tuple[int, str]]


@pytest.fixture
def ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `osler` with words in a folder that holds what a person may name by mistake: exit code, and what standard error says."""
    monkeypatch.chdir(tmp_path)
    row = {"question": "What is gout?", "answer": "Crystals in a joint."}
    (tmp_path / "faq.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nbase_model: bundled:osler-nano-base\n"
        "stages:\n  sft: {kind: sft, model: base, corpora: [{name: faq.jsonl}], training: {max_steps: 1}}\n",
        encoding="utf-8",
    )
    for name in ("work/thesis.txt", "own/work/thesis.txt", "sft/thesis.txt", "card/README.md", "clean.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("years of work", encoding="utf-8")

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["osler", *words])
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        return end.value.code, capsys.readouterr().err

    return run


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["corpora", "import", "faq.jsonl", "-o", "faq.jsonl"], "faq.jsonl: this command reads or writes it already"),
        (["corpora", "import", "faq.jsonl", "-o", "a", "--dropped", "faq.jsonl"], "faq.jsonl: this command reads"),
        (
            ["corpora", "import", "faq.jsonl", "-o", "a", "--dropped", "./a"],
            "a: this command reads or writes it already",
        ),
        (["corpora", "import", "faq.jsonl", "-o", "work"], "work: a folder is there; name a file"),
        (["corpora", "import", "faq.jsonl", "-o", "mine.yaml"], "mine.yaml: a file is there that osler did not write"),
        (["corpora", "import", "faq.jsonl", "-o", "a", "--dropped", "mine.yaml"], "mine.yaml: a file is there that"),
        (["corpora", "clean", "faq.jsonl", "-o", "."], "clean.jsonl: a file is there that osler did not write"),
        (["corpora", "clean", "faq.jsonl", "-o", "own"], "work: this folder holds files that osler did not make"),
        (["corpora", "clean", "clean.jsonl", "-o", "."], "clean.jsonl: this command reads"),
        (
            ["launch", "mine.yaml", "--launch", "ddp", "--processes", "1", "-o", "mine.yaml"],
            "mine.yaml: a file is there",
        ),
        (["deploy", "Qwen/Qwen3-8B", "--image", "x", "-o", "faq.jsonl"], "faq.jsonl: a file is there"),
        (["eval", "bundled:osler-nano-base", "-o", "mine.yaml"], "mine.yaml: a file is there"),
        (["sft", "mine.yaml", "--run", "."], "sft: this folder holds files that no stage of osler made"),
        (["sft", "mine.yaml", "--run", "faq.jsonl"], "faq.jsonl"),
        (["export", "bundled/none", "--to", "card"], "bundled/none: no model here"),
        (["eval", "m", "--url", "http://127.0.0.1:9", "--blank"], "--url, --blank: goes with a task"),
        (["eval", "m", "--task", "medqa", "--items", "bundled-exam"], "--items: goes without a task"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_file_of_the_users_own_is_not_replaced(words: list[str], named: str, ended: Ended, tmp_path: Path):
    before = _bytes(tmp_path)
    code, said = ended(*words)
    assert code == 1
    assert said.count("error: ") == 1
    assert named in said.replace("\n", " ")
    assert _bytes(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [
        ["corpora", "import", "faq.jsonl", "-o", "/proc/1/none.jsonl"],
        ["corpora", "import", "faq.jsonl", "-o", "/proc/1/none/deep.jsonl"],
        ["corpora", "clean", "faq.jsonl", "-o", "/proc/1/none"],
        ["deploy", "Qwen/Qwen3-8B", "--image", "x", "-o", "/proc/1/none.yaml"],
        ["keys", "add", "ward", "--keys", "/proc/1/none.json"],
    ],
    ids=" ".join,
)
def test_a_place_where_nothing_can_be_written_is_one_line(words: list[str], ended: Ended):
    code, said = ended(*words)
    assert code == 1
    assert said.startswith("error: /proc/1/")
    assert said.endswith("; name another place\n")
    assert len(said.splitlines()) == 1


def test_a_data_folder_that_is_not_there_is_a_wrong_argument(ended: Ended):
    for words in (["plan", "nano"], ["sft"], ["eval", "m", "--task", "medqa"], ["corpora", "stats", "faq.jsonl"]):
        code, said = ended(*words, "--data", "nowhere")
        assert code == 2
        assert "nowhere" in said


def test_a_name_that_is_near_to_one_is_answered_with_it(ended: Ended, tmp_path: Path):
    for words, wanted in (
        (["corpora", "deidentify", "faq.jsonl", "--kind", "phones", "-o", "x"], "did you mean 'phone'?"),
        (["corpora", "decontaminate", "faq.jsonl", "--against", "medqa-usmel", "-o", "x"], "mean 'medqa-usmle'?"),
        (["corpora", "list", "--kind", "dpo"], "known here: benchmark"),
        (["plan", "bundled-dialogue.jsonl"], "`osler recipe list` shows"),
        (["plan", "faq.jsonl"], "faq.jsonl: a file, but no recipe by its name, which ends in .yaml"),
        (["ask", "What is gout?", "-m", "faq.jsonl"], "faq.jsonl: a file, and a model is a folder"),
        (["plan", "work"], "no recipe is called 'work'"),
    ):
        code, said = ended(*words)
        assert code == 1
        assert wanted in said, words


def test_what_streams_cannot_do_is_one_line(tmp_path: Path):
    for shell, wanted in (
        ("triage <&-", "error: no text"),
        ("triage </dev/null", "error: no text"),
        ("tasks list >/dev/full", "error: no space left on device"),
    ):
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m pipelines.cli {shell}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith(wanted), done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_an_interrupt_in_the_middle_of_a_record_is_one_line(ended: Ended, monkeypatch: pytest.MonkeyPatch):
    def pressed(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Dialogue, "model_dump_json", lambda _: pydantic_core.to_json(object(), fallback=pressed))
    assert ended("corpora", "import", "faq.jsonl", "-o", "out.jsonl") == (130, f"{STOPPED_HERE}\n")
    assert not Path("out.jsonl").exists()


def test_a_model_without_its_tokenizer_is_told_so(tiny_model: Path, tmp_path: Path):
    model = tmp_path / "bare"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_model / name, model)
    with pytest.raises(OslerError, match=r"bare: none of its files is there \(tokenizer\.json"):
        load_tokenizer(model)
    (model / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(OslerError, match=r"config\.json: not one JSON object"):
        load_tokenizer(model)


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
        (["eval", "m", "--task", "bundled-exam", "--file", str(tmp_path)], "a folder, and --file brings one file"),
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
    assert address("vllm:8000") == "http://vllm:8000"


@pytest.mark.parametrize("url", ["::::", "host:99999", "host:0", "ftp://host/v1", "http:///v1", "http://host:port"])
def test_what_is_no_address_is_a_wrong_argument(url: str, ended: Ended):
    for words in (["ask", "What is gout?", "--url", url], ["gateway", "--upstream", url]):
        code, said = ended(*words)
        assert code == 2
        assert "is no address of a server" in " ".join(said.replace("│", " ").split())


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
