"""Stages that make weights: init, extend, cpt, sft, dpo, merge.

The ``training`` block of a stage is the field-for-field config of the trainer that runs it.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.config.parts import Anchor, Block, Corpus, Lora, Spikes


class InitStage(Block):
    """A new model: a byte-level BPE learnt from the corpora, and random weights."""

    kind: Literal["init"]
    corpora: list[Corpus] = Field(min_length=1)
    vocab_size: int
    architecture: dict[str, Any]  # fields of transformers.Qwen3Config


class ExtendStage(Block):
    """A model whose vocabulary is extended by the words of the corpora."""

    kind: Literal["extend"]
    model: str
    corpora: list[Corpus] = Field(min_length=1)
    tokens: int = Field(ge=1)  # new entries at most
    min_count: int = Field(default=2, ge=1)  # a pair of pieces that occurs less often in the corpora is not merged


class TrainingStage(Block):
    """What every stage has that trains a model by a trainer of transformers or TRL."""

    model: str  # ``base``, an earlier stage, a folder or a hub id
    spikes: Spikes | None = (
        None  # go back and leave a batch out when the loss jumps; by default a run only stops at NaN
    )
    training: dict[str, Any] = {}  # the trainer's own config, field for field
    # Rows of each optimizer step over all processes. With it the result does not depend on how many there are, and
    # ``per_device_train_batch_size`` says only how many rows of them a device holds at a time.
    global_batch: int | None = Field(default=None, ge=1)


class CptStage(TrainingStage):
    """Pretraining on running text, from random weights or going on from a model."""

    kind: Literal["cpt"]
    corpora: list[Corpus] = []  # read into memory
    tokens: str | None = None  # or a tokenize stage's name, whose files are read as they are needed
    held_out: float = Field(default=0.0, ge=0, lt=0.5)  # share of documents kept for bits per byte
    sequence_length: int = Field(default=1024, ge=8)  # tokens
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_steps: int = Field(default=5, ge=1)  # Newton-Schulz iterations of Muon
    anchor: Anchor | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> CptStage:
        if bool(self.corpora) == (self.tokens is not None):
            raise ValueError(
                "a cpt stage reads either corpora or the tokens of a tokenize stage: give one of the two keys"
            )
        if self.tokens is not None and self.held_out:
            raise ValueError("held_out belongs to the tokenize stage, which keeps those documents out of the tokens")
        return self


class SftStage(TrainingStage):
    """Supervised fine-tuning on dialogues, with loss on the assistant's tokens only."""

    kind: Literal["sft"]
    corpora: list[Corpus] = Field(min_length=1)
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_steps: int = Field(default=5, ge=1)  # Newton-Schulz iterations of Muon
    lora: Lora | None = None
    anchor: Anchor | None = None


class MergeStage(Block):
    """A weighted mean of the weights of models of one shape."""

    kind: Literal["merge"]
    models: dict[str, float] = Field(
        min_length=2
    )  # name (``base`` or a stage's) to weight; the last gives the tokenizer


class DpoStage(TrainingStage):
    """Direct preference optimisation (Rafailov et al. 2023) on preference pairs."""

    kind: Literal["dpo"]
    preferences: Corpus  # a preferences stage's name, a catalogued dataset, or a file
    lora: Lora | None = Lora()


# Of each kind of stage that trains, the config class whose fields its ``training`` block may set.
TRAINING_CLASSES = {
    "cpt": ("transformers", "TrainingArguments"),
    "sft": ("trl", "SFTConfig"),
    "dpo": ("trl", "DPOConfig"),
}


def training_class(kind: str) -> Any:
    """The config class whose fields the ``training`` block of a stage of this kind may set."""
    module, name = TRAINING_CLASSES[kind]
    return getattr(importlib.import_module(module), name)


def training_keys(kind: str) -> set[str]:
    """Names of the fields that the ``training`` block of a stage of this kind may set."""
    return {field.name for field in dataclasses.fields(training_class(kind)) if field.init}
