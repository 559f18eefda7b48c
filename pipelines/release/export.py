"""A model in another form: its safetensors cut into shards, and one GGUF file for llama.cpp and what is built on it."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

from safetensors import SafetensorError, safe_open

from corpora.errors import OslerError
from pipelines.artifact import MANIFEST, refuse_stage_folder
from pipelines.training.weights import INDEX, Weights, write_shards

NOTE = {"exported_by": "osler"}  # in the metadata of each file, by which a later export knows that it may be replaced


def model_folder(place: Path) -> Path:
    """The folder of a model given by itself or by its stage's folder in a run.

    Raises:
        OslerError: there is no model.
    """
    for folder in (place, place / "model"):
        if (folder / "config.json").is_file():
            return folder
    raise OslerError(
        f"{place}: no model here; name a stage's folder, as runs/nano/final, or one that holds config.json"
    )


def refuse_source(target: Path, source: Path) -> None:
    """Raises OslerError where ``target`` is the folder that the model is read from, or that of a run's stage."""
    if target.resolve() == source.resolve():
        raise OslerError(f"{target}: the model is read from this folder; name another with --to")
    refuse_stage_folder(target)


def refuse_others_files(target: Path, source: Path) -> None:
    """Raises OslerError where ``target`` has files that neither ``export`` nor ``publish`` wrote, and that a copy of ``source`` would replace."""
    if _published(target):
        return
    weights = sorted(target.glob("model*.safetensors"))
    for path in weights:
        if not _exported(path):
            raise OslerError(
                f"{path}: weights that osler did not write here, which would be lost; name an empty folder, or remove them yourself"
            )
    if weights:
        return
    for path in sorted(source.iterdir()):
        if (target / path.name).exists():
            raise OslerError(
                f"{target / path.name}: a file that osler did not write here, which would be lost; name an empty folder"
            )


def _exported(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return NOTE.items() <= (file.metadata() or {}).items()
    except (OSError, SafetensorError):
        return False


def _published(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"recipe", "stages", "files"} <= manifest.keys()


def export_shards(source: Path, target: Path, shard_size: str) -> list[Path]:
    """Writes the model of the folder ``source`` to the folder ``target`` in files of ``shard_size`` at most.

    The weights keep their type; the config, the tokenizer and the chat template are copied beside them. Raises WeightsError.
    """
    with ExitStack() as stack:
        weights = Weights(source, stack)
        refuse_source(target, weights.folder)
        refuse_others_files(target, source)
        sizes = {key: weights.read(key).nbytes for key in weights.files}
        files = write_shards(target, sizes, weights.read, shard_size, NOTE)
    for path in source.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and path.name != INDEX:
            shutil.copyfile(path, target / path.name)
    return files
