"""What this machine computes fast, asked of torch, so that training, exams and vLLM choose the same number format."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

import psutil
import torch

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


def inference_dtype() -> torch.dtype:
    """The number format in which a model is fastest to run here."""
    return torch.bfloat16 if fast_bfloat16() else torch.float32


def use_processor_well(processes: int = 1) -> None:
    """Uses every core that this process may run on (a container's limit, not the machine's count), and keeps freed memory.

    The cores are shared by ``processes`` that do the same.

    By default glibc gives large freed blocks back to the system at once, and each training step asks for them anew, page by page:
    a tenth of its time or more. Elsewhere than on glibc nothing changes.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, cores // processes))
    if has_gpu():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, size in ((M_MMAP_THRESHOLD, 1 << 30), (M_TRIM_THRESHOLD, (1 << 31) - 1), (M_TOP_PAD, 1 << 26)):
            mallopt(option, size)


def peak_memory_gib(processes: Iterable[int]) -> float:
    """Sum over processes (by id) of the largest resident size that each has had, in GiB; of those that are gone, nothing.

    Where the system keeps no peak (other than Linux), the size now.
    """
    total = 0
    for process in processes:
        status = Path(f"/proc/{process}/status")
        try:
            if status.is_file():
                peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
                total += int(peak.split()[1]) * 2**10  # given in kB
            else:
                total += psutil.Process(process).memory_info().rss
        except (OSError, StopIteration, psutil.NoSuchProcess):
            continue
    return total / 2**30
