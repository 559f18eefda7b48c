"""A model's weights as files: each tensor read when it is asked for, and written in shards, so that no model is whole in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from corpora.disk import share
from corpora.errors import OslerError
from pipelines import model_sources

WEIGHTS = "model.safetensors"
INDEX = WEIGHTS + ".index.json"


class WeightsError(OslerError):
    """Weights that cannot be read."""


class Weights:
    """The tensors in a model's safetensors files."""

    def __init__(self, folder: str | Path, stack: ExitStack) -> None:
        """Opens the files of the model in ``folder`` until ``stack`` closes.

        Raises:
            RecipeError: there is no model, or no weights, or their index is damaged.
            WeightsError: its weights are no safetensors, or are quantised.
        """
        self.folder = Path(folder)
        model_sources.loading(self.folder)
        names = [WEIGHTS]
        if (self.folder / INDEX).is_file():
            names = model_sources.shards(str(folder), self.folder / INDEX)
        absent = [name for name in names if not (self.folder / name).is_file()]
        if absent:
            raise WeightsError(f"{folder}: no file {absent[0]}; save the model as safetensors first (save_pretrained)")
        if "quantization_config" in json.loads((self.folder / "config.json").read_text(encoding="utf-8")):
            raise WeightsError(f"{folder}: the weights are quantised; take the model that it was quantised from")
        try:
            files = [stack.enter_context(safe_open(self.folder / name, framework="pt")) for name in names]
        except SafetensorError as error:
            raise WeightsError(
                f"{folder}: weights that cannot be read ({error}); fetch or save the model anew"
            ) from error
        self.files = {key: file for file in files for key in file.keys()}  # noqa: SIM118

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor, without reading it."""
        return tuple(self.files[key].get_slice(key).get_shape())

    def read(self, key: str) -> torch.Tensor:
        """A tensor, in the type that it is saved in."""
        tensor: torch.Tensor = self.files[key].get_tensor(key)
        return tensor


def remove_weights(folder: Path) -> None:
    """Removes the safetensors files of a model that was written to ``folder`` before, and their index."""
    for old in [*folder.glob("model*.safetensors"), folder / INDEX]:
        old.unlink(missing_ok=True)


def write_shards(
    folder: Path,
    sizes: dict[str, int],
    tensor: Callable[[str], torch.Tensor],
    shard_size: str,
    note: Mapping[str, str] | None = None,
) -> list[Path]:
    """Writes safetensors files of ``shard_size`` at most, with their index where there are several, in the place of those that are there.

    One of them is in memory at a time.

    Args:
        folder: where to.
        sizes: bytes of each tensor, in the order of writing.
        tensor: makes the tensor of a name when its turn comes.
        shard_size: as transformers' ``max_shard_size``, such as "5GB". A tensor that is larger has a file of its own.
        note: what else stands in the metadata of each file.

    Raises:
        WeightsError: ``shard_size`` is no size.
    """
    try:
        number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*[kmgt]b", shard_size, re.IGNORECASE)
        if number is None or not float(number[1]):
            raise ValueError("a number above 0, and KB, MB, GB or TB")
        plan = split_state_dict_into_shards_factory(
            sizes,
            get_storage_size=lambda size: size,
            filename_pattern="model{suffix}.safetensors",
            max_shard_size=shard_size,
        )
    except ValueError as error:
        raise WeightsError(f"'{shard_size}' is no size of a file, as 5GB or 500MB: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    remove_weights(folder)
    for name, keys in plan.filename_to_tensors.items():
        save_file({key: tensor(key) for key in keys}, folder / name, metadata={"format": "pt", **(note or {})})
        share(folder / name)
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        (folder / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
    return [folder / name for name in plan.filename_to_tensors]
