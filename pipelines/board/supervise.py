"""The process beside a command that the board started: it outlives the board, and leaves how the command ended.

``python -m pipelines.board.supervise FOLDER WORDS…`` runs ``osler WORDS…``, writes both processes' ids with the times of
their start to FOLDER/job.json and the exit code to FOLDER/exit.json, and ends what the command left behind (a vLLM whose
parent was stopped before it could stop its child). What is printed goes to the caller's log.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

JOB, EXIT, LOCK = "job.json", "exit.json", "lock"
POLL_SECONDS = 1.0
OSLER = (sys.executable, "-m", "pipelines.cli")


def write(path: Path, value: dict[str, Any]) -> None:
    """Writes JSON so that a reader finds the whole or nothing."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    draft.replace(path)


def identity(pid: int) -> dict[str, float]:
    """A process by its id and the time of its start, for an id is given again."""
    return {"pid": pid, "created": psutil.Process(pid).create_time()}


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def supervise(folder: Path, words: list[str], program: Sequence[str] = OSLER) -> int:
    """Runs ``program`` with the words and returns its exit code."""
    process = subprocess.Popen([*program, *words], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
    job = {"words": words, "started": time.time(), "folder": str(Path.cwd())}
    with contextlib.suppress(psutil.NoSuchProcess):
        job |= {"supervisor": identity(os.getpid()), "process": identity(process.pid)}
    write(folder / JOB, job)
    family: dict[int, psutil.Process] = {}
    while True:
        family |= {child.pid: child for child in _descendants(process.pid)}
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(POLL_SECONDS)
            break
    for child in family.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()  # psutil knows another process of the same id from it
    write(folder / EXIT, {"code": code, "ended": time.time()})
    return code


def main() -> None:
    """One at a time in a folder: a second one ends at once."""
    folder = Path(sys.argv[1])
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("a command runs here already")
            sys.exit(1)
        (folder / EXIT).unlink(missing_ok=True)
        sys.exit(supervise(folder, sys.argv[2:]))


if __name__ == "__main__":
    main()
