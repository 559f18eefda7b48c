"""The whole recipe: its stages in order, read from a file and checked. An unknown key is an error."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from pipelines.config.data import CurateStage, MixStage, ReplayStage, TokenizeStage
from pipelines.config.exam import ExamStage, Serve
from pipelines.config.launch import Launch
from pipelines.config.layers import Layers, load_layers, recipe_path
from pipelines.config.models import ModelName, resolve_chat_template
from pipelines.config.parts import Block, Corpus, RecipeError, nearest
from pipelines.config.preferences import PreferencesStage
from pipelines.config.repeat import Repeat, renamed, written_out
from pipelines.config.synthesis import Asking, SynthesiseStage
from pipelines.config.training import (
    CptStage,
    DpoStage,
    ExtendStage,
    GrpoStage,
    InitStage,
    KtoStage,
    MergeStage,
    MlmStage,
    OrpoStage,
    RewardStage,
    SftStage,
    TrainingStage,
    training_keys,
    wanted_number,
)
from pipelines.curves import TENSORBOARD, TRACKIO

Stage = Annotated[
    InitStage
    | CurateStage
    | MixStage
    | ExtendStage
    | TokenizeStage
    | CptStage
    | MlmStage
    | ReplayStage
    | SftStage
    | MergeStage
    | PreferencesStage
    | SynthesiseStage
    | DpoStage
    | KtoStage
    | OrpoStage
    | RewardStage
    | GrpoStage
    | ExamStage,
    Field(discriminator="kind"),
]


def named_models(stage: Any) -> list[str]:
    """Every model that a stage's block names: ``base``, an earlier stage, a folder or a hub id."""
    found = [stage.model] if isinstance(getattr(stage, "model", None), str) else []
    found += list(getattr(stage, "models", []))
    if isinstance(stage, MergeStage) and stage.base is not None:
        found.append(stage.base)
    for name in ("anchor", "teacher"):
        part = getattr(stage, name, None)
        if part is not None and part.model is not None:
            found.append(part.model)
    if isinstance(stage, PreferencesStage) and stage.scored_by is not None:
        found.append(stage.scored_by)
    return found


def asking(stage: Any) -> Asking | None:
    """The block of a stage that asks a teacher, if one does."""
    if isinstance(stage, PreferencesStage):
        stage = stage.scorer
    return stage if isinstance(stage, Asking) else None


def named_corpora(block: Any) -> list[Corpus]:
    """Every corpus that a stage's block names, in any of its fields, at any depth."""
    if isinstance(block, Corpus):
        return [block]
    parts: Iterable[Any] = ()
    if isinstance(block, BaseModel):
        parts = (getattr(block, name) for name in type(block).model_fields)
    elif isinstance(block, list):
        parts = block
    elif isinstance(block, dict):
        parts = block.values()
    return [corpus for part in parts for corpus in named_corpora(part)]


def learnt_corpora(stage: Any) -> list[Corpus]:
    """Those of ``named_corpora`` whose text goes on from the stage: not what an exam asks, nor the benchmarks that a curate stage takes out."""
    if isinstance(stage, ExamStage):
        return []
    return stage.corpora if isinstance(stage, CurateStage) else named_corpora(stage)


def training_data(stages: dict[str, Any]) -> list[str]:
    """Names of the corpora that the weights of a run are made from."""
    return list(dict.fromkeys(corpus.name for stage in stages.values() for corpus in learnt_corpora(stage)))


class Recipe(Block):
    """A whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    seed: int = 0
    # A folder, "bundled:NAME", a hub id, "modelscope:ID", or a block of name, source and revision.
    base_model: ModelName | None = None
    # What is refused otherwise, for models of the recipe only: Python files that come with a model run on this machine
    # (remote_code); weights in pickle files, which can run any program when they are loaded (pickled_weights).
    allow: list[Literal["remote_code", "pickled_weights"]] = []
    stages: dict[str, Stage] = Field(min_length=1)
    launch: Launch | None = None
    repeat: Repeat | None = None  # written out into ordinary stages when the recipe is read
    serve: Serve | None = None


def _bare(annotation: Any) -> list[Any]:
    """The members of an annotation's union, without ``Annotated`` and None."""
    if typing.get_origin(annotation) is Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for each in typing.get_args(annotation) for member in _bare(each) if member is not type(None)]
    return [annotation]


def _tag(block: type[BaseModel], key: str) -> str:
    """The value of ``key`` (``kind``, ``step``, ``task``, ``by``) that says that a mapping is of this class."""
    return str(typing.get_args(block.model_fields[key].annotation)[0])


def _discriminator(members: list[Any]) -> str | None:
    """The key whose value says of which of several classes a mapping is."""
    if len(members) > 1 and all(isinstance(member, type) and issubclass(member, BaseModel) for member in members):
        return next(
            key for key in ("kind", "step", "task", "by") if all(key in member.model_fields for member in members)
        )
    return None


def _locate(loc: tuple[int | str, ...]) -> tuple[list[str], list[Any]]:
    """The place that pydantic names as a reader of the recipe knows it, and what may stand there."""
    place: list[str] = []
    members: list[Any] = [Recipe]
    for part in loc:
        key = _discriminator(members)
        if key is not None:  # pydantic names the branch of the union; the recipe does not
            members = [member for member in members if _tag(member, key) == part]
            continue
        place.append(str(part))
        found = []
        for member in members:
            origin, args = typing.get_origin(member), typing.get_args(member)
            if origin in (list, dict):
                found += _bare(args[-1])
            elif isinstance(member, type) and issubclass(member, BaseModel) and part in member.model_fields:
                found += _bare(member.model_fields[str(part)].annotation)
        members = found
    return place, members


def _explain(error: ValidationError) -> tuple[list[str], str]:
    """The first problem: where it is, and a sentence on what is wrong and what would be right."""
    # An unknown key before a missing one: a misspelt key is both, and only the first says what to mend.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    place, members = _locate(first["loc"])
    if first["type"] == "extra_forbidden":
        (block,) = _locate(first["loc"][:-1])[1]
        return place, f"unknown key '{place[-1]}'; {nearest(place[-1], list(block.model_fields))}"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key = _discriminator(members)
        assert key is not None
        noun = {"kind": "stage", "by": "scorer"}.get(key, key)
        return [*place, key], f"a {noun} is one of: {', '.join(_tag(member, key) for member in members)}"
    return place, first["msg"].removeprefix("Value error, ")


def _learnt_items(stage: Any) -> list[Corpus]:
    """Corpora of exam items, and of what else an exam may ask, that a stage learns from or makes training data of."""
    if isinstance(stage, SynthesiseStage):
        return [corpus for task in stage.tasks for corpus in task.corpora]
    if isinstance(stage, PreferencesStage):
        return [stage.items] if stage.items is not None else []
    return stage.items if isinstance(stage, GrpoStage) else []


def _check_not_examined(layers: Layers, name: str, recipe: Recipe) -> None:
    """Raises RecipeError when items that an exam of the recipe asks are made into training data."""
    examined = [corpus for other in recipe.stages.values() if isinstance(other, ExamStage) for corpus in other.items]
    for corpus in _learnt_items(recipe.stages[name]):
        for asked in examined:
            apart = {corpus.part, asked.part} == {"train", "held_out"}
            if corpus.name == asked.name and not (apart and corpus.held_out_share == asked.held_out_share):
                raise RecipeError(
                    f"{layers.file('stages', name)}: stages.{name} makes training data of '{corpus.name}', which an exam of this recipe asks; "
                    "give the one part: train and the other part: held_out, with the same held_out_share"
                )


def _check_answers(file: Path, where: str, models: list[Any], recipe: Recipe) -> None:
    """Raises RecipeError when a model that must write text is a reward model, which gives a number only."""
    for model in models:
        made = recipe.stages.get(model)
        if isinstance(made, RewardStage):
            raise RecipeError(
                f"{file}: {where} needs a model that writes, and '{model}' is a reward model, which only scores answers; name "
                f"the model that it was made from ('{made.model}')"
            )


# A stage's name is that of a folder of the run, in which these have other meanings.
STAGE_NAME = re.compile(r"\w[\w-]*")
NO_STAGES = ("base", "serve", TENSORBOARD, TRACKIO)


def _check_training(layers: Layers, name: str, stage: Any) -> None:
    """Raises RecipeError for the first value of a training block that its trainer does not know or cannot take."""
    for key, value in stage.training.items():
        file, place = layers.file("stages", name, "training", key), f"stages.{name}.training"
        if key not in training_keys(stage.kind):
            raise RecipeError(f"{file}: {place}: unknown key '{key}'; {nearest(key, training_keys(stage.kind))}")
        wanted = wanted_number(stage.kind, key, value)
        if wanted is not None:
            raise RecipeError(f"{file}: {place}.{key}: {wanted}, not {value!r}")
        if key == "chat_template_path" and value:
            try:
                resolve_chat_template(value)
            except RecipeError as error:
                raise RecipeError(f"{file}: {place}.{error}") from error


def _check_stages(layers: Layers, recipe: Recipe) -> None:
    earlier = ["base"] if recipe.base_model else []
    for name, stage in recipe.stages.items():
        if not STAGE_NAME.fullmatch(name) or name in NO_STAGES:
            raise RecipeError(
                f"{layers.file('stages', name)}: stages.{name}: a stage's name is that of its folder: letters, digits, - and _, and none of "
                f"{', '.join(NO_STAGES)}"
            )
        _check_not_examined(layers, name, recipe)
        for word in named_models(stage):
            if word not in earlier and not {"/", ":"} & set(word):
                raise RecipeError(
                    f"{layers.file('stages', name)}: stages.{name} needs '{word}', which no earlier stage makes; {nearest(word, earlier)}"
                )
        if isinstance(stage, CptStage) and stage.tokens is not None:
            made = [one for one in earlier if isinstance(recipe.stages.get(one), TokenizeStage)]
            if stage.tokens not in made:
                hint = nearest(stage.tokens, made) if made else "add one"
                raise RecipeError(
                    f"{layers.file('stages', name, 'tokens')}: stages.{name}.tokens: no earlier stage of kind tokenize is called '{stage.tokens}'; {hint}"
                )
        models = [getattr(stage, "model", None), *getattr(stage, "models", [])]
        _check_answers(layers.file("stages", name), f"stages.{name}", models, recipe)
        if isinstance(stage, TrainingStage):
            _check_training(layers, name, stage)
        earlier.append(name)
    if recipe.serve and recipe.serve.model not in earlier:
        raise RecipeError(
            f"{layers.file('serve', 'model')}: serve.model: no stage is called '{recipe.serve.model}'; {nearest(recipe.serve.model, earlier)}"
        )
    if recipe.serve:
        _check_answers(layers.file("serve", "model"), "serve", [recipe.serve.model], recipe)


def load_recipe(name: str) -> Recipe:
    """Reads a recipe with what it extends, and checks it.

    Raises:
        RecipeError: a file is missing or not YAML, a key is unknown (the message offers the nearest right one), a
            value has the wrong type, a stage needs one that does not come before it, or stages cannot be repeated. The message names the file that
            said so, which can be one that the recipe extends.
    """
    layers = load_layers(recipe_path(name))
    try:
        recipe = TypeAdapter(Recipe).validate_python(layers.values)
    except ValidationError as error:
        place, sentence = _explain(error)
        raise RecipeError(f"{layers.file(*place)}: {'.'.join(map(str, place))}: {sentence}") from error
    if recipe.repeat is not None:
        try:
            stages, last = written_out(recipe.stages, recipe.repeat)
        except RecipeError as error:
            raise RecipeError(f"{layers.file('repeat')}: {error}") from error
        recipe = recipe.model_copy(update={"stages": stages, "repeat": None, "serve": renamed(recipe.serve, last)})
    _check_stages(layers, recipe)
    return recipe
