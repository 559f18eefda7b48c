"""What the blocks of a recipe are made of: corpora, adapters, anchors; and the error of a recipe that cannot be run."""

from __future__ import annotations

import difflib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from corpora.errors import OslerError


class RecipeError(OslerError):
    """A recipe that cannot be run as it stands."""


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
    exclude: str | None = None  # records whose text matches this regular expression are left out

    @property
    def is_file(self) -> bool:
        """Whether the name has the form of a file of the user's own."""
        return self.name.endswith((".jsonl", ".json", ".csv", ".tsv", ".parquet", ".xml", ".txt", ".md", ".gz", ".zip"))


class Lora(Block):
    """Arguments of ``peft.LoraConfig``."""

    r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    target_modules: str | list[str] = "all-linear"


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


def nearest(word: str, known: list[str]) -> str:
    """A clause that offers the nearest of ``known``, or lists them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(known))}"
