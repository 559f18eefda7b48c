"""The assistant's own turn, driven by whoever writes the model's texts: the teacher of the training dialogues, or a model in process."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.utils.function_calling import convert_to_openai_tool

from corpora.bundled.render import SYSTEM_PROMPT
from corpora.records import Message
from corpora.records import ToolCall as RecordedCall
from serving.doctor import Turn
from serving.faults import AssistantError
from serving.retrieval.passages import Passage
from serving.steps import Ask, Call, Done, Retrieve, Say
from serving.tools import assistant_tools

TOOLS = {tool.name: tool for tool in assistant_tools() if tool.name in ("gcs", "check_interactions")}
CALLS = re.compile(r"<tool_call>(.*?)</tool_call>|<tool_call>(.*)", re.DOTALL)


@dataclass
class Talk:
    """What came of a turn.

    Attributes:
        messages: what the model read when it gave its last text.
        texts: what the model wrote each time it was asked.
        called: arguments of the calls that were carried out.
        results: of these calls.
        used: what the assistant tells of the turn beside its text.
        error: why there is no answer, if there is none.
    """

    messages: list[BaseMessage] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    called: list[dict[str, Any]] = field(default_factory=list)
    results: list[ToolMessage] = field(default_factory=list)
    used: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def answer(self) -> str:
        """The last text."""
        return self.texts[-1] if self.texts else ""


def schemas(names: Sequence[str]) -> list[dict[str, Any]]:
    """The tools of these names as a request to an OpenAI-compatible server carries them."""
    return [convert_to_openai_tool(TOOLS[name]) for name in names]


def read_calls(text: str) -> tuple[str, list[tuple[str, str]]] | None:
    """What stands before the tool calls in ``text``, and each call's name and arguments (JSON); None where one is malformed.

    As vLLM's ``hermes`` parser reads it: each call is a JSON object with ``name`` and ``arguments`` within ``<tool_call>`` marks, of
    which the last may be left out at the end. ``name`` must be a text and ``arguments`` an object.
    """
    calls = []
    for hit in CALLS.finditer(text):
        try:
            call = json.loads(hit[1] or hit[2] or "")
        except json.JSONDecodeError:
            return None
        if not (
            isinstance(call, dict) and isinstance(call.get("name"), str) and isinstance(call.get("arguments"), dict)
        ):
            return None
        calls.append((call["name"], json.dumps(call["arguments"], ensure_ascii=False)))
    return text[: text.find("<tool_call>")] if calls else text, calls


def spaced(name: str) -> str:
    """A name as the model is taught to write it within the quotation marks of JSON: after a space.

    There it is the token that it is in a sentence; right after a quotation mark it would be cut into others, whose spelling the
    model would have to know. The tools do without the space.
    """
    return f" {name}"


def as_chunk(text: str) -> AIMessageChunk:
    """What LangChain makes of the model's text: a malformed call stays text, as vLLM leaves it."""
    found = read_calls(text)
    if found is None:
        return AIMessageChunk(content=text)
    content, calls = found
    pieces = [
        tool_call_chunk(name=name, args=arguments, id=f"call-{at}", index=at)
        for at, (name, arguments) in enumerate(calls)
    ]
    return AIMessageChunk(content=content, tool_call_chunks=pieces)


def talk(question: str, tools: Sequence[str], passages: Sequence[Passage]) -> Generator[Talk, str, Talk]:
    """The assistant's turn on ``question``: yields when the model is asked and is sent the model's text, until the turn is done.

    The system message is the short one that the other dialogues have, and not the assistant's: its hundred tokens would take a
    third of the time of training.
    """
    done = Talk()
    mode = "model" if tools else "none"
    turn = Turn(SYSTEM_PROMPT, mode, lambda _: None, frozenset(tools), bool(passages)).run([HumanMessage(question)])  # type: ignore[arg-type]
    answer: Any = None
    try:
        while True:
            step = turn.send(answer)
            answer = None
            if isinstance(step, Retrieve):
                answer = list(passages)
            elif isinstance(step, Ask):
                done.messages = list(step.messages)
                text = yield done
                done.texts.append(text)
                answer = as_chunk(text)
            elif isinstance(step, Call):
                name = step.call["name"]
                answer = (
                    TOOLS[name].invoke(dict(step.call))
                    if name in tools
                    else ToolMessage(f"There is no tool {name}.", tool_call_id=str(step.call["id"]), status="error")
                )
                done.called.append(dict(step.call["args"]))
                done.results.append(answer)
            elif isinstance(step, Done):
                done.used = step.metadata
            else:
                assert isinstance(step, Say)
    except StopIteration:
        return done
    except AssistantError as error:
        done.error = str(error)
        return done


def recorded(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain's messages as records hold them."""
    roles: dict[str, Any] = {"human": "user", "system": "system", "tool": "tool"}
    return [
        Message(
            role=roles.get(message.type, "assistant"),
            content=str(message.text),
            tool_calls=[RecordedCall(name=call["name"], arguments=call["args"]) for call in _calls(message)],
        )
        for message in messages
    ]


def _calls(message: BaseMessage) -> list[ToolCall]:
    return list(getattr(message, "tool_calls", []))
