"""What a grpo stage takes beside the training step of other stages: answers that are sampled, a reference, and vLLM on the same GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipelines.plan.compute import forward_flops, generation_hours, hours
from pipelines.plan.devices import Devices
from pipelines.plan.memory import Load, Memory, kv_cache_bytes
from pipelines.plan.reading import Settings, value_of
from pipelines.plan.workload import Work

# What malloc holds besides, of what torch has asked for, where answers are sampled through an adapter between the steps: measured on two cores, 0.89 and
# 0.94 of 9M parameters and 0.64 and 0.71 of 54M; on one core, 0.36 of 9M, for which this is too much (benchmarks/memory.py).
SAMPLED_ADAPTER_SHARE = 0.75


def answers_of(stage: Any, prompts: Work) -> Work:
    """The rows that the stage learns from: every prompt with each of its answers, of the most tokens that an answer may have."""
    each, longest = int(value_of(stage, "num_generations")), int(value_of(stage, "max_completion_length"))
    rows = prompts.rows * each * int(value_of(stage, "num_iterations"))
    mean = prompts.tokens / max(1.0, prompts.rows)
    note = f"at most: {each} answers to each prompt and all of max_completion_length ({longest:,} tokens)"
    lengths = [(tokens + longest, longest) for tokens, _ in prompts.longest for _ in range(each)]
    return Work(rows, rows * (mean + longest), lengths, (*prompts.notes, note))


def with_sampler(stage: Any, load: Load, where: Devices, needed: Memory) -> Memory:
    """The memory of a step with what is there besides: the reference of full training, and vLLM where it has its share of the GPU.

    transformers' sampling takes the place of a step's activations, and is counted where its cache is the greater.
    """
    parts = dict(needed.parts)
    if load.adapter is not None and load.device == "cpu":
        parts["allocator"] = int(SAMPLED_ADAPTER_SHARE * needed.asked)
    held: dict[str, int] = {}
    if value_of(stage, "beta") and load.adapter is None:  # with an adapter the base is the reference
        held["reference"] = 4 * load.shape.parameters
    if value_of(stage, "use_vllm"):
        if value_of(stage, "vllm_mode") == "colocate":
            held["vLLM"] = int(where.usable * float(value_of(stage, "vllm_gpu_memory_utilization")))
        return Memory(needed.moment, {**parts, **held})
    of_step = ("activations", "logits", "gradients", "allocator", "merge")
    at_once = load.rows * load.accumulation
    width = 4 if load.numbers == "float32" else 2
    cache = kv_cache_bytes(load.shape, at_once * load.length, width)
    if cache > sum(parts.get(part, 0) for part in of_step):
        stays = {part: size for part, size in parts.items() if part not in of_step}
        return Memory("while it samples", {**stays, "KV cache": cache, **held})
    return Memory(needed.moment, {**parts, **held})


def extra_flops(stage: Any, load: Load, length: float) -> float:
    """Operations for each token of an answer beside those of training.

    They are the reference's forward pass, and that of the probabilities by which vLLM's are corrected.
    """
    passes = bool(value_of(stage, "beta")) + bool(value_of(stage, "use_vllm"))
    return passes * forward_flops(load.shape, length)


def sampling_hours(stage: Any, load: Load, chosen: Settings, answers: Work, where: Devices) -> float:
    """Hours to sample the answers: as many at once as an optimizer step learns from on each device."""
    longest = int(value_of(stage, "max_completion_length"))
    rows = answers.rows / int(value_of(stage, "num_iterations"))
    prompt = answers.tokens / max(1.0, answers.rows) - longest
    at_once = chosen.batch * chosen.accumulation
    # generation_hours counts a prompt for each answer; vLLM reads it once for all of a group, transformers for each.
    found = generation_hours(load.shape, rows, prompt, longest, at_once, where)
    if value_of(stage, "use_vllm"):
        again = rows * (1 - 1 / int(value_of(stage, "num_generations")))
        found -= hours(again * prompt * forward_flops(load.shape, prompt), where)
    return found


def answer_tokens(stage: Any, prompts: Work) -> float:
    """Tokens of an answer in the mean: as the prompts' own answers, where they have one; else the most that it may have."""
    longest = int(value_of(stage, "max_completion_length"))
    known = min(1.0, prompts.references / max(1.0, prompts.rows))
    mean = min(longest, prompts.reference_tokens / max(1.0, prompts.references))
    return known * mean + (1 - known) * longest


def longer(load: Load, stage: Any, prompts: Work) -> Load:
    """The load of a step whose rows are prompts as counted, with the answers that follow them.

    The longest answer of a batch sets its width; the logits are those of the tokens that were written.
    """
    longest = int(value_of(stage, "max_completion_length"))
    return replace(load, length=load.length + longest, labelled=round(load.rows * answer_tokens(stage, prompts)))
