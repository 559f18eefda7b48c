"""``osler ask`` and ``osler chat``: what they show on a terminal, in a pipe and as JSON, and how they end."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.cli.rendering import finished, markdown, render
from tests.serving.gateway_world import Model, running, world

DEAD = "http://127.0.0.1:9/v1"
CHEST = "I have crushing chest pain"
ANSWER = "Asthma narrows the airways."


def run(*words: str, given: str | None = None, **environment: str) -> Any:
    return CliRunner().invoke(app, list(words), input=given, env=environment)


def shown(text: str) -> str:
    """What a terminal of 60 columns shows of it in the end, without its colours."""
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None)
    console.print(markdown(text))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


def test_markdown_keeps_its_lines_and_nothing_in_it_runs_or_is_lost():
    said = shown(
        "**Gout** is <b>arthritis</b> [1].\n\x1b]0;title\x07Next [line](http://x.y).\n\nSources:\n[1] a\n[2] b"
    )
    assert said == "Gout is <b>arthritis</b> [1].\n]0;titleNext [line](http://x.y).\n\nSources:\n[1] a\n[2] b"


@pytest.mark.parametrize(
    ("text", "done", "rest"),
    [
        ("one", "", "one"),
        ("one\n\n", "", "one\n\n"),
        ("one\n\ntwo", "one", "two"),
        ("one\n\ntwo\n\nthree", "one\n\ntwo", "three"),
        ("```\na\n\nb", "", "```\na\n\nb"),
        ("```\na\n\nb\n```\n\nc", "```\na\n\nb\n```", "c"),
        ("1. a\n\n   more", "", "1. a\n\n   more"),
    ],
)
def test_a_block_is_finished_when_nothing_more_can_change_it(text: str, done: str, rest: str):
    assert finished(text) == (done, rest)


def test_a_growing_answer_is_shown_once():
    file = io.StringIO()
    console = Console(file=file, width=60, force_terminal=True, color_system=None)
    pieces = ["# Gout\n", "\nGout is ", "**arthritis**.\n\n", "1. Rest", "\n2. Drink\n\n", "The end"]
    assert render(pieces, console) == "".join(pieces)
    left = screen(file.getvalue())
    assert [left.count(word) for word in ("Gout is arthritis.", "Rest", "Drink", "The end")] == [1, 1, 1, 1]
    assert left.index("arthritis") < left.index("Drink") < left.index("The end")


def screen(raw: str) -> str:
    """What stands on a terminal after ``raw``: lines, line feeds, cursor up, and lines cleared."""
    lines, at = [""], 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", raw):
        if part == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[at] = ""
        elif part == "\x1b[1A":
            at -= 1
        elif not part.startswith(("\x1b", "\r")):
            lines[at] += part
    return "\n".join(lines)


def test_an_emergency_is_in_the_object_also_where_the_model_is_not_there():
    for words in ([], ["--assistant"]):
        done = run("ask", "--json", "--url", DEAD, *words, CHEST)
        told = json.loads(done.stdout)
        assert told["emergency"]["category"] == "heart-attack"
        assert told["error"].startswith(DEAD)
        assert done.exit_code == 1
        assert told["answer"] is None or "so this is all that can be said now" in told["answer"]


def test_the_emergency_is_told_before_a_model_that_cannot_be_started(tmp_path: Path):
    done = run("ask", "--assistant", "-m", str(tmp_path), CHEST)
    assert done.exit_code == 1
    assert "Call your local emergency number now" in done.stderr


def test_a_question_is_read_from_a_pipe_and_the_answer_is_as_it_came():
    with running(Model().app()) as url:
        for words in ([], ["-"]):
            done = run("ask", "--url", url, *words, given="What is asthma?\n")
            assert (done.stdout, done.exit_code) == (f"{ANSWER}\n", 0)
    assert str(run("ask", "--url", url, given=" \n").exception).startswith("there is no question")


def test_a_talk_from_a_pipe_goes_on_after_a_failed_answer_and_ends_with_its_code():
    model = Model()
    with running(model.app()) as url:
        said = run("chat", "--url", url, given="What is asthma?\n\nAnd gout?\n")
        assert (said.stdout, said.exit_code) == (f"{ANSWER}\n{ANSWER}\n", 0)
        assert [turn["content"] for turn in model.seen[1]["messages"][1:]] == ["What is asthma?", ANSWER, "And gout?"]
        model.fault = "cut"
        broken = run("chat", "--json", "--url", url, given=f"What is asthma?\n{CHEST}\n")
    told = [json.loads(line) for line in broken.stdout.splitlines()]
    assert [one["question"] for one in told] == ["What is asthma?", CHEST]
    assert [one["answer"] for one in told] == [None, None]
    assert all("broke off" in one["error"] for one in told)
    assert [one["emergency"]["emergency"] for one in told] == [False, True]
    assert broken.exit_code == 1


@pytest.mark.parametrize(
    ("words", "fault", "said"),
    [([], "stall", ""), (["--assistant"], "freeze", "Asthma narrows\n"), (["--complete"], "stall", "")],
)
def test_a_model_that_stalls_is_given_up_once_and_in_time(words: list[str], fault: str, said: str):
    model = Model(fault=fault)
    with running(model.app()) as url:
        done = run("ask", *words, "--timeout", "0.3", "--url", url, "What is asthma?")
    assert "in time" in str(done.exception)
    assert done.stdout == said
    assert len(model.seen) == 1  # a second try would take as long again


def test_an_emergency_that_was_answered_by_what_to_do_alone_is_not_told_again(tmp_path: Path):
    with world(tmp_path, refuse="not now") as behind:
        run("chat", "--url", behind.url, given=f"{CHEST}\nWhat is asthma?\n", OSLER_API_KEY=behind.key)
        behind.model.refuse = ""
        run("chat", "--url", behind.url, given="What is asthma?\n", OSLER_API_KEY=behind.key)
        assert [one["triage"] for one in behind.records()] == ["heart-attack", None]


@pytest.mark.parametrize("key", ["ключ", "one\ntwo"])
def test_a_key_that_cannot_be_sent_is_told_as_that(key: str):
    """It was a traceback, or an answer that had broken off."""
    failed = run("ask", "--url", DEAD, "What is asthma?", OSLER_API_KEY=key)
    assert "the key has signs that no key has" in str(failed.exception)
    page = run("ui", "--url", DEAD, OSLER_API_KEY=key)
    assert "the key has signs that no key has" in str(page.exception)


def test_a_key_with_which_the_gateway_triages_too_is_refused_with_the_remedy(tmp_path: Path):
    """It would take the passages that the assistant sends along for a person's words."""
    with world(tmp_path) as behind:
        own = behind.keys.add("own", triage=False)
        for command in (["ask", "--assistant", "What is asthma?"], ["ui", "--port", "1"]):
            refused = run(*command, "--url", behind.url, OSLER_API_KEY=behind.key)
            assert "osler keys add NAME --own-triage" in str(refused.exception)
            assert "the key does not work" in str(run(*command, "--url", behind.url, OSLER_API_KEY="osler-x").exception)
        assert "it wants a key" in str(run("ui", "--port", "1", "--url", behind.url).exception)
        done = run("ask", "--assistant", "--url", behind.url, "What is asthma?", OSLER_API_KEY=own)
    assert done.stdout.startswith(ANSWER)
    assert done.exit_code == 0


def test_triage_reads_standard_input_by_the_name_that_others_have_for_it():
    assert json.loads(run("triage", "-", "--json", given=f"{CHEST}\n").stdout)["category"] == "heart-attack"
