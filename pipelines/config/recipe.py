"""The whole recipe: its stages in order, and what they name. An unknown key is an error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from pipelines.config.data import CurateStage, MixStage, ReplayStage, TokenizeStage
from pipelines.config.exam import ExamStage, Serve
from pipelines.config.launch import Launch
from pipelines.config.models import ModelName
from pipelines.config.parts import Block, Corpus
from pipelines.config.preferences import PreferencesStage
from pipelines.config.repeat import Repeat
from pipelines.config.synthesis import Asking, SynthesiseStage
from pipelines.config.training import (
    CptStage,
    DpoStage,
    ExtendStage,
    GrpoStage,
    InitStage,
    KtoStage,
    MergeStage,
    MlmStage,
    OrpoStage,
    RewardStage,
    SftStage,
)

Stage = Annotated[
    InitStage
    | CurateStage
    | MixStage
    | ExtendStage
    | TokenizeStage
    | CptStage
    | MlmStage
    | ReplayStage
    | SftStage
    | MergeStage
    | PreferencesStage
    | SynthesiseStage
    | DpoStage
    | KtoStage
    | OrpoStage
    | RewardStage
    | GrpoStage
    | ExamStage,
    Field(discriminator="kind"),
]


def named_models(stage: Any) -> list[str]:
    """Every model that a stage's block names: ``base``, an earlier stage, a folder or a hub id."""
    found = [stage.model] if isinstance(getattr(stage, "model", None), str) else []
    found += list(getattr(stage, "models", []))
    if isinstance(stage, MergeStage) and stage.base is not None:
        found.append(stage.base)
    for name in ("anchor", "teacher"):
        part = getattr(stage, name, None)
        if part is not None and part.model is not None:
            found.append(part.model)
    if isinstance(stage, PreferencesStage) and stage.scored_by is not None:
        found.append(stage.scored_by)
    return found


def asking(stage: Any) -> Asking | None:
    """The block of a stage that asks a teacher, if one does."""
    if isinstance(stage, PreferencesStage):
        stage = stage.scorer
    return stage if isinstance(stage, Asking) else None


def named_corpora(block: Any) -> list[Corpus]:
    """Every corpus that a stage's block names, in any of its fields, at any depth."""
    if isinstance(block, Corpus):
        return [block]
    parts: Iterable[Any] = ()
    if isinstance(block, BaseModel):
        parts = (getattr(block, name) for name in type(block).model_fields)
    elif isinstance(block, list):
        parts = block
    elif isinstance(block, dict):
        parts = block.values()
    return [corpus for part in parts for corpus in named_corpora(part)]


def learnt_corpora(stage: Any) -> list[Corpus]:
    """Those of ``named_corpora`` whose text goes on from the stage: not what an exam asks, nor the benchmarks that a curate stage takes out."""
    if isinstance(stage, ExamStage):
        return []
    return stage.corpora if isinstance(stage, CurateStage) else named_corpora(stage)


def training_data(stages: dict[str, Any]) -> list[str]:
    """Names of the corpora that the weights of a run are made from."""
    return list(dict.fromkeys(corpus.name for stage in stages.values() for corpus in learnt_corpora(stage)))


class Recipe(Block):
    """A whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    seed: int = 0
    # A folder, "bundled:NAME", a hub id, "modelscope:ID", or a block of name, source and revision.
    base_model: ModelName | None = None
    # What is refused otherwise, for models of the recipe only: Python files that come with a model run on this machine
    # (remote_code); weights in pickle files, which can run any program when they are loaded (pickled_weights).
    allow: list[Literal["remote_code", "pickled_weights"]] = []
    stages: dict[str, Stage] = Field(min_length=1)
    launch: Launch | None = None
    repeat: Repeat | None = None  # written out into ordinary stages when the recipe is read
    serve: Serve | None = None
