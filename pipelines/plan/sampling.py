"""The plan of a stage that samples from a model through vLLM."""

from __future__ import annotations

from typing import Any

from pipelines.config import Recipe
from pipelines.plan.architectures import Shape
from pipelines.plan.compute import forward_flops, generation_hours
from pipelines.plan.devices import Devices, devices, libraries, table
from pipelines.plan.memory import GIB, Memory, kv_cache_bytes
from pipelines.plan.reading import shape_named
from pipelines.plan.result import StagePlan
from pipelines.plan.workload import Workload, sources_of
from serving.hardware import fast_bfloat16
from serving.vllm.defaults import AT_ONCE as ON_A_PROCESSOR
from serving.vllm.defaults import GPU_MEMORY_SHARE, LEAST_MEMORY_GIB

VLLM_CPU_BYTES = int(LEAST_MEMORY_GIB * GIB)
VLLM_CPU_CACHE = GIB  # what a stage's vLLM is given
AT_ONCE = {"cpu": ON_A_PROCESSOR, "gpu": 256}  # sequences that vLLM generates at once
# Bytes of a weight in vLLM's memory under its own `quantization` flag: 8 bits, and 4 bits with the scales of blocks of 64.
QUANTIZED = {"fp8": 1.0, "bitsandbytes": 0.5625}


def _for_vllm(where: Devices) -> int:
    """Bytes of a device that vLLM may take."""
    return int(where.usable * GPU_MEMORY_SHARE) if where.kind == "gpu" else where.usable


def _serving(shape: Shape, tokens: int, where: Devices, flags: dict[str, Any]) -> tuple[Memory, int]:
    """The memory that vLLM takes of each device under its own ``flags``, and how many sequences of ``tokens`` tokens it works on at once.

    They are as many as fit into its cache, AT_ONCE at most.
    """
    width = 2 if where.kind == "gpu" or fast_bfloat16() else 4
    shards = int(flags.get("tensor-parallel-size", 1)) * int(flags.get("pipeline-parallel-size", 1))
    weights = int(QUANTIZED.get(str(flags.get("quantization")), width) * shape.parameters / shards)
    one = kv_cache_bytes(shape, tokens, width) // shards
    if where.kind == "cpu":
        cache = VLLM_CPU_CACHE
        parts = {"weights": weights, "KV cache": cache, "framework": VLLM_CPU_BYTES + libraries()}
    else:
        framework = GIB
        cache = max(one, _for_vllm(where) - weights - framework)
        parts = {"weights": weights, "KV cache": cache, "framework": framework}
    return Memory("while it generates", parts), max(1, min(AT_ONCE[where.kind], cache // max(1, one)))


def plan_sampling(recipe: Recipe, name: str, where: Devices, workload: Workload) -> StagePlan:
    """The plan of a stage that samples from a model through vLLM."""
    stage: Any = recipe.stages[name]
    own = stage.teacher.model if stage.kind == "synthesise" else stage.model
    if own is None:
        return StagePlan(
            name, stage.kind, notes=["the teacher answers elsewhere: `osler corpora synthesise --estimate`"]
        )
    shape = shape_named(recipe, own)
    if stage.kind == "replay":
        sequences, prompt, longest = float(stage.documents), 1.0, stage.max_tokens
        notes = [f"{name}: at most, all of max_tokens"]
    else:
        corpora = [stage.prompts or stage.items] if stage.kind == "preferences" else sources_of(stage)
        work = workload.of(corpora, asked=True)
        longest = stage.max_tokens if stage.kind == "preferences" else stage.teacher.max_tokens
        sequences = work.rows * (stage.samples if stage.kind == "preferences" else 1)
        prompt = work.tokens / max(1.0, work.rows)
        notes = [*work.notes, f"{name}: at most, all of max_tokens"]
    flags = stage.teacher.vllm if stage.kind == "synthesise" else stage.vllm
    needed, at_once = _serving(shape, round(prompt) + longest, where, flags)
    usable = _for_vllm(where)
    found = StagePlan(name, stage.kind, shape.name, shape.parameters, 0, needed, usable=usable, notes=notes)
    if not found.fits and where.kind == "gpu":
        others = sorted((devices(f"{where.count}x{kind}") for kind in table()), key=lambda other: other.usable)
        larger = [
            one for one in others if _serving(shape, round(prompt) + longest, one, flags)[0].peak <= _for_vllm(one)
        ]
        found.remedies = [f"--gpus {larger[0].label}"] if larger else []
        for size in (2, 4, 8):
            cut = {**flags, "tensor-parallel-size": size}
            if size <= where.count and _serving(shape, round(prompt) + longest, where, cut)[0].peak <= usable:
                found.remedies.insert(0, f"`vllm: {{tensor-parallel-size: {size}}}` in the {name} stage")
                break
        else:
            if (
                _serving(shape, round(prompt) + longest, where, {**flags, "quantization": "bitsandbytes"})[0].peak
                <= usable
            ):
                found.remedies.insert(0, f"`vllm: {{quantization: bitsandbytes}}` in the {name} stage")
    found.tokens = sequences * longest
    found.flops = sequences * (prompt + longest) * forward_flops(shape, prompt + longest)
    found.hours = generation_hours(shape, sequences, prompt, longest, at_once, where)
    found.disk = {"data": int(found.tokens * 4)}
    return found
