"""What a chat page such as Open WebUI needs of the door, as seen in a browser with Open WebUI 0.12.4 in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from serving.gateway.app import build, listening
from serving.gateway.audit import Audit
from serving.gateway.door import Gateway
from serving.gateway.keys import KeyFile
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream
from tests.serving.gateway_world import Model, World, running, world

ANSWER = "Asthma narrows the airways."
EMERGENCY = "I have crushing chest pain spreading to my left arm and I am sweating"
VLLM_REFUSES = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
LEAFLET = f"Case 4. A man rang and said: {EMERGENCY}."
CLOCK = {"name": "get_current_timestamp", "description": "The time.", "parameters": {"type": "object"}}
OFFERED = {"tools": [{"type": "function", "function": CLOCK}], "parallel_tool_calls": True}
QUESTION = [{"role": "user", "content": "What is asthma?"}]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def key_without_tools(door: World) -> str:
    key = door.keys.add("page", tools=False)
    door.gateway.keys._looked = 0
    return key


def test_a_key_without_tools_leaves_out_those_that_a_page_offers(door: World):
    key = key_without_tools(door)
    for extra in ({}, {"tool_choice": "auto"}, {"tool_choice": "none"}):
        answer = door.post(key=key, messages=QUESTION, **OFFERED, **extra)
        assert answer.json()["choices"][0]["message"]["content"] == ANSWER
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(door.model.seen[-1])
        assert door.post(messages=QUESTION, **OFFERED, **extra).status_code == 200
        assert door.model.seen[-1]["tools"] == OFFERED["tools"]  # an ordinary key's go on


@pytest.mark.parametrize("demanded", ["required", {"type": "function", "function": {"name": "get_current_timestamp"}}])
def test_a_call_that_is_demanded_is_refused_rather_than_answered_in_words(door: World, demanded: object):
    answer = door.post(key=key_without_tools(door), messages=QUESTION, **OFFERED, tool_choice=demanded)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "tool_choice")
    assert not door.model.seen


def test_a_vllm_without_tool_calling_names_the_remedy_and_emergencies_are_answered(door: World):
    door.model.refuse = VLLM_REFUSES
    error = door.post(messages=QUESTION, **OFFERED).json()["error"]
    assert (error["code"], error["param"]) == ("tools_not_served", "tools")
    assert "--enable-auto-tool-choice" in error["message"]
    assert "--no-tools" in error["message"]
    urgent = door.ask(EMERGENCY, **OFFERED)
    assert urgent.json()["choices"][0]["message"]["content"].startswith("**POSSIBLE EMERGENCY**")


def test_the_models_stay_listed_while_the_model_is_down(tmp_path: Path):
    """Open WebUI sends no message to a model that is not listed, so that nobody would get an emergency's words."""
    keys, settings = KeyFile(tmp_path / "keys.json"), Settings(connect_seconds=0.5)
    headers = {"authorization": f"Bearer {keys.add('page')}"}
    with ExitStack() as vllm:
        upstream = Upstream(vllm.enter_context(running(Model().app())), settings)
        gateway = Gateway(upstream, keys, Audit(tmp_path / "audit.jsonl"), settings)
        with running(build(gateway), listening) as url:
            vllm.close()  # before anybody has asked
            assert httpx.get(f"{url}/health?need=model").status_code == 503
            listed = httpx.get(f"{url}/v1/models", headers=headers)
            assert [one["id"] for one in listed.json()["data"]] == ["osler", "cardio"]
            assert "/secret/place" not in listed.text

            def ask(text: str) -> httpx.Response:
                body = {"model": "osler", "stream": True, "messages": [{"role": "user", "content": text}]}
                return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers)

            assert ask("What is asthma?").status_code == 503
            assert "POSSIBLE EMERGENCY" in ask(EMERGENCY).text


def test_a_document_in_the_system_message_is_nobodys_words(door: World):
    """Where Open WebUI puts what it finds in files: by default before the question, with RAG_SYSTEM_CONTEXT=True here."""

    def said(*messages: tuple[str, str]) -> str:
        answer = door.post(messages=[{"role": role, "content": text} for role, text in messages])
        return str(answer.json()["choices"][0]["message"]["content"])

    assert said(("user", f"{LEAFLET}\n\nWhat does it say?")).startswith("**POSSIBLE EMERGENCY**")
    assert said(("system", LEAFLET), ("user", "What does it say?")) == ANSWER
    assert said(("system", LEAFLET), ("user", EMERGENCY)).startswith("**POSSIBLE EMERGENCY**")
