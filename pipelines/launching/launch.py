"""Training stages in several processes, started by ``accelerate launch``.

The parent, which runs every other part of a recipe, starts the processes and finishes the artifact when all have ended well.
It hands each of them one file, the request; they leave their figures and their errors beside it. They hold the other end of
a pipe of the parent's, so that none of them outlives it, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from corpora.disk import write_whole
from corpora.errors import INTERRUPTED, STOPPED, Interrupted, OslerError, Stopped
from pipelines.artifact import Artifact, Draft, fingerprint, matches
from pipelines.config import Launch, Recipe
from pipelines.launching.accelerate import Node, accelerate_arguments
from pipelines.locking import Leader
from pipelines.training.guards import RolledBack, handling
from pipelines.training.sharding import LaunchError
from serving.hardware import has_gpu

console = Console(stderr=True, highlight=False)
REQUEST = "launch.json"
METRICS = "metrics.json"
ERRORS = "errors"
LOG = "launch.log"
POLL_SECONDS = 2.0
UNSEEN_SECONDS = 60.0  # until a machine that waits asks whether the first one was started
# Exit codes of processes that were asked to stop and said nothing themselves, with the error and the signal's name.
ASKED: dict[int, tuple[type[Stopped], str]] = {STOPPED: (Stopped, "SIGTERM"), INTERRUPTED: (Interrupted, "Ctrl-C")}
GRACE_SECONDS = 20  # for the processes to end by themselves before they are killed


def train_in_processes(
    recipe: Recipe, name: str, run_dir: Path, data_dir: Path | None, node: Node, draft: Draft
) -> None:
    """Runs the training stage ``name`` into ``draft`` in the processes of ``recipe.launch``, and takes up its figures.

    Raises:
        LaunchError: a process failed, with its message, or was killed.
    """
    launch = recipe.launch
    assert launch is not None
    notes = draft.checkpoints
    (notes / METRICS).unlink(missing_ok=True)
    request = {
        "recipe": recipe.model_dump(mode="json"),
        "stage": name,
        "run_dir": str(run_dir),
        "data_dir": None if data_dir is None else str(data_dir),
        "folder": str(draft.folder),
    }
    write_whole(notes / REQUEST, json.dumps(request, ensure_ascii=False))
    start(launch, notes, node)
    draft.metrics = json.loads((notes / METRICS).read_text(encoding="utf-8"))
    draft.metrics["launch"] = {
        **launch.model_dump(include={"strategy", "processes", "nodes"}),
        "accelerate": accelerate_arguments(launch, node, has_gpu()),
    }


def join(
    launch: Launch | None, node: Node, leader: Leader, folder: Path, heading: str, given: dict[str, Any]
) -> Artifact:
    """The artifact at ``folder`` that the first machine makes; where the stage trains, with this machine's processes as well.

    Raises:
        LaunchError: a process of this machine failed, or the first machine ended without the artifact.
    """
    key = fingerprint(given)
    draft = Draft(folder.with_name(folder.name + ".partial"))
    marker, request = draft.checkpoints / "key", draft.checkpoints / REQUEST
    console.print(f"{heading}: waiting for the first machine")
    unseen_until = time.monotonic() + UNSEEN_SECONDS
    while (done := matches(folder, key)) is None:
        if leader.gone() and matches(folder, key) is None:
            raise LaunchError(
                f"{heading}: the first machine has ended, or lost the disk that holds {folder.parent}, before this stage was "
                "finished; its own messages say why. Start the same command on all machines to go on"
            )
        if not leader.seen and time.monotonic() > unseen_until:
            unseen_until = float("inf")
            console.print(
                f"still no sign of the first machine in {folder.parent}: is it started, with --node-rank 0, and is that "
                "folder on a disk that both see?",
                style="yellow",
                markup=False,
            )
        # An interrupted run's request is as good as a new one: the processes meet at the rendezvous, or wait there.
        if launch is not None and request.is_file() and marker.is_file() and marker.read_text() == key:
            start(launch, draft.checkpoints, node)
            launch = None
        time.sleep(POLL_SECONDS)
    return done


def start(launch: Launch, notes: Path, node: Node) -> None:
    """Starts this machine's processes on the request in ``notes`` and waits for their end.

    Raises:
        LaunchError: one of them failed; the message is its own, told once.
        Stopped: SIGTERM or Ctrl-C came, and a checkpoint was written.
        KeyboardInterrupt: Ctrl-C came in the last step, or once more before a checkpoint was written.
    """
    on_gpu = has_gpu()
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *accelerate_arguments(launch, node, on_gpu),
        *("--module", "pipelines.training.worker", str(notes / REQUEST)),
    ]
    environment = {
        **os.environ,
        "COLUMNS": str(shutil.get_terminal_size().columns),  # for the bar, which sees a pipe
        "ACCELERATE_USE_CPU": str(not on_gpu and not launch.strategy.startswith("zero")).lower(),
    }
    if not on_gpu:
        environment["DS_ACCELERATOR"] = "cpu"
    while True:
        shutil.rmtree(notes / ERRORS, ignore_errors=True)
        code = _run(command, environment, notes)
        if code == 0:
            return
        first = _first_error(notes)
        if first is None:
            if code in ASKED:
                kind, what = ASKED[code]
                raise kind(f"stopped by {what}, not while training; run the same command to go on")
            raise LaunchError(
                f"the processes ended with code {code} and none said why, as when the system kills one for want of memory; "
                f"see {notes / LOG}"
            )
        if first["kind"] == KeyboardInterrupt.__name__:
            raise KeyboardInterrupt
        for kind, _ in ASKED.values():
            if first["kind"] == kind.__name__:
                raise kind(first["message"])
        if first["kind"] != RolledBack.__name__:
            raise LaunchError(first["message"])
        console.print(first["message"], style="yellow", markup=False)


def _run(command: list[str], environment: dict[str, str], notes: Path) -> int:
    """The exit code of the launcher, whose processes end with this one and hear of its signals; one of ``ASKED`` if these ended them."""
    with (notes / LOG).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closed when this process ends: see pipelines.training.worker
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches this process only, which tells the others
        )
        assert process.stdin is not None
        pipe = process.stdin.fileno()
        # Passed on by the pipe: the launcher would kill the processes half a minute after a signal, which is too short for a
        # large model's checkpoint.
        asked: list[int] = []

        def tell(number: int, _: Any) -> None:
            if number == signal.SIGINT and asked:
                raise KeyboardInterrupt
            asked.append(number)
            with contextlib.suppress(OSError):  # they have ended by themselves
                os.write(pipe, bytes([number]))

        with handling(tell):
            try:
                _relay(process, log, notes / ERRORS)
            except BaseException:
                _end(process)
                raise
    if not asked or not process.returncode:
        return process.returncode
    return INTERRUPTED if asked[-1] == signal.SIGINT else STOPPED


def _relay(process: subprocess.Popen[bytes], log: Any, errors: Path) -> None:
    """Shows what the processes print until one of them fails; what comes after it (the launcher's report) is for the log."""
    assert process.stdout is not None
    while chunk := os.read(process.stdout.fileno(), 1 << 16):
        log.write(chunk)
        log.flush()
        if not errors.is_dir():
            sys.stderr.buffer.write(chunk)
            sys.stderr.flush()
    process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the launcher and, by closing the pipe that they watch, the processes that it started."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _first_error(notes: Path) -> dict[str, Any] | None:
    """What the first process that failed has left, for the others fail of missing it; None where none left anything."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (notes / ERRORS).glob("*.json")]
    # One that could name its error, before one that lost its neighbour; of each sort the first.
    return min(found, key=lambda error: (not error["expected"], error["time"]), default=None)


def write_error(notes: Path, rank: int, error: BaseException) -> None:
    """Leaves the error of a process where the parent looks for it."""
    (notes / ERRORS).mkdir(parents=True, exist_ok=True)
    expected = isinstance(error, OslerError | RolledBack)
    message = str(error) if expected else f"{type(error).__name__}: {error} (process {rank}; see {notes / LOG})"
    content = {
        "kind": type(error).__name__,
        "rank": rank,
        "expected": expected,
        "message": message,
        "time": time.time(),
    }
    write_whole(notes / ERRORS / f"{rank}.json", json.dumps(content))
