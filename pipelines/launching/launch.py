"""Training stages in several processes, started by ``accelerate launch``.

The parent, which runs every other part of a recipe, starts the processes and finishes the artifact when all have ended well.
It hands each of them one file, the request; they leave their figures and their errors beside it. They hold the other end of
a pipe of the parent's, so that none of them outlives it, however it ends.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from corpora.disk import write_whole
from corpora.errors import INTERRUPTED, STOPPED, Interrupted, OslerError, Stopped
from pipelines.artifact import Artifact, Draft, fingerprint, matches
from pipelines.config import Launch, Recipe, RecipeError, nearest
from pipelines.training.guards import RolledBack, handling
from pipelines.training.sharding import LaunchError
from serving.hardware import has_gpu

console = Console(stderr=True, highlight=False)

REQUEST = "launch.json"
METRICS = "metrics.json"
ERRORS = "errors"
LOG = "launch.log"
POLL_SECONDS = 2.0
# Exit codes of processes that were asked to stop and said nothing themselves, with the error and the signal's name.
ASKED: dict[int, tuple[type[Stopped], str]] = {STOPPED: (Stopped, "SIGTERM"), INTERRUPTED: (Interrupted, "Ctrl-C")}
GRACE_SECONDS = 20  # for the processes to end by themselves before they are killed
# Of accelerate's options those that this page sets itself.
FIXED = {"fsdp2": {"version", "state_dict_type"}, "zero2": {"zero_stage"}, "zero3": {"zero_stage"}}
ZERO_OPTIONS = {
    "offload_optimizer_device",
    "offload_param_device",
    "offload_optimizer_nvme_path",
    "offload_param_nvme_path",
    "zero3_init_flag",
}


@dataclass(frozen=True)
class Node:
    """This machine among those of a run."""

    rank: int = 0
    rendezvous: str | None = None  # HOST:PORT of the first machine

    @property
    def leads(self) -> bool:
        """Whether this machine runs what is run once."""
        return self.rank == 0


ALONE = Node()


def known_options(launch: Launch) -> set[str]:
    """Names that ``launch.options`` may have for its strategy."""
    if launch.strategy == "ddp":
        return set()
    if launch.strategy != "fsdp2":
        return ZERO_OPTIONS
    from accelerate.commands.launch import launch_command_parser

    names = vars(launch_command_parser().parse_args(["script"]))
    return {name.removeprefix("fsdp_") for name in names if name.startswith("fsdp_")} - FIXED["fsdp2"]


def check_options(launch: Launch) -> None:
    """Raises RecipeError when an option is not one of the strategy's."""
    known = known_options(launch)
    for name in launch.options:
        if name not in known:
            hint = nearest(name, sorted(known)) if known else "ddp has none: see the ddp_ fields of a training block"
            raise RecipeError(f"launch.options: '{name}' is no option of {launch.strategy}; {hint}")


def accelerate_arguments(launch: Launch, node: Node, on_gpu: bool) -> list[str]:
    """The arguments of ``accelerate launch`` for this machine, before the module that is run.

    On a processor the same launchers are used as for GPUs (accelerate's own for processors wants MPI), with gloo between processes.
    """
    values: dict[str, Any] = {
        "num_processes": launch.processes,
        "num_machines": launch.nodes,
        "machine_rank": node.rank,
        "mixed_precision": "no",  # the stage's own training block says it
        "dynamo_backend": "no",
        "main_process_port": 0,
        "max_restarts": 0,
    }
    if launch.nodes > 1:
        assert node.rendezvous is not None
        host, _, port = node.rendezvous.rpartition(":")
        values |= {"main_process_ip": host, "main_process_port": port}
    if launch.strategy == "fsdp2":
        defaults = {
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            # Weights that only the first process has read are empty elsewhere until training starts, which what computes
            # before it (the reference of dpo) would not notice.
            "cpu_ram_efficient_loading": False,
        }
        options = {**defaults, **launch.options, "version": 2, "state_dict_type": "SHARDED_STATE_DICT"}
        values |= {f"fsdp_{name}": value for name, value in options.items()}
    elif launch.strategy != "ddp":
        values |= {**launch.options, "zero_stage": int(launch.strategy[-1])}
    flag = {"ddp": "--multi_gpu", "fsdp2": "--use_fsdp"}.get(launch.strategy, "--use_deepspeed")
    threads = max(1, len(os.sched_getaffinity(0)) // launch.processes_per_node) if not on_gpu else 1
    values["num_cpu_threads_per_process"] = threads
    given = [part for name, value in values.items() for part in (f"--{name}", str(value))]
    return [flag, *given]


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


def join(launch: Launch | None, node: Node, folder: Path, heading: str, given: dict[str, Any]) -> Artifact:
    """The artifact at ``folder`` that the first machine makes; where the stage trains, with this machine's processes as well.

    Raises:
        LaunchError: a process of this machine failed.
    """
    key = fingerprint(given)
    draft = Draft(folder.with_name(folder.name + ".partial"))
    marker, request = draft.checkpoints / "key", draft.checkpoints / REQUEST
    console.print(f"{heading}: waiting for the first machine")
    while (done := matches(folder, key)) is None:
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


def deepspeed_is_there() -> bool:
    """Whether the package that zero2 and zero3 need is installed."""
    return importlib.util.find_spec("deepspeed") is not None
