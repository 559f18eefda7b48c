"""A judge behind a socket: verdicts that cannot be read, errors, rate limits, cut answers, and a run that goes on."""

from pathlib import Path

import pytest

from corpora.errors import OslerError
from evals.asking.finished import Finished
from evals.judging.judge import STOP_AFTER, Judge
from evals.judging.prompts import KINDS, REMINDER
from evals.judging.verdicts import Request
from tests.evals.judged import verdict
from tests.pipelines.scripted import Say, endpoint

KIND = KINDS["criterion"]
NO_TEMPERATURE = b'{"error": {"message": "Unsupported value: temperature does not support 0 with this model.", "code": "unsupported_value"}}'


def requests(count: int) -> list[Request]:
    return [
        Request(KIND, KIND.prompt(f"user: {number}?\n\nassistant: {number}!", "Is a number")) for number in range(count)
    ]


def judge(url: str, **more) -> Judge:
    return Judge(url, "m", **{"concurrency": 4, "max_retries": 2, "timeout": 5.0, **more})


def number(prompt: str) -> int:
    return int(prompt.split("user: ")[1].split("?")[0])


def test_each_is_asked_once_and_not_again_by_the_next_run(tmp_path: Path):
    with endpoint(lambda asked, _: verdict(asked, number(asked.prompt) % 2 == 0)) as server:
        with Finished(tmp_path / "f") as finished:
            found = judge(server.url).ask([*requests(9), *requests(2)], finished)
        assert [one.value for one in found] == [place % 2 == 0 for place in range(9)] + [True, False]
        assert len(server.asked) == 9
        assert all(one.body["temperature"] == 0 for one in server.asked)
        with endpoint(lambda asked, _: Say(status=500)) as elsewhere, Finished(tmp_path / "f") as finished:
            again = judge(elsewhere.url).ask(requests(9), finished)
            assert [one.value for one in again] == [one.value for one in found[:9]]
            assert elsewhere.asked == []


def test_a_verdict_that_cannot_be_read_is_asked_for_once_more_and_then_counted(tmp_path: Path):
    def script(asked, _):
        place = number(asked.prompt)
        if place == 0 or (place == 1 and REMINDER not in asked.prompt):
            return "I would say that it is met."
        return Say('{"explanation": "so lo', finish="length") if place == 2 else verdict(asked, True)

    with endpoint(script) as server, Finished(tmp_path / "f") as finished:
        found = judge(server.url).ask(requests(4), finished)
        assert [one.value for one in found] == [None, True, None, True]
        assert [one.fault for one in found] == ["unparsed", "", "unparsed", ""]
        assert len(server.asked) == 4 + 3
        assert [one.fault for one in judge(server.url).ask(requests(4), finished)] == ["unparsed", "", "unparsed", ""]
        assert len(server.asked) == 4 + 3


def test_busy_servers_are_asked_again_and_refusals_counted(tmp_path: Path):
    def script(asked, before):
        place = number(asked.prompt)
        if place == 0 and before == 0:
            return Say(status=429, headers={"Retry-After": "0.1"})
        if place == 1 and before == 0:
            return Say(status=500)
        if place == 2 and before == 0:
            return Say(hang_up=True)
        return Say(status=400) if place == 3 else verdict(asked, True)

    with endpoint(script) as server, Finished(tmp_path / "f") as finished:
        found = judge(server.url).ask(requests(5), finished)
        assert [one.value for one in found] == [True, True, True, None, True]
        assert found[3].fault == "refused"
        asked = len(server.asked)
        assert judge(server.url).ask(requests(5), finished)[3].fault == "refused"
        assert len(server.asked) == asked + 1  # what was refused is asked again, and nothing else


def test_a_request_that_always_fails_does_not_stop_the_others(tmp_path: Path):
    def script(asked, _):
        return Say(status=503) if number(asked.prompt) == 1 else verdict(asked, False)

    with endpoint(script) as server, Finished(tmp_path / "f") as finished:
        found = judge(server.url, max_retries=0).ask(requests(12), finished)
    assert [one.fault for one in found] == ["", "failed", *[""] * 10]
    assert [one.value for one in found] == [False, None, *[False] * 10]


def test_a_body_that_is_no_answer_fails_and_is_not_read_as_one(tmp_path: Path):
    bodies = [b"<html>busy</html>", b"{}", b'{"choices": []}', b'{"choices": [{"message": null}]}', b"[1]"]

    def script(asked, _):
        return Say(raw=bodies[number(asked.prompt)]) if number(asked.prompt) < 5 else verdict(asked, True)

    with endpoint(script) as server, Finished(tmp_path / "f") as finished:
        found = judge(server.url, max_retries=0, concurrency=1).ask(requests(6), finished)
    assert [one.value for one in found] == [None] * 5 + [True]
    assert {one.fault for one in found[:5]} == {"failed"}


def test_a_broken_server_ends_the_run_with_what_to_do_and_keeps_what_was_said(tmp_path: Path):
    broken = True

    def script(asked, _):
        return Say(status=500) if broken and number(asked.prompt) >= 3 else verdict(asked, True)

    with endpoint(script) as server, Finished(tmp_path / "f") as finished:
        one = judge(server.url, max_retries=0, concurrency=1)
        with pytest.raises(OslerError, match=rf"failed {STOP_AFTER} requests one after another .*run the same command"):
            one.ask(requests(30), finished)
        broken = False
        before = len(server.asked)
        assert all(found.value is True for found in one.ask(requests(30), finished))
        assert len(server.asked) - before == 27


def test_a_wrong_key_is_told_by_the_variables_name_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MY_KEY", "secret-1")
    with (
        endpoint(lambda asked, _: verdict(asked, True), key="secret-2") as server,
        Finished(tmp_path / "f") as finished,
    ):
        with pytest.raises(OslerError, match="refuses the key in the environment variable MY_KEY") as told:
            judge(server.url, key_env="MY_KEY").ask(requests(2), finished)
        assert "secret" not in str(told.value)  # though the server repeats it
        monkeypatch.setenv("MY_KEY", "secret-2")
        assert [one.value for one in judge(server.url, key_env="MY_KEY").ask(requests(2), finished)] == [True, True]
    assert b"secret" not in (tmp_path / "f").read_bytes()


def test_a_judge_that_does_not_answer_is_told_at_once():
    with pytest.raises(OslerError, match="no server answers there"):
        judge("http://127.0.0.1:9/v1", max_retries=0).connect()


def test_a_judge_that_takes_no_temperature_is_recorded_also_where_every_verdict_was_kept(tmp_path: Path):
    def script(asked, _):
        return Say(status=400, raw=NO_TEMPERATURE) if "temperature" in asked.body else verdict(asked, True)

    with endpoint(script) as server:
        for name in ("f", "f", "f"):
            with Finished(tmp_path / name) as finished:
                one = judge(server.url, concurrency=1)
                assert [found.value for found in one.ask(requests(3), finished)] == [True] * 3
                assert one.told(["criterion"])["not_taken"] == ["temperature"]
        assert len(server.asked) == 4  # learned once
    with endpoint(lambda asked, _: verdict(asked, True)) as server, Finished(tmp_path / "other") as finished:
        one = judge(server.url)
        one.ask(requests(2), finished)
        assert one.told(["criterion"])["not_taken"] == []
