"""What a server is asked with: parameters that its model may not take, patience with one that is busy or silent."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from corpora.errors import OslerError
from evals.engines import openai_server
from evals.figures.results import read_task
from pipelines.cli import app
from tests.evals.served_exam import case_of, chat, exam, file_of, served

# As OpenAI's reasoning models answer.
NO_TEMPERATURE = {
    "message": "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
    "param": "temperature",
    "code": "unsupported_value",
}


def reasoning(asked: dict[str, Any], _number: int, key: str) -> tuple[int, bytes]:
    """A model that wants another name of the length first, and then no temperature."""
    if "max_tokens" in asked:
        told = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        return 400, json.dumps({"error": {"message": told}}).encode()
    return (400, json.dumps({"error": NO_TEMPERATURE}).encode()) if "temperature" in asked else chat(key)


def test_a_model_that_takes_no_temperature_is_asked_without_and_that_is_recorded(tmp_path: Path):
    with served(reasoning) as (url, seen):
        found, told = exam(tmp_path, url, concurrency=1)
        assert (found["accuracy"], found["refused"]) == (1.0, {})
        assert len(seen) == 12  # learned once
        assert any("takes no temperature" in one for one in told)
        for _ in range(2):  # also where every answer was kept, and nothing is asked
            about = read_task(tmp_path / "out/medqa")
            assert about["not_taken"] == ["max_tokens", "temperature"]
            assert any("takes no temperature" in note for note in about["notes"])
            exam(tmp_path, url)
        assert len(seen) == 12


def test_temperature_is_0_unless_the_user_says_not_to_send_one(tmp_path: Path):
    with served(lambda _asked, _number, key: chat(key)) as (url, seen):
        exam(tmp_path, url)
        assert [asked["temperature"] for asked in seen] == [0.0] * 10
        assert read_task(tmp_path / "out/medqa")["settings"] == "temperature 0"
        exam(tmp_path, url, "other", temperature=False)
        assert not any("temperature" in asked for asked in seen[10:])
        assert read_task(tmp_path / "other/medqa")["settings"] == "no temperature sent"


def test_further_fields_are_sent_recorded_and_part_of_what_an_answer_is_kept_under(tmp_path: Path):
    low, high = (
        {"reasoning_effort": effort, "chat_template_kwargs": {"enable_thinking": True}} for effort in ("low", "high")
    )
    with served(lambda _asked, _number, key: chat(key)) as (url, seen):
        exam(tmp_path, url, extra_body=low)
        assert all(low.items() <= asked.items() for asked in seen)
        told = read_task(tmp_path / "out/medqa")["settings"]
        assert told.startswith("temperature 0, with {")
        assert '"reasoning_effort": "low"' in told
        exam(tmp_path, url, extra_body=low)
        assert len(seen) == 10  # kept
        exam(tmp_path, url, extra_body=high)
        assert [asked["reasoning_effort"] for asked in seen[10:]] == ["high"] * 10


def test_further_fields_cannot_change_what_the_exam_sets(tmp_path: Path):
    with pytest.raises(OslerError, match="max_tokens, model: set by the exam itself"):
        exam(tmp_path, "http://127.0.0.1:9/v1", extra_body={"model": "another", "max_tokens": 1})
    with pytest.raises(OslerError, match=r"temperature: set by the exam itself.*--no-temperature"):
        exam(tmp_path, "http://127.0.0.1:9/v1", extra_body={"temperature": 0.7})
    with served(lambda _asked, _number, key: chat(key)) as (url, seen):
        exam(tmp_path, url, temperature=False, extra_body={"temperature": 0.7})
        assert [asked["temperature"] for asked in seen] == [0.7] * 10
        for given, told in (("{low}", "not valid JSON"), ("[1]", "a JSON object of fields is needed")):
            asked = [
                "eval",
                "m",
                "--url",
                url,
                "--task",
                "medqa",
                "--file",
                str(file_of(tmp_path)),
                "--extra-body",
                given,
            ]
            result = CliRunner().invoke(app, asked)
            assert result.exit_code != 0
            assert told in str(result.exception)
        assert len(seen) == 10


def test_a_word_in_an_item_is_no_parameter(tmp_path: Path):
    def say(asked: dict[str, Any], _number: int, key: str) -> tuple[int, bytes]:
        if case_of(asked["messages"][-1]["content"]) == 2:
            return 400, b'{"error": {"message": "flagged: \'a temperature of 40\'"}}'
        return chat(key)

    with served(say) as (url, _):
        found, _ = exam(tmp_path, url)
    assert (found["accuracy"], found["refused"]) == (0.9, {"content filter": 1})
    assert read_task(tmp_path / "out/medqa")["not_taken"] == []


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_to(tmp_path: Path, status: int):
    times: list[float] = []

    def say(_asked: dict[str, Any], number: int, key: str) -> Any:
        times.append(time.monotonic())
        return (status, b"{}", {"Retry-After": "1.2"}) if number == 1 else chat(key)

    with served(say) as (url, seen):
        found, _ = exam(tmp_path, url, concurrency=1, max_retries=1)
    assert (found["accuracy"], len(seen)) == (1.0, 11)
    assert times[1] - times[0] >= 1.2


def test_a_quota_by_the_minute_is_waited_for_and_an_empty_account_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(openai_server, "QUOTA_PAUSE", 0.6)
    started = time.monotonic()

    def busy(_asked: dict[str, Any], _number: int, key: str) -> Any:
        early = time.monotonic() - started < 0.5
        return (429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0.01"}) if early else chat(key)

    with served(busy) as (url, _):
        assert exam(tmp_path, url, concurrency=1, max_retries=1)[0]["accuracy"] == 1.0
    empty = b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
    with (
        served(lambda _asked, _number, _key: (429, empty, {"Retry-After": "0.01"})) as (url, seen),
        pytest.raises(OslerError, match=r"item own/\d: .*exceeded your current quota; the account has nothing left"),
    ):
        exam(tmp_path, url, "empty", concurrency=1, max_retries=1)
    assert len(seen) <= 4  # the next item may have been on its way


def test_a_fault_names_the_item_and_what_to_do(tmp_path: Path):
    def silent(asked: dict[str, Any], _number: int, key: str) -> tuple[int, bytes]:
        time.sleep(0.8 if case_of(asked["messages"][-1]["content"]) == 6 else 0)
        return chat(key)

    with (
        served(silent) as (url, _),
        pytest.raises(
            OslerError, match=r"'medqa', item own/7: .*no answer came within 0.4 s; .*--timeout, .*--concurrency"
        ),
    ):
        exam(tmp_path, url, timeout=0.4)
    with (
        served(lambda _asked, _number, _key: (429, b'{"error": {"message": "slow down"}}')) as (url, _),
        pytest.raises(OslerError, match="slow down; ask fewer at once with --concurrency"),
    ):
        exam(tmp_path, url, "busy")
    with (
        served(lambda _asked, _number, _key: (404, b'{"error": {"message": "This is not a chat model"}}')) as (url, _),
        pytest.raises(OslerError, match=r"This is not a chat model; .*--no-chat"),
    ):
        exam(tmp_path, url, "other")


def test_the_command_says_how_a_server_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WARD_KEY", "sk-ward")
    file = file_of(tmp_path)
    words = ["eval", "m", "--task", "medqa", "--file", str(file), "--chat", "-o", str(tmp_path / "out")]
    running, most = 0, 0

    def say(asked: dict[str, Any], _number: int, key: str) -> tuple[int, bytes]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.05)
        running -= 1
        return (400, b'{"error": {"message": "prompt is too long"}}') if key == "C" else chat(key)

    with served(say) as (url, seen):
        server = ["--url", url, "--concurrency", "3", "--timeout", "20", "--key-env", "WARD_KEY", "--no-temperature"]
        result = CliRunner().invoke(app, [*words, *server], env={"COLUMNS": "200"})
    assert result.exception is None, result.output
    assert most <= 3
    assert "temperature" not in seen[0]
    assert {asked["Authorization"] for asked in seen} == {"Bearer sk-ward"}
    said = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["tasks"]["medqa"]
    assert (said["unparsed"], sum(said["refused"].values())) == (0.2, 2), said
    assert "refused)" in result.output
    result = CliRunner().invoke(app, [*words, "--concurrency", "3", "--no-temperature"])
    assert isinstance(result.exception, OslerError)
    assert "--concurrency, --no-temperature: of a server" in str(result.exception)
