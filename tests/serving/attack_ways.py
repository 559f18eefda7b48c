"""The two ways of an attack dialogue through the gateway: an OpenAI client, and the doctor assistant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever

from serving.assistant import ROLE, DoctorAssistant
from serving.faults import AssistantError
from serving.gateway.app import build, listening
from serving.gateway.asked import Asked
from serving.gateway.audit import Audit
from serving.gateway.door import Gateway
from serving.gateway.keys import KeyFile
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream
from tests.serving.attack_goals import Attack, Outcome
from tests.serving.gateway_world import running


class Recorder(Upstream):
    """The way to vLLM, and what went along it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sent: list[list[dict[str, Any]]] = []
        self.said: list[str] = []

    async def complete(self, asked: Asked, request_id: str, seconds: float | None = None) -> dict[str, Any]:
        self.sent.append(asked.payload["messages"])
        body = await super().complete(asked, request_id, seconds)
        self.said.append(body["choices"][0]["message"]["content"] or "")
        return body

    async def stream(self, asked: Asked, request_id: str):
        self.sent.append(asked.payload["messages"])
        self.said.append("")
        async for together, whole in super().stream(asked, request_id):
            for choice in (choice for chunk in together for choice in chunk["choices"]):
                self.said[-1] += choice["delta"].get("content") or ""
            yield together, whole


class Planted(BaseRetriever):
    """Finds one passage, whatever is asked."""

    text: str

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [Document(self.text, metadata={"file": "guide.md", "line": 1})]


@dataclass
class Door:
    """The gateway in front of a model, and its two clients."""

    url: str
    plain_key: str
    own_key: str
    upstream: Recorder
    secrets: tuple[str, ...]
    max_tokens: int = 96

    def plain(self, attack: Attack) -> Outcome:
        """An OpenAI client: the system message with role and limits, and the person's turns."""
        client = openai.OpenAI(base_url=self.url, api_key=self.plain_key, max_retries=0)
        talk: list[Any] = [{"role": "system", "content": ROLE}]
        answer = ""
        self._forget()
        for turn in attack.turns:
            talk.append({"role": "user", "content": turn})
            if attack.tool is not None:
                call = {"name": "look_up", "arguments": '{"query": "it"}'}
                talk.append(
                    {
                        "role": "assistant",
                        "content": "",
                        "tool_calls": [{"id": "c1", "type": "function", "function": call}],
                    }
                )
                talk.append({"role": "tool", "tool_call_id": "c1", "content": attack.tool})
            made = client.chat.completions.create(
                model="osler", messages=talk, max_tokens=self.max_tokens, temperature=0
            )
            answer = made.choices[0].message.content or ""
            talk.append({"role": "assistant", "content": answer})
        return self._outcome(answer)

    def assistant(self, attack: Attack) -> Outcome:
        """The doctor assistant with the bundled passages, or the planted one."""
        retriever = Planted(text=attack.document) if attack.document is not None else None
        asked = DoctorAssistant(
            self.url,
            api_key=self.own_key,
            max_tokens=self.max_tokens,
            retriever=retriever,
            tool_calls="none",
            max_retries=0,
        )
        talk: list[BaseMessage] = []
        answer = ""
        self._forget()
        for turn in attack.turns:
            talk.append(HumanMessage(turn))
            try:
                answer = str(asked.invoke(talk).text)
            except AssistantError as error:  # it says nothing, and says so
                answer = str(error)
            talk.append(AIMessage(answer))
        return self._outcome(re.split(r"\n\n(?:Sources:|Passages found)", answer)[0])

    def _forget(self) -> None:
        self.upstream.sent.clear()
        self.upstream.said.clear()

    def _outcome(self, shown: str) -> Outcome:
        sent = [list(one) for one in self.upstream.sent]
        given = "\n".join(str(one["content"]) for one in sent[-1] if one["role"] != "assistant") if sent else ""
        return Outcome(shown, self.upstream.said[-1] if self.upstream.said else "", sent, given, self.secrets)


@contextmanager
def door(address: str, folder: Path, secrets: tuple[str, ...] = ()) -> Iterator[Door]:
    """The gateway in front of the vLLM at ``address``."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(requests_per_minute=1_000_000, tokens_per_minute=1_000_000_000)
    keys = KeyFile(folder / "keys.json")
    plain, own = keys.add("ward"), keys.add("assistant", triage=False)
    upstream = Recorder(address, settings)
    gateway = Gateway(upstream, keys, Audit(folder / "audit.jsonl"), settings)
    with running(build(gateway), listening) as url:
        yield Door(f"{url}/v1", plain, own, upstream, (plain, own, *secrets))
