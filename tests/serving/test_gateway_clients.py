"""Clients as they are: LangChain, the doctor assistant, and the requests that Open WebUI sends (version 0.12.4, from its source)."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import openai
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI, OpenAI
from typer.testing import CliRunner

from corpora.errors import OslerError
from pipelines.cli import app
from serving.assistant import DoctorAssistant
from serving.faults import AssistantError
from serving.gateway.app import build, listening
from serving.gateway.audit import Audit
from serving.gateway.door import Gateway
from serving.gateway.keys import KeyFile
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream
from serving.vllm.start import serving
from tests.serving.gateway_world import World, running, world

ANSWER = "Asthma narrows the airways."
EMERGENCY = "I have crushing chest pain spreading to my left arm and I am sweating"
SYSTEM = {"role": "system", "content": "You are kind."}
# What Open WebUI sends besides the key: routers/openai.py and utils/headers.py.
HEADERS = {
    "content-type": "application/json",
    "x-openwebui-user-name": "Ann",
    "x-openwebui-user-role": "user",
    "cookie": "token=x",
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"query": "asthma"}'}}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": "Looks up.", "parameters": {"type": "object"}},
}
REQUESTS = {
    "chat": {"stream": True, "messages": [SYSTEM, {"role": "user", "content": "What is asthma?"}]},
    "usage": {
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is asthma?"}]}],
    },
    "all sliders": {
        "stream": True,
        "temperature": 0.8,
        "top_p": 0.9,
        "min_p": 0.05,
        "max_tokens": 128,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "reasoning_effort": "low",
        "seed": 42,
        "stop": ["END"],
        "logit_bias": {"5": -100},
        "response_format": {"type": "text"},
        "messages": [{"role": "user", "content": "What is asthma?"}],
    },
    "title": {
        "stream": False,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "### Task:\nMake a title."}],
    },
    "tools": {
        "stream": True,
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": "What is asthma?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_content": "I look it up."},
            {"role": "tool", "tool_call_id": "call_1", "content": "A disease of the airways."},
        ],
    },
    "regenerated": {
        "stream": True,
        "messages": [
            {"role": "user", "content": "What is asthma?"},
            {"role": "assistant", "content": "A disease.", "reasoning_details": [{"type": "text", "text": "?"}]},
            {"role": "user", "content": "Again, shorter."},
        ],
    },
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory):
    with world(tmp_path_factory.mktemp("clients")) as made:
        made.own = made.keys.add("assistant", triage=False)
        made.gateway.keys._looked = 0
        yield made


def test_open_webui_finds_the_models(door: World):
    headers = {**HEADERS, "authorization": f"Bearer {door.key}"}
    listed = httpx.get(f"{door.url}/v1/models", headers=headers).json()
    assert listed["object"] == "list"
    assert [entry["id"] for entry in listed["data"]] == ["osler", "cardio"]
    assert (
        httpx.get(f"{door.url}/v1/models", headers={**HEADERS, "authorization": "Bearer osler-none"}).status_code == 401
    )


@pytest.mark.parametrize("name", REQUESTS)
def test_open_webuis_requests_are_answered(door: World, name: str):
    body = {"model": "osler", **REQUESTS[name]}
    headers = {**HEADERS, "authorization": f"Bearer {door.key}"}
    answer = httpx.post(f"{door.url}/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    sent = door.model.seen[-1]
    assert not {key for key in sent["_headers"] if key.startswith("x-openwebui") or key == "cookie"}
    if not body["stream"]:
        assert answer.json()["choices"][0]["message"]["content"] == ANSWER
        return
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    said = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert said == ANSWER
    assert any(chunk.get("usage") for chunk in chunks) is (name == "usage")


def test_open_webui_without_its_user_and_with_its_images(door: World):
    headers = {**HEADERS, "authorization": f"Bearer {door.key}"}
    talk = [{"role": "user", "content": "Hi"}]
    about = {"model": "osler", "messages": talk, "user": {"name": "Ann", "id": "1"}, "metadata": {"chat_id": "1"}}
    assert httpx.post(f"{door.url}/v1/chat/completions", json=about, headers=headers).status_code == 200
    assert "user" not in door.model.seen[-1]
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    refused = httpx.post(
        f"{door.url}/v1/chat/completions",
        json={**about, "messages": [{"role": "user", "content": image}]},
        headers=headers,
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_content")


def test_langchain_unchanged(door: World):
    chat = ChatOpenAI(base_url=f"{door.url}/v1", api_key=door.key, model="osler")
    answer = chat.invoke([("system", "Be kind."), ("human", "What is asthma?")])
    assert answer.text == ANSWER
    assert answer.usage_metadata["total_tokens"] == 12
    assert "".join(str(piece.text) for piece in chat.stream("What is asthma?")) == ANSWER
    assert [str(one.text) for one in chat.batch(["a", "b"])] == [ANSWER] * 2
    assert chat.invoke(EMERGENCY).text.startswith("**POSSIBLE EMERGENCY**")
    assert OpenAI(base_url=f"{door.url}/v1", api_key=door.key, model="osler").invoke("The old man") == ANSWER


def test_the_assistants_own_triage_speaks_once(door: World):
    assistant = DoctorAssistant(f"{door.url}/v1", api_key=door.own, tool_calls="none")
    answer = assistant.invoke(EMERGENCY)
    assert answer.text.count("POSSIBLE EMERGENCY") == 1
    assert ANSWER in answer.text
    assert answer.response_metadata["emergency"]["category"]
    assert [record["triage_by_client"] for record in door.records()[-1:]] == [True]
    # Its passages tell of emergencies that nobody has: with an ordinary key the door would take them for the person's words.
    calm = assistant.invoke("What is anaphylaxis?")
    assert "POSSIBLE EMERGENCY" not in calm.text


def test_a_key_an_address_and_a_model_that_are_wrong_are_told_with_the_remedy(door: World):
    with pytest.raises(AssistantError, match=r"the key does not work; give api_key= one of `osler keys add"):
        DoctorAssistant(f"{door.url}/v1").invoke("What is asthma?")
    with pytest.raises(AssistantError, match=r"no such route; the address of a server ends in /v1"):
        DoctorAssistant(door.url, api_key=door.own).invoke("What is asthma?")
    with pytest.raises(AssistantError, match=r"refused with 404: no model of this name is served"):
        DoctorAssistant(f"{door.url}/v1", api_key=door.own, model="gpt-4").invoke("What is asthma?")


def test_an_amount_without_a_source_is_told(door: World, monkeypatch: pytest.MonkeyPatch):
    words = ("Take", " 500", " mg", " now", ".")
    monkeypatch.setattr("tests.serving.gateway_world.WORDS", words)
    plain, own = door.client(), door.client(door.own)

    def ask(client: openai.OpenAI, text: str, **extra: object) -> str:
        talk = [{"role": "user", "content": text}]
        return client.chat.completions.create(model="osler", messages=talk, **extra).choices[0].message.content

    warned = ask(plain, "What helps?")
    assert warned.startswith("Take 500 mg now.\n\n[This answer names an amount (500 mg)")
    assert ask(plain, "Is my 500 milligrams right?") == "Take 500 mg now."
    assert ask(own, "What helps?") == "Take 500 mg now."
    assert ask(plain, "What helps?", response_format={"type": "json_object"}) == "Take 500 mg now."
    pieces = plain.chat.completions.create(
        model="osler", messages=[{"role": "user", "content": "What helps?"}], stream=True
    )
    said, finish = "", None
    for piece in pieces:
        assert finish is None
        said += piece.choices[0].delta.content or ""
        finish = piece.choices[0].finish_reason
    assert (said, finish) == (warned, "stop")
    told = DoctorAssistant(f"{door.url}/v1", api_key=door.own, tool_calls="none", retriever=False).invoke("What helps?")
    assert told.text == warned
    assert told.response_metadata["unsourced_amount"] is True


def test_osler_ask_shows_its_key(door: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OSLER_API_KEY", raising=False)
    words = ["ask", "What is asthma?", "--url", f"{door.url}/v1"]
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, OslerError)
    assert "set OSLER_API_KEY" in str(refused.exception)
    for extra in ([], ["--assistant"]):
        monkeypatch.setenv("OSLER_API_KEY", door.own)
        answered = CliRunner().invoke(app, [*words, *extra])
        assert answered.exit_code == 0, answered.output
        assert ANSWER in answered.output


@pytest.mark.slow
def test_the_assistant_on_a_real_vllm_behind_the_door(base_model: Path, tmp_path: Path):
    keys, settings = KeyFile(tmp_path / "keys.json"), Settings()
    own = keys.add("assistant", triage=False)
    with serving(base_model) as server:
        gateway = Gateway(Upstream(server.url, settings), keys, Audit(tmp_path / "audit.jsonl"), settings)
        with running(build(gateway), listening) as url:
            assistant = DoctorAssistant(f"{url}/v1", api_key=own, max_tokens=48, tool_calls="none")
            answer = assistant.invoke("What is asthma?")
            assert answer.text
            assert answer.response_metadata["citations"]
            pieces = list(assistant.stream([HumanMessage("What is gout?")]))
            assert len(pieces) > 3
            urgent = assistant.invoke(EMERGENCY)
            assert urgent.text.count("POSSIBLE EMERGENCY") == 1
            plain = ChatOpenAI(base_url=f"{url}/v1", api_key=own, model="osler", temperature=0, max_tokens=16)
            bare = ChatOpenAI(base_url=server.url, api_key="x", model="osler", temperature=0, max_tokens=16)
            assert plain.invoke("What is rain?").text == bare.invoke("What is rain?").text
