"""A benchmark as one readable YAML file, and suites as named lists of them.

A file of ``evals/tasks`` says which rows are asked, how the prompt is laid out and how the answer is scored, and names the
publication that it follows. ``extends: NAME`` takes over all that another file says; what is given again replaces it. A file
whose name begins with ``_`` is only there to be extended.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal

import jinja2.meta
import jinja2.sandbox
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpora.catalog import load_catalog
from corpora.errors import DataError, nearest

TASKS = Path(__file__).parent / "tasks"
SUITES = Path(__file__).parent / "suites"

Scoring = Literal["likelihood", "generative", "numeric", "rubric", "similarity", "refusal", "coverage"]
Judged = Literal["none", "criteria", "statements", "harm", "reference"]
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
    variant: Literal["none", "nota", "unsure"] = "none"  # see ``evals.variants``
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
    def lists_options(self) -> bool:
        """Whether the prompt has a place for the list of the options."""
        return "options" in _places(self.prompt) | _places(self.chat_prompt or "")

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


def task_names() -> list[str]:
    """The bundled tasks, in alphabetical order."""
    return sorted(path.stem for path in TASKS.glob("*.yaml") if not path.name.startswith("_"))


def suite_names() -> list[str]:
    """The bundled suites, in alphabetical order."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def _unknown(kind: str, name: str, known: list[str]) -> DataError:
    return DataError(f"no {kind} is called '{name}'; {nearest(name, known, f'`osler tasks list` shows the {kind}s')}")


def _mapping(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(raw, dict):
        raise DataError(f"{path}: a task is a mapping of fields, as the files of `osler tasks list` are")
    return raw


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    found = dict(under)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = _merged(found[name], value) if both else value
    return found


def _resolved(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    if path in seen:
        raise DataError(f"{path}: extends itself, through {', '.join(one.name for one in seen)}")
    raw = _mapping(path)
    parent = raw.pop("extends", None)
    if parent is None:
        return raw
    beside = path.parent / f"{parent}.yaml"
    above = beside if beside.is_file() and beside != path else TASKS / f"{parent}.yaml"
    if not above.is_file():
        raise DataError(f"{path}: extends '{parent}', which is no task here or in the package")
    return _merged(_resolved(above, (*seen, path)), raw)


def load_task(name: str) -> Task:
    """The task called ``name``, or that of a YAML file of the user's own.

    Raises:
        DataError: there is none, or a field of it is wrong or unknown.
    """
    own = name.endswith((".yaml", ".yml"))
    path = Path(name) if own else TASKS / f"{name}.yaml"
    if not path.is_file() or (not own and name.startswith("_")):
        if own:
            raise DataError(f"{name}: no such file")
        raise _unknown("task", name, task_names())
    raw = {**_resolved(path), "name": path.stem}
    try:
        task = Task.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place}: {first['msg']}") from error
    task.check_templates()
    return task


def load_suite(name: str) -> tuple[str, list[Task]]:
    """The title of a suite and its tasks.

    Raises:
        DataError: there is no such suite.
    """
    path = SUITES / f"{name}.yaml"
    if not path.is_file():
        raise _unknown("suite", name, suite_names())
    raw = _mapping(path)
    return str(raw["title"]), [load_task(task) for task in raw["tasks"]]
