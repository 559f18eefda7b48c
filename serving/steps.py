"""The steps of the doctor assistant's turn: what it wants said or done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import (
    BaseMessage,
    ToolCall,
)
from langchain_core.messages.ai import UsageMetadata


@dataclass(frozen=True)
class Say:
    """Text for the person."""

    text: str


@dataclass(frozen=True)
class Retrieve:
    """Asks for passages on a query; answered with a list of ``Passage``."""

    query: str


@dataclass(frozen=True)
class Ask:
    """Asks the model, which streams to the person; answered with the whole ``AIMessageChunk``."""

    messages: list[BaseMessage]
    tools: bool


@dataclass(frozen=True)
class Call:
    """Calls a tool; answered with its ``ToolMessage``."""

    call: ToolCall


@dataclass(frozen=True)
class Done:
    """What the turn used, for ``response_metadata``, and the tokens of all that the model was asked, where its server counts them."""

    metadata: dict[str, Any]
    usage: UsageMetadata | None = None


Step = Say | Retrieve | Ask | Call | Done
