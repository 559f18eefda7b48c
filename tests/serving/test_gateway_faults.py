"""Limits, models that fail, callers who leave, and the end of the door."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import openai
import pytest

from serving.addresses import free_port
from serving.gateway.audit import verify
from serving.gateway.settings import Settings
from tests.serving.gateway_world import World, running, world

EMERGENCY = "I have crushing chest pain spreading to my left arm and I am sweating"
SHORT = Settings(requests_per_minute=1000, idle_seconds=0.5, total_seconds=1.0, connect_seconds=0.5)


def stream(door: World, text: str = "What is asthma?"):
    return door.client().chat.completions.create(
        model="osler", messages=[{"role": "user", "content": text}], stream=True
    )


def until(condition, seconds: float = 5.0) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.01)
    return time.monotonic()


def test_a_key_over_its_requests_waits_and_emergencies_do_not(tmp_path: Path):
    with world(tmp_path, Settings(requests_per_minute=2)) as door:
        assert [door.ask("Hi").status_code for _ in range(3)] == [200, 200, 429]
        answer = door.ask("Hi")
        assert answer.json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        urgent = door.ask(EMERGENCY)
        assert urgent.status_code == 200
        assert urgent.json()["choices"][0]["message"]["content"].startswith("**POSSIBLE EMERGENCY**")
        assert len(door.model.seen) == 2
        other = door.keys.add("other", requests_per_minute=100)
        door.gateway.keys._looked = 0
        assert door.post(key=other, messages=[{"role": "user", "content": "Hi"}]).status_code == 200


FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#"}}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"$ref": "#"}}}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("held", "param"),
    [({"response_format": FORM}, "response_format"), ({"tools": TOOLS, "tool_choice": "required"}, "tools")],
)
def test_a_schema_of_which_vllm_can_make_no_grammar_is_the_callers_to_mend(
    tmp_path: Path, held: dict[str, object], param: str, stream: bool
):
    """VLLM calls it an error of its own: a caller who is told that the model is down asks for ever."""
    with world(tmp_path, SHORT, fault="grammar") as door:
        answer = door.ask("My name is Ann", stream=stream, **held)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        assert answer.json()["error"]["code"] == "no_grammar"
        assert "secret" not in answer.text
        asked, again = door.model.seen  # again, with the schema alone
        assert "Ann" in json.dumps(asked)
        assert "Ann" not in json.dumps(again)
        assert again["max_tokens"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_another_fault_of_vllms_is_not_put_down_to_the_schema(tmp_path: Path, stream: bool):
    with world(tmp_path, SHORT, fault="grammar") as door:
        unheld = door.ask("Hi", stream=stream)
        assert (unheld.status_code, unheld.text.count("no_grammar")) == (200 if stream else 503, 0)
        assert len(door.model.seen) == 1
        door.model.ill = True
        assert door.ask("Hi", stream=stream, response_format=FORM).status_code == 503
        door.model.ill, door.model.fault = False, "once"
        assert door.ask("Hi", stream=stream, response_format=FORM).status_code == 503
        whole = door.ask("Hi", stream=stream, response_format=FORM)
        assert (whole.status_code, "airways" in whole.text) == (200, True)


def test_tokens_are_reserved_and_given_back(tmp_path: Path):
    with world(tmp_path, Settings(tokens_per_minute=500, max_tokens=1000)) as door:
        # Each reserves over 400 and uses 12: with nothing given back the second would be refused.
        assert [door.ask("Hi", max_tokens=400).status_code for _ in range(3)] == [200] * 3
        assert door.ask("Hi", max_tokens=900).json()["error"]["code"] == "request_too_large"
        assert door.gateway.limits.under_way == 0


def test_over_capacity_is_told_at_once(tmp_path: Path):
    with world(tmp_path, Settings(at_once=1), pause=0.1) as door:
        pieces = stream(door)
        next(iter(pieces))
        answer = door.ask("Hi")
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "over_capacity")
        assert answer.headers["retry-after"] == "1"
        list(pieces)
        assert door.ask("Hi").status_code == 200


@pytest.mark.parametrize("place", ["answer", "models", "tokenize"])
def test_a_model_that_dribbles_is_given_up_in_time(tmp_path: Path, place: str):
    """A byte now and then kept a whole answer, and an emergency's, waiting for as long as they came."""
    settings = SHORT if place != "tokenize" else SHORT.model_copy(update={"max_context": 40})
    with world(tmp_path, settings) as door, httpx.Client(headers={"authorization": f"Bearer {door.key}"}) as client:

        def ask(text: str) -> httpx.Response:
            body = {"model": "osler", "messages": [{"role": "user", "content": text}]}
            return client.post(f"{door.url}/v1/chat/completions", json=body, timeout=30)

        ask("Hi")  # the models are listed
        door.model.dribbles = place
        door.gateway.upstream.listing._listed_at = -1000.0
        for text in ("What is asthma? " * 5, EMERGENCY):
            began = time.monotonic()
            answer = ask(text)
            assert time.monotonic() - began < 5  # it dribbles for ten
            if place == "answer":
                assert answer.status_code == (200 if text == EMERGENCY else 503)
        assert door.gateway.limits.under_way == 0


def test_what_to_do_first_waits_for_a_hanging_model_no_longer_than_for_a_piece(tmp_path: Path):
    """A whole answer may take minutes; that of an emergency waited for as long where the model hung."""
    settings = Settings(idle_seconds=0.3, total_seconds=20, connect_seconds=20)
    with world(tmp_path, settings, fault="stall") as door:
        door.gateway.upstream.listing._listing = [{"id": "osler"}]
        door.model.dribbles = "models"  # nobody waits for the list either
        began = time.monotonic()
        answer = door.ask(EMERGENCY)
        assert time.monotonic() - began < 10
    assert "POSSIBLE EMERGENCY" in answer.text
    assert door.records()[-1]["outcome"] == "emergency_alone"
    assert door.records()[-1]["code"] == "timeout"


@pytest.mark.parametrize("fault", ["freeze", "cut", "garbage", "odd", "error"])
def test_a_broken_stream_is_never_shown_as_a_whole_answer(tmp_path: Path, fault: str):
    with world(tmp_path, SHORT, fault=fault) as door:
        for text in ("What is asthma?", EMERGENCY):
            started = time.monotonic()
            seen = []
            with pytest.raises(openai.APIError):
                for piece in stream(door, text):
                    seen.append(piece)
            assert time.monotonic() - started < SHORT.idle_seconds + 1
            assert seen
            assert not any(choice.finish_reason for piece in seen for choice in piece.choices)
            assert door.records()[-1]["outcome"] == "cut"


@pytest.mark.parametrize("fault", ["stall", "status", "garbage", "odd", "cut"])
def test_an_answer_that_does_not_come_is_an_error_in_time(tmp_path: Path, fault: str):
    with world(tmp_path, SHORT, fault=fault) as door:
        started = time.monotonic()
        answer = door.ask("Hi")
        assert answer.status_code == 503
        assert answer.json()["error"]["type"] == "server_error"
        assert time.monotonic() - started < SHORT.total_seconds + 1
        urgent = door.ask(EMERGENCY)
        assert urgent.json()["choices"][0]["finish_reason"] == "stop"
        assert door.records()[-1]["outcome"] == "emergency_alone"


def test_the_emergencys_words_do_not_wait_for_the_model(tmp_path: Path):
    with world(tmp_path, SHORT, fault="stall") as door:
        started = time.monotonic()
        pieces = iter(stream(door, EMERGENCY))
        assert next(pieces).choices[0].delta.content.startswith("**POSSIBLE EMERGENCY**")
        assert time.monotonic() - started < SHORT.idle_seconds
        assert list(pieces)[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(("pause", "fault"), [(0.3, None), (0.1, "freeze")])
def test_an_answer_that_trickles_or_stops_ends_in_time(tmp_path: Path, pause: float, fault: str | None):
    settings = SHORT.model_copy(update={"idle_seconds": 10.0})
    with world(tmp_path, settings, pause=pause, fault=fault) as door:
        started = time.monotonic()
        with pytest.raises(openai.APIError):
            list(stream(door))
        assert time.monotonic() - started < settings.total_seconds + 1
        assert (door.records()[-1]["outcome"], door.records()[-1]["code"]) == ("cut", "timeout")


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("text", ["What is asthma?", EMERGENCY])
def test_the_model_is_left_within_a_second_when_the_caller_leaves(tmp_path: Path, streamed: bool, text: str):
    with world(tmp_path, pause=1.0) as door:
        body = {"model": "osler", "messages": [{"role": "user", "content": text}], "stream": streamed}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{door.url}/v1/chat/completions",
                json=body,
                headers={"authorization": f"Bearer {door.key}"},
                timeout=0.4,
            )
        left = time.monotonic()
        until(lambda: door.model.left_at is not None)
        assert door.model.left_at - left < 1
        until(lambda: door.gateway.limits.under_way == 0)
        assert door.records()[-1]["outcome"] == "client_left"


def test_what_the_end_cuts_off_is_written_down_as_cut(tmp_path: Path):
    with world(tmp_path, Settings(drain_seconds=0), pause=0.5) as door:
        seen = []

        def read() -> None:
            with pytest.raises(openai.APIError):
                seen.extend(stream(door))

        readers = [threading.Thread(target=read) for _ in range(8)]
        for reader in readers:
            reader.start()
        until(lambda: len(door.model.seen) == 8)
        time.sleep(0.7)  # a word each
    for reader in readers:
        reader.join()
    records = door.records()
    assert [(record["outcome"], record["code"]) for record in records] == [("cut", "door_closed")] * 8
    assert verify(door.audit).count == 8


def test_so_is_one_that_was_not_to_be_streamed(tmp_path: Path):
    with world(tmp_path, Settings(drain_seconds=0), pause=0.5) as door:

        def read() -> None:
            with pytest.raises(httpx.HTTPError):
                door.ask("What is asthma?").raise_for_status()

        reader = threading.Thread(target=read)
        reader.start()
        until(lambda: door.model.seen)
    reader.join()
    assert [(record["outcome"], record["code"]) for record in door.records()] == [("cut", "door_closed")]
    assert door.gateway.limits.under_way == 0


def test_a_fault_of_the_doors_own_is_no_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise AttributeError("a fault of ours")

    monkeypatch.setattr("serving.gateway.exchange.Exchange.piece", fail)
    with world(tmp_path) as door:
        with pytest.raises(httpx.HTTPError):
            door.ask("What is asthma?", stream=True)
        assert [(record["outcome"], record["code"]) for record in door.records()] == [("cut", "internal_error")]
        assert door.gateway.limits.under_way == 0


def test_sigterm_lets_open_answers_end_and_takes_no_more(tmp_path: Path):
    from serving.gateway.keys import KeyFile
    from tests.serving.gateway_world import WORDS, Model

    key = KeyFile(tmp_path / "keys.json").add("ward")
    port = free_port()
    with running(Model(pause=0.3).app()) as upstream:
        command = [sys.executable, "-m", "pipelines.cli", "gateway", "--upstream", upstream, "--port", str(port)]
        places = ["--keys", str(tmp_path / "keys.json"), "--audit", str(tmp_path / "audit.jsonl")]
        door = subprocess.Popen([*command, *places], stderr=subprocess.PIPE, text=True, env={**os.environ})
        try:
            url = f"http://127.0.0.1:{port}"

            def up() -> bool:
                try:
                    return httpx.get(f"{url}/health").json()["model"] == "up"
                except httpx.HTTPError:
                    return False

            until(up, 30)
            client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
            words: list[str] = []
            pieces = client.chat.completions.create(
                model="osler", messages=[{"role": "user", "content": "My secret rash"}], stream=True
            )

            def read() -> None:
                words.extend(piece.choices[0].delta.content or "" for piece in pieces)

            reader = threading.Thread(target=read)
            reader.start()
            time.sleep(0.3)
            door.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{url}/health")
            reader.join()
            assert "".join(words) == "".join(WORDS)
            assert door.wait(5) == 0
        finally:
            door.kill()
        log = door.stderr.read()
    lines = [json.loads(line) for line in log.splitlines()]
    answer = next(line for line in lines if line["message"] == "answer")
    assert (answer["key"], answer["outcome"]) == ("ward", "answered")
    assert "secret rash" not in log
    assert key not in log
    head = verify(tmp_path / "audit.jsonl", answer["audit"].rpartition(":")[2])
    assert head.count == 1
