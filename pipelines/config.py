"""The typed recipe. Everything that a run depends on is in one file; an unknown key is an error.

A recipe names a base model and its stages in order. A stage reads the model or the data of an earlier stage by that
stage's name. The ``training`` block of a stage is the field-for-field config of the trainer that runs it: transformers'
``TrainingArguments`` for ``cpt``, TRL's ``SFTConfig`` for ``sft`` and ``DPOConfig`` for ``dpo``.
"""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from corpora.curate.identifiers.found import KINDS, Kind
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


class CleanStep(_Block):
    """Texts without markup, page furniture, tables and references (``corpora.curate.clean.Cleaning``)."""

    step: Literal["clean"]
    unicode: bool = True
    markup: bool = True
    furniture: bool = True
    references: bool = True
    tables: bool = True


class QualityStep(_Block):
    """Gopher's rules: the arguments of datatrove's two filters, field for field; null leaves one out."""

    step: Literal["quality"]
    quality: dict[str, Any] | None = {}
    repetition: dict[str, Any] | None = {}


class DeidentifyStep(_Block):
    """Identifying pieces of every text replaced by tags (``corpora.curate.deidentify.Deidentification``)."""

    step: Literal["deidentify"]
    kinds: tuple[Kind, ...] = Field(default=KINDS, min_length=1)


class DedupStep(_Block):
    """Exact and near duplicates left out, by datatrove's MinHash."""

    step: Literal["dedup"]
    by: Literal["text", "question"] = "text"
    shards: int = Field(default=4, ge=1)
    executor: Literal["local", "slurm", "ray"] = "local"
    options: dict[str, Any] = {}  # the arguments of datatrove's executor, as ``workers: 2``


class DecontaminateStep(_Block):
    """Records that hold questions of benchmarks left out."""

    step: Literal["decontaminate"]
    against: list[Corpus] = Field(min_length=1)


CurationStep = Annotated[
    CleanStep | QualityStep | DeidentifyStep | DedupStep | DecontaminateStep, Field(discriminator="step")
]


class CurateStage(_Block):
    """Corpora made fit to train on, step by step; the result is a corpus by the stage's name."""

    kind: Literal["curate"]
    corpora: list[Corpus] = Field(min_length=1)
    steps: list[CurationStep] = Field(min_length=1)


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


class CptStage(_Block):
    """Pretraining on running text, from random weights or going on from a model."""

    kind: Literal["cpt"]
    model: str
    corpora: list[Corpus] = Field(min_length=1)
    held_out: float = Field(default=0.0, ge=0, lt=0.5)  # share of documents kept for bits per byte
    sequence_length: int = Field(default=1024, ge=8)  # tokens
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_steps: int = Field(default=5, ge=1)  # Newton-Schulz iterations of Muon
    anchor: Anchor | None = None
    training: dict[str, Any] = {}


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
    | CptStage
    | ReplayStage
    | SftStage
    | MergeStage
    | PreferencesStage
    | DpoStage
    | ExamStage,
    Field(discriminator="kind"),
]

STAGE_CLASSES: dict[str, type[_Block]] = {
    "init": InitStage,
    "curate": CurateStage,
    "mix": MixStage,
    "extend": ExtendStage,
    "cpt": CptStage,
    "replay": ReplayStage,
    "sft": SftStage,
    "merge": MergeStage,
    "preferences": PreferencesStage,
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
        return f"{'.'.join(place)}: unknown key '{place[-1]}'; {nearest(place[-1], list(block.model_fields))}"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{'.'.join(place)}.kind: a stage is one of: {', '.join(STAGE_CLASSES)}"
    return f"{'.'.join(place)}: {first['msg']}"


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
        for word in needed:
            if word not in earlier:
                raise RecipeError(
                    f"{path}: stages.{name} needs '{word}', which no earlier stage makes; {nearest(word, earlier)}"
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
