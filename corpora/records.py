"""The four record types that every stage exchanges.

Published formats become one of these at an adapter; past it nobody asks what a row looked like.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

LETTERS = "ABCDEFGHIJ"  # by which the options of an exam item are called, in order
RECORD = '{"id":'  # how each line of a file of records begins, as Osler writes it


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(_Record):
    """A piece of running text."""

    id: str
    text: str = Field(min_length=1)
    title: str = ""
    source: str = ""
    licence: str = "unknown"
    language: str = "en"


class ToolCall(_Record):
    """A tool that the assistant calls."""

    name: str = Field(min_length=1)
    arguments: dict[str, Any]


def _empty(value: Any) -> bool:
    return not value


class Message(_Record):
    """One turn of a dialogue, in the roles of the OpenAI chat format."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    # Not written where there are none, so that a record without tools is the same bytes as before there were any.
    tool_calls: list[ToolCall] = Field(default=[], exclude_if=_empty)

    @model_validator(mode="after")
    def _only_the_assistant_calls(self) -> Message:
        if self.tool_calls and self.role != "assistant":
            raise ValueError(f"tool_calls stand in a message of the role '{self.role}'; only the assistant calls tools")
        return self

    def as_dict(self) -> dict[str, Any]:
        """The form that chat templates and TRL take; arguments are JSON in a string, as in OpenAI's format.

        As a string they keep their keys in a table of many rows, where a dict would be given the keys of all other calls.
        """
        calls = [
            {
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for call in self.tool_calls
        ]
        return {"role": self.role, "content": self.content} | ({"tool_calls": calls} if calls else {})


class Dialogue(_Record):
    """Turns that end with the assistant's."""

    id: str
    messages: list[Message] = Field(min_length=2)
    tools: list[dict[str, Any]] = Field(default=[], exclude_if=_empty)  # offered, in OpenAI's format
    source: str = ""
    meta: dict[str, Any] = {}

    @model_validator(mode="after")
    def _ends_with_the_assistant(self) -> Dialogue:
        if self.messages[-1].role != "assistant":
            raise ValueError("the last message of a dialogue must be the assistant's")
        return self


class Preference(_Record):
    """A prompt with a better and a worse answer, or with one answer that is known to be good or bad (KTO)."""

    id: str
    prompt: list[Message] = Field(min_length=1)
    chosen: str | None = Field(default=None, min_length=1)
    rejected: str | None = Field(default=None, min_length=1)
    source: str = ""
    meta: dict[str, Any] = {}

    @model_validator(mode="after")
    def _has_an_answer(self) -> Preference:
        if self.chosen is None and self.rejected is None:
            raise ValueError("a preference has a chosen answer, a rejected one, or both")
        return self


class ExamItem(_Record):
    """A question with options, of which those at ``answers`` are right: one, or several that must all be named."""

    id: str
    question: str = Field(min_length=1)
    options: list[str] = Field(min_length=2)
    answers: list[int] = Field(min_length=1)
    context: str = ""  # a passage that the question refers to
    source: str = ""
    meta: dict[str, Any] = {}

    @model_validator(mode="after")
    def _answers_are_options(self) -> ExamItem:
        for answer in self.answers:
            if not 0 <= answer < len(self.options):
                raise ValueError(f"answer {answer} is not the index of one of {len(self.options)} options")
        return self

    @property
    def answer(self) -> int:
        """The right option's place, where one alone is right; the first of several."""
        return self.answers[0]


Record = Document | Dialogue | Preference | ExamItem


def text_of(record: Record) -> str:
    """Everything of a record that a model reads."""
    if isinstance(record, Document):
        return f"{record.title}\n{record.text}"
    if isinstance(record, Dialogue):
        return "\n".join(message.content for message in record.messages)
    if isinstance(record, Preference):
        prompt = "\n".join(message.content for message in record.prompt)
        return "\n".join(part for part in (prompt, record.chosen, record.rejected) if part)
    return "\n".join([record.context, record.question, *record.options])
