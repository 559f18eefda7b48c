"""The plans of stages that train nothing: exams, what makes or merges weights, and what writes tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evals.likelihood import BATCH_TOKENS
from pipelines.config import Recipe
from pipelines.plan.compute import forward_flops, hours
from pipelines.plan.devices import Devices, devices, libraries, table
from pipelines.plan.memory import FIRST_USE_BYTES, GIB, Memory
from pipelines.plan.reading import shape_named
from pipelines.plan.result import StagePlan
from pipelines.plan.workload import Workload, sources_of
from serving.hardware import fast_bfloat16


def plan_exam(recipe: Recipe, name: str, where: Devices, workload: Workload) -> StagePlan:
    """The plan of an exam: every option of every item scored by every model."""
    stage: Any = recipe.stages[name]
    work = workload.of([*stage.items, *stage.medical, *stage.general])
    shape = max((shape_named(recipe, model) for model in stage.models), key=lambda one: one.parameters)
    width = 2 if where.kind == "gpu" or fast_bfloat16() else 4
    # Options: logits and their logarithms. Running text: logits, the float32 copy that cross_entropy is given, and its log-softmax.
    of_options = 2 * 4 * stage.batch_tokens if stage.items else 0
    of_text = (width + 4 + 4) * BATCH_TOKENS if stage.medical or stage.general else 0
    parts = {
        "weights": width * shape.parameters,
        "logits": max(of_options, of_text) * shape.vocabulary,
        "framework": libraries() + FIRST_USE_BYTES if where.kind == "cpu" else GIB,
    }
    needed = Memory("while it scores", parts)
    found = StagePlan(name, stage.kind, shape.name, shape.parameters, 0, needed, usable=where.usable)
    # One card has to hold it: elsewhere the weights stay on the processor.
    if not found.fits and where.kind == "gpu":
        larger = sorted((devices(kind) for kind in table()), key=lambda one: one.usable)
        found.remedies = [f"--gpus {one.label} for this stage" for one in larger if needed.peak <= one.usable][:1]
        found.remedies.append(
            f"`{name}: null` in the recipe, `osler serve` with a tensor-parallel-size, and `osler eval --url` of that server"
        )
    found.notes = [*work.notes, "the answers to questions and emergencies are not counted"]
    found.tokens = work.tokens * len(stage.models)
    found.flops = found.tokens * forward_flops(shape, work.tokens / max(1.0, work.rows))
    found.hours = hours(found.flops, replace(where, count=1))
    return found


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
