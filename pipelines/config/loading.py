"""A recipe read from its file, and its first error in the words of its reader."""

from __future__ import annotations

import re
import types
import typing
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from corpora.errors import nearest
from pipelines.config.checking import check_stages
from pipelines.config.layers import load_layers, recipe_path
from pipelines.config.parts import RecipeError
from pipelines.config.recipe import Recipe
from pipelines.config.repeat import renamed, written_out


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
    if first["type"] == "string_pattern_mismatch":
        example = re.sub(r"[^a-z0-9._-]+", "-", str(first["input"]).lower()).strip("-._") or "my-run"
        return place, f"'{first['input']}' is no name: small letters, digits, and . _ - after the first, as {example}"
    return place, first["msg"].removeprefix("Value error, ")


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
    check_stages(layers, recipe)
    return recipe
