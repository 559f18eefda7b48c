"""Reads a model and its tokenizer, without the libraries that only training needs: they take seconds to import."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from corpora.errors import OslerError
from pipelines import model_sources
from serving.hardware import gpus, has_gpu, inference_dtype

log = logging.getLogger(__name__)
ROOM = 0.8  # of a GPU's free memory that a model's weights may take; the rest is for what it computes


class TrainingError(OslerError):
    """Training that cannot start or has failed."""


def quiet() -> None:
    """Keeps transformers' chatter out of the progress bars; warnings that matter still show."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def load_model(
    source: str | Path, training: bool = True, auto: Any = AutoModelForCausalLM, **given: Any
) -> PreTrainedModel:
    """A causal language model: for training in float32, which small updates need, else in what runs fastest here.

    ``auto`` reads a model of another kind, and ``given`` are its arguments (``dtype`` for another number format).

    Raises:
        TrainingError: there is no model at ``source``.
        RecipeError: its files may not be loaded (see ``pipelines.model_sources``).
    """
    safely = model_sources.loading(source)
    given.setdefault("dtype", torch.float32 if training else inference_dtype())
    try:
        model: PreTrainedModel = auto.from_pretrained(source, **safely, **given)
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingError(f"no model could be read from {source}: {error}") from error
    model.config.use_cache = not training
    return model


def on_gpu(model: PreTrainedModel) -> PreTrainedModel:
    """The model on the GPU, or cut by its layers over all of this machine's where the first has no room for it; else as it is, on the processor.

    Cut, it answers as it does whole: each layer is computed where it lies, one GPU after the other (accelerate's big model inference).
    """
    if not has_gpu():
        return model
    gc.collect()  # a model that was cut is held by the hooks that it holds
    torch.cuda.empty_cache()  # what torch keeps of models that are gone counts as taken
    free, size = [torch.cuda.mem_get_info(card)[0] for card in range(gpus())], model.get_memory_footprint()
    if size <= ROOM * free[0]:
        placed: PreTrainedModel = model.to("cuda")  # type: ignore[arg-type]
        return placed
    places = over_gpus(model, {card: int(ROOM * room) for card, room in enumerate(free)})
    if places is None:
        log.warning(
            "%s: %.0f GiB of weights have no room on %s (%.0f GiB are free) and stay on the processor, which is slow",
            model.name_or_path,
            size / 2**30,
            "the GPU" if len(free) == 1 else f"all {len(free)} GPUs",
            sum(free) / 2**30,
        )
        return model
    from accelerate import dispatch_model

    # Keys and values stay beside the layer that they are of.
    cut: PreTrainedModel = dispatch_model(model, places, skip_keys=model._skip_keys_device_placement)
    return cut


def over_gpus(model: PreTrainedModel, room: Mapping[int, int]) -> dict[str, int] | None:
    """On which of several GPUs each part of the model comes to lie, a like share on each; None where they have no room for it together.

    Args:
        model: its numbers are not looked at: torch's ``meta`` device will do.
        room: bytes of weights that each GPU may take.
    """
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole = sorted(model._no_split_modules or ())  # layers, whose parts add to one another
    even = get_balanced_memory(model, dict(room), no_split_module_classes=whole)
    places = infer_auto_device_map(model, even, no_split_module_classes=whole)
    cards = {name: place for name, place in places.items() if isinstance(place, int)}
    return cards if len(cards) == len(places) else None


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model.

    Raises:
        TrainingError: there is none at ``source``.
        RecipeError: it comes with Python code of its own, which the recipe does not allow.
    """
    safely = model_sources.loading(source, weights=False)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source, **safely)
    except (OSError, ValueError) as error:
        raise TrainingError(f"no tokenizer could be read from {source}: {error}") from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes of a folder without one
        raise TrainingError(
            f"no tokenizer could be read from {source}: none of its files is there (tokenizer.json, or vocab.json and merges.txt); "
            "copy those of the model that it was made from"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
