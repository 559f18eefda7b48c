"""One turn of the doctor assistant, without any input or output of its own.

``Turn.run`` is a generator: it yields what it wants said or done, and gets back what came of it. The synchronous and the asynchronous
driver in ``serving.assistant`` do the asking, so that the order of things stands here once: red flags, then what rules can answer,
then the model with passages and tools, then the sources.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata, add_usage

from serving.citing import FOUND, SOURCES, source_list, with_passages
from serving.conversation import check_text, red_flag
from serving.doses import notice
from serving.faults import AssistantError, NotText, ToolsRefused
from serving.guard import RedFlag, neutral
from serving.retrieval.passages import Passage
from serving.router import Route, route
from serving.steps import Ask, Call, Done, Retrieve, Say, Step
from serving.triage import language_of
from serving.triage.catalogue import Language
from serving.unsaid import notices
from serving.unstated import notice as unstated_notice

ROUNDS = 4  # of tool calls in one turn, after which the model must answer
# In the language of the question.
UNREACHABLE: dict[Language, str] = {
    "en": "The language model cannot be reached or gives no answer, so this is all that can be said now.",
    "zh": "无法连接语言模型，或模型没有回答，目前只能说这些。",
}
BROKEN: dict[Language, str] = {
    "en": "The answer broke off here and is not complete.",
    "zh": "回答在此中断，内容不完整。",
}
CUT: dict[Language, str] = {"en": "[The answer was cut at its length limit.]", "zh": "[回答达到长度上限，在此截断。]"}


@dataclass
class Turn:
    """How a turn goes.

    Attributes:
        system: the only system message that the model reads.
        mode: who calls the tools: the model, the router of rules, or nobody.
        triage: the red-flag check.
        retrieves: whether passages are looked for.
        tools: names of the tools that there are.
        exchanges: earlier exchanges that the model reads.
    """

    system: str
    mode: Literal["model", "router", "none"]
    triage: Callable[[str], RedFlag | None]
    tools: frozenset[str] = frozenset()
    retrieves: bool = True
    exchanges: int = 6
    used: dict[str, Any] = field(default_factory=dict)
    said: bool = False  # whether the model has said anything
    usage: UsageMetadata | None = None  # of all that the model was asked

    def run(self, messages: Sequence[BaseMessage]) -> Generator[Step, Any, None]:
        """The steps of the answer to the last of ``messages``.

        Raises:
            AssistantError: no question, a system message or an image among the messages, or the model failed and nothing else was said.
        """
        question = self._question(messages)
        flag = red_flag(self.triage, messages)
        if flag is not None:
            self.used["emergency"] = flag.model_dump(exclude={"text"})
            yield Say(f"{flag.text}\n\n")
        try:
            check_text(messages)
            yield from self._answer(messages, question)
        except NotText as error:
            if flag is None:
                raise
            self.used["error"] = str(error)
            yield Say(f"\n{error}")
        except AssistantError as error:
            begun = error.begun or self.said
            routed = None if begun or self.mode == "none" else self._route(messages)  # rules need no model
            if flag is None and routed is None:
                raise
            self.used["error"] = str(error)
            if routed is not None:
                yield from self._routed(routed)
            said = BROKEN if begun else UNREACHABLE
            yield Say(f"\n{said[language_of(question)]}")
        yield Done(self.used, self.usage)

    def _answer(self, messages: Sequence[BaseMessage], question: str) -> Generator[Step, Any, None]:
        routed = self._route(messages) if self.mode == "router" else None
        if routed is not None:
            yield from self._routed(routed)
            return
        try:
            yield from self._model(messages, question)
        except ToolsRefused:
            self.mode = "router"
            yield from self._answer(messages, question)

    def _question(self, messages: Sequence[BaseMessage]) -> str:
        if messages and not str(messages[-1].text).strip():
            check_text(messages[-1:])  # an image alone
        if not messages or not isinstance(messages[-1], HumanMessage) or not str(messages[-1].text).strip():
            raise AssistantError("the last message is not a person's question")
        if any(isinstance(turn, SystemMessage) for turn in messages):
            raise AssistantError(
                "system messages are not taken from a conversation; give them as DoctorAssistant(system=...)"
            )
        return str(messages[-1].text)

    def _route(self, messages: Sequence[BaseMessage]) -> Route | None:
        found = route(messages)
        return found if found is not None and found.tool.replace("-", "_") in self.tools else None

    def _routed(self, routed: Route) -> Generator[Step, Any, None]:
        if routed.question:
            yield Say(routed.question)
            return
        name = routed.tool.replace("-", "_")
        result = yield Call(ToolCall(name=name, args=routed.arguments, id="router-1", type="tool_call"))
        taken = "; ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in routed.arguments.items())
        self._note(name, routed.arguments, result)
        yield Say(f"{result.text}\nTaken from your words: {taken}.")

    def _note(self, name: str, arguments: dict[str, Any], result: ToolMessage) -> None:
        artifact = result.artifact
        shown = artifact.model_dump(mode="json") if hasattr(artifact, "model_dump") else str(result.text)
        self.used.setdefault("tools", []).append({"name": name, "arguments": arguments, "result": shown})

    def _model(self, messages: Sequence[BaseMessage], question: str) -> Generator[Step, Any, None]:
        passages: list[Passage] = (yield Retrieve(question)) if self.retrieves else []
        talk: list[BaseMessage] = [SystemMessage(self.system), *self._earlier(messages[:-1])]
        talk.append(HumanMessage(with_passages(neutral(question), passages)))
        said, doubts = "", dict[str, None]()
        results: list[tuple[str, ToolMessage]] = []
        for number in range(ROUNDS + 1):
            answer: AIMessageChunk = yield Ask(talk, tools=self.mode == "model" and number < ROUNDS)
            said += str(answer.text)
            self._count(answer)
            self.said = self.said or bool(said)
            calls = _calls(answer)
            if not calls:
                break
            talk.append(AIMessage(content=answer.content, tool_calls=[call for call, _ in calls]))
            for call, fault in calls:
                result: ToolMessage = (
                    ToolMessage(fault, tool_call_id=str(call["id"]), status="error") if fault else (yield Call(call))
                )
                self._note(call["name"], call["args"], result)
                results.append((call["name"], result))
                if result.status == "success":
                    for key, (values, line) in notices(
                        call["name"], call["args"], _given(messages, talk), question
                    ).items():
                        self.used["tools"][-1][key] = values
                        doubts[line] = None
                talk.append(ToolMessage(neutral(str(result.text)), tool_call_id=str(call["id"]), status=result.status))
        if not said.strip():
            raise AssistantError.of("empty")
        if answer.response_metadata.get("finish_reason") == "length":
            yield Say(f" {CUT[language_of(question)]}")
        if told := notice(said, "\n".join(str(turn.text) for turn in talk if not isinstance(turn, AIMessage))):
            self.used["unsourced_amount"] = True
            yield Say(f"\n\n{told}")
        unstated = [unstated_notice(name, result.artifact, said, question) for name, result in results]
        for told in dict.fromkeys([*filter(None, unstated), *doubts]):
            yield Say(f"\n\n{told}")
        if passages:
            cited = {int(mark) for mark in re.findall(r"\[(\d{1,2})\]", said)}
            self.used["citations"] = [
                {"number": at, "cited": at in cited, **one.model_dump()} for at, one in enumerate(passages, start=1)
            ]
            yield Say(source_list(passages, cited))

    def _count(self, answer: AIMessageChunk) -> None:
        """What LangChain's own models tell of an answer, for whoever reads it off a message."""
        if answer.usage_metadata is not None:
            self.usage = add_usage(self.usage, answer.usage_metadata)
        self.used |= {
            name: answer.response_metadata[name]
            for name in ("model_name", "finish_reason")
            if name in answer.response_metadata
        }

    def _earlier(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        kept: list[BaseMessage] = []
        for turn in messages:
            if isinstance(turn, HumanMessage):
                kept.append(HumanMessage(neutral(str(turn.text))))
            elif isinstance(turn, AIMessage) and str(turn.text):
                # The list of sources was for the person.
                kept.append(AIMessage(neutral(re.split(rf"\n\n(?:{SOURCES}|{re.escape(FOUND)})", str(turn.text))[0])))
        return kept[-2 * self.exchanges :] if self.exchanges else []


def _calls(answer: AIMessageChunk) -> list[tuple[ToolCall, str]]:
    """The tool calls, each with what is wrong with its arguments, if anything.

    Read from the text that the model wrote: LangChain completes broken JSON, and would make ``{"age": 5`` an age of 5.
    """
    found: list[tuple[ToolCall, str]] = []
    for at, piece in enumerate(answer.tool_call_chunks):
        name, identifier = piece["name"] or "unknown", piece["id"] or f"call-{at}"
        try:
            arguments, fault = json.loads(piece["args"] or "{}"), ""
        except json.JSONDecodeError as error:
            arguments, fault = {}, f"Not called: the arguments are not JSON ({error})."
        if not isinstance(arguments, dict):
            arguments, fault = {}, "Not called: the arguments are not a JSON object."
        found.append((ToolCall(name=name, args=arguments, id=identifier, type="tool_call"), fault))
    return found or [(call, "") for call in answer.tool_calls]


def _given(messages: Sequence[BaseMessage], talk: Sequence[BaseMessage]) -> str:
    """What a person has said in ``messages``, and tools have answered in ``talk``; neither what the model said itself, nor passages."""
    said = [turn for turn in messages if isinstance(turn, HumanMessage)]
    return "\n".join(str(turn.text) for turn in [*said, *(turn for turn in talk if isinstance(turn, ToolMessage))])


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
