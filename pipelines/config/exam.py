"""The exam stage, and what is served at the end of a run."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pipelines.config.parts import Block, Corpus


class ExamItems(Corpus):
    """Exam items and the way in which they are asked and scored."""

    options: Literal["text", "letters"] = (
        "text"  # what is scored: each option's text, or its letter beneath a list of all
    )
    normalise: Literal["none", "bytes", "unconditional"] = (
        "none"  # what an option's log-probability is divided by, or freed of
    )


class ToolUse(Block):
    """Prompts on which tool calls and citations are measured, and the models that are asked, in their chat format."""

    models: list[str] = Field(min_length=1)
    corpora: list[Corpus] = Field(min_length=1)  # ``bundled-tool-exam``


class ExamStage(Block):
    """The exam of each named model: ``base`` or a stage's name. A model that was fine-tuned is asked in its chat format."""

    kind: Literal["exam"]
    models: list[str] = Field(min_length=1)
    chat: list[str] = []  # those of them that are asked in their chat format
    items: list[ExamItems] = []  # accuracy is reported for each
    instruction: str = ""  # follows the question in the chat format
    medical: list[Corpus] = []  # documents for bits per byte on medical text
    general: list[Corpus] = []  # documents for bits per byte on general text
    emergencies: list[Corpus] = []  # dialogues that must be answered with a referral first
    tool_use: ToolUse | None = None
    questions: list[str] = []  # sample questions whose answers the report shows
    batch_tokens: int = 2048  # tokens scored at once, padding included


class Serve(Block):
    """The model that ``serve``, ``ask`` and ``chat`` take, and what it is asked at the end of a run."""

    model: str
    questions: list[str] = []
    vllm: dict[str, Any] = {}  # vLLM's own flags, as ``max-model-len: 1024``
