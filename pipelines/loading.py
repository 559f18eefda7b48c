"""Reads a model and its tokenizer, without the libraries that only training needs: they take seconds to import."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError


# isort: split
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from corpora.errors import OslerError
from pipelines import model_sources
from serving.hardware import has_gpu, inference_dtype

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
    """The model on the GPU, where there is one with room for it; else as it is, on the processor."""
    if not has_gpu():
        return model
    torch.cuda.empty_cache()  # what torch keeps of models that are gone counts as taken
    free, size = torch.cuda.mem_get_info()[0], model.get_memory_footprint()
    if size > ROOM * free:
        log.warning(
            "%s: %.0f GiB of weights have no room on the GPU (%.0f GiB are free) and stay on the processor, which is slow",
            model.name_or_path,
            size / 2**30,
            free / 2**30,
        )
        return model
    placed: PreTrainedModel = model.to("cuda")  # type: ignore[arg-type]
    return placed


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
