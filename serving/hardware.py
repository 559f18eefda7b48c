"""What this machine computes fast, asked of torch, so that training, exams and vLLM choose the same number format."""

from __future__ import annotations

import ctypes
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch

from serving.memory import free_memory, read_number

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    return bool(torch.cuda.is_available())


def gpus() -> int:
    """How many GPUs torch sees."""
    return int(torch.cuda.device_count()) if has_gpu() else 0


def fast_bfloat16() -> bool:
    """Whether bfloat16 is faster than float32 here: on a GPU, or on a processor with matrix units for it (AMX).

    With AMX, bfloat16 training was 2.7 times as fast. A processor with AVX-512's bfloat16 instructions alone may go either way: Emerald
    Rapids with AMX hidden by the hypervisor multiplies float32 faster (250 beside 170 GFLOP/s on two cores), EPYC Genoa bfloat16 (199
    beside 105), and still took longer there over the small steps of recipe ``nano``. A recipe can say ``bf16: true`` where it is faster.
    """
    return has_gpu() or bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver describes it."""

    name: str
    total_gib: float
    free_gib: float
    capability: float  # CUDA's compute capability, as 8.0 for an A100


@dataclass(frozen=True)
class Machine:
    """What there is to serve a model with.

    Attributes:
        gpu_count: GPUs that torch sees.
        gpus: each of them as the driver describes it; empty where no driver tells (ROCm).
        cores: processor cores that this process may run on.
        quota: cores' worth of time that the container may use; equal to ``cores`` without a limit.
        free_gib: memory that is free for a program, in GiB.
        matrix_units: whether bfloat16 is fast on the processor.
    """

    gpu_count: int
    gpus: tuple[Gpu, ...]
    cores: int
    quota: int
    free_gib: float
    matrix_units: bool


def machine() -> Machine:
    """This machine, as it is now."""
    count, cores = gpus(), _cores()
    return Machine(
        gpu_count=count,
        gpus=_described_gpus() if count else (),
        cores=cores,
        quota=min(cores, _cpu_quota() or cores),
        free_gib=free_memory() / 2**30,
        matrix_units=fast_bfloat16(),
    )


def _cores() -> int:
    """Processor cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _described_gpus() -> tuple[Gpu, ...]:
    """What nvidia-smi says of the visible GPUs; torch would take half a GiB of each to tell."""
    query = ["nvidia-smi", "--query-gpu=index,uuid,name,memory.total,memory.free,compute_cap"]
    try:
        told = subprocess.run(
            [*query, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=20, check=True
        )
        rows = [[cell.strip() for cell in line.split(",")] for line in told.stdout.splitlines() if line.strip()]
        found = {
            key: Gpu(name, float(total) / 1024, float(free) / 1024, float(capability))
            for index, uuid, name, total, free, capability in rows
            for key in (index, uuid)
        }
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    wanted = [row[0] for row in rows] if visible is None else [one.strip() for one in visible.split(",")]
    return tuple(found[one] for one in wanted if one in found)


def _cpu_quota(root: str = "/sys/fs/cgroup") -> int | None:
    """Whole cores' worth of time that the control group allows (at least one); None without a limit."""
    try:
        quota, period = Path(f"{root}/cpu.max").read_text().split()
        return None if quota == "max" else max(1, int(quota) // int(period))
    except (OSError, ValueError):
        quota_us, period_us = read_number(f"{root}/cpu/cpu.cfs_quota_us"), read_number(f"{root}/cpu/cpu.cfs_period_us")
        return max(1, quota_us // period_us) if quota_us and period_us and quota_us > 0 else None


def inference_dtype() -> torch.dtype:
    """The number format in which a model is fastest to run here."""
    return torch.bfloat16 if fast_bfloat16() else torch.float32


def use_processor_well(processes: int = 1) -> None:
    """Uses every core that this process may run on (a container's limit, not the machine's count), and keeps freed memory.

    The cores are shared by ``processes`` that do the same.

    By default glibc gives large freed blocks back to the system at once, and each training step asks for them anew, page by page:
    a tenth of its time or more. Elsewhere than on glibc nothing changes.
    """
    torch.set_num_threads(max(1, _cores() // processes))
    if has_gpu():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, size in ((M_MMAP_THRESHOLD, 1 << 30), (M_TRIM_THRESHOLD, (1 << 31) - 1), (M_TOP_PAD, 1 << 26)):
            mallopt(option, size)


def give_back_freed() -> None:
    """Returns freed memory to the system, which ``use_processor_well`` has glibc's malloc keep; elsewhere than on glibc nothing happens."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
