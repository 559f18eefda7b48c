"""The public door with OpenAI's own client, LangChain and plain HTTP: what it lets through, adds and keeps out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAI

from serving.gateway.audit import verify
from tests.serving.gateway_world import WORDS, World, world

EMERGENCY = "I have crushing chest pain spreading to my left arm and I am sweating"
ANSWER = "".join(WORDS)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("door")) as made:
        yield made


@pytest.fixture(scope="module")
def down(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("down"), up=False) as made:
        yield made


@pytest.fixture(autouse=True)
def _clean(door: World) -> None:
    door.model.fault, door.model.refuse = None, ""


def say(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_openais_client_gets_an_answer_whole_and_streamed(door: World):
    client = door.client()
    whole = client.chat.completions.create(model="osler", messages=say("What is asthma?"))
    assert whole.choices[0].message.content == ANSWER
    assert whole.usage.total_tokens == 12
    pieces = list(client.chat.completions.create(model="osler", messages=say("What is asthma?"), stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == ANSWER
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert len({piece.id for piece in pieces}) == 1
    assert client.completions.create(model="osler", prompt="Asthma").choices[0].text == ANSWER
    assert [model.id for model in client.models.list()] == ["osler", "cardio"]


def test_langchain_works_unchanged(door: World):
    chat = ChatOpenAI(base_url=f"{door.url}/v1", api_key=door.key, model="osler", max_retries=0, stream_usage=True)
    assert chat.invoke("What is asthma?").content == ANSWER
    pieces = list(chat.stream(EMERGENCY))
    assert "".join(piece.content for piece in pieces).endswith(ANSWER)
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    assert whole.usage_metadata["total_tokens"] == 12
    base = OpenAI(base_url=f"{door.url}/v1", api_key=door.key, model="osler", max_retries=0, max_tokens=9)
    assert base.batch(["Asthma", "Croup"]) == [ANSWER, ANSWER]


def test_usage_ends_a_stream_only_for_those_who_ask(door: World):
    client = door.client()
    asked = client.chat.completions.create(
        model="osler", messages=say("Hi"), stream=True, stream_options={"include_usage": True}
    )
    assert [piece.usage.total_tokens for piece in asked if piece.usage] == [12]
    plain = client.chat.completions.create(model="osler", messages=say("Hi"), stream=True)
    assert all(piece.choices and piece.usage is None for piece in plain)


def test_an_emergency_comes_first_whole_and_streamed(door: World):
    client = door.client()
    whole = client.chat.completions.create(model="osler", messages=say(EMERGENCY), n=2)
    for choice in whole.choices:
        assert choice.message.content.startswith("**POSSIBLE EMERGENCY**")
        assert choice.message.content.endswith(ANSWER)
    pieces = list(client.chat.completions.create(model="osler", messages=say(EMERGENCY), stream=True))
    assert pieces[0].choices[0].delta.content.startswith("**POSSIBLE EMERGENCY**")
    with client.chat.completions.stream(model="osler", messages=say(EMERGENCY)) as stream:
        final = stream.get_final_completion()  # it joins what comes twice, so a second role would show
    assert final.choices[0].message.role == "assistant"
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert client.completions.create(model="osler", prompt=EMERGENCY).choices[0].text.startswith("**POSSIBLE")


def test_the_words_since_the_last_answer_are_looked_through(door: World):
    talk = [*say(EMERGENCY), {"role": "assistant", "content": "Call now."}, *say("Thanks. What is asthma?")]
    assert door.client().chat.completions.create(model="osler", messages=talk).choices[0].message.content == ANSWER
    parts = [*say("Dad's face is drooping"), *say("and his speech is slurred")]
    unanswered = [
        {**turn, "content": " "} if turn["role"] == "assistant" else turn for turn in talk
    ]  # an empty one is none
    for messages in (parts, unanswered):
        answer = door.client().chat.completions.create(model="osler", messages=messages).choices[0].message.content
        assert answer.startswith("**POSSIBLE EMERGENCY**")


def test_json_that_was_asked_for_stays_json_and_the_header_tells(door: World):
    answer = door.ask(EMERGENCY, response_format={"type": "json_object"})
    assert answer.json()["choices"][0]["message"]["content"] == ANSWER
    assert answer.headers["x-osler-triage"] == door.records()[-1]["triage"] != ""


def test_without_the_model_the_emergency_is_answered_and_nothing_else(down: World):
    client = down.client()
    whole = client.chat.completions.create(model="osler", messages=say(EMERGENCY))
    assert whole.choices[0].message.content.startswith("**POSSIBLE EMERGENCY**")
    assert whole.choices[0].finish_reason == "stop"
    pieces = list(client.chat.completions.create(model="osler", messages=say(EMERGENCY), stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == whole.choices[0].message.content
    assert pieces[-1].choices[0].finish_reason == "stop"
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as error:
            client.chat.completions.create(model="osler", messages=say("What is asthma?"), stream=stream)
        assert error.value.status_code == 503
        assert error.value.code == "model_unavailable"
    assert httpx.get(f"{down.url}/health").json() == {"status": "degraded", "model": "down"}
    assert [record["outcome"] for record in down.records()] == ["emergency_alone"] * 2


def test_without_a_key_that_works_nothing_is_answered(door: World):
    other = door.keys.add("other")
    door.gateway.keys._looked = 0
    assert (
        door.ask(
            "Hi",
        ).status_code
        == 200
    )
    assert door.post(key=other, messages=say("Hi")).status_code == 200
    door.keys.revoke("other")
    door.gateway.keys._looked = 0
    for key in (other, "osler-wrong", door.key[:-1], "x"):
        with pytest.raises(openai.AuthenticationError) as error:
            door.client(key).models.list()
        assert error.value.code == "invalid_api_key"
    assert httpx.get(f"{door.url}/metrics").status_code == 401
    assert door.key not in door.keys.path.read_text()


def test_no_other_route_reaches_the_model(door: World):
    before = len(door.model.paths)
    headers = {"authorization": f"Bearer {door.key}"}
    for path in ("/tokenize", "/docs", "/openapi.json", "/v1/chat/completions/", "//v1/models", "/v1/../tokenize"):
        for method in ("GET", "POST", "PUT", "OPTIONS"):
            answer = httpx.request(method, door.url + path, headers=headers)
            assert answer.status_code in (404, 405)
            assert answer.json()["error"]["code"] == "not_found"
    assert len(door.model.paths) == before


def test_the_place_of_the_weights_is_not_told(door: World):
    assert (
        "/secret/place" not in httpx.get(f"{door.url}/v1/models", headers={"authorization": f"Bearer {door.key}"}).text
    )


def test_every_answer_is_in_the_audit_without_what_was_said(door: World):
    door.ask("My unusual words here")
    record = door.records()[-1]
    assert (record["key"], record["model"], record["outcome"]) == ("ward", "osler", "answered")
    assert (record["prompt_tokens"], record["completion_tokens"]) == (7, 5)
    assert len(record["guard"]) == 16
    assert "unusual" not in door.audit.read_text()
    assert door.key not in door.audit.read_text()
    door.post(model="cardio", messages=say("Hi"))
    assert (door.records()[-1]["model"], door.records()[-1]["adapter"]) == ("osler", "cardio")
    assert verify(door.audit).count == len(door.records())


def test_metrics_count(door: World, tmp_path: Path):
    door.ask("Hi")
    text = httpx.get(f"{door.url}/metrics", headers={"authorization": f"Bearer {door.key}"}).text
    assert 'osler_answers_total{outcome="answered"}' in text
    assert "osler_under_way 0.0" in text


@pytest.mark.parametrize(("length", "at_once"), [(30_000, 1), (1_000, 3)])
def test_long_texts_are_read_for_emergencies_one_after_the_other(
    door: World, monkeypatch: pytest.MonkeyPatch, length: int, at_once: int
):
    reading, most = 0, 0
    lock = threading.Lock()

    def slow(_: str) -> None:
        nonlocal reading, most
        with lock:
            reading += 1
            most = max(most, reading)
        time.sleep(0.5)
        with lock:
            reading -= 1

    monkeypatch.setattr("serving.gateway.door.red_flags", slow)
    with ThreadPoolExecutor(3) as callers:
        list(callers.map(lambda _: door.ask("x" * length), range(3)))
    assert most == at_once
