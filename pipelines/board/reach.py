"""What a recipe may reach on a board that others than this machine's user can open: whoever has its key may train, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.config import Recipe, RecipeError, asking, named_corpora, named_models
from pipelines.config.models import own_folder

# Fields whose keys are a library's own, some of which name files or let code run.
OPEN_BLOCKS = {"training", "vllm", "options", "extra", "lora"}
CODE = {"trust_remote_code", "push_to_hub"}


def check_reach(recipe: Recipe, folders: list[Path]) -> None:
    """Raises RecipeError when a recipe reads or writes files outside ``folders``, sends anything elsewhere, or lets foreign code run."""
    if recipe.allow:
        raise RecipeError(f"allow: {', '.join(recipe.allow)} is only for a board on loopback; use the command line")
    allowed = [folder.resolve() for folder in folders]

    def inside(path: Path, key: str) -> None:
        if not any(path.expanduser().resolve().is_relative_to(folder) for folder in allowed):
            raise RecipeError(f"{key}: {path} lies outside the folders of the board ({', '.join(map(str, folders))})")

    def model(name: str, key: str) -> None:
        own = own_folder(name)
        if own is not None and not name.startswith("bundled:"):
            inside(own, key)

    if recipe.base_model is not None:
        model(recipe.base_model, "base_model")
    for name, stage in recipe.stages.items():
        for corpus in named_corpora(stage):
            if corpus.is_file:
                inside(Path(corpus.name), f"stages.{name}")
        for one in named_models(stage):
            if one != "base" and one not in recipe.stages:
                model(one, f"stages.{name}")
        asks = asking(stage)
        if asks is not None and asks.teacher.url is not None:
            raise RecipeError(
                f"stages.{name}: a teacher with url is only for a board on loopback; use the command line"
            )
    for key, value in _open_values(recipe.model_dump(exclude_none=True), ""):
        last = key.rpartition(".")[2].replace("-", "_")
        path = (
            isinstance(value, str)
            and not value.startswith("bundled:")
            and ("/" in value or value.startswith(("~", ".")))
        )
        if path or (last in CODE and value):
            raise RecipeError(f"{key}: {value} names a file or lets code run, which is only for a board on loopback")


def _open_values(part: Any, key: str, is_open: bool = False) -> Iterator[tuple[str, Any]]:
    """The values of blocks whose keys are a library's own, and of the files of prompts, each with its place."""
    if isinstance(part, dict):
        for name, value in part.items():
            templates = name == "prompts" and isinstance(value, dict) and "name" not in value  # else they are a corpus
            inner = is_open or name in OPEN_BLOCKS or templates
            yield from _open_values(value, f"{key}.{name}" if key else str(name), inner)
    elif isinstance(part, list):
        for value in part:
            yield from _open_values(value, key, is_open)
    elif is_open:
        yield key, part
