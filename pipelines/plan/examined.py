"""The plan of an exam: what scoring options, running text and writing answers take of each device, beside the weights.

What a forward pass without a graph holds at once is a layer's feed-forward part, the keys and values of all layers where something is to
follow, and the logits of the positions that are scored, with the copies that their logarithms are made by. Measured on a processor by
``benchmarks/memory.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evals.engines.continuations import AT_ONCE
from evals.engines.prompt_batches import MOST_LENGTHS
from evals.likelihood import BATCH_TOKENS
from pipelines.config import ExamItems, ExamStage, Recipe
from pipelines.loading import ROOM
from pipelines.plan.architectures import Shape
from pipelines.plan.compute import forward_flops, hours
from pipelines.plan.devices import Devices, devices, libraries, table
from pipelines.plan.memory import ALLOCATOR_SHARE, GIB, Memory, kv_cache_bytes
from pipelines.plan.reading import shape_named
from pipelines.plan.result import StagePlan
from pipelines.plan.workload import TURN, Work, Workload
from serving.hardware import fast_bfloat16, machine

IN_A_MACHINE = 8  # GPUs at most
ANSWERS, ANSWER_TOKENS = 64, 64  # that `evals.engines.generate.greedy_answers` writes at once, and tokens of each
LARGEST = 64  # options that stand for the largest batch
ASKED = 32  # tokens of a question to which the report shows an answer. Assumed.
# What reading and asking a model adds to the libraries' resident size on a processor. Measured as ``ALLOCATOR_SHARE``.
READ_AND_ASKED_BYTES = 60 * 2**20

Parts = dict[str, float]


def _mean(values: list[int]) -> float:
    return sum(values) / max(1, len(values))


def _layer(shape: Shape, tokens: float, width: int) -> float:
    """Bytes of the feed-forward part of a layer at work (gate, its SiLU, up; Shazeer 2020, https://arxiv.org/abs/2002.05202) and its inputs."""
    return tokens * width * (3 * shape.intermediate + 4 * shape.hidden)


def of_options(shape: Shape, width: int, items: Work, corpus: ExamItems, batch_tokens: int) -> Parts:
    """Bytes of one batch of exam items: each prompt once, then the rest of its options after their first tokens (``evals.engines.continuations``)."""
    every = items.tokens / max(1.0, items.rows)  # tokens of an item's options, each with its question
    row = _mean([tokens for tokens, _ in items.longest]) or every / 4
    options = max(1.0, round(every / row)) if row else 1.0
    # Options of like length are scored together, the longest first.
    longest = sorted(items.longest, key=lambda one: one[1], reverse=True)[:LARGEST]
    option = _mean([labelled for _, labelled in longest]) or row / 4
    head, tail = (_mean([tokens for tokens, _ in longest]) or row) - option, max(1.0, option - TURN + 1)
    if corpus.options == "letters":
        head, tail = head + options * tail, 1.0
    count = max(1.0, min(items.rows, batch_tokens / (head + options * tail)))
    heads, tails = count * head, count * options * tail
    rest = count * options * (tail - 1)
    copies = width + 4 + (4 if width == 2 else 0)  # logits, in float32 where they are not, and their logarithms
    # A prompt's keys and values are repeated for each option.
    cached = kv_cache_bytes(shape, round(options * heads + tails), width) if rest else 0
    return {
        "logits": shape.vocabulary * (count * min(MOST_LENGTHS, count) * width + 2 * 4 * count + rest * copies),
        "KV cache": cached,
        "activations": _layer(shape, max(heads, tails), width),
    }


def of_text(shape: Shape, width: int, text: Work) -> Parts:
    """Bytes of one batch of running text: its logits, the float32 copy that cross_entropy is given, and its log-softmax."""
    tokens = min(float(BATCH_TOKENS), text.tokens)
    return {"logits": tokens * shape.vocabulary * (width + 4 + 4), "activations": _layer(shape, tokens, width)}


def of_answers(shape: Shape, width: int, prompt: float) -> Parts:
    """Bytes of the answers that are written at once, to prompts of so many tokens."""
    cached = kv_cache_bytes(shape, round(ANSWERS * (prompt + ANSWER_TOKENS)), width)
    return {"KV cache": cached, "activations": _layer(shape, ANSWERS * prompt, width)}


def moments(stage: ExamStage, shape: Shape, width: int, workload: Workload, workers: int) -> dict[str, Parts]:
    """What each part of the exam takes beside the weights, in bytes; so many batches of options are computed at once."""
    found: dict[str, Parts] = {"while the weights are read": {}}
    for corpus in stage.items:
        items = workload.of([corpus])
        parts = of_options(shape, width, items, corpus, stage.batch_tokens)
        at_once = max(1.0, min(workers, items.tokens / stage.batch_tokens))
        found[f"while it scores {corpus.name}"] = {part: at_once * size for part, size in parts.items()}
    for kind, corpora in (("medical", stage.medical), ("general", stage.general)):
        if corpora:
            found[f"while it reads {kind} text"] = of_text(shape, width, workload.of(corpora))
    if stage.emergencies or stage.questions:
        asked = workload.of(stage.emergencies, asked=True).longest
        found["while it answers"] = of_answers(shape, width, asked[0][0] if asked else ASKED)
    return found


def plan_exam(recipe: Recipe, name: str, where: Devices, workload: Workload) -> StagePlan:
    """The plan of an exam: every option of every item scored by every model."""
    stage: Any = recipe.stages[name]
    work = workload.of([*stage.items, *stage.medical, *stage.general])
    shape = max((shape_named(recipe, model) for model in stage.models), key=lambda one: one.parameters)
    width = 2 if where.kind == "gpu" or fast_bfloat16() else 4
    weights = width * shape.parameters
    workers = 1 if where.kind == "gpu" else min(machine().cores, AT_ONCE)
    asked = moments(stage, shape, width, workload, workers)
    moment = max(asked, key=lambda one: sum(asked[one].values()))
    beside = {part: int(size) for part, size in asked[moment].items() if size}
    beside["allocator"] = int(ALLOCATOR_SHARE[where.kind] * sum(beside.values()))

    def needed_on(there: Devices) -> tuple[Memory, int]:
        """The memory of each device that the exam uses, and over how many the weights are cut: those of one machine, where one is too small."""
        if there.kind == "cpu":
            return Memory(moment, {"weights": weights, **beside, "framework": libraries() + READ_AND_ASKED_BYTES}), 1
        cards = min(there.count, IN_A_MACHINE) if weights > ROOM * there.usable else 1
        # Layers are not cut, so that a device may have one more than another.
        share = weights if cards == 1 else weights // cards + width * shape.layer
        # Of a device whose weights take more than a share, the model is given nothing (`pipelines.loading.on_gpu`).
        kept_free = max(0, int(share / ROOM) - share - sum(beside.values()) - GIB)
        parts = {"weights": share, **beside, "kept free": kept_free, "framework": GIB}
        return Memory(moment, {part: size for part, size in parts.items() if size}), cards

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
    found.notes = [*work.notes, f"{name}: the time of the answers to questions and emergencies is not counted"]
    if cards > 1:
        found.notes.append(
            f"{name}: one card is too small, and the model is cut by its layers over {cards}, which work one after the other"
        )
    found.tokens = work.tokens * len(stage.models)
    found.flops = found.tokens * forward_flops(shape, work.tokens / max(1.0, work.rows))
    found.hours = hours(found.flops, replace(where, count=1))
    return found
