"""LangChain clients of a served model, and the messages that they send."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import openai
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.outputs import LLMResult
from langchain_openai import ChatOpenAI, OpenAI

from corpora.bundled.render import SYSTEM_PROMPT
from serving.faults import AssistantError
from serving.vllm.defaults import MODEL_NAME

NOTICE = "Osler is a computer program and not a doctor. In an emergency, call your emergency number."


class _ClientOfEachLoop(openai.DefaultAsyncHttpxClient):
    """An HTTP client whose connections are those of the event loop that asks.

    LangChain's own keeps the connections of a loop that has ended: a second ``asyncio.run`` with the same model fails on them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()

    async def send(self, request: Any, **settings: Any) -> Any:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for ended in [one for one in self._clients if one.is_closed()]:  # its connections would hold it for ever
                self._clients.pop(ended, None)
            client = self._clients[loop] = openai.DefaultAsyncHttpxClient()
        return await client.send(request, **settings)

    async def aclose(self) -> None:
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()
        await super().aclose()


def _settings(given: dict[str, Any], **own: Any) -> dict[str, Any]:
    """A client's settings; those ``given`` win. LangChain takes a proxy or a client, not both."""
    if not given.get("openai_proxy") and not os.environ.get("OPENAI_PROXY"):
        own["http_async_client"] = _ClientOfEachLoop()
    return {"temperature": 0.0, **own, **given}


def chat_model(url: str, model: str = MODEL_NAME, api_key: str = "unused", **settings: Any) -> ChatOpenAI:
    """``ChatOpenAI`` for a model that was fine-tuned to chat; greedy unless ``settings`` say otherwise."""
    return ChatOpenAI(base_url=url, model=model, api_key=api_key, **_settings(settings, max_tokens=128))  # type: ignore[arg-type]


def completion_model(url: str, model: str = MODEL_NAME, api_key: str = "unused", **settings: Any) -> OpenAI:
    """``OpenAI`` for a base model, which continues a text."""
    return OpenAI(base_url=url, model=model, api_key=api_key, **_settings(settings, max_tokens=64))  # type: ignore[arg-type]


def messages(
    question: str, history: Sequence[BaseMessage] = (), system: str | None = SYSTEM_PROMPT
) -> list[BaseMessage]:
    """The turns that the model reads."""
    first: list[BaseMessage] = [SystemMessage(system)] if system else []
    return [*first, *history, HumanMessage(question)]


def stream_answer(model: BaseChatModel, question: str, history: Sequence[BaseMessage] = ()) -> Iterator[str]:
    """The answer in pieces, as the model writes it.

    Raises:
        AssistantError: it broke off.
    """
    reason = None
    for piece in model.stream(messages(question, history)):
        if isinstance(piece.content, str) and piece.content:
            yield piece.content
        reason = piece.response_metadata.get("finish_reason") or reason
    if broke_off(model, reason):
        raise AssistantError.of("broke_off")


class _Ending(BaseCallbackHandler):
    """Why a completion ended, which its stream of texts does not tell."""

    reason: Any = None

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.reason = (response.generations[0][0].generation_info or {}).get("finish_reason")


def stream_completion(model: OpenAI, text: str) -> Iterator[str]:
    """How a base model continues ``text``, in pieces.

    Raises:
        AssistantError: it broke off.
    """
    ending = _Ending()
    yield from model.stream(text, {"callbacks": [ending]})
    if not ending.reason:
        raise AssistantError.of("broke_off")


def broke_off(model: BaseChatModel, finish_reason: Any) -> bool:
    """Whether a stream broke: one that ended without a reason to end. Models of other makes than OpenAI's tell none."""
    return isinstance(model, ChatOpenAI) and not finish_reason


def remember(history: list[BaseMessage], question: str, answer: str, turns: int = 3) -> list[BaseMessage]:
    """The history with one more exchange, the oldest dropped beyond ``turns``."""
    return [*history, HumanMessage(question), AIMessage(answer)][-2 * turns :]
