"""Memory, time, cost and disk of a run before it starts, and what to change where it does not fit.

Nothing is loaded but configs and texts: no weights, no GPU, no network. What is assumed is said in each stage's notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.config import Recipe, TrainingStage
from pipelines.data import Sources
from pipelines.plan.devices import Devices, libraries
from pipelines.plan.examined import plan_exam
from pipelines.plan.reading import tokenizer_of
from pipelines.plan.result import Plan, StagePlan
from pipelines.plan.sampling import plan_sampling
from pipelines.plan.train import plan_training
from pipelines.plan.untrained import plan_tokens, plan_weights
from pipelines.plan.workload import SAMPLE, Workload

__all__ = ["Plan", "StagePlan", "check_plan", "plan", "plan_stage"]


def plan_stage(recipe: Recipe, name: str, where: Devices, workload: Workload) -> StagePlan:
    """The plan of one stage of the recipe.

    Raises:
        OslerError: the shape of its model is not known, or a corpus of the user's own is missing or cannot be read.
    """
    stage: Any = recipe.stages[name]
    if isinstance(stage, TrainingStage):
        found = plan_training(recipe, name, where, workload)
    elif stage.kind in ("replay", "preferences", "synthesise"):
        found = plan_sampling(recipe, name, where, workload)
    elif stage.kind == "exam":
        found = plan_exam(recipe, name, where, workload)
    elif stage.kind in ("init", "extend", "merge"):
        found = plan_weights(recipe, name, where)
    elif stage.kind in ("curate", "mix", "tokenize"):
        found = plan_tokens(recipe, name, workload)
    else:
        found = StagePlan(name, stage.kind, notes=[f"a plan knows nothing of the stage '{stage.kind}'"])
    found.cost = found.hours * where.count * where.price
    return found


def plan(recipe: Recipe, where: Devices, data_dir: Path | None = None, sample: int = SAMPLE) -> Plan:
    """What every stage of ``recipe`` takes on the devices.

    Raises:
        OslerError: as ``plan_stage``.
    """
    if where.kind == "cpu":
        libraries()  # measured before anything else is held
    workload = Workload(recipe, Sources(data_dir, recipe.seed, {}), tokenizer_of(recipe), sample)
    return Plan(recipe.name, where, [plan_stage(recipe, name, where, workload) for name in recipe.stages])


def check_plan(recipe: Recipe, where: Devices, data_dir: Path | None, sample: int) -> list[StagePlan]:
    """Memory and disk alone of the stages that make weights, for the check before a run.

    Raises:
        OslerError: as ``plan_stage``.
    """
    workload = Workload(recipe, Sources(data_dir, recipe.seed, {}), tokenizer_of(recipe), sample)
    found = []
    for name, stage in recipe.stages.items():
        if isinstance(stage, TrainingStage):
            found.append(plan_training(recipe, name, where, workload, whole=False))
        elif stage.kind in ("init", "extend", "merge"):
            found.append(plan_weights(recipe, name, where))
    return found
