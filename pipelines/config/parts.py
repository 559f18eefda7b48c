"""What the blocks of a recipe are made of: corpora, adapters, quantization, anchors; and the error of one that cannot be run."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from corpora.errors import OslerError, nearest


class RecipeError(OslerError):
    """A recipe that cannot be run as it stands."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]  # a regular expression


class Block(BaseModel):
    """A mapping of a recipe: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Corpus(Block):
    """A source of records: a catalogued dataset, a ``bundled-…`` rendering, a stage's name, or a file."""

    name: str
    renderings: int = Field(default=1, ge=1)  # bundled text: how many times each fact is told, in new words each time
    repeat: int = Field(default=1, ge=1)  # how many times the records are used
    limit: int | None = Field(default=None, ge=1)  # use only so many records, taken by seed
    adapter: str | None = (
        None  # for a file of the user's own: the shape of its rows, where it should not be found from them
    )
    part: Literal["all", "train", "held_out"] = "all"  # which side of a split by subject, fixed for ever by a hash
    held_out_share: float = Field(default=0.05, gt=0, lt=1)  # of that split
    max_characters: int | None = Field(default=None, ge=1)  # longer records are left out
    exclude: Pattern | None = None  # records whose text matches this regular expression are left out

    @property
    def is_file(self) -> bool:
        """Whether the name has the form of a file of the user's own."""
        return self.name.endswith((".jsonl", ".json", ".csv", ".tsv", ".parquet", ".xml", ".txt", ".md", ".gz", ".zip"))


# Ways of starting an adapter that change the base's own weights: without those the adapter would be worth nothing.
CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


class Lora(Block):
    """Arguments of ``peft.LoraConfig``, field for field, as ``use_dora: true``; of four the defaults are Osler's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    r: int = Field(default=16, ge=1)  # the adapter's rank
    lora_alpha: int = 32  # it is scaled by lora_alpha / r
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: str | list[str] = "all-linear"

    @model_validator(mode="after")
    def _is_pefts(self) -> Lora:
        given = self.model_extra or {}
        if not given:
            return self  # PEFT takes seconds to import
        import peft

        # What every adapter of PEFT's has (its kind, its base) is the stage's to say.
        own = {field.name for field in dataclasses.fields(peft.PeftConfig)}
        known = sorted({field.name for field in dataclasses.fields(peft.LoraConfig) if field.init} - own)
        for key in given:
            if key not in known:
                raise ValueError(f"unknown key '{key}'; {nearest(key, known)}")
        start = given.get("init_lora_weights")
        if isinstance(start, str) and start.startswith(CHANGE_THE_BASE):
            raise ValueError(
                f"init_lora_weights: {start} changes the weights of the base, so that the adapter would fit no published "
                "model; use true, gaussian, orthogonal or eva"
            )
        return self


class Quantization(Block):
    """Arguments of ``transformers.BitsAndBytesConfig``: in how few bits the frozen base is held while an adapter trains.

    The defaults of ``load_in_4bit`` are those of QLoRA (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314, section 3).
    """

    load_in_4bit: bool = False
    load_in_8bit: bool = False  # LLM.int8 (Dettmers et al. 2022, https://arxiv.org/abs/2208.07339)
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = "nf4"
    bnb_4bit_use_double_quant: bool = True  # the scales of the blocks are rounded too: 0.37 bits a weight less
    bnb_4bit_compute_dtype: Literal["bfloat16", "float16", "float32"] | None = (
        None  # what is fastest here, if not given
    )
    llm_int8_threshold: float = 6.0  # of 8 bits: activations beyond this are multiplied unrounded

    @model_validator(mode="after")
    def _is_one(self) -> Quantization:
        if self.load_in_4bit == self.load_in_8bit:
            raise ValueError("give one of load_in_4bit: true and load_in_8bit: true")
        return self


class Anchor(Block):
    """Text on which a model that learns something else must go on predicting as an older one does."""

    model: str = "base"  # the older one: ``base`` or a stage's name
    corpora: list[Corpus] = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0)  # of the divergence beside the stage's own loss
    rows: int = Field(default=4, ge=1)  # in each step, shared out over its processes
    sequence_length: int = Field(default=128, ge=8)  # tokens of a row


class Spikes(Block):
    """When a step counts as a spike of the loss: the stage goes back to its newest checkpoint and leaves the step's batch out.

    PaLM (Chowdhery et al. 2022, section 5.1) was restarted before each spike and the batches around it were left out. A loss or
    gradient that is NaN or infinite counts as one as well.
    """

    deviations: float = Field(default=8.0, gt=0)  # above the mean of the last steps, in standard deviations
    window: int = Field(default=50, ge=5)  # those last steps
    limit: int = Field(default=5, ge=1)  # left-out steps at most; then the run ends with an error
