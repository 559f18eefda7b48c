"""One request and its answer: what was said, how it ended, and the record that is kept of it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from serving.doses import notice
from serving.gateway.asked import Asked
from serving.gateway.audit import Audit
from serving.gateway.journal import Metrics, guard_version, log
from serving.gateway.keys import Key
from serving.gateway.limits import Hold
from serving.gateway.listing import Served
from serving.guard import RedFlag

_PREFIX = {"chat": "chatcmpl-", "completion": "cmpl-"}
_OBJECT = {"chat": "chat.completion", "completion": "text_completion"}


@dataclass
class Exchange:
    """A request on its way to an answer.

    Attributes:
        key: Who asks.
        asked: What for.
        flag: The emergency that the person's words tell of.
        served: The model that answers, once it is known.
        hold: What it holds of the key's limits.
    """

    key: Key
    asked: Asked
    audit: Audit
    metrics: Metrics
    flag: RedFlag | None = None
    served: Served | None = None
    hold: Hold | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.monotonic)
    model_spoke: bool = False
    ended: bool = False
    _first: float | None = None
    _pieces: int = 0
    _said: dict[int, dict[str, list[str]]] = field(default_factory=dict)
    _usage: dict[str, Any] = field(default_factory=dict)
    _fingerprint: str | None = None

    @cached_property
    def answer_id(self) -> str:
        """The answer's id, as OpenAI's look."""
        return _PREFIX[self.asked.kind] + self.id

    @cached_property
    def banner(self) -> str:
        """What stands above the model's answer; ``flag`` is known before."""
        return f"{self.flag.text}\n\n" if self.flag and not self.asked.structured else ""

    @property
    def headers(self) -> dict[str, str]:
        """Headers that every answer has."""
        told = {"x-osler-triage": self.flag.category} if self.flag else {}
        return {"x-request-id": self.id, "x-osler-guard": guard_version(), **told}

    def _shell(self, choices: list[dict[str, Any]], chunk: bool) -> dict[str, Any]:
        kind = _OBJECT[self.asked.kind]
        return {
            "id": self.answer_id,
            "object": f"{kind}.chunk" if chunk and self.asked.kind == "chat" else kind,
            "created": int(time.time()),
            "model": self.asked.model,
            "choices": choices,
        }

    def opening(self, text: str) -> dict[str, Any]:
        """A chunk that says ``text`` first, in every choice."""
        choices = []
        for index in range(self.asked.answers):
            self._say(index, "content", text)
            said: dict[str, Any] = (
                {"delta": {"role": "assistant", "content": text}} if self.asked.kind == "chat" else {"text": text}
            )
            choices.append({"index": index, **said, "logprobs": None, "finish_reason": None})
        return self._shell(choices, chunk=True)

    def closing(self) -> dict[str, Any]:
        """A chunk that ends every choice."""
        said: dict[str, Any] = {"delta": {}} if self.asked.kind == "chat" else {"text": ""}
        choices = [
            {"index": index, **said, "logprobs": None, "finish_reason": "stop"} for index in range(self.asked.answers)
        ]
        return self._shell(choices, chunk=True)

    def alone(self) -> dict[str, Any]:
        """A whole answer of the emergency's words alone."""
        assert self.flag is not None
        choices: list[dict[str, Any]] = []
        for index in range(self.asked.answers):
            self._say(index, "content", self.flag.text)
            said: dict[str, Any] = (
                {"message": {"role": "assistant", "content": self.flag.text}}
                if self.asked.kind == "chat"
                else {"text": self.flag.text}
            )
            choices.append({"index": index, **said, "logprobs": None, "finish_reason": "stop"})
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return {**self._shell(choices, chunk=False), "usage": usage}

    def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        """The model's whole answer with the emergency above it."""
        self._speak()
        body["id"] = self.answer_id
        for choice in body["choices"]:
            holder = choice.get("message", choice)
            name = "content" if "message" in choice else "text"
            if self.banner:
                holder[name] = self.banner + (holder.get(name) or "")
            self._note(choice["index"], holder)
            self._warn(choice["index"], holder)
        self._count(body)
        return body

    def piece(self, chunk: dict[str, Any]) -> dict[str, Any] | None:
        """A chunk of the model's as the caller gets it; None where it is not for the caller."""
        self._count(chunk)
        if not self.asked.wants_usage:
            chunk.pop("usage", None)
            if not chunk["choices"]:
                return None
        chunk["id"] = self.answer_id
        for choice in chunk["choices"]:
            self._speak()
            holder = choice.get("delta", choice)
            if self.banner:
                holder.pop("role", None)  # said with the banner; clients join what they get twice
            self._note(choice["index"], holder)
            if choice.get("finish_reason"):
                self._warn(choice["index"], holder)
        return chunk

    def _warn(self, index: int, holder: dict[str, Any]) -> None:
        """Says below a finished answer that an amount of a medicine in it has no source; a client that guards itself does so."""
        if self.asked.kind != "chat" or self.asked.structured or not self.key.triage:
            return
        said = "".join(self._said.get(index, {}).get("content", ())).removeprefix(self.banner)
        if told := notice(said, self.asked.given):
            holder["content"] = f"{holder.get('content') or ''}\n\n{told}"
            self._say(index, "content", f"\n\n{told}")

    def _speak(self) -> None:
        if not self.model_spoke:
            self.model_spoke = True
            self._first = time.monotonic() - self.started
            self.metrics.first.observe(self._first)

    def _say(self, index: int, name: str, text: str) -> None:
        said = self._said.get(index)
        if said is None:
            said = self._said[index] = {}
        if name in said:
            said[name].append(text)
        else:
            said[name] = [text]

    def _whole_text(self, index: int) -> dict[str, str]:
        return {name: "".join(texts) for name, texts in self._said.get(index, {}).items()}

    def _note(self, index: int, holder: dict[str, Any]) -> None:
        for name in ("content", "text", "reasoning", "reasoning_content"):
            if said := holder.get(name):
                self._pieces += 1
                self._say(index, "content" if name == "text" else name, str(said))
        for call in holder.get("tool_calls") or []:
            self._pieces += 1
            function = call.get("function") or {}
            self._say(index, "calls", str(function.get("name") or "") + str(function.get("arguments") or ""))

    def _count(self, body: dict[str, Any]) -> None:
        self._usage = body.get("usage") or self._usage
        self._fingerprint = body.get("system_fingerprint") or self._fingerprint

    def end(self, outcome: str, code: str | None = None) -> None:
        """Settles the limits, and writes the audit's line and the log's. Once: later calls do nothing.

        Args:
            outcome: ``answered``, ``emergency_alone``, ``cut`` (the model broke off, or the door closed) or ``client_left``.
            code: Why there is no whole answer.
        """
        if self.ended:
            return
        self.ended = True
        prompt, generated = (self._usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
        if prompt is None:
            prompt = self.asked.likely_prompt_tokens if self.model_spoke else 0
        if generated is None:
            generated = self._pieces
        if self.hold is not None:
            self.hold.settle(prompt + generated)
        head = self.audit.append(self._record(outcome, code, prompt, generated))
        seconds = time.monotonic() - self.started
        self.metrics.answers.labels(outcome).inc()
        self.metrics.whole.observe(seconds)
        self.metrics.tokens.labels("prompt").inc(prompt)
        self.metrics.tokens.labels("answer").inc(generated)
        log(
            "answer",
            request=self.id,
            key=self.key.name,
            route=self.asked.kind,
            model=self.asked.model,
            outcome=outcome,
            code=code,
            triage=self.flag.category if self.flag else None,
            seconds=round(seconds, 4),
            first_seconds=round(self._first, 4) if self._first is not None else None,
            prompt_tokens=prompt,
            completion_tokens=generated,
            audit=f"{head.count}:{head.mac}",
        )

    def _record(self, outcome: str, code: str | None, prompt: int, generated: int) -> dict[str, Any]:
        """The audit's line; ``prompt`` and ``generated`` are counts of tokens."""
        served, asked = self.served, self.asked
        base = served.parent if served is not None else None  # of an adapter
        return {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request": self.id,
            "key": self.key.name,
            "route": asked.kind,
            "model": base or asked.model,
            "adapter": asked.model if base is not None else None,
            "weights": served.root if served else None,
            "model_version": (served.parent_version if base is not None else served.version) if served else None,
            "adapter_version": served.version if served and base is not None else None,
            "weights_changed": served.changed if served else False,
            "engine": self._fingerprint,
            "guard": guard_version(),
            "triage": self.flag.category if self.flag else None,
            "triage_by_client": not self.key.triage,
            "outcome": outcome,
            "code": code,
            "prompt": self.audit.fingerprint(asked.payload.get("messages") or asked.payload.get("prompt")),
            "answer": self.audit.fingerprint([self._whole_text(at) for at in range(asked.answers)]),
            "prompt_tokens": prompt,
            "completion_tokens": generated,
        }
