"""The synthesise stage: a teacher and what it is to write; and what every block has that asks a teacher."""

from __future__ import annotations

import urllib.parse
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pipelines.config.parts import Block, Corpus


class Price(Block):
    """What the teacher's endpoint asks for a million tokens, in any currency."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Teacher(Block):
    """Who writes: a model that our own vLLM is started for, or one behind any OpenAI-compatible endpoint."""

    model: str | None = (
        None  # ``base``, a stage's name, ``bundled:…``, a folder or a hub id: our own vLLM is started for it
    )
    vllm: dict[str, Any] = {}  # its flags, as ``tensor-parallel-size: 4``
    url: str | None = None  # or an endpoint, with /v1
    name: str | None = None  # what the endpoint calls the model
    key_env: str | None = None  # the NAME of the environment variable that holds the key
    price_per_million: Price | None = None
    temperature: float | None = 0.7
    top_p: float | None = None
    max_tokens: int = Field(default=1024, ge=1)  # of each answer
    # Of an answer, for the estimate; half of max_tokens if unset.
    expected_tokens: int | None = Field(default=None, ge=1)
    extra: dict[str, Any] = {}  # further fields of the request, as ``reasoning_effort: low``; null leaves a field out

    @model_validator(mode="after")
    def _is_one_teacher(self) -> Teacher:
        if (self.model is None) == (self.url is None):
            raise ValueError("a teacher has either model (our own vLLM) or url (an endpoint)")
        if self.url is None:
            if self.name or self.key_env:
                raise ValueError("name and key_env belong to a teacher with url")
            return self
        if not self.name:
            raise ValueError("a teacher with url needs name, as the endpoint calls the model")
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url is an address as https://host/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError("url holds a key or a query; a key is never in a recipe: name its variable in key_env")
        if self.vllm:
            raise ValueError("vllm belongs to a teacher with model")
        return self


class Asking(Block):
    """A teacher, and the limits within which it is asked."""

    teacher: Teacher
    max_tries: int = Field(default=1, ge=1)  # replies sampled for one thing until one can be used
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: int | None = Field(default=None, ge=1)  # of prompts and answers together
    concurrency: int = Field(default=16, ge=1)  # requests under way at once
    timeout: float = Field(default=300.0, gt=0)  # seconds for a request
    retries: int = Field(default=5, ge=0)  # of a request that failed, with growing waits between
    backoff: float = Field(default=1.0, gt=0)  # seconds, the first of these waits at most
    stop_after: int = Field(default=20, ge=1)  # items in a row that the endpoint failed: the run stops
    max_cost: float | None = Field(default=None, gt=0)  # in the currency of the prices

    @model_validator(mode="after")
    def _cost_is_known(self) -> Asking:
        if self.max_cost is not None and self.teacher.price_per_million is None:
            raise ValueError("max_cost needs teacher.price_per_million")
        return self

    def makes(self) -> dict[str, Any]:
        """The settings that the replies depend on: what only says how fast, how dearly and from where is left out."""
        how = {"requests_per_minute", "tokens_per_minute", "concurrency", "timeout", "retries", "backoff"}
        how |= {"stop_after", "max_cost"}
        of_teacher = {"url", "key_env", "price_per_million", "expected_tokens"}
        return {**self.model_dump(exclude={*how, "teacher"}), "teacher": self.teacher.model_dump(exclude=of_teacher)}


class Prompted(Block):
    """What has prompts that a recipe may put its own in the place of."""

    prompts: dict[str, str] = {}  # step, or step.language, to a bundled prompt's name or a .jinja file

    steps: ClassVar[tuple[str, ...]] = ()  # those that have a prompt

    @model_validator(mode="after")
    def _prompts_are_of_steps(self) -> Prompted:
        for key in self.prompts:
            if key.partition(".")[0] not in self.steps:
                raise ValueError(f"prompts: no step is called '{key}'; there are: {', '.join(self.steps)}")
        return self


class _SynthesisTask(Prompted):
    """What all tasks of a synthesise stage have."""

    # First part of the records' ids; the kind if not given.
    name: str | None = Field(default=None, pattern=r"^[\w.-]+$")
    corpora: list[Corpus] = Field(min_length=1)
    each: int = Field(default=1, ge=1)  # records wished of each source item


class ExamTask(_SynthesisTask):
    """Worked answers to exam items (``write: answers``), or new items in the style of given ones (``write: items``)."""

    task: Literal["exam"]
    write: Literal["answers", "items"] = "answers"
    # How the chosen option is found in an answer: by its letter, by its words, or by letting the teacher write nothing but one of the
    # options (vLLM's structured outputs). The last leaves no reasoning, and a guess agrees by chance: set max_tries to 1 with it.
    choice: Literal["letter", "text", "constrained"] = "letter"
    samples: int = Field(default=3, ge=1)  # independent answers to a new item
    agreement: float = Field(default=1.0, gt=0.5, le=1)  # share of them that must name the key that was written
    record: Literal["dialogue", "item"] = "dialogue"  # what becomes of a new item

    steps: ClassVar[tuple[str, ...]] = ("exam", "item")

    @model_validator(mode="after")
    def _answers_are_dialogues(self) -> ExamTask:
        if self.write == "answers" and self.record == "item":
            raise ValueError("record: item needs write: items; an answer to an item becomes a dialogue")
        return self


class GroundedTask(_SynthesisTask):
    """Questions and answers on passages of documents, each with a quotation from its passage."""

    task: Literal["grounded"]
    passage_characters: int = Field(default=4000, ge=200)  # a longer document is cut into several passages
    min_quotation: int = Field(default=6, ge=1)  # words, or Chinese characters, of the quotation
    min_support: float = Field(default=0.7, ge=0, le=1)  # share of the answer's content words that the passage has
    min_dose_support: float = Field(default=0.5, ge=0, le=1)  # the same, of a sentence with a dose in one with the same
    judge: bool = True  # ask the teacher in a second request whether the passage supports the answer

    steps: ClassVar[tuple[str, ...]] = ("grounded", "judge")


class VignetteTask(_SynthesisTask):
    """Patient cases whose answer is the document's title."""

    task: Literal["vignette"]
    passage_characters: int = Field(default=4000, ge=200)  # of the document, from its start
    min_words: int = Field(default=30, ge=1)  # of a case, or Chinese characters
    samples: int = Field(default=1, ge=1)  # independent diagnoses, all of which must name the condition

    steps: ClassVar[tuple[str, ...]] = ("vignette", "diagnose")


SynthesisTask = Annotated[ExamTask | GroundedTask | VignetteTask, Field(discriminator="task")]
TASK_CLASSES: dict[str, type[_SynthesisTask]] = {"exam": ExamTask, "grounded": GroundedTask, "vignette": VignetteTask}


class SynthesiseStage(Asking):
    """Records written by a teacher and kept when they agree with a gold label or a passage; a corpus by the stage's name."""

    kind: Literal["synthesise"]
    tasks: list[SynthesisTask] = Field(min_length=1)
    max_tries: int = Field(default=8, ge=1)  # for each record (Fully Open Meditron: 8)

    @model_validator(mode="after")
    def _is_one_corpus(self) -> SynthesiseStage:
        names = [task.name or task.task for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two tasks are called '{name}'; give each a name of its own")
        kinds = {getattr(task, "record", "dialogue") for task in self.tasks}
        if len(kinds) > 1:
            raise ValueError(
                "one stage gives either dialogues or items; put the task with record: item in its own stage"
            )
        return self
