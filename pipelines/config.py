"""The typed recipe. Everything that a run depends on is in one file; an unknown key is an error.

A recipe names a base model and its stages in order. A stage reads the model or the data of an earlier stage by that
stage's name. The ``training`` block of a stage is the field-for-field config of the trainer that runs it: transformers'
``TrainingArguments`` for ``cpt``, TRL's ``SFTConfig`` for ``sft`` and ``DPOConfig`` for ``dpo``.
"""

from __future__ import annotations

import dataclasses
import difflib
import urllib.parse
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from corpora.curate.clean import Cleaning, Quality
from corpora.curate.dedup import Deduplication
from corpora.curate.deidentify import Deidentification
from corpora.curate.executor import Scale
from corpora.curate.language import Languages
from corpora.errors import OslerError

RECIPES = Path(__file__).parent / "recipes"
MODELS = Path(__file__).parent / "models"


class RecipeError(OslerError):
    """A recipe that cannot be run as it stands."""


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Corpus(_Block):
    """A source of records: a catalogued dataset, a ``bundled-…`` rendering, a stage's name, or a file."""

    name: str
    renderings: int = Field(default=1, ge=1)  # bundled text: how many times each fact is told, in new words each time
    repeat: int = Field(default=1, ge=1)  # how many times the records are used
    limit: int | None = Field(default=None, ge=1)  # use only so many records, taken by seed
    adapter: str | None = (
        None  # for a file of the user's own: the shape of its rows, where it should not be found from them
    )
    part: Literal["all", "train", "held_out"] = "all"  # which side of a split by subject, fixed for ever by a hash
    held_out_share: float = Field(default=0.05, gt=0, lt=1)  # of that split
    max_characters: int | None = Field(default=None, ge=1)  # longer records are left out
    exclude: str | None = None  # records whose text matches this regular expression are left out

    @property
    def is_file(self) -> bool:
        """Whether the name has the form of a file of the user's own."""
        return self.name.endswith((".jsonl", ".json", ".csv", ".tsv", ".parquet", ".xml", ".txt", ".md", ".gz", ".zip"))


class Lora(_Block):
    """Arguments of ``peft.LoraConfig``."""

    r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    target_modules: str | list[str] = "all-linear"


class Anchor(_Block):
    """Text on which a model that learns something else must go on predicting as an older one does."""

    model: str = "base"  # the older one: ``base`` or a stage's name
    corpora: list[Corpus] = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0)  # of the divergence beside the stage's own loss
    rows: int = Field(default=4, ge=1)  # in each step of each process
    sequence_length: int = Field(default=128, ge=8)  # tokens of a row


class InitStage(_Block):
    """A new model: a byte-level BPE learnt from the corpora, and random weights."""

    kind: Literal["init"]
    corpora: list[Corpus] = Field(min_length=1)
    vocab_size: int
    architecture: dict[str, Any]  # fields of transformers.Qwen3Config


class ExtendStage(_Block):
    """A model whose vocabulary is extended by the words of the corpora."""

    kind: Literal["extend"]
    model: str
    corpora: list[Corpus] = Field(min_length=1)
    tokens: int = Field(ge=1)  # new entries at most
    min_count: int = Field(default=2, ge=1)  # a pair of pieces that occurs less often in the corpora is not merged


class CleanStep(Cleaning):
    """Texts without markup, page furniture, tables and references."""

    step: Literal["clean"]


class QualityStep(Quality):
    """Gopher's rules: the arguments of datatrove's two filters, field for field; null leaves one out."""

    step: Literal["quality"]


class LanguageStep(Languages):
    """Texts in other languages left out."""

    step: Literal["language"]


class DeidentifyStep(Deidentification):
    """Identifying pieces of every text replaced by tags; no legal de-identification."""

    step: Literal["deidentify"]


class DedupStep(Deduplication):
    """Exact and near duplicates left out, by datatrove's MinHash."""

    step: Literal["dedup"]


class DecontaminateStep(_Block):
    """Records that hold questions of benchmarks left out."""

    step: Literal["decontaminate"]
    against: list[Corpus] = Field(min_length=1)


CurationStep = Annotated[
    CleanStep | LanguageStep | QualityStep | DeidentifyStep | DedupStep | DecontaminateStep,
    Field(discriminator="step"),
]


class CurateStage(_Block):
    """Corpora made fit to train on, step by step; the result is a corpus by the stage's name."""

    kind: Literal["curate"]
    corpora: list[Corpus] = Field(min_length=1)
    steps: list[CurationStep] = Field(min_length=1)
    scale: Scale = Scale()


class MixSource(_Block):
    """Corpora that count as one source of a mix."""

    corpora: list[Corpus] = Field(min_length=1)
    share: float = Field(gt=0)  # of the tokens, beside the other sources' shares


class MixStage(_Block):
    """Several corpora as one, by their share of tokens; the result is a corpus by the stage's name."""

    kind: Literal["mix"]
    model: str = "base"  # whose tokenizer counts
    sources: dict[str, MixSource] = Field(min_length=2)
    tokens: int | None = Field(
        default=None, ge=1
    )  # of the mix; as many as the shares allow without repeating, if not given
    max_repeat: float = Field(
        default=4.0, gt=0
    )  # passes over a source at most (Muennighoff et al. 2023: up to 4 cost little)


class TokenizeStage(_Block):
    """Corpora as files of tokens that training maps into memory; a cpt stage names them in ``tokens``."""

    kind: Literal["tokenize"]
    model: str = "base"  # whose tokenizer
    corpora: list[Corpus] = Field(min_length=1)
    held_out: float = Field(default=0.0, ge=0, lt=0.5)  # share of documents kept for bits per byte
    scale: Scale = Scale()  # a shard is a file


class CptStage(_Block):
    """Pretraining on running text, from random weights or going on from a model."""

    kind: Literal["cpt"]
    model: str
    corpora: list[Corpus] = []  # read into memory
    tokens: str | None = None  # or a tokenize stage's name, whose files are read as they are needed
    held_out: float = Field(default=0.0, ge=0, lt=0.5)  # share of documents kept for bits per byte
    sequence_length: int = Field(default=1024, ge=8)  # tokens
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_steps: int = Field(default=5, ge=1)  # Newton-Schulz iterations of Muon
    anchor: Anchor | None = None
    training: dict[str, Any] = {}

    @model_validator(mode="after")
    def _has_one_source(self) -> CptStage:
        if bool(self.corpora) == (self.tokens is not None):
            raise ValueError(
                "a cpt stage reads either corpora or the tokens of a tokenize stage: give one of the two keys"
            )
        if self.tokens is not None and self.held_out:
            raise ValueError("held_out belongs to the tokenize stage, which keeps those documents out of the tokens")
        return self


class ReplayStage(_Block):
    """Text sampled from a model through vLLM, to be replayed where its training text is not at hand."""

    kind: Literal["replay"]
    model: str
    documents: int = Field(ge=1)
    max_tokens: int = Field(ge=8)  # of each document
    temperature: float = 1.0
    top_p: float = 1.0


class SftStage(_Block):
    """Supervised fine-tuning on dialogues, with loss on the assistant's tokens only."""

    kind: Literal["sft"]
    model: str
    corpora: list[Corpus] = Field(min_length=1)
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_steps: int = Field(default=5, ge=1)  # Newton-Schulz iterations of Muon
    lora: Lora | None = None
    anchor: Anchor | None = None
    training: dict[str, Any] = {}


class MergeStage(_Block):
    """A weighted mean of the weights of models of one shape."""

    kind: Literal["merge"]
    models: dict[str, float] = Field(
        min_length=2
    )  # name (``base`` or a stage's) to weight; the last gives the tokenizer


class PreferencesStage(_Block):
    """Preference pairs from a model's own answers, sampled through vLLM and judged against the facts."""

    kind: Literal["preferences"]
    model: str
    prompts: Corpus
    samples: int = Field(default=4, ge=2)  # answers for each prompt
    temperature: float = 1.0
    max_tokens: int = 128
    min_margin: float = 0.2  # least difference of score between the kept best and worst answer


class Price(_Block):
    """What the teacher's endpoint asks for a million tokens, in any currency."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Teacher(_Block):
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
    expected_tokens: int | None = Field(
        default=None, ge=1
    )  # of an answer, for the estimate; half of max_tokens if unset
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


class _SynthesisTask(_Block):
    """What all tasks of a synthesise stage have."""

    name: str | None = Field(
        default=None, pattern=r"^[\w.-]+$"
    )  # first part of the records' ids; the kind if not given
    corpora: list[Corpus] = Field(min_length=1)
    each: int = Field(default=1, ge=1)  # records wished of each source item
    prompts: dict[str, str] = {}  # step, or step.language, to a bundled prompt's name or a .jinja file

    steps: ClassVar[tuple[str, ...]] = ()  # those that have a prompt

    @model_validator(mode="after")
    def _prompts_are_of_steps(self) -> _SynthesisTask:
        for key in self.prompts:
            if key.partition(".")[0] not in self.steps:
                raise ValueError(f"prompts: no step is called '{key}'; there are: {', '.join(self.steps)}")
        return self


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


class SynthesiseStage(_Block):
    """Records written by a teacher and kept when they agree with a gold label or a passage; a corpus by the stage's name."""

    kind: Literal["synthesise"]
    teacher: Teacher
    tasks: list[SynthesisTask] = Field(min_length=1)
    max_tries: int = Field(default=8, ge=1)  # for each record (Fully Open Meditron: 8)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: int | None = Field(default=None, ge=1)  # of prompts and answers together
    concurrency: int = Field(default=16, ge=1)  # requests under way at once
    timeout: float = Field(default=300.0, gt=0)  # seconds for a request
    retries: int = Field(default=5, ge=0)  # of a request that failed, with growing waits between
    backoff: float = Field(default=1.0, gt=0)  # seconds, the first of these waits at most
    stop_after: int = Field(default=20, ge=1)  # items in a row that the endpoint failed: the run stops
    max_cost: float | None = Field(default=None, gt=0)  # in the currency of the prices

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
        if self.max_cost is not None and self.teacher.price_per_million is None:
            raise ValueError("max_cost needs teacher.price_per_million")
        return self

    def makes(self) -> dict[str, Any]:
        """The settings that the records depend on: what only says how fast, how dearly and from where is left out."""
        how = {"requests_per_minute", "tokens_per_minute", "concurrency", "timeout", "retries", "backoff"}
        how |= {"stop_after", "max_cost"}
        of_teacher = {"url", "key_env", "price_per_million", "expected_tokens"}
        return {**self.model_dump(exclude={*how, "teacher"}), "teacher": self.teacher.model_dump(exclude=of_teacher)}


class DpoStage(_Block):
    """Direct preference optimisation (Rafailov et al. 2023) on preference pairs."""

    kind: Literal["dpo"]
    model: str
    preferences: Corpus  # a preferences stage's name, a catalogued dataset, or a file
    lora: Lora | None = Lora()
    training: dict[str, Any] = {}


class ExamItems(Corpus):
    """Exam items and the way in which they are asked and scored."""

    options: Literal["text", "letters"] = (
        "text"  # what is scored: each option's text, or its letter beneath a list of all
    )
    normalise: Literal["none", "bytes", "unconditional"] = (
        "none"  # what an option's log-probability is divided by, or freed of
    )


class ExamStage(_Block):
    """The exam of each named model: ``base`` or a stage's name. A model that was fine-tuned is asked in its chat format."""

    kind: Literal["exam"]
    models: list[str] = Field(min_length=1)
    chat: list[str] = []  # those of them that are asked in their chat format
    items: list[ExamItems] = []  # accuracy is reported for each
    instruction: str = ""  # follows the question in the chat format
    medical: list[Corpus] = []  # documents for bits per byte on medical text
    general: list[Corpus] = []  # documents for bits per byte on general text
    emergencies: list[Corpus] = []  # dialogues that must be answered with a referral first
    questions: list[str] = []  # sample questions whose answers the report shows
    batch_tokens: int = 2048  # tokens scored at once, padding included


Stage = Annotated[
    InitStage
    | CurateStage
    | MixStage
    | ExtendStage
    | TokenizeStage
    | CptStage
    | ReplayStage
    | SftStage
    | MergeStage
    | PreferencesStage
    | SynthesiseStage
    | DpoStage
    | ExamStage,
    Field(discriminator="kind"),
]

STAGE_CLASSES: dict[str, type[_Block]] = {
    "init": InitStage,
    "curate": CurateStage,
    "mix": MixStage,
    "extend": ExtendStage,
    "tokenize": TokenizeStage,
    "cpt": CptStage,
    "replay": ReplayStage,
    "sft": SftStage,
    "merge": MergeStage,
    "preferences": PreferencesStage,
    "synthesise": SynthesiseStage,
    "dpo": DpoStage,
    "exam": ExamStage,
}


def named_corpora(stage: _Block) -> list[Corpus]:
    """Every corpus that a stage's block names, in any of its fields."""
    found: list[Corpus] = []
    for name in type(stage).model_fields:
        value = getattr(stage, name)
        found += [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, Corpus)]
        if isinstance(value, Anchor):
            found += value.corpora
    if isinstance(stage, MixStage):
        found += [corpus for source in stage.sources.values() for corpus in source.corpora]
    if isinstance(stage, SynthesiseStage):
        found += [corpus for task in stage.tasks for corpus in task.corpora]
    for step in getattr(stage, "steps", []):
        found += getattr(step, "against", [])
    return found


def training_data(stages: dict[str, Any]) -> list[str]:
    """Names of the corpora that the weights of a run are made from; those of exams are not among them."""
    names = [
        corpus.name for stage in stages.values() if not isinstance(stage, ExamStage) for corpus in named_corpora(stage)
    ]
    return list(dict.fromkeys(names))


class Serve(_Block):
    """The model that ``serve``, ``ask`` and ``chat`` take, and what it is asked at the end of a run."""

    model: str
    questions: list[str] = []
    vllm: dict[str, Any] = {}  # vLLM's own flags, as ``max-model-len: 1024``


class Recipe(_Block):
    """A whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    seed: int = 0
    base_model: str | None = None  # a folder, a hub id, or "bundled:<name>"
    system_prompt: str | None = None
    stages: dict[str, Stage] = Field(min_length=1)
    serve: Serve | None = None


def nearest(word: str, known: list[str]) -> str:
    """A clause that offers the nearest of ``known``, or lists them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(known))}"


def _explain(error: ValidationError, raw: dict[str, Any]) -> str:
    """The first problem as a sentence: where it is, what is wrong, what would be right."""
    # An unknown key before a missing one: a misspelt key is both, and only the first says what to mend.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    place = [str(part) for part in first["loc"]]
    block: type[BaseModel] = Recipe
    if len(place) >= 2 and place[0] == "stages":
        kind = (raw["stages"].get(place[1]) or {}).get("kind") if isinstance(raw.get("stages"), dict) else None
        block = STAGE_CLASSES.get(str(kind), Recipe)
        if len(place) > 2 and place[2] == kind:
            del place[2]  # pydantic names the branch of the union; a reader of the recipe does not know it
    elif place[0] == "serve":
        block = Serve
    if first["type"] == "extra_forbidden":
        parents = place[2:-1] if place[0] == "stages" else place[:-1]
        if any(part in ("corpora", "items", "medical", "general", "prompts") for part in parents):
            block = Corpus
        elif "lora" in parents:
            block = Lora
        elif "anchor" in parents:
            block = Anchor
        elif "price_per_million" in parents:
            block = Price
        elif "teacher" in parents:
            block = Teacher
        elif "tasks" in parents:
            block = TASK_CLASSES[str(place.pop(-2))]  # as above: the branch of the union
        return f"{'.'.join(place)}: unknown key '{place[-1]}'; {nearest(place[-1], list(block.model_fields))}"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        if "tasks" in place:
            return f"{'.'.join(place)}.task: a task is one of: {', '.join(TASK_CLASSES)}"
        return f"{'.'.join(place)}.kind: a stage is one of: {', '.join(STAGE_CLASSES)}"
    return f"{'.'.join(place)}: {first['msg'].removeprefix('Value error, ')}"


def training_class(kind: str) -> Any:
    """The config class whose fields the ``training`` block of a stage of this kind may set."""
    if kind == "sft":
        from trl import SFTConfig

        return SFTConfig
    if kind == "dpo":
        from trl import DPOConfig

        return DPOConfig
    from transformers import TrainingArguments

    return TrainingArguments


def training_keys(kind: str) -> set[str]:
    """Names of the fields that the ``training`` block of a stage of this kind may set."""
    return {field.name for field in dataclasses.fields(training_class(kind)) if field.init}


def _check_synthesis(path: Path, name: str, stage: SynthesiseStage, recipe: Recipe) -> None:
    """Raises RecipeError when items that an exam of the recipe asks are made into training data."""
    examined = [corpus for other in recipe.stages.values() if isinstance(other, ExamStage) for corpus in other.items]
    for task in stage.tasks:
        for corpus in task.corpora:
            for asked in examined:
                apart = {corpus.part, asked.part} == {"train", "held_out"}
                if corpus.name == asked.name and not (apart and corpus.held_out_share == asked.held_out_share):
                    raise RecipeError(
                        f"{path}: stages.{name} makes training data of '{corpus.name}', which an exam of this recipe asks; "
                        "give the one part: train and the other part: held_out, with the same held_out_share"
                    )


def _check_stages(path: Path, recipe: Recipe) -> None:
    earlier = ["base"] if recipe.base_model else []
    for name, stage in recipe.stages.items():
        needed: list[str] = []
        model = getattr(stage, "model", None)
        if isinstance(model, str) and "/" not in model:
            needed.append(model)
        if isinstance(stage, (ExamStage, MergeStage)):
            needed += list(stage.models)
        if isinstance(stage, (CptStage, SftStage)) and stage.anchor is not None:
            needed.append(stage.anchor.model)
        if isinstance(stage, SynthesiseStage):
            _check_synthesis(path, name, stage, recipe)
            if stage.teacher.model is not None and not {"/", ":"} & set(stage.teacher.model):
                needed.append(stage.teacher.model)
        for word in needed:
            if word not in earlier:
                raise RecipeError(
                    f"{path}: stages.{name} needs '{word}', which no earlier stage makes; {nearest(word, earlier)}"
                )
        if isinstance(stage, CptStage) and stage.tokens is not None:
            made = [one for one in earlier if isinstance(recipe.stages.get(one), TokenizeStage)]
            if stage.tokens not in made:
                hint = nearest(stage.tokens, made) if made else "add one"
                raise RecipeError(
                    f"{path}: stages.{name}.tokens: no earlier stage of kind tokenize is called '{stage.tokens}'; {hint}"
                )
        if isinstance(stage, (CptStage, SftStage, DpoStage)):
            unknown = sorted(set(stage.training) - training_keys(stage.kind))
            if unknown:
                hint = nearest(unknown[0], list(training_keys(stage.kind)))
                raise RecipeError(f"{path}: stages.{name}.training: unknown key '{unknown[0]}'; {hint}")
        earlier.append(name)
    if recipe.serve and recipe.serve.model not in earlier:
        raise RecipeError(
            f"{path}: serve.model: no stage is called '{recipe.serve.model}'; {nearest(recipe.serve.model, earlier)}"
        )


def recipe_path(name: str) -> Path:
    """The file of a recipe given by path or by the name of a bundled one.

    Raises:
        RecipeError: there is none; the message lists the bundled ones.
    """
    given = Path(name)
    if given.suffix in (".yaml", ".yml"):
        if not given.is_file():
            raise RecipeError(f"{given}: no such recipe file")
        return given
    bundled = RECIPES / f"{name}.yaml"
    if not bundled.is_file():
        known = [path.stem for path in RECIPES.glob("*.yaml")]
        raise RecipeError(f"no recipe is called '{name}'; {nearest(name, known)}")
    return bundled


def load_recipe(name: str) -> Recipe:
    """Reads and checks a recipe.

    Raises:
        RecipeError: the file is missing or not YAML, a key is unknown (the message offers the nearest right one), a
            value has the wrong type, or a stage needs one that does not come before it.
    """
    path = recipe_path(name)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys; known here: {', '.join(Recipe.model_fields)}")
    try:
        recipe = TypeAdapter(Recipe).validate_python(raw)
    except ValidationError as error:
        raise RecipeError(f"{path}: {_explain(error, raw)}") from error
    _check_stages(path, recipe)
    return recipe


def resolve_model(name: str) -> str:
    """The folder of a ``bundled:…`` model, or the name as it is (a folder or a hub id).

    Raises:
        RecipeError: a bundled model of that name does not exist, or a path leads nowhere.
    """
    if name.startswith("bundled:"):
        folder = MODELS / name.removeprefix("bundled:")
        if not folder.is_dir():
            raise RecipeError(
                f"no bundled model is called '{folder.name}'; {nearest(folder.name, [p.name for p in MODELS.iterdir()])}"
            )
        return str(folder)
    if name.startswith((".", "/", "~")):
        folder = Path(name).expanduser()
        if not (folder / "config.json").is_file():
            raise RecipeError(f"{folder}: no model here (a model folder holds config.json)")
        return str(folder)
    return name
