"""Where the weights are that a recipe names, and the two ways to name them: a string, or a block of name, source and revision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from corpora.errors import DataError, nearest
from corpora.hubs.retrying import Unreachable
from pipelines.config.parts import RecipeError

MODELS = Path(__file__).parents[1] / "models"
CHAT_TEMPLATES = Path(__file__).parents[1] / "chat_templates"
SOURCES = ("huggingface", "modelscope")


def _as_string(value: Any) -> Any:
    """A model's block as the string that means the same."""
    if not isinstance(value, dict):
        return value
    from pipelines.model_sources import spelled

    keys = ["name", "source", "revision"]
    for key in value:
        if key not in keys:
            raise ValueError(f"unknown key '{key}'; {nearest(str(key), keys)}")
    name, source, revision = value.get("name"), value.get("source", "huggingface"), value.get("revision")
    if not isinstance(name, str):
        raise ValueError("a model's block has a name, as 'Qwen/Qwen3-8B-Base'")
    if source not in SOURCES:
        raise ValueError(f"source: '{source}' is no source of models; it is one of: {', '.join(SOURCES)}")
    return spelled(name, source, None if revision is None else str(revision))


ModelName = Annotated[str, BeforeValidator(_as_string)]


def own_folder(name: str) -> Path | None:
    """The folder that a name means, or None for one of a hub. Of a stage's folder in a run, it is the one of its model.

    Raises:
        RecipeError: a bundled model of that name does not exist, or a file is named.
    """
    if name.startswith("bundled:"):
        folder = MODELS / name.removeprefix("bundled:")
        if not folder.is_dir():
            raise RecipeError(
                f"no bundled model is called '{folder.name}'; {nearest(folder.name, [p.name for p in MODELS.iterdir()])}"
            )
        return folder
    path = Path(name).expanduser()
    if path.is_file():
        raise RecipeError(f"{name}: a file, and a model is a folder that holds config.json beside its weights")
    deeper_than_an_id = name.partition("@")[0].count("/") > 1 and not name.startswith("modelscope:")
    if not (deeper_than_an_id or name.startswith((".", "/", "~")) or path.is_dir()):
        return None
    inside = path / "model"
    return inside if (inside / "config.json").is_file() and not (path / "config.json").is_file() else path


def resolve_model(name: str, weights: bool = True) -> str:
    """The folder of the model that a recipe or a command calls ``name``; a hub's model is fetched.

    Args:
        name: a model's folder or a stage's, ``bundled:NAME``, a hub id, or ``modelscope:ID``; an id can end in ``@REVISION``.
        weights: False gives a folder that is sure to hold the config and the tokenizer only.

    Raises:
        RecipeError: there is no such model, or it may not be loaded as it is (see ``pipelines.model_sources``).
        DataError: a hub has no such model, or cannot be reached.
    """
    from pipelines.model_sources import fetch_model, loading, without_hub

    folder = own_folder(name)
    if folder is None:
        try:
            return str(fetch_model(name, weights))
        except Unreachable as error:
            raise DataError(
                f"'{name}' is no folder here, so that it was looked for on its hub, and {error}. {without_hub(name)}"
            ) from error
        except DataError as error:
            raise DataError(f"'{name}' is no folder here, and was looked for on its hub: {error}") from error
    loading(folder)
    return str(folder)


def resolve_chat_template(name: str) -> str:
    """The file of a ``bundled:`` chat template (the assistant's turns are marked in it), or the name as it is.

    Raises:
        RecipeError: there is no bundled one of that name.
    """
    if not name.startswith("bundled:"):
        return name
    path = CHAT_TEMPLATES / f"{name.removeprefix('bundled:')}.jinja"
    if not path.is_file():
        known = [each.stem for each in CHAT_TEMPLATES.glob("*.jinja")]
        raise RecipeError(
            f"chat_template_path: no bundled chat template is called '{path.stem}'; {nearest(path.stem, known)}"
        )
    return str(path)
