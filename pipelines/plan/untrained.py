"""The plans of stages that run no model for long: what makes or merges weights, and what writes tokens."""

from __future__ import annotations

from typing import Any

from pipelines.config import Recipe
from pipelines.plan.devices import Devices, libraries
from pipelines.plan.memory import FIRST_USE_BYTES, GIB, Memory
from pipelines.plan.reading import shape_named
from pipelines.plan.result import StagePlan
from pipelines.plan.workload import Workload, sources_of


def plan_weights(recipe: Recipe, name: str, where: Devices) -> StagePlan:
    """The plan of a stage that makes or changes weights without training: init, extend, merge."""
    stage: Any = recipe.stages[name]
    shape = shape_named(recipe, name)
    copies = 2 if stage.kind == "merge" else 1
    width = 2 if where.kind == "gpu" else 4
    framework = libraries() + FIRST_USE_BYTES if where.kind == "cpu" else GIB
    needed = Memory("with all weights read", {"weights": copies * width * shape.parameters, "framework": framework})
    found = StagePlan(name, stage.kind, shape.name, shape.parameters, 0, needed, usable=where.usable)
    found.disk = {"model": 2 * shape.parameters}
    return found


def plan_tokens(recipe: Recipe, name: str, workload: Workload) -> StagePlan:
    """The plan of a stage that writes tokens or records and runs no model."""
    stage: Any = recipe.stages[name]
    work = workload.of(sources_of(stage))
    found = StagePlan(name, stage.kind, tokens=work.tokens, notes=list(work.notes))
    width = 4.0  # bytes of text that a token stands for
    if stage.kind == "tokenize":
        width += 2 if shape_named(recipe, stage.model).vocabulary <= 2**16 else 4
    found.disk = {"data": int(work.tokens * width)}
    return found
