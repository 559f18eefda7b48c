"""Where the weights are that a recipe names."""

from __future__ import annotations

from pathlib import Path

from pipelines.config.parts import RecipeError, nearest

MODELS = Path(__file__).parents[1] / "models"


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
