"""Defaults for vLLM by the hardware found and the model's size, each with its reason."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.vllm.model_size import WIDTH, Weights

if TYPE_CHECKING:  # it imports torch, which clients, who read MODEL_NAME here, need not wait for
    from serving.hardware import Gpu, Machine

MODEL_NAME = "osler"  # what clients call the served model
PARALLEL_COPIES = "data-parallel-size"
PARALLEL = {"tensor-parallel-size", "pipeline-parallel-size", PARALLEL_COPIES}  # flags that need several workers
LEAST_MEMORY_GIB = 2.0  # vLLM itself, beside the weights, on a processor
GPU_MEMORY_SHARE = 0.92  # vLLM's own gpu-memory-utilization
GPU_FRAMEWORK_GIB = 2.0  # CUDA's context, kernels and activations beside weights and cache. Assumed.
FULL_SEQUENCES = 16  # as many of full length fit into a processor's cache, if memory allows; shorter ones share it
AT_ONCE = 128  # sequences on a processor


@dataclass(frozen=True)
class Option:
    """A default: vLLM's flag without its dashes, or an environment variable (in capitals), its value, and why."""

    name: str
    value: Any
    why: str

    @property
    def is_variable(self) -> bool:
        """Whether it is set in the environment and not on the command line."""
        return self.name.isupper()

    def text(self) -> str:
        """As it is given to vLLM."""
        if self.is_variable:
            return f"{self.name}={self.value}"
        return f"--{self.name}" + ("" if self.value is True else f" {shlex.quote(str(self.value))}")


def _whole(value: Any, default: int) -> int:
    """A flag's value as a number; the default where it is none that is written plainly (``auto``, ``32k``)."""
    try:
        return int(str(value))
    except ValueError:
        return default


def defaults(model: str, given: Mapping[str, Any], here: Machine, roomy: bool = False) -> list[Option]:
    """What vLLM is given beside what a person gave.

    Args:
        model: a folder or hub id.
        given: flags that are set (``given_flags``); no default is chosen for them.
        here: the hardware.
        roomy: it serves people: on a processor, take a KV cache by the model and the free memory, answer a client that names no
            temperature with the likeliest words, and keep answers in a schema short. Without it the cache is 1 GiB, which ``osler plan``
            counts on for a stage's own server.
    """
    found = [
        Option("served-model-name", MODEL_NAME, "the name that clients use"),
        Option("disable-uvicorn-access-log", True, "each request would be logged"),
    ]
    if roomy and "generation-config" not in given and _names_no_temperature(model):
        why = "the model names no temperature, and vLLM would draw at 1.0 for a client that names none: answers would differ from those examined"
        found.append(Option("override-generation-config", '{"temperature": 0.0}', why))
    if roomy:
        why = "answers in a JSON schema have no blanks between their parts: a small model writes them until its tokens are spent"
        # Not guidance, which keeps schemas without blanks too: as of vLLM 0.32 it refuses every call that a client demands (`tool_choice`).
        plain = '{"backend": "xgrammar", "disable_any_whitespace": true}'
        found.append(Option("structured-outputs-config", plain, why))
    weights = Weights.of(model)
    found += _on_gpus(weights, given, here) if here.gpu_count else _on_processor(weights, given, here, roomy)
    return [one for one in found if one.name.removeprefix("no-") not in (os.environ if one.is_variable else given)]


def _names_no_temperature(model: str) -> bool:
    """Whether the model in a folder leaves it open how its answers are drawn; of a hub id that is not known here."""
    if not model or not (Path(model) / "config.json").is_file():
        return False
    try:
        own = json.loads((Path(model) / "generation_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return isinstance(own, dict) and own.get("temperature") is None and not own.get("do_sample")


def _on_processor(weights: Weights | None, given: Mapping[str, Any], here: Machine, roomy: bool) -> list[Option]:
    dtype = "bfloat16" if here.matrix_units else "float32"
    found = [
        Option(
            "dtype",
            dtype,
            "the processor has matrix units for it (AMX)"
            if here.matrix_units
            else "no AMX: float32 is as fast or faster",
        ),
        Option("enforce-eager", True, "compiling costs half a minute and gains little on a processor"),
        Option("max-num-seqs", AT_ONCE, "a processor gains nothing from more at once"),
        Option(
            "no-enable-chunked-prefill",
            True,
            "a prompt in chunks crashes the processor build when its request has a seed",  # its generator cannot be set back
        ),
    ]
    if not PARALLEL & set(given):
        why = "one worker in the engine's own process starts sooner and, for a small model, writes 1.6 times as fast"
        found.append(Option("distributed-executor-backend", "uni", why))
    found.append(Option("VLLM_ENABLE_V1_MULTIPROCESSING", "0", "the worker in the engine's own process"))
    if here.quota < here.cores:
        why = f"the container may use {here.quota} cores' worth of time of {here.cores}: more threads would wait for each other"
        found += [Option("OMP_NUM_THREADS", here.quota, why), Option("VLLM_CPU_OMP_THREADS_BIND", "nobind", why)]
    return [*found, *_processor_cache(weights, given, here, WIDTH.get(str(given.get("dtype", dtype)), 4), roomy)]


def _processor_cache(
    weights: Weights | None, given: Mapping[str, Any], here: Machine, width: int, roomy: bool
) -> list[Option]:
    """The size of the KV cache in whole GiB and, where one sequence would not fit, a shorter context."""
    cache = Option("VLLM_CPU_KVCACHE_SPACE", 1, "GiB for the KV cache")
    if not roomy or weights is None or not weights.cached or not weights.context or "kv-cache-memory-bytes" in given:
        return [cache]
    token = weights.cached * width
    length = min(weights.context, _whole(given.get("max-model-len"), weights.context))
    at_once = min(FULL_SEQUENCES, _whole(given.get("max-num-seqs"), FULL_SEQUENCES))
    wanted = math.ceil(token * length * at_once / 2**30)
    room = max(1, int((here.free_gib - weights.loaded_gib(width) * 1.2 - LEAST_MEMORY_GIB) / 2))
    size = min(wanted, room)
    why = f"GiB: {size * 2**30 // token:,} tokens of {token / 1024:.0f} KiB each"
    why += (
        f", for {at_once} sequences of {length:,}" if size == wanted else f", half of the {room * 2} GiB that are left"
    )
    found = [Option("VLLM_CPU_KVCACHE_SPACE", size, why)]
    space = _whole(os.environ.get("VLLM_CPU_KVCACHE_SPACE"), size)
    fits = space * 2**30 // token // 128 * 128
    if "max-model-len" not in given and 0 < fits < weights.context:
        why = f"one sequence of the model's {weights.context:,} tokens does not fit into {space} GiB of cache"
        found.append(Option("max-model-len", fits, why))
    return found


def _on_gpus(weights: Weights | None, given: Mapping[str, Any], here: Machine) -> list[Option]:
    found: list[Option] = []
    if not here.gpus:  # no driver tells their memory: vLLM's own defaults
        return found
    least = min(here.gpus, key=lambda one: one.free_gib)
    if least.capability < 8:
        found.append(Option("dtype", "float16", f"{least.name} has no bfloat16"))
    share = min(GPU_MEMORY_SHARE, math.floor((least.free_gib - 0.5) / least.total_gib * 100) / 100)
    if share < GPU_MEMORY_SHARE:
        why = f"{least.free_gib:.0f} of {least.total_gib:.0f} GiB are free: other programs use the GPU"
        found.append(Option("gpu-memory-utilization", max(0.05, share), why))
    if weights is None or {"quantization", "cpu-offload-gb"} & set(given):
        return found
    try:
        share = float(given.get("gpu-memory-utilization", max(0.05, share)))
    except ValueError:
        return found
    return [*found, *_cut(weights, given, here, least, share * least.total_gib)]


def _cut(weights: Weights, given: Mapping[str, Any], here: Machine, least: Gpu, usable: float) -> list[Option]:
    """Over how many GPUs the model is cut, and a context that fits beside its weights."""
    size = weights.loaded_gib(WIDTH.get(str(given.get("dtype", "bfloat16")), 2))
    length = min(weights.context or 0, _whole(given.get("max-model-len"), weights.context or 0))
    cache = (weights.cached or 0) * 2 * length / 2**30
    if (PARALLEL - {PARALLEL_COPIES}) & set(given):
        return []
    count = max(1, here.gpu_count // _whole(given.get(PARALLEL_COPIES), 1))  # for each copy
    parts = [part for part in (1, 2, 4, 8, 16) if part <= count and (not weights.heads or weights.heads % part == 0)]
    fits = [part for part in parts if (size + cache) / part + GPU_FRAMEWORK_GIB <= usable]
    holds = [part for part in parts if size / part + GPU_FRAMEWORK_GIB < usable]
    told = f"weights of {size:.1f} GiB"
    if fits and fits[0] == 1:
        return []
    found = []
    part = fits[0] if fits else parts[-1]
    if part > 1:
        why = f"{told} and a context of {length:,} tokens need {part} of the {here.gpu_count} GPUs ({least.total_gib:.0f} GiB each)"
        found.append(Option("tensor-parallel-size", part, why))
    if not fits and holds and "max-model-len" not in given:
        why = f"the model's {length:,} tokens do not fit beside {told}: vLLM takes as many as do"
        found.append(Option("max-model-len", "auto", why))
    return found
