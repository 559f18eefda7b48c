"""A measurement in a process of its own, so that nothing of one is left for the next; or, in half the time, in this one."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

Row = dict[str, Any]


def apart(work: Any, *given: Any, limit: float = 300.0) -> Row:
    """What ``work`` returns in a process of its own, or its error."""
    import torch

    # The libraries take longer to import than a measurement takes, so that a copy of this process saves half; but a copy cannot use a GPU that
    # this process has looked at, as some libraries do when they are imported.
    context = multiprocessing.get_context("spawn" if torch.cuda.is_initialized() else "fork")
    ours, theirs = context.Pipe(duplex=False)
    started = time.perf_counter()
    process = context.Process(target=_send, args=(theirs, work, given))
    process.start()
    theirs.close()
    try:
        found: Row = ours.recv() if ours.poll(limit) else {"error": f"not done after {limit:.0f} seconds"}
    except EOFError:
        found = {"error": "its process ended"}
    process.kill()
    process.join()
    return {**found, "took": round(time.perf_counter() - started, 1)}


def together(work: Any, *given: Any) -> Row:
    """What ``work`` returns in this process, or its error, and what it leaves in the GPU's memory."""
    import torch

    started = time.perf_counter()
    try:
        found: Row = work(*given) or {}
    except Exception as error:
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    gc.collect()
    torch._dynamo.reset()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        found["left_gib"] = round(torch.cuda.memory_allocated() / 2**30, 2)
    return {**found, "took": round(time.perf_counter() - started, 1)}


def _send(pipe: Connection, work: Any, given: Any) -> None:
    """The body of a process of ``apart``."""
    sys.stdout = sys.stderr
    try:
        pipe.send(work(*given) or {})
    except BaseException as error:
        traceback.print_exc()
        pipe.send({"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]})
