"""Where a model's files come from, and what is refused before one of its weights is fetched or loaded.

A model is named by a folder, ``bundled:NAME``, an id of the Hugging Face hub (``Qwen/Qwen3-8B-Base``), or
``modelscope:ID``; ``@REVISION`` at the end of an id picks a branch, a tag or a commit. Whatever the name, what a stage gets is
a folder. Models of the hub are kept in the hub library's own cache, so that what other programs fetched is not
fetched again; those of ModelScope are kept in ``~/.cache/osler/modelscope`` (below XDG_CACHE_HOME where that is set).

Two things in a model's files can run a stranger's program: Python files that the config names (``auto_map``), and
pickled weights, which are programs of the pickle machine
(https://docs.python.org/3/library/pickle.html#module-pickle). Neither is fetched or loaded unless the recipe says so
(``allow: [remote_code, pickled_weights]``). A file of either sort that lies beside what is loaded does no harm and is left
where it is. Adapters are no models and are refused. Raises RecipeError, and DataError where the network fails.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import transformers

from corpora.errors import DataError
from corpora.fetch import download, fetch, fetched, remote_files
from corpora.hubs.huggingface import hub_call
from corpora.hubs.origin import Origin, Remote, server_of
from pipelines.artifact import fingerprint, folder_fingerprint
from pipelines.config.parts import RecipeError

SAFE = ("model.safetensors", "model.safetensors.index.json")  # what transformers loads where one of them is there
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
SETTINGS = (".json", ".jinja", ".txt", ".model", ".tiktoken")  # configs, chat templates and tokenizers
WITH_CODE = ("config.json", "tokenizer_config.json")  # what can name a class in a Python file of the model's own
SHOWN = 12  # folders that an error names
TRAINING_LEFTOVERS = ("training_args", "optimizer", "scheduler", "rng_state")  # pickles that no model is loaded from

_allowed: ContextVar[frozenset[str]] = ContextVar("allowed", default=frozenset())


@contextmanager
def allowing(permissions: Iterable[str]) -> Iterator[None]:
    """What a recipe allows (``allow``), while one of its stages runs."""
    token = _allowed.set(frozenset(permissions))
    try:
        yield
    finally:
        _allowed.reset(token)


def hub_model(name: str) -> Origin:
    """Where the files of a hub's model are, by its name in a recipe: ``ID`` or ``modelscope:ID``, either with ``@REVISION``."""
    place = "modelscope" if name.startswith("modelscope:") else "hub"
    identifier, _, revision = name.removeprefix("modelscope:").partition("@")
    return Origin(
        place, identifier, revision or ("master" if place == "modelscope" else "main"), server_of(place), "model"
    )


def spelled(name: str, source: str, revision: str | None) -> str:
    """The one string that stands for a model given as a block of ``name``, ``source`` and ``revision``."""
    return ("modelscope:" if source == "modelscope" else "") + name + (f"@{revision}" if revision else "")


def _weights(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Of a model's files, those that its weights are loaded from, and which of these are pickles."""
    top = sorted(path for path in paths if "/" not in path)
    if any(path in SAFE for path in top):
        # ``model-00001-of-00004.safetensors``; a ``consolidated.safetensors`` beside them holds the same once more.
        return [
            path for path in top if path in SAFE or (path.startswith("model-") and path.endswith(".safetensors"))
        ], []
    pickles = [path for path in top if path.endswith(PICKLED) and not path.startswith(TRAINING_LEFTOVERS)]
    return pickles, pickles


def _own_code(name: str, settings: dict[str, Any]) -> str | None:
    """The class of the model's own Python files without which ``name`` cannot be loaded, or None."""
    named = settings.get("auto_map")
    if not named:
        return None
    if name == "config.json":  # where transformers knows the architecture, its own class is taken
        return None if settings.get("model_type") in transformers.CONFIG_MAPPING else str(named)
    known = settings.get("tokenizer_class")
    return None if known is not None and hasattr(transformers, known) else str(named)


def refuse_weights(where: str, paths: list[str]) -> None:
    """Raises RecipeError for files that are no whole model, or whose weights are pickles that were not allowed."""
    if "adapter_config.json" in paths:
        raise RecipeError(
            f"{where} holds a LoRA adapter (adapter_config.json) and no whole model; merge it into its base model first (peft: "
            "merge_and_unload, then save_pretrained) and name the folder of the result"
        )
    if "config.json" not in paths:
        raise RecipeError(f"{where}: no model here (a model folder holds config.json)")
    loaded, pickles = _weights(paths)
    if not loaded:
        raise RecipeError(f"{where}: no weights here; transformers reads {' or '.join(SAFE)}")
    if pickles and "pickled_weights" not in _allowed.get():
        raise RecipeError(
            f"{where}/{pickles[0]}: pickled weights, which can run any program when they are loaded, and no {SAFE[0]}; take "
            "a revision or a copy in safetensors, or, if you trust where it comes from, set allow: [pickled_weights] at the "
            "top of the recipe"
        )


def shards(where: str, index: Path) -> list[str]:
    """The files that the index of a model's safetensors names, all beside it.

    Raises:
        RecipeError: it is no index, or names another kind of file, which would be loaded as what it is.
    """
    try:
        names = sorted(map(str, set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError(
            f"{where}/{index.name}: not an index of weights ({error!r}); copy it from the model again"
        ) from error
    for name in names:
        if not name.endswith(".safetensors") or Path(name).name != name:
            raise RecipeError(
                f"{where}/{index.name}: names '{name}' as a shard, which is no safetensors file beside it; take a copy of the model whose "
                "weights are all in safetensors"
            )
    return names


def refuse_code(where: str, folder: Path) -> bool:
    """Whether the model in ``folder`` needs Python files of its own; raises RecipeError when that was not allowed."""
    for name in WITH_CODE:
        path = folder / name
        if not path.is_file():
            continue
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"{where}/{name}: not valid JSON: {error}") from error
        if not isinstance(settings, dict):
            raise RecipeError(f"{where}/{name}: not one JSON object, as a model's own is; copy it from the model again")
        code = _own_code(name, settings)
        if code is not None:
            if "remote_code" not in _allowed.get():
                raise RecipeError(
                    f"{where}/{name}: auto_map names Python code of the model's own ({code}), which would run on this machine; "
                    "take a model that transformers knows, or, if you have read that code, set allow: [remote_code] at the "
                    "top of the recipe"
                )
            return True
    return False


def _what_is_there(missing: Path) -> str:
    """A clause that names what lies beside the first part of a path that does not exist."""
    parent = next(place for place in missing.absolute().parents if place.is_dir())
    folders = sorted(path.name for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    return f"; {parent} has {', '.join(folders[:SHOWN])}{', …' if len(folders) > SHOWN else ''}" if folders else ""


def loading(source: str | Path, weights: bool = True) -> dict[str, Any]:
    """The arguments with which a model (or its tokenizer only) may be loaded from a folder.

    Raises:
        RecipeError: there is no model, or it has pickled weights or code of its own and the recipe does not allow it.
    """
    folder, where = Path(source), str(source)
    if not folder.is_dir():
        raise RecipeError(f"{where}: no model here: no such folder{_what_is_there(folder)}")
    if weights:
        refuse_weights(where, [path.name for path in folder.iterdir()])
        whole, index = (folder / name for name in SAFE)
        if index.is_file() and not whole.is_file():  # else transformers does not read it
            shards(where, index)
    needs_code = refuse_code(where, folder)
    found: dict[str, Any] = {"trust_remote_code": True} if needs_code else {}
    if weights and "pickled_weights" not in _allowed.get():
        found["use_safetensors"] = True
    return found


def fetch_model(name: str, weights: bool = True) -> Path:
    """The folder of a hub's model, fetched if it is not there; without ``weights``, of its settings and tokenizer only.

    Raises:
        RecipeError: its files may not be loaded as they are; nothing of its weights has been fetched then.
        DataError: it is not there or not open, or the network failed for good.
    """
    return _fetch_model(hub_model(name), weights, _allowed.get())


@functools.cache
def _fetch_model(model: Origin, weights: bool, allowed: frozenset[str]) -> Path:
    where = model.repository
    if model.name == "hub" and _offline():
        folder = _cached(model)
        loading(folder, weights)
        return folder
    files = _files(model)
    paths = [file.path for file in files]
    refuse_weights(where, paths)
    settings = [path for path in paths if "/" not in path and path.endswith(SETTINGS)]
    folder = _settings(model, [file for file in files if file.path in settings])
    needs_code = refuse_code(where, folder)
    if not weights:
        return folder
    code = [path for path in paths if path.endswith(".py")] if needs_code else []
    wanted = [*settings, *code, *_weights(paths)[0]]
    if model.name == "modelscope":
        fetch(folder.name, model, wanted, folder.parent)
        return folder
    return _snapshot(model, wanted)


@functools.cache
def _files(model: Origin) -> list[Remote]:
    found: list[Remote] = remote_files(model, ["*"])
    return found


def _settings(model: Origin, files: list[Remote]) -> Path:
    """The folder of the model, with these small files in it."""
    if model.name == "hub":
        return _snapshot(model, [file.path for file in files])
    folder = _modelscope_folder(model)
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.size:
            download(model, file, folder)
    return folder


def _modelscope_folder(model: Origin) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "osler" / "modelscope" / model.repository / model.revision.replace("/", "_")


def _snapshot(model: Origin, paths: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    def get(origin: Origin) -> str:
        return snapshot_download(
            origin.repository, revision=origin.revision, endpoint=origin.endpoint, allow_patterns=paths
        )

    return Path(hub_call(get, model))


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _cached(model: Origin) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        # Of a pattern that matches files which nothing here reads, the library would say that the copy is not complete.
        there = snapshot_download(
            model.repository, revision=model.revision, allow_patterns=["config.json"], local_files_only=True
        )
        return Path(there)
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise DataError(
            f"{model.repository}@{model.revision} is not in the hub's cache and HF_HUB_OFFLINE is set; unset it to fetch the "
            "model, or name a folder"
        ) from error


def without_hub(name: str) -> str:
    """What is left to a user where the hub of the model ``name`` cannot be reached, in sentences."""
    model = hub_model(name)
    if model.name == "modelscope":
        return (
            "Is the name spelled right, and the network there? Else name the folder of a model that you have, or ask the Hugging "
            f"Face hub for it: '{model.repository}'"
        )
    try:
        kept = f"HF_HUB_OFFLINE=1 takes the copy of it that is in the hub's cache ({_cached(model)})"
    except DataError:
        kept = "HF_HUB_OFFLINE=1 would take a model from the hub's cache, where there is none of this name"
    return (
        f"Is the name spelled right, and the network there? {kept}. Else name the folder of a model that you have, set HF_ENDPOINT "
        f"to a mirror, or ask the other source: 'modelscope:{model.repository}'. Where connections are slow, HF_HUB_ETAG_TIMEOUT=60 "
        "waits a minute for one"
    )


def identity(folder: Path) -> str:
    """What a stage that reads the model in ``folder`` depends on.

    The commit, where the hub's cache is named after one; the SHA-256 of each file, as fetched from ModelScope; else a hash of
    all bytes.
    """
    if folder.parent.name == "snapshots":
        return f"{folder.parents[1].name}@{folder.name}"
    record = fetched(folder)
    return fingerprint(record["files"]) if record is not None else folder_fingerprint(folder)
