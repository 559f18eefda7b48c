"""The recipes that come with the package, by name. It imports nothing, as the help of every command lists them."""

from __future__ import annotations

from pathlib import Path

RECIPES = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the bundled recipes, as ``nano`` or ``qwen3-8b/8x80gb-full``."""
    paths = (path.relative_to(RECIPES).with_suffix("") for path in RECIPES.rglob("*.yaml"))
    return sorted(path.as_posix() for path in paths if not any(part.startswith("_") for part in path.parts))
