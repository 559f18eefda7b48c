"""What a conversation holds for the assistant: the words that wait for an answer, and text alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from serving.faults import NotText
from serving.guard import RedFlag


def unanswered(messages: Sequence[BaseMessage]) -> list[str]:
    """The person's messages since the last answer, the latest last. An answer without words, such as a tool call, is none."""
    words: list[str] = []
    for turn in messages:
        if isinstance(turn, HumanMessage) or getattr(turn, "role", "") == "user":  # a ChatMessage of a person's
            words.append(str(turn.text))
        elif isinstance(turn, AIMessage) and str(turn.text).strip():
            words.clear()
    return words


def red_flag(check: Callable[[str], RedFlag | None], messages: Sequence[BaseMessage]) -> RedFlag | None:
    """What ``check`` finds in the last message, or in it together with those before that nobody has answered."""
    words = unanswered(messages)
    if not words:
        return None
    return check(words[-1]) or (check("\n".join(words)) if len(words) > 1 else None)


def check_text(messages: Sequence[BaseMessage]) -> None:
    """Raises NotText where a person's message has a part that is no text: to answer the words beside an image, as if there were none, would mislead."""
    for turn in messages:
        if isinstance(turn, HumanMessage) and isinstance(turn.content, list):
            for part in turn.content:
                if isinstance(part, dict) and part.get("type") != "text":
                    raise NotText(
                        f"only text is read here, and a message has a part of type {part.get('type')!r}; describe it in words"
                    )
