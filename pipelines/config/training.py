"""Stages that make weights: init, extend, cpt, sft, merge, dpo, kto, orpo, reward.

The ``training`` block of a stage is the field-for-field config of the trainer that runs it.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.config.models import ModelName
from pipelines.config.parts import Anchor, Block, Corpus, Lora, Quantization, Spikes


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

    model: ModelName  # ``base``, an earlier stage, or whatever ``base_model`` may be
    spikes: Spikes | None = (
        None  # go back and leave a batch out when the loss jumps; by default a run only stops at NaN
    )
    training: dict[str, Any] = {}  # the trainer's own config, field for field
    # Rows of each optimizer step over all processes. With it the result does not depend on how many there are, and
    # ``per_device_train_batch_size`` says only how many rows of them a device holds at a time.
    global_batch: int | None = Field(default=None, ge=1)


class AdapterStage(TrainingStage):
    """A stage that trains the whole model, or an adapter that is merged at the end, beside a base of fewer bits if wanted."""

    lora: Lora | None = None
    quantization: Quantization | None = None  # QLoRA

    @model_validator(mode="after")
    def _rounds_beside_an_adapter(self) -> AdapterStage:
        if self.quantization is not None and self.lora is None:
            raise ValueError(
                "quantization: rounded weights cannot be trained; add lora (QLoRA), or leave quantization out"
            )
        if self.lora is not None and getattr(self, "optimizer", "adamw") == "muon":
            raise ValueError("optimizer: muon trains the model's own matrices, which lora freezes; use adamw with lora")
        return self


class CptStage(AdapterStage):
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


class SftStage(AdapterStage):
    """Supervised fine-tuning on dialogues, with loss on the assistant's tokens only."""

    kind: Literal["sft"]
    corpora: list[Corpus] = Field(min_length=1)
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_steps: int = Field(default=5, ge=1)  # Newton-Schulz iterations of Muon
    anchor: Anchor | None = None


class MergeStage(Block):
    """A weighted mean of the weights of models of one shape."""

    kind: Literal["merge"]
    models: dict[str, float] = Field(
        min_length=2
    )  # name (``base`` or a stage's) to weight; the last gives the tokenizer


class PreferenceStage(AdapterStage):
    """A stage that learns from a corpus of preferences."""

    preferences: Corpus  # a preferences stage's name, a catalogued dataset, or a file
    lora: Lora | None = Lora()


class DpoStage(PreferenceStage):
    """Direct preference optimisation (Rafailov et al. 2023) on preference pairs, and its variants (``training.loss_type``)."""

    kind: Literal["dpo"]


class KtoStage(PreferenceStage):
    """Kahneman-Tversky optimisation (Ethayarajh et al. 2024) on answers that are each good or bad."""

    kind: Literal["kto"]


class OrpoStage(PreferenceStage):
    """Odds ratio preference optimisation (Hong et al. 2024) on preference pairs, without a reference model."""

    kind: Literal["orpo"]


class RewardStage(PreferenceStage):
    """A reward model (Bradley-Terry) from preference pairs: it gives an answer one number."""

    kind: Literal["reward"]
    held_out: float = Field(default=0.1, ge=0, lt=0.5)  # share of prompts whose pairs measure the accuracy


# Of each kind of stage that trains, the config class whose fields its ``training`` block may set.
TRAINING_CLASSES = {
    "cpt": ("transformers", "TrainingArguments"),
    "sft": ("trl", "SFTConfig"),
    "dpo": ("trl", "DPOConfig"),
    "kto": ("trl", "KTOConfig"),
    "orpo": ("trl.experimental.orpo", "ORPOConfig"),
    "reward": ("trl", "RewardConfig"),
}


def training_class(kind: str) -> Any:
    """The config class whose fields the ``training`` block of a stage of this kind may set."""
    module, name = TRAINING_CLASSES[kind]
    return getattr(importlib.import_module(module), name)


def training_keys(kind: str) -> set[str]:
    """Names of the fields that the ``training`` block of a stage of this kind may set."""
    return {field.name for field in dataclasses.fields(training_class(kind)) if field.init}
