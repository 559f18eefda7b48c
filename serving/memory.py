"""Memory: what is free, what a process had at most, and whether the system killed one for want of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil


def read_number(path: str) -> int | None:
    """The whole number in a file of the system; None where there is none."""
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


def _file_cache(path: str, name: str) -> int:
    """Bytes of a control group's use that are files read or written a while ago, which the system gives up when memory is wanted."""
    try:
        lines = (line.split() for line in Path(path).read_text().splitlines())
        return next((int(value) for key, value in lines if key == name), 0)
    except (OSError, ValueError):
        return 0


def free_memory(root: str = "/sys/fs/cgroup") -> int:
    """Bytes that a program may still take: the machine's, or the control group's where that is less."""
    free = int(psutil.virtual_memory().available)
    for limit, used, stat, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        most, now = read_number(f"{root}/{limit}"), read_number(f"{root}/{used}")
        if most is not None and now is not None:
            free = min(free, max(0, most - now + _file_cache(f"{root}/{stat}", cache)))
    return free


def memory_kills() -> int:
    """How often the system has killed a process for want of memory: in this control group where it counts, else on the machine."""
    for path, name in (
        ("/sys/fs/cgroup/memory.events", "oom_kill"),
        ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill"),
        ("/proc/vmstat", "oom_kill"),
    ):
        try:
            for line in Path(path).read_text().splitlines():
                if line.split()[0] == name:
                    return int(line.split()[1])
        except (OSError, ValueError, IndexError):
            continue
    return 0


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
