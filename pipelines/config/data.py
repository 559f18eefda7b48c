"""Stages that make corpora: curate, mix, tokenize, replay."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from corpora.curate.clean import Cleaning, Quality
from corpora.curate.dedup import Deduplication
from corpora.curate.deidentify import Deidentification
from corpora.curate.executor import Scale
from corpora.curate.language import Languages
from pipelines.config.parts import Block, Corpus


class CleanStep(Cleaning):
    """Texts without markup, page furniture, tables and references."""

    step: Literal["clean"]


class QualityStep(Quality):
    """Gopher's rules: the arguments of datatrove's two filters, field for field; null leaves one out."""

    step: Literal["quality"]


class LanguageStep(Languages):
    """Texts in other languages left out."""

    step: Literal["language"]


class DeidentifyStep(Deidentification):
    """Identifying pieces of every text replaced by tags; no legal de-identification."""

    step: Literal["deidentify"]


class DedupStep(Deduplication):
    """Exact and near duplicates left out, by datatrove's MinHash."""

    step: Literal["dedup"]


class DecontaminateStep(Block):
    """Records that hold questions of benchmarks left out."""

    step: Literal["decontaminate"]
    against: list[Corpus] = Field(min_length=1)


CurationStep = Annotated[
    CleanStep | LanguageStep | QualityStep | DeidentifyStep | DedupStep | DecontaminateStep,
    Field(discriminator="step"),
]


class CurateStage(Block):
    """Corpora made fit to train on, step by step; the result is a corpus by the stage's name."""

    kind: Literal["curate"]
    corpora: list[Corpus] = Field(min_length=1)
    steps: list[CurationStep] = Field(min_length=1)
    scale: Scale = Scale()


class MixSource(Block):
    """Corpora that count as one source of a mix."""

    corpora: list[Corpus] = Field(min_length=1)
    share: float = Field(gt=0)  # of the tokens, beside the other sources' shares


class MixStage(Block):
    """Several corpora as one, by their share of tokens; the result is a corpus by the stage's name."""

    kind: Literal["mix"]
    model: str = "base"  # whose tokenizer counts
    sources: dict[str, MixSource] = Field(min_length=2)
    # Of the mix; as many as the shares allow without repeating, if not given.
    tokens: int | None = Field(default=None, ge=1)
    # Passes over a source at most (Muennighoff et al. 2023: up to 4 cost little).
    max_repeat: float = Field(default=4.0, gt=0)


class TokenizeStage(Block):
    """Corpora as files of tokens that training maps into memory; a cpt stage names them in ``tokens``."""

    kind: Literal["tokenize"]
    model: str = "base"  # whose tokenizer
    corpora: list[Corpus] = Field(min_length=1)
    held_out: float = Field(default=0.0, ge=0, lt=0.5)  # share of documents kept for bits per byte
    scale: Scale = Scale()  # a shard is a file


class ReplayStage(Block):
    """Text sampled from a model through vLLM, to be replayed where its training text is not at hand."""

    kind: Literal["replay"]
    model: str
    documents: int = Field(ge=1)
    max_tokens: int = Field(ge=8)  # of each document
    temperature: float = 1.0
    top_p: float = 1.0
    vllm: dict[str, Any] = {}  # flags of the vLLM that samples, as ``tensor-parallel-size: 4``
