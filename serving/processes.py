"""How a child process ended, and the end of one with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

import psutil

from serving.memory import memory_kills

# What torch, CUDA and vLLM say when memory is short.
OUT_OF_MEMORY = (
    "OutOfMemoryError",
    "CUDA out of memory",
    "No available memory for the cache blocks",
    "not enough memory",
    "Cannot allocate memory",
    "is less than desired",  # "Available memory on node 0 (…) on startup is less than desired CPU memory utilization"
    "MemoryError",
)


_GONE_SECONDS = 20.0  # in which the system takes the memory of what was killed back


def how_it_ended(code: int, said: str, kills_before: int) -> str:
    """A process's end in words: its exit code or signal, and whether memory was short.

    Args:
        code: as ``subprocess`` gives it, negative after a signal.
        said: what it printed.
        kills_before: ``memory_kills()`` when it started.
    """
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"stopped with exit code {code}"
    if memory_kills() > kills_before:
        return f"{how}: out of memory (the system killed a process for want of it)"
    return f"{how}: out of memory" if any(mark in said for mark in OUT_OF_MEMORY) else how


def interrupt_on_sigterm() -> None:
    """Makes a plain ``kill`` of this process what Ctrl-C is, so that it stops its children in order. To be called from the main thread."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _group(leader: int) -> list[psutil.Process]:
    """The processes of a group that live, whether or not its leader does."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ends the process and all that it started, its orphans among them: asked first, then killed.

    They have ``seconds`` between the two. They are of one group (``start_new_session``). A killed process lives on until the system has taken its memory back: that is waited for.
    """
    family = {one.pid: one for one in _group(process.pid)}
    try:
        if process.poll() is None:
            family |= {child.pid: child for child in psutil.Process(process.pid).children(recursive=True)}
            process.send_signal(signal.SIGTERM)
            process.wait(seconds)
    except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
        pass
    finally:  # whatever interrupts the waiting
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for one in family.values():
            with suppress(psutil.Error):
                one.kill()  # psutil makes sure that the id is still of the same process
        process.wait()
    deadline = time.monotonic() + _GONE_SECONDS
    while any(_lives(one) for one in family.values()) and time.monotonic() < deadline:
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
