"""A recipe as text: opened from the bundled ones or from a file, checked as a run would check it, and written where a run reads it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from corpora.errors import OslerError
from pipelines.board.edit import parsed, set_value
from pipelines.bundled import RECIPES, recipe_names
from pipelines.config import Recipe, RecipeError, load_recipe, recipe_path

LARGEST = 2**20  # bytes of a recipe's file
CHECKED_AS = "recipe.yaml"


def open_bundled(name: str) -> str:
    """The text of a bundled recipe that can be saved anywhere; byte for byte its file's, but for ``extends``.

    A bundled recipe extends another by its path from its own folder; away from there it has to be called by name.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in recipe_names():
        raise RecipeError(f"no bundled recipe is called '{name}'")
    path = recipe_path(name)
    text = path.read_text(encoding="utf-8")
    extends = parsed(text).get("extends")
    if isinstance(extends, str) and extends.endswith((".yaml", ".yml")):
        base = Path(os.path.normpath(path.parent / extends)).relative_to(RECIPES).with_suffix("")
        text = set_value(text, ("extends",), base.as_posix())
    return text


def open_file(path: Path) -> str:
    """The text of a recipe's file.

    Raises:
        RecipeError: it is too large, or no text.
    """
    if path.stat().st_size > LARGEST:
        raise RecipeError(f"{path.name}: larger than a recipe can be (1 MiB)")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path.name}: no text in UTF-8, and so no recipe") from error


def check(text: str) -> Recipe:
    """The recipe that the text is.

    Raises:
        RecipeError: as ``load_recipe``, with the key; and when it extends a file, which is not where the text came from.
    """
    values = parsed(text)
    extends = values.get("extends")
    if isinstance(extends, str) and extends.endswith((".yaml", ".yml")):
        raise RecipeError(
            f"extends: {extends} is a file beside the recipe's own, which the board has not; extend a bundled recipe by its name, or open "
            "what `osler recipe show FILE` prints, which extends nothing"
        )
    with tempfile.TemporaryDirectory(prefix="osler-board-") as folder:
        path = Path(folder) / CHECKED_AS
        path.write_bytes(text.encode("utf-8"))
        try:
            return load_recipe(str(path))
        except OslerError as error:
            raise RecipeError(str(error).replace(f"{path}: ", "").replace(str(path), CHECKED_AS)) from error
        except RecursionError as error:
            raise RecipeError("not valid YAML for a recipe: it is nested too deeply") from error
