"""Does what the steps of the doctor assistant's turn ask: says, retrieves, asks the model, calls tools.

Once in the synchronous way and once in the asynchronous way: they differ in what they wait for, and in nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import openai
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool

from serving.clients import broke_off
from serving.doctor import Turn
from serving.faults import FAULTS, AssistantError, ToolsRefused, explained
from serving.retrieval.passages import Passage
from serving.steps import Ask, Call, Done, Retrieve, Say, Step


def address_of(model: BaseChatModel) -> str:
    """Where a model answers, for errors."""
    return getattr(model, "openai_api_base", None) or "the model"


@dataclass(frozen=True)
class Driver:
    """What a turn's steps are done with.

    Attributes:
        model: answers.
        retriever: finds passages; None where no turn asks for any.
        tools: what may be called, by name.
        refused: is told that the server takes no tools, so that the turn, and the next, go on without; None where they may not.
    """

    model: BaseChatModel
    retriever: BaseRetriever | None
    tools: Mapping[str, BaseTool]
    refused: Callable[[], None] | None

    def run(
        self, turn: Turn, messages: Sequence[BaseMessage], config: RunnableConfig, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        """The answer to ``messages`` in pieces; the last has what it rests on. ``kwargs`` go to the model.

        Raises:
            AssistantError: as ``Turn.run`` does.
        """
        steps = turn.run(messages)
        step = _next(steps, _Heard())
        while step is not None:
            heard = _Heard()
            if isinstance(step, Say | Done):
                yield _chunk(step)
            elif isinstance(step, Retrieve | Call):
                try:
                    heard.answer = self._looked_up(step, config)
                except Exception as error:  # of any retriever or tool that was given: what an emergency was told stands
                    heard.fault = _failed(step, error)
            else:
                try:
                    for piece in self._bound(step.tools).stream(step.messages, config, **kwargs):
                        yield from heard.take(piece)
                    heard.fault = self._incomplete(heard.answer)
                except FAULTS as error:
                    heard.fault = self._fault(error, step)
            step = _next(steps, heard)

    async def arun(
        self, turn: Turn, messages: Sequence[BaseMessage], config: RunnableConfig, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """As ``run``."""
        steps = turn.run(messages)
        step = _next(steps, _Heard())
        while step is not None:
            heard = _Heard()
            if isinstance(step, Say | Done):
                yield _chunk(step)
            elif isinstance(step, Retrieve | Call):
                try:
                    heard.answer = await self._alooked_up(step, config)
                except Exception as error:
                    heard.fault = _failed(step, error)
            else:
                try:
                    async for piece in self._bound(step.tools).astream(step.messages, config, **kwargs):
                        for shown in heard.take(piece):
                            yield shown
                    heard.fault = self._incomplete(heard.answer)
                except FAULTS as error:
                    heard.fault = self._fault(error, step)
            step = _next(steps, heard)

    def _bound(self, tools: bool) -> Runnable[LanguageModelInput, AIMessage]:
        return self.model.bind_tools(list(self.tools.values())) if tools and self.tools else self.model

    def _unknown(self, step: Call) -> ToolMessage | None:
        if step.call["name"] in self.tools:
            return None
        return ToolMessage(f"There is no tool {step.call['name']}.", tool_call_id=str(step.call["id"]), status="error")

    def _looked_up(self, step: Retrieve | Call, config: RunnableConfig) -> Any:
        if isinstance(step, Call):
            return self._unknown(step) or self.tools[step.call["name"]].invoke(dict(step.call), config)
        assert self.retriever is not None
        return _passages(self.retriever.invoke(step.query, config))

    async def _alooked_up(self, step: Retrieve | Call, config: RunnableConfig) -> Any:
        if isinstance(step, Call):
            return self._unknown(step) or await self.tools[step.call["name"]].ainvoke(dict(step.call), config)
        assert self.retriever is not None
        return _passages(await self.retriever.ainvoke(step.query, config))

    def _incomplete(self, answer: AIMessageChunk | None) -> AssistantError | None:
        reason = answer.response_metadata.get("finish_reason") if answer is not None else None
        return AssistantError.of("broke_off") if broke_off(self.model, reason) else None

    def _fault(self, error: Exception, asked: Ask) -> AssistantError:
        if self.refused is None or not isinstance(error, openai.BadRequestError) or not asked.tools:
            return explained(error, address_of(self.model))
        if "tool" in str(error):
            self.refused()  # as the server will refuse the next one, too
        return ToolsRefused(str(error))


@dataclass
class _Heard:
    """What came of one step: its answer, or what went wrong."""

    answer: Any = None
    fault: AssistantError | None = None

    def take(self, piece: AIMessage) -> Iterator[AIMessageChunk]:
        """Adds a piece of the model's answer; what of it the person is shown."""
        assert isinstance(piece, AIMessageChunk)
        self.answer = piece if self.answer is None else self.answer + piece
        if piece.text:
            yield AIMessageChunk(content=str(piece.text))


def _next(steps: Generator[Step, Any, None], heard: _Heard) -> Step | None:
    try:
        if heard.fault is None:
            return steps.send(heard.answer)
        heard.fault.begun = heard.answer is not None and bool(heard.answer.text)
        return steps.throw(heard.fault)
    except StopIteration:
        return None


def _failed(step: Retrieve | Call, error: Exception) -> AssistantError:
    """What went wrong in a retriever or a tool."""
    told = f"{type(error).__name__}: {error}"
    made = (
        AssistantError.of("tool", name=step.call["name"], told=told)
        if isinstance(step, Call)
        else AssistantError.of("retriever", told=told)
    )
    made.__cause__ = error
    return made


def _passages(documents: Sequence[Document]) -> list[Passage]:
    return [Passage.from_document(one) for one in documents]


def _chunk(step: Say | Done) -> AIMessageChunk:
    if isinstance(step, Say):
        return AIMessageChunk(content=step.text)
    return AIMessageChunk(content="", response_metadata=step.metadata, usage_metadata=step.usage)
