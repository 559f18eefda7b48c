"""What a run is planned for: GPUs of a kind by their data sheet, or this machine's processor, which is measured."""

from __future__ import annotations

import functools
import math
import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import psutil
import torch
import yaml

from corpora.errors import nearest
from pipelines.config import RecipeError
from serving.hardware import fast_bfloat16, has_gpu
from serving.memory import free_memory

TABLE = Path(__file__).parent / "hardware_table.yaml"
GIB = 2**30

PRICED = {"runpod": "docs.runpod.io/serverless/pricing, flex workers"}

# Of the peak, what training reaches: 38 to 43% on 8,192 to 16,384 H100 (Llama Team 2024, https://arxiv.org/abs/2407.21783, table 4).
GPU_MFU = 0.40
# Osler's own pretraining of the bundled model (README: 3,515 tokens/s) by the rate of large float32 products on the same two cores.
CPU_MFU = 0.75
# Of the memory bandwidth, what generation of text reaches. Assumed.
BANDWIDTH_SHARE = 0.6


@dataclass(frozen=True)
class Devices:
    """GPUs of one kind, or one processor."""

    name: str
    count: int
    kind: Literal["cpu", "gpu"]
    usable: int  # bytes that a program can have, of each
    flops: float  # peak of each, operations a second
    bandwidth: float  # of each, bytes a second
    mfu: float  # share of the peak that training reaches
    price: float  # US dollars for each and hour
    source: str

    @property
    def label(self) -> str:
        """As it is written on the command line."""
        return self.name if self.kind == "cpu" else f"{self.count}x{self.name}"


@functools.cache
def table() -> dict[str, dict[str, Any]]:
    """The kinds of GPU that are known."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return loaded


def devices(text: str, mfu: float | None = None, price: float | None = None) -> Devices:
    """The devices that ``text`` names: ``8xH100``, ``2x8xH100`` (two nodes of eight), ``4090`` (one), or ``cpu``.

    Raises:
        RecipeError: no such GPU is known, or the number is missing.
    """
    if text.lower() == "cpu":
        return processor(mfu, price)
    found = re.fullmatch(r"((?:\d+\s*[xX×*]\s*){0,2})([\w-]+)", text.strip())
    names = {name.lower(): name for name in table()}
    if found is None or found[2].lower() not in names:
        word = (found[2] if found is not None else text).lower()
        sizes = sorted(name for lower, name in names.items() if word and lower.startswith(f"{word}-"))
        hint = f"there are {' and '.join(sizes)}" if sizes else nearest(word, [*table(), "cpu"])
        raise RecipeError(f"--gpus {text}: a number and a GPU, as 8xH100, or cpu; {hint}")
    count = math.prod(int(number) for number in re.findall(r"\d+", found[1]))
    if not count:
        raise RecipeError(f"--gpus {text}: a plan needs one at least")
    name = names[found[2].lower()]
    row = table()[name]
    return Devices(
        name=name,
        count=count,
        kind="gpu",
        usable=int(row["usable_gib"] * GIB),
        flops=row["tflops"] * 1e12,
        bandwidth=row["gbs"] * 1e9,
        mfu=GPU_MFU if mfu is None else mfu,
        price=row["price"] if price is None else price,
        source=f"{row['source']}; price: {PRICED.get(row['priced'], row['priced'])}",
    )


@functools.cache
def _product_rate() -> float:
    """Operations a second of large products, on the threads that torch uses now."""
    size = 1536
    left = torch.ones(size, size, dtype=torch.bfloat16 if fast_bfloat16() else torch.float32)
    return max(2 * size**3 / _seconds(lambda: left @ left) for _ in range(5))


@functools.cache
def _measured() -> tuple[float, float]:
    """Operations a second of large products on this processor's cores, and bytes a second of copies."""
    threads = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        flops = _product_rate()
        block = torch.ones(2**24)
        bandwidth = max(2 * 4 * 2**24 / _seconds(lambda: block.clone()) for _ in range(3))
    finally:
        torch.set_num_threads(threads)
    return flops, bandwidth


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def here() -> Devices:
    """This machine's processor by its free memory alone, for a check that asks for no speed."""
    return Devices("cpu", 1, "cpu", free_memory() + resident(), 1.0, 1.0, CPU_MFU, 0.0, "the memory that is free")


def processor(mfu: float | None = None, price: float | None = None) -> Devices:
    """This machine's processor: the memory that is free, and the speed of products and copies, measured in a second."""
    flops, bandwidth = _measured()
    return replace(
        here(),
        flops=flops,
        bandwidth=bandwidth,
        mfu=CPU_MFU if mfu is None else mfu,
        price=0.0 if price is None else price,
        source=f"measured: {flops / 1e9:,.0f} GFLOP/s, {bandwidth / 1e9:,.0f} GB/s, and the memory that is free",
    )


def peak_flops() -> float | None:
    """Operations a second that a device of this machine reaches at most: of a GPU by the table, None if it is not there; else measured."""
    if not has_gpu():
        return _product_rate()
    own = torch.cuda.get_device_name().lower()
    found = [name for name in table() if name.lower().removesuffix("-80").removesuffix("-40") in own]
    return table()[max(found, key=len)]["tflops"] * 1e12 if found else None


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(psutil.Process().memory_info().rss)


@functools.cache
def libraries() -> int:
    """Bytes that this process holds once the libraries of training are imported: measured when it is first asked."""
    import pipelines.cpt
    import pipelines.dpo
    import pipelines.sft  # noqa: F401

    return resident()
