"""A model in another form: its safetensors cut into shards, and one GGUF file for llama.cpp and what is built on it."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from corpora.errors import OslerError
from pipelines.training.weights import INDEX, Weights, write_shards


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


def export_shards(source: Path, target: Path, shard_size: str) -> list[Path]:
    """Writes the model of the folder ``source`` to the folder ``target`` in files of ``shard_size`` at most.

    The weights keep their type; the config, the tokenizer and the chat template are copied beside them. Raises WeightsError.
    """
    with ExitStack() as stack:
        weights = Weights(source, stack)
        if target.resolve() == weights.folder.resolve():
            raise OslerError(f"{target}: the model is read from this folder; name another with --to")
        sizes = {key: weights.read(key).nbytes for key in weights.files}
        files = write_shards(target, sizes, weights.read, shard_size)
    for path in source.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and path.name != INDEX:
            shutil.copyfile(path, target / path.name)
    return files
