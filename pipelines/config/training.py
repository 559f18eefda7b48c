"""Stages that make weights: init, extend, cpt, mlm, sft, merge, dpo, kto, orpo, reward, grpo.

The ``training`` block of a stage is the field-for-field config of the trainer that runs it (``trainers``).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from pydantic import Field, model_validator

from corpora.errors import nearest
from pipelines.config.models import ModelName
from pipelines.config.parts import Anchor, Block, Corpus, Lora, Quantization, Spikes
from pipelines.config.rewards import Rewards


class InitStage(Block):
    """A new model: a tokenizer learnt from the corpora, and random weights."""

    kind: Literal["init"]
    corpora: list[Corpus] = Field(min_length=1)
    vocab_size: int = Field(ge=264)  # 256 bytes and eight marks at least
    # Fields of transformers.Qwen3Config, or with ``model_type: bert`` those of transformers.BertConfig.
    architecture: dict[str, Any]
    tokenizer: Literal["bpe", "wordpiece"] = "bpe"  # on bytes, or BERT's
    lowercase: bool = False  # of a wordpiece tokenizer: texts in lower case and without accents

    @property
    def model_type(self) -> str:
        """What transformers calls the architecture."""
        return str(self.architecture.get("model_type", "qwen3"))

    @model_validator(mode="after")
    def _fits_together(self) -> InitStage:
        if self.model_type not in ("qwen3", "bert"):
            raise ValueError(f"architecture.model_type is qwen3 or bert, not '{self.model_type}'")
        if self.tokenizer == "wordpiece" and self.model_type != "bert":
            raise ValueError("tokenizer: wordpiece belongs to a model with architecture.model_type: bert")
        if self.lowercase and self.tokenizer != "wordpiece":
            raise ValueError("lowercase belongs to tokenizer: wordpiece; one on bytes keeps every letter")
        for key in self.architecture:  # of which transformers would keep any, and heed those that it knows
            if key not in self._known():
                raise ValueError(f"architecture: unknown key '{key}'; {nearest(key, self._known())}")
        return self

    def _known(self) -> set[str]:
        """What an architecture may say: the config's fields but those that the stage sets itself, and two that are read under other names."""
        import transformers

        config = transformers.BertConfig if self.model_type == "bert" else transformers.Qwen3Config
        fields = {field.name for field in dataclasses.fields(config)} | {"model_type", "rope_theta", "rope_scaling"}
        return fields - {"vocab_size", "pad_token_id", "bos_token_id", "eos_token_id"}


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
    # Of transformers, and ours for packed rows (varlen). By default torch's own (sdpa), and for packed rows on a GPU varlen, or flex_attention
    # where the GPU or the number format is not for it.
    attention: Literal["sdpa", "eager", "varlen", "flex_attention", "flash_attention_2", "flash_attention_3"] | None = (
        None
    )

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


class MlmStage(TrainingStage):
    """Masked-language pretraining of an encoder (Devlin et al. 2019), from random weights or going on from a model."""

    kind: Literal["mlm"]
    corpora: list[Corpus] = Field(min_length=1)
    held_out: float = Field(default=0.02, ge=0, lt=0.5)  # share of documents on which it is examined
    sequence_length: int = Field(default=512, ge=8)  # tokens, [CLS] and [SEP] included
    mask_share: float = Field(default=0.15, gt=0, lt=1)  # of the tokens of a row
    whole_words: bool = True  # the pieces of a word are masked together
    chinese_words: Literal["characters", "jieba"] = "characters"  # what a word of Chinese is


class SftStage(AdapterStage):
    """Supervised fine-tuning on dialogues, with loss on the assistant's tokens only."""

    kind: Literal["sft"]
    corpora: list[Corpus] = Field(min_length=1)
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_steps: int = Field(default=5, ge=1)  # Newton-Schulz iterations of Muon
    anchor: Anchor | None = None


class MergeStage(Block):
    """One model from the weights of several of one shape."""

    kind: Literal["merge"]
    # Name (``base`` or a stage's) to weight; the last gives the tokenizer.
    models: dict[str, float] = Field(min_length=1)
    method: Literal["linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties"] = "linear"
    base: str | None = None  # what the models were trained from, for the methods that add to it
    density: float | None = Field(default=None, gt=0, lt=1)  # share of what a model learnt that ties and dare keep
    majority_sign_method: Literal["total", "frequency"] = "total"  # the sign of the sum, or of most of the models
    seed: int | None = None  # of what dare keeps; the recipe's if not given

    @model_validator(mode="after")
    def _has_what_the_method_needs(self) -> MergeStage:
        needs_base = self.method not in ("linear", "slerp")
        needs_density = self.method in ("ties", "dare_linear", "dare_ties")
        if needs_base != (self.base is not None):
            raise ValueError(
                f"method: {self.method} adds to a base: name it in base"
                if needs_base
                else f"base does not belong to method: {self.method}; name the base in models, or choose another method"
            )
        if needs_density != (self.density is not None):
            raise ValueError(
                f"method: {self.method} needs density, the share that is kept (ties: 0.2, Yadav et al. 2023; "
                "dare: 0.1 and more, Yu et al. 2024)"
                if needs_density
                else f"density does not belong to method: {self.method}, which keeps all"
            )
        if self.majority_sign_method != "total" and not self.method.endswith("ties"):
            raise ValueError("majority_sign_method belongs to the methods ties and dare_ties")
        if self.seed is not None and not self.method.startswith("dare"):
            raise ValueError("seed belongs to the methods dare_linear and dare_ties; the others have no chance in them")
        if not needs_base and len(self.models) < 2:
            raise ValueError(f"models: method {self.method} needs two models")
        if self.method == "slerp" and len(self.models) > 2:
            raise ValueError("models: method slerp goes from one model to a second; it takes no third")
        if not needs_base and (min(self.models.values()) < 0 or sum(self.models.values()) <= 0):
            raise ValueError("models: the weights of a mean are not negative, and not all nought")
        return self


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


class GrpoStage(AdapterStage, Rewards):
    """Group relative policy optimisation (Shao et al. 2024) on questions whose answers verifiers check."""

    kind: Literal["grpo"]
    items: list[Corpus] = []  # exam items
    prompts: list[Corpus] = []  # dialogues whose last answer states a number, or that are emergencies

    @model_validator(mode="after")
    def _is_rewarded(self) -> GrpoStage:
        if not self.items and not self.prompts:
            raise ValueError(
                "a grpo stage asks items (exam items), prompts (dialogues), or both: give one of the two keys"
            )
        if "right_option" in self.rewards and not self.items:
            raise ValueError("the reward right_option is for exam items: name them in items")
        dialogues = {"right_number", "emergency", "facts"} & set(self.rewards)
        if dialogues and not self.prompts:
            raise ValueError(f"the reward {sorted(dialogues)[0]} is for dialogues: name them in prompts")
        if self.items and not {"right_option", "format"} & set(self.rewards):
            raise ValueError("no reward is for the items: add right_option")
        if "reward_weights" in self.training:
            raise ValueError("the weights are those of rewards; leave training.reward_weights out")
        return self
