"""LangChain clients of a served model, and the messages that they send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_openai import ChatOpenAI, OpenAI

from corpora.bundled.render import SYSTEM_PROMPT
from serving.faults import AssistantError
from serving.vllm.defaults import MODEL_NAME

NOTICE = "Osler is a computer program and not a doctor. In an emergency, call your emergency number."
BROKE_OFF = "the model's answer broke off; ask again"


def chat_model(url: str, model: str = MODEL_NAME, api_key: str = "unused", **settings: Any) -> ChatOpenAI:
    """``ChatOpenAI`` for a model that was fine-tuned to chat; greedy unless ``settings`` say otherwise."""
    return ChatOpenAI(base_url=url, model=model, api_key=api_key, **{"temperature": 0.0, "max_tokens": 128, **settings})  # type: ignore[arg-type]


def completion_model(url: str, model: str = MODEL_NAME, api_key: str = "unused", **settings: Any) -> OpenAI:
    """``OpenAI`` for a base model, which continues a text."""
    return OpenAI(base_url=url, model=model, api_key=api_key, **{"temperature": 0.0, "max_tokens": 64, **settings})  # type: ignore[arg-type]


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
        raise AssistantError(BROKE_OFF)


def broke_off(model: BaseChatModel, finish_reason: Any) -> bool:
    """Whether a stream broke: one that ended without a reason to end. Models of other makes than OpenAI's tell none."""
    return isinstance(model, ChatOpenAI) and not finish_reason


def remember(history: list[BaseMessage], question: str, answer: str, turns: int = 3) -> list[BaseMessage]:
    """The history with one more exchange, the oldest dropped beyond ``turns``."""
    return [*history, HumanMessage(question), AIMessage(answer)][-2 * turns :]
