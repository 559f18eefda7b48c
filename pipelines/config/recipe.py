"""The whole recipe: its stages in order, read from a file and checked. An unknown key is an error."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from pipelines.config.data import CurateStage, MixStage, PreferencesStage, ReplayStage, TokenizeStage
from pipelines.config.exam import ExamStage, Serve
from pipelines.config.launch import Launch
from pipelines.config.parts import Block, Corpus, RecipeError, nearest
from pipelines.config.synthesis import SynthesiseStage
from pipelines.config.training import (
    CptStage,
    DpoStage,
    ExtendStage,
    InitStage,
    MergeStage,
    SftStage,
    TrainingStage,
    training_keys,
)

RECIPES = Path(__file__).parents[1] / "recipes"

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


def named_models(stage: Any) -> list[str]:
    """Every model that a stage's block names: ``base``, an earlier stage, a folder or a hub id."""
    found = [stage.model] if isinstance(getattr(stage, "model", None), str) else []
    found += list(getattr(stage, "models", []))
    for name in ("anchor", "teacher"):
        part = getattr(stage, name, None)
        if part is not None and part.model is not None:
            found.append(part.model)
    return found


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


def training_data(stages: dict[str, Any]) -> list[str]:
    """Names of the corpora that the weights of a run are made from; those of exams are not among them."""
    names = [
        corpus.name for stage in stages.values() if not isinstance(stage, ExamStage) for corpus in named_corpora(stage)
    ]
    return list(dict.fromkeys(names))


class Recipe(Block):
    """A whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    seed: int = 0
    base_model: str | None = None  # a folder, a hub id, or "bundled:<name>"
    system_prompt: str | None = None
    stages: dict[str, Stage] = Field(min_length=1)
    launch: Launch | None = None
    serve: Serve | None = None


def _bare(annotation: Any) -> list[Any]:
    """The members of an annotation's union, without ``Annotated`` and None."""
    if typing.get_origin(annotation) is Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for each in typing.get_args(annotation) for member in _bare(each) if member is not type(None)]
    return [annotation]


def _tag(block: type[BaseModel], key: str) -> str:
    """The value of ``key`` (``kind``, ``step``, ``task``) that says that a mapping is of this class."""
    return str(typing.get_args(block.model_fields[key].annotation)[0])


def _discriminator(members: list[Any]) -> str | None:
    """The key whose value says of which of several classes a mapping is."""
    if len(members) > 1 and all(isinstance(member, type) and issubclass(member, BaseModel) for member in members):
        return next(key for key in ("kind", "step", "task") if all(key in member.model_fields for member in members))
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


def _explain(error: ValidationError) -> str:
    """The first problem as a sentence: where it is, what is wrong, what would be right."""
    # An unknown key before a missing one: a misspelt key is both, and only the first says what to mend.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    place, members = _locate(first["loc"])
    if first["type"] == "extra_forbidden":
        (block,) = _locate(first["loc"][:-1])[1]
        return f"{'.'.join(place)}: unknown key '{place[-1]}'; {nearest(place[-1], list(block.model_fields))}"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key = _discriminator(members)
        assert key is not None
        noun = "stage" if key == "kind" else key
        return f"{'.'.join([*place, key])}: a {noun} is one of: {', '.join(_tag(member, key) for member in members)}"
    return f"{'.'.join(place)}: {first['msg'].removeprefix('Value error, ')}"


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
        if isinstance(stage, SynthesiseStage):
            _check_synthesis(path, name, stage, recipe)
        for word in named_models(stage):
            if word not in earlier and not {"/", ":"} & set(word):
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
        if isinstance(stage, TrainingStage):
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
        raise RecipeError(f"{path}: {_explain(error)}") from error
    _check_stages(path, recipe)
    return recipe
