"""Every command of README and docs is one that the real command line takes, and is run: here, or by the test that is named.

The light ones run here in a scratch folder with made files. Of those that train, serve or need the network ``ELSEWHERE`` says which test or tour runs
them on something small, and ``ONLY_READ`` lists the few that nothing runs, with the reason.
"""

from __future__ import annotations

import importlib.util
import io
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from corpora.errors import OslerError
from pipelines.cli import app
from pipelines.config import RecipeError, load_recipe
from tests.docs.commands import FENCE, PAGES, ROOT, Command, in_blocks, in_sentences, parse

BLOCKS = [one for page in PAGES for one in in_blocks(page)]
SENTENCES = [one for page in PAGES for one in in_sentences(page)]
# Those of docs/adding.md need its diffs; tests/docs/test_adding.py runs them.
OSLER = [one for one in BLOCKS if one.words[0] == "osler" and one.page != "docs/adding.md"]

# Run here, by the beginning of the command. The catalogue's names, bundled recipes and the files of ``scratch`` are at hand.
HERE = (
    "audit verify",
    "calc ",
    "corpora clean ",
    "corpora dedup ",
    "corpora deidentify ",
    "corpora import ",
    "corpora list",
    "corpora mix ",
    "corpora show ",
    "corpora stats ",
    "corpora synthesise nano-synthetic --estimate",
    "keys ",
    "launch ",
    "plan ",
    "recipe ",
    "tasks ",
    "triage ",
)
# Run elsewhere on a small model or small data: the beginning of the command, the file that runs it, and a word by which it is seen there.
ELSEWHERE = (
    ("reproduce", "tests/end_to_end/test_reproduce.py", '"reproduce"'),
    ("cpt", "tests/end_to_end/test_reproduce.py", '"cpt"'),
    ("sft", "tests/pipelines/test_launch.py", '"--processes"'),
    ("dpo", "tests/end_to_end/test_reproduce.py", '"dpo"'),
    ("serve MODEL --gateway", "tests/serving/test_gateway_vllm.py", '"--gateway"'),
    ("serve runs/nano/final/model --gateway", "tests/serving/test_gateway_vllm.py", '"--gateway"'),
    ("serve", "tests/end_to_end/test_serve_ask_chat.py", '"serve"'),
    ("ask", "tests/end_to_end/test_serve_ask_chat.py", '"ask"'),
    ("chat", "tests/end_to_end/test_serve_ask_chat.py", '"chat"'),
    ("ui", "tests/serving/test_ui.py", '"ui"'),
    ("board", "tests/pipelines/test_board_page.py", '"board"'),
    ("gateway", "tests/serving/test_gateway_audit.py", '"gateway"'),
    ("eval MODEL --url", "tests/evals/test_server_parameters.py", '"--url"'),
    ("eval", "tests/pipelines/test_eval_command.py", '"eval"'),
    ("eval", "notebooks/text/02-read-an-exam.md", 'osler(f"eval '),
    ("compare", "tests/pipelines/test_cli_compare.py", '"compare"'),
    ("leaderboard", "tests/pipelines/test_cli_compare.py", '"leaderboard"'),
    ("report", "tests/pipelines/test_cli_compare.py", '"report"'),
    ("export-results", "tests/evals/test_lm_eval_export.py", '"export-results"'),
    ("export", "tests/pipelines/test_export.py", '"export"'),
    ("card", "tests/pipelines/test_card.py", '"card"'),
    ("watch", "tests/pipelines/test_watching.py", '"watch"'),
    ("corpora synthesise", "tests/pipelines/test_synthesise.py", '"synthesise"'),
    ("judge-agreement", "tests/evals/test_judge_agreement.py", '"judge-agreement"'),
)
# Neither run here nor by another test.
ONLY_READ = {
    "corpora fetch": "needs the network; tests/corpora/test_fetch.py fetches from a hub of its own by the function behind it",
    "corpora decontaminate": "needs a published exam; tests/corpora/test_decontaminate.py runs the function on made ones",
    "deploy": "needs a model's folder or the hub; tests/serving/test_deployment.py writes the files by the function behind it",
    "bench train": "takes minutes; tests/pipelines/test_bench.py measures a few steps",
}


def ended(command: Command) -> str:
    """The words behind `osler` as one line."""
    return " ".join(command.words[1:])


@pytest.mark.parametrize("command", BLOCKS, ids=str)
def test_a_command_of_a_block_is_one_that_there_is(command: Command):
    program, *words = command.words
    if program == "osler":
        parse(words)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[0] in targets
    elif words[0] == "-m":
        own = words[1].split(".")[0] in ("corpora", "evals", "pipelines", "serving", "tests")
        assert (ROOT / f"{words[1].replace('.', '/')}.py").is_file() if own else importlib.util.find_spec(words[1])
    else:
        assert (ROOT / words[0]).is_file()


@pytest.mark.parametrize("command", SENTENCES, ids=str)
def test_a_command_in_a_sentence_is_one_that_there_is(command: Command):
    words = ["reproduce" if word == "COMMAND" else word for word in command.words[1:]]
    if words[-1].startswith("--"):  # an option that is named without its value
        words = [*words[:-1], "--help"] if f" {words[-1]} " in _help(words[:-1]) else words
    parse([word for word in words if word != "…"], whole=False)


def _help(words: list[str]) -> str:
    """What `--help` says, on lines that are not cut."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setenv("COLUMNS", "200")
        app([*words, "--help"], standalone_mode=False)
    return out.getvalue()


@pytest.mark.parametrize("command", OSLER, ids=str)
def test_it_is_known_what_runs_a_command(command: Command):
    text = ended(command)
    known = [
        text.startswith(HERE) or "--help" in command.words,
        any(text.startswith(begin) for begin, _, _ in ELSEWHERE),
        any(text.startswith(begin) for begin in ONLY_READ),
    ]
    assert any(known), "add it to HERE, ELSEWHERE or ONLY_READ"


@pytest.mark.parametrize(("begin", "file", "word"), ELSEWHERE)
def test_what_is_said_to_run_a_command_does(begin: str, file: str, word: str):
    assert word in (ROOT / file).read_text(encoding="utf-8")


def test_nothing_is_listed_that_no_page_shows():
    shown = [ended(one) for one in [*BLOCKS, *SENTENCES]]
    assert not [begin for begin in ONLY_READ if not any(text.startswith(begin) for text in shown)]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages name."""
    folder = tmp_path_factory.mktemp("scratch")
    asked = [
        {
            "instruction": f"What helps against complaint number {number}?",
            "output": f"Rest and water help against complaint number {number}; see a doctor if it lasts.",
        }
        for number in range(6)
    ]
    page = "The heart is a muscle that pumps the blood of the body. It has four chambers, and valves between them. " * 8
    rows = {
        "pages.jsonl": [{"text": f"{page} Page {number}."} for number in range(4)],
        "notes.jsonl": [{"text": "Mrs. Harriet Okonedo, born on May 6, 1953, telephone 020 7946 0123, has a cough."}],
        "medical.jsonl": [{"text": f"{page} Chapter {number}."} for number in range(4)],
        "faq.jsonl": [{"question": one["instruction"], "answer": one["output"]} for one in asked],
    }
    for name, its in rows.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in its), encoding="utf-8")
    for name in ("chats.json", "more.json"):
        (folder / name).write_text(json.dumps(asked), encoding="utf-8")
    (folder / "texts.txt").write_text("I have a cold.\nHe has collapsed and does not breathe.\n", encoding="utf-8")
    (folder / "faq.csv").write_text(
        "question,answer\n" + "".join(f'"{one["instruction"]}","{one["output"]}"\n' for one in asked), encoding="utf-8"
    )
    (folder / "my-recipe.yaml").write_text(
        "name: mine\nbase_model: bundled:osler-nano-base\nlaunch: {strategy: fsdp2, processes: 8, gpu: h100}\n"
        "stages:\n  sft: {kind: sft, model: base, corpora: [{name: bundled-dialogues}]}\n",
        encoding="utf-8",
    )
    return folder


def test_the_light_commands_run(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
):
    monkeypatch.chdir(scratch)
    light = {one.words: one for one in OSLER if ended(one).startswith(HERE) or "--help" in one.words}
    assert len(light) >= 20
    for words, command in light.items():
        with subtests.test(str(command)):
            if command.reads is not None:
                monkeypatch.setattr(sys, "stdin", (scratch / command.reads).open(encoding="utf-8"))
            try:
                app(list(words[1:]), standalone_mode=False)
            except OslerError as error:
                pytest.fail(str(error))
            assert capsys.readouterr().out.strip()


WHOLE = [
    (page.relative_to(ROOT).as_posix(), textwrap.dedent(block))
    for page in PAGES
    for _, _, language, block in FENCE.findall(page.read_text(encoding="utf-8"))
    if language == "yaml" and re.match(r"(name|stages):", textwrap.dedent(block))
]


@pytest.mark.parametrize(("page", "block"), WHOLE, ids=[f"{page}-{place}" for place, (page, _) in enumerate(WHOLE)])
def test_a_whole_recipe_of_a_page_is_one(page: str, block: str, tmp_path: Path):
    """A block that begins with its name or its stages, and takes nothing from stages that the page leaves out."""
    path = tmp_path / "shown.yaml"
    given = "" if block.startswith("name:") else "name: shown\nbase_model: bundled:osler-nano-base\n"
    path.write_text(given + block, encoding="utf-8")
    try:
        assert load_recipe(str(path)).stages
    except RecipeError as error:
        if "which no earlier stage makes" not in str(error) and page != "docs/scale.md":  # which leaves the model out
            raise


def test_make_help_names_what_the_pages_name():
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [one for one in BLOCKS if one.words[0] == "make" and f"make {one.words[1]}" not in said]
