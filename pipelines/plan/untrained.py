"""The plans of stages that train nothing: exams, what makes or merges weights, and what writes tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evals.likelihood import BATCH_TOKENS
from pipelines.config import Recipe
from pipelines.loading import ROOM
from pipelines.plan.compute import forward_flops, hours
from pipelines.plan.devices import Devices, devices, libraries, table
from pipelines.plan.memory import FIRST_USE_BYTES, GIB, Memory
from pipelines.plan.reading import shape_named
from pipelines.plan.result import StagePlan
from pipelines.plan.workload import Workload, sources_of
from serving.hardware import fast_bfloat16

IN_A_MACHINE = 8  # GPUs at most


def plan_exam(recipe: Recipe, name: str, where: Devices, workload: Workload) -> StagePlan:
    """The plan of an exam: every option of every item scored by every model."""
    stage: Any = recipe.stages[name]
    work = workload.of([*stage.items, *stage.medical, *stage.general])
    shape = max((shape_named(recipe, model) for model in stage.models), key=lambda one: one.parameters)
    width = 2 if where.kind == "gpu" or fast_bfloat16() else 4
    # Options: logits and their logarithms. Running text: logits, the float32 copy that cross_entropy is given, and its log-softmax.
    of_options = 2 * 4 * stage.batch_tokens if stage.items else 0
    of_text = (width + 4 + 4) * BATCH_TOKENS if stage.medical or stage.general else 0
    logits = max(of_options, of_text) * shape.vocabulary

    def needed_on(there: Devices) -> tuple[Memory, int]:
        """The memory of each device that the exam uses, and over how many the weights are cut: those of one machine, where one is too small."""
        weights = width * shape.parameters
        if there.kind == "cpu":
            return Memory(
                "while it scores", {"weights": weights, "logits": logits, "framework": libraries() + FIRST_USE_BYTES}
            ), 1
        cards = min(there.count, IN_A_MACHINE) if weights > ROOM * there.usable else 1
        # Layers are not cut, so that a device may have one more than another.
        share = weights if cards == 1 else weights // cards + width * shape.layer
        # Of a device whose weights take more than a share, the model is given nothing (`pipelines.loading.on_gpu`).
        kept_free = max(0, int(share / ROOM) - share - logits - GIB)
        parts = {"weights": share, "logits": logits, "kept free": kept_free, "framework": GIB}
        return Memory("while it scores", {part: size for part, size in parts.items() if size}), cards

    needed, cards = needed_on(where)
    found = StagePlan(name, stage.kind, shape.name, shape.parameters, 0, needed, usable=where.usable)
    if not found.fits and where.kind == "gpu":
        # Where all cards together do not hold it, the weights stay on the processor.
        more = [replace(where, count=count) for count in range(where.count + 1, IN_A_MACHINE + 1)]
        larger = sorted((devices(kind) for kind in table()), key=lambda one: one.usable)
        for others in (more, larger):
            holding = [one for one in others if needed_on(one)[0].peak <= one.usable]
            found.remedies += [f"--gpus {one.label} for this stage" for one in holding[:1]]
        found.remedies.append(
            f"`{name}: null` in the recipe, `osler serve` with a tensor-parallel-size, and `osler eval --url` of that server"
        )
    found.notes = [*work.notes, "the answers to questions and emergencies are not counted"]
    if cards > 1:
        found.notes.append(
            f"{name}: one card is too small, and the model is cut by its layers over {cards}, which work one after the other"
        )
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
