"""What a benchmark is: which rows are asked, how the prompt is laid out and how the answer is scored, after which publication."""

from __future__ import annotations

import functools
from typing import Any, Literal

import jinja2.meta
import jinja2.sandbox
from pydantic import BaseModel, ConfigDict, Field

from corpora.catalog import load_catalog
from corpora.errors import DataError

Scoring = Literal["likelihood", "generative", "numeric", "rubric", "similarity", "refusal", "coverage"]
Judged = Literal["none", "criteria", "statements", "harm", "reference"]
Variant = Literal["none", "nota", "unsure"]
OPEN = (
    "numeric",
    "rubric",
    "similarity",
    "refusal",
    "coverage",
)  # scorings of answers that are not decided by the options alone

# A template cannot reach beyond the item that it is given.
_TEMPLATES = jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Block):
    """Where a task's rows are."""

    dataset: str = ""  # of the catalogue, or ``bundled-exam``; empty where it is brought with --file only
    address: str = ""  # where it can be had, for a dataset that is not in the catalogue
    split: str = ""  # the published name of the part that is asked
    read: list[str] = []  # patterns of its files, or of an archive's members; empty: the catalogue's
    where: dict[str, list[str]] = {}  # rows whose field has one of these values
    answers: list[
        str
    ] = []  # patterns of the file of right answers, where it is one apart (see ``evals.exam.answer_file``)
    answers_at: str = ""  # where that file can be had
    fewshot: list[str] = []  # patterns of the files whose first rows are the examples
    fewshot_where: dict[str, list[str]] = {}
    fewshot_by: list[
        str
    ] = []  # fields in which an item's examples are like it, as published; empty: all items have the same
    shape: str | None = None  # of ``corpora.adapters``; None: found from the rows
    published: int | None = None  # items of the split, by the publication
    limit: int | None = None  # items asked, taken evenly over the rows: a sample of a large set


class Task(_Block):
    """One benchmark: its rows, its prompt, its scoring, and the publication whose convention these are."""

    name: str
    title: str
    version: int = 1  # raised when a change of this file changes scores
    language: Literal["en", "zh", "es"] = "en"
    source: str  # publication or code whose convention is followed
    licence: str = ""  # of the data; empty: the catalogue's
    data: Data
    description: str = ""  # stands before all; the system's turn in the chat format
    prompt: str = (
        "Question: {{ question }}\n{{ options }}"  # Jinja2, of question, context, options, letters, subject and meta
    )
    option: str = "{letter}. {text}"  # a line of the list of options
    cue: str = "\nAnswer:"  # after which the answer is expected
    lead: str = " "  # between cue and answer
    # In place of prompt and cue in the chat format, where options are scored by likelihood: for a question that is put to a chat
    # model in other words. Null: as it is put to a base model, which is what lm-eval does.
    chat_prompt: str | None = None
    # Ends the prompt in place of the cue when a chat model writes its answer freely; null: nothing does, empty: our own words.
    instruction: str | None = ""
    answers: Literal["letters", "texts"] = "letters"  # what is scored by likelihood
    choices: list[str] = []  # the options of every item, where all have the same
    options: int | None = None  # how many options an item has, where all have as many
    several: bool = False  # whether several options may be right at once
    scoring: Scoring = "likelihood"
    metric: Literal["accuracy", "exact_set", "graded"] = "accuracy"
    judged: Judged = "none"  # what a judge model says of an open answer (see ``evals.open.marking``)
    normalise: Literal["none", "bytes", "unconditional"] = "none"
    worked: str = ""  # field of an example that holds its worked answer, shown in place of the letter
    worked_begins: str = ""  # words at its beginning that the cue has already
    num_fewshot: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=1024, gt=0)  # tokens of a freely written answer
    stop: list[str] = ["\n\n", "Question:"]  # ends what a model without a chat format writes
    general: bool = False  # of no medical set: what a model has forgotten beside its base
    variant: Variant = (
        "none"  # see ``evals.exam.variants``; those of a bundled task are ``NAME-nota`` and ``NAME-unsure``
    )
    key_errors: list[str] = []  # ids of items whose published answer is known to be wrong

    @property
    def open_ended(self) -> bool:
        """Whether the score is not decided by the options alone."""
        return self.scoring in OPEN

    @property
    def data_licence(self) -> str:
        """The licence in the publisher's words."""
        entry = load_catalog().get(self.data.dataset)
        return self.licence or (entry.licence if entry is not None else "unknown")

    @property
    def plain_name(self) -> str:
        """The name of the task that this is a variant of; its own where it is none."""
        return self.name.removesuffix(f"-{self.variant}")

    @property
    def plain(self) -> Task:
        """The task with its items as they are published."""
        return self.model_copy(update={"variant": "none"})

    @property
    def has_variants(self) -> bool:
        """Whether it can be asked as the variants: its items have options of their own, and the prompt lists them."""
        return self.lists_options("prompt") and not self.choices and not self.open_ended and self.variant == "none"

    def lists_options(self, field: Literal["prompt", "chat_prompt"]) -> bool:
        """Whether the template has a place for the list of the options."""
        return "options" in _places(getattr(self, field) or "")

    def check_templates(self) -> None:
        """Raises DataError when a field that is filled in with an item is no valid template."""
        for field in ("prompt", "chat_prompt", "description"):
            try:
                _compiled(getattr(self, field) or "")
            except jinja2.TemplateSyntaxError as error:
                raise DataError(f"task '{self.name}', {field}: not a valid template: {error.message}") from error
        try:
            self.option.format(letter="A", text="")
        except (LookupError, ValueError, AttributeError) as error:
            raise DataError(
                f"task '{self.name}', option: it may hold {{letter}} and {{text}} alone, not {error}"
            ) from error

    def filled(self, field: Literal["prompt", "chat_prompt", "description"], item: str, **values: Any) -> str:
        """The template of ``field`` with what an item has.

        Raises:
            DataError: it asks for what the item has not; the message names the item.
        """
        try:
            return _compiled(getattr(self, field)).render(**values)
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise DataError(f"task '{self.name}', {field} of item {item}: {error}") from error


@functools.lru_cache(maxsize=256)
def _compiled(template: str) -> jinja2.Template:
    return _TEMPLATES.from_string(template)


@functools.lru_cache(maxsize=256)
def _places(template: str) -> set[str]:
    return jinja2.meta.find_undeclared_variables(_TEMPLATES.parse(template))
