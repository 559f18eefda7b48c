"""The plan of a stage that trains."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pipelines.config import Recipe, TrainingStage
from pipelines.plan.compute import forward_flops, hours, muon_flops, training_flops
from pipelines.plan.devices import Devices
from pipelines.plan.memory import GIB, Load, Memory, formats, memory, merge_bytes, state_bytes
from pipelines.plan.reading import PAIRS, Settings, corpora_of, load_of, packed_length, settings_of, value_of
from pipelines.plan.remedies import remedies_of
from pipelines.plan.result import StagePlan
from pipelines.plan.rewarded import answer_tokens, answers_of, extra_flops, longer, sampling_hours, with_sampler
from pipelines.plan.workload import Work, Workload

KNOWN = ("cpt", "mlm", "sft", "dpo", "orpo", "reward", "grpo")  # kinds whose step is planned as it is


def _checkpoints(stage: TrainingStage, load: Load) -> int:
    """Bytes of the checkpoints that a stage holds at once: those it keeps, and the one being written."""
    if str(value_of(stage, "save_strategy")) == "no":
        return 0
    weight, _, state = state_bytes(load)
    return int((weight + state) * load.trainable * ((value_of(stage, "save_total_limit") or 1) + 1))


def _steps(stage: TrainingStage, chosen: Settings, rows: float) -> tuple[int, float]:
    """Optimizer steps, and passes over the data."""
    in_a_step = chosen.batch * chosen.accumulation * chosen.processes
    given = value_of(stage, "max_steps") or -1
    epochs = float(value_of(stage, "num_train_epochs") or 1)
    steps = int(given) if given > 0 else math.ceil(epochs * math.ceil(rows / in_a_step))
    return steps, steps * in_a_step / max(1.0, rows)


def plan_training(recipe: Recipe, name: str, where: Devices, workload: Workload, whole: bool = True) -> StagePlan:
    """The plan of a stage that trains; with ``whole`` false, its memory and disk alone."""
    stage: Any = recipe.stages[name]
    chosen = settings_of(recipe, stage, where)

    rewarded = stage.kind == "grpo"

    def work() -> Work:
        return workload.of(corpora_of(recipe, stage), asked=rewarded)

    def loaded(settings: Settings, there: Devices) -> tuple[Load, Memory]:
        load = load_of(recipe, stage, settings, work, there)
        if not rewarded:
            return load, memory(load)
        load = longer(load, stage, work())
        return load, with_sampler(stage, load, there, memory(load))

    load, needed = loaded(chosen, where)
    shape = load.shape
    found = StagePlan(name, stage.kind, shape.name, shape.parameters, load.trainable, needed, usable=where.usable)
    found.disk = {"model": 2 * shape.parameters, "checkpoints": _checkpoints(stage, load)}
    if not found.fits:
        length_key = "sequence_length" if hasattr(stage, "sequence_length") else "training.max_length"
        found.remedies = remedies_of(
            chosen,
            lambda settings: loaded(settings, _of(where, settings))[1].peak,
            where,
            "lora" in type(stage).model_fields,
            length_key,
        )
    if not whole:
        return found
    done = answers_of(stage, work()) if rewarded else work()
    found.notes = [*done.notes, formats(load)]
    if stage.kind not in KNOWN:
        found.notes.append(f"{name}: planned as the step of an sft or dpo stage")
    if rewarded:
        found.notes.append(f"{name}: the plan of its memory was not compared with a run on a GPU")
        mean, longest = answer_tokens(stage, work()), int(value_of(stage, "max_completion_length"))
        if mean < longest and where.kind == "cpu":
            found.notes.append(
                f"{name}: logits are counted for answers of {mean:.0f} tokens in the mean, as those in its prompts have, and not {longest:,}"
            )
    if hasattr(stage, "sequence_length"):
        kept = 1 - getattr(stage, "held_out", 0.0)
        rows, mean = done.tokens * kept // stage.sequence_length, float(stage.sequence_length)
    else:
        # A pair is two sequences of the model.
        rows = done.rows
        mean = min(done.tokens / max(1.0, done.rows), (chosen.length or math.inf) * (2 if stage.kind in PAIRS else 1))
    if load.adapter is not None:
        found.notes.append(
            f"{name}: the merge at its end takes {merge_bytes(shape) / GIB:,.1f} GiB of the machine's own memory"
        )
    full = packed_length(stage, chosen)
    found.steps, passes = _steps(stage, chosen, rows * mean / full if full else rows)
    found.tokens = passes * rows * mean
    sequence = mean / 2 if stage.kind in PAIRS else mean
    found.flops = found.tokens * training_flops(load, sequence)
    if stage.kind == "dpo":  # the reference's log-probabilities, once
        found.flops += rows * mean * forward_flops(shape, sequence)
    if load.teacher is not None:
        anchored = found.steps * load.anchor_rows * load.anchor_length * chosen.accumulation
        found.flops += anchored * training_flops(replace(load, checkpointing=False), load.anchor_length)
        found.flops += anchored * forward_flops(load.teacher, load.anchor_length)
    if load.optimizer == "muon":
        found.flops += found.steps * muon_flops(shape, stage.muon_steps)
    if rewarded:
        found.flops += found.tokens * extra_flops(stage, load, sequence)
    found.hours = hours(found.flops, where)
    if rewarded:
        found.hours += passes * sampling_hours(stage, load, chosen, done, where)
    return found


def _of(where: Devices, settings: Settings) -> Devices:
    return replace(where, count=settings.processes) if where.kind == "gpu" else where
