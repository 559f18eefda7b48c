"""Servers that answer badly, late, in part or not at all: no traceback, nothing guessed, and nothing that was answered is asked again."""

import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from corpora.errors import OslerError
from evals.engines.at_once import at_once
from evals.engines.openai import OpenAIEngine
from tests.evals.served_exam import Say, chat, echoed, exam, served


@pytest.mark.parametrize(
    ("say", "accuracy", "unparsed"),
    [
        (lambda _asked, _number, key: chat(f"The answer is {key}."), 1.0, 0.0),
        (lambda _asked, _number, _key: chat("A"), 0.2, 0.0),
        (lambda _asked, _number, _key: chat("Lorem ipsum dolor sit amet"), 0.0, 1.0),
        (lambda _asked, _number, _key: chat(None), 0.0, 1.0),
        (lambda _asked, _number, _key: chat("\ud800 and nothing else"), 0.0, 1.0),  # which no file could hold
    ],
)
def test_replies_score_what_they_are_worth(tmp_path: Path, say: Say, accuracy: float, unparsed: float):
    with served(say) as (url, _):
        found, _ = exam(tmp_path, url)
    assert (found["accuracy"], found["unparsed"]) == (accuracy, unparsed)


def test_log_probabilities_score_what_they_are_worth(tmp_path: Path):
    with served(lambda asked, _, key: echoed(asked, -0.1 if asked["prompt"].endswith(key) else -3.0)) as (url, _):
        assert exam(tmp_path, url, chatted=False)[0]["accuracy"] == 1.0
    with served(lambda asked, _, __: echoed(asked, -1.0)) as (url, _):
        found, told = exam(tmp_path, url, "tied", chatted=False)
    assert found["accuracy"] == 0.2
    assert any("of 10 of the 10 items the likeliest options are equally likely" in one for one in told)


def test_no_number_is_no_choice(tmp_path: Path):
    with (
        served(lambda asked, _, __: echoed(asked, math.nan)) as (url, _),
        pytest.raises(OslerError, match=r"'medqa', item own/\d, is no number \(nan\).*Case 0: what is given"),
    ):
        exam(tmp_path, url, chatted=False)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>log in</html>",
        b'{"id": "1", "choi',
        b'{"choices": []}',
        b'{"error": {"message": "busy"}, "choices": null}',
    ],
)
def test_a_body_that_is_no_answer_is_named_and_no_traceback(tmp_path: Path, body: bytes):
    with (
        served(lambda _asked, _number, _key: (200, body)) as (url, _),
        pytest.raises(OslerError, match=r"no answer of OpenAI's protocol.*run the same command"),
    ):
        exam(tmp_path, url)


def test_a_router_that_was_busy_once_is_asked_again(tmp_path: Path):
    def say(_asked: dict[str, Any], number: int, key: str) -> tuple[int, bytes]:
        return (200, b'{"error": {"message": "busy"}}') if number == 3 else chat(key)

    with served(say) as (url, seen):
        engine = OpenAIEngine(url, "m", concurrency=1)
        prompts = [engine.render([{"role": "user", "content": f"Case {n}: ?"}]) for n in range(4)]
        assert engine.generate(prompts, 8, []) == ["A", "B", "B", "C"]
    assert len(seen) == 5


def test_a_run_that_a_server_ended_goes_on_and_asks_for_the_rest_alone(tmp_path: Path):
    ends = True

    def say(_asked: dict[str, Any], number: int, key: str) -> tuple[int, bytes]:
        return (403, b'{"error": {"message": "spent"}}') if ends and number > 6 else chat(f"The answer is {key}.")

    with served(say) as (url, seen):
        with pytest.raises(
            OslerError, match=r"'medqa', item own/\d: .*refuses a request: spent; .*run the same command"
        ):
            exam(tmp_path, url)
        ends = False
        before = len(seen)
        found, told = exam(tmp_path, url)
        assert (found["accuracy"], len(seen) - before) == (1.0, 4)
        assert any("kept in" in one and "--output" in one for one in told)
        asked = len(seen)
        exam(tmp_path, url, "whole")
        assert len(seen) - asked == 10
    assert (tmp_path / "out/medqa/items.jsonl").read_bytes() == (tmp_path / "whole/medqa/items.jsonl").read_bytes()


def test_empty_replies_are_told(tmp_path: Path):
    with served(lambda _asked, _number, _key: chat("")) as (url, _):
        _, told = exam(tmp_path, url)
    assert any("10 of the 10 replies are empty" in one and "--max-tokens" in one for one in told)


def test_a_key_that_a_server_repeats_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with (
        served(lambda _asked, _number, _key: (401, b'{"error": {"message": "wrong key: sk-secret"}}')) as (url, _),
        pytest.raises(OslerError, match="refuses the key in OPENAI_API_KEY") as told,
    ):
        exam(tmp_path, url)
    assert "sk-secret" not in str(told.value)


def test_an_address_is_told_to_be_none():
    with pytest.raises(OslerError, match="begins with http"):
        OpenAIEngine("localhost:8000", "m")
    with pytest.raises(OslerError, match="no server answers there"):
        OpenAIEngine("http://127.0.0.1:9/v1", "m", max_retries=0)


def interrupted(silent: threading.Event) -> None:
    with at_once(lambda _: silent.wait(60), range(5), 3):
        raise KeyboardInterrupt


def test_one_who_interrupts_does_not_wait_for_a_silent_server():
    silent = threading.Event()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(silent)
    assert time.monotonic() - started < 30
    assert all(thread.daemon for thread in threading.enumerate() if "work" in thread.name)
    silent.set()
