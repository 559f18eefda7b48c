"""Where the heavy steps run: in this machine's processes, on Slurm, or on Ray, each by datatrove's executor of that name.

A step is a list of datatrove's blocks and a number of tasks, one a shard. A task that is done is marked in the log folder and is not done
again, by whichever executor the next try runs. Raises DataError when a task cannot be finished.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import json
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal

import multiprocess
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import setup_default_logger
from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from corpora.disk import remove_marked
from corpora.errors import DataError

TRIES = 3  # of a task whose process was killed
OFF_SCREEN = 1  # datatrove prints the story of the task with local rank 0; all are told in the log folder
MARK = "given.json"  # in a work folder: what its shards are made from
SLURM_WAIT = 10.0  # seconds between two looks at a job


class Scale(BaseModel):
    """Into how many shards the work is cut, and where they are worked on. The result depends on ``shards`` alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shards: int = Field(default=4, ge=1)
    executor: Literal["local", "slurm", "ray"] = "local"
    options: dict[str, Any] = {}  # arguments of datatrove's executor: workers; for slurm time and partition; …


def _end_with(parent: Any) -> None:
    """Ends this process when its parent is gone, so that a run that is begun again is alone with its files."""
    parent.join()
    os._exit(1)


class WatchedExecutor(LocalPipelineExecutor):  # type: ignore[misc]
    """datatrove's local executor with a process for each task.

    One that is killed (by the system, for want of memory) is started again, and costs its own shard. datatrove's pool would wait for it for ever.
    """

    pipeline: list[PipelineStep]

    def run(self) -> None:
        """Runs what is not done yet.

        Raises:
            DataError: a task failed, or its process was killed three times.
        """
        left = collections.deque(self.get_incomplete_ranks())
        if not left:
            return
        self.save_executor_as_json()
        bar = tqdm(total=self.tasks, initial=self.tasks - len(left), desc=self.label, unit="shard", disable=None)
        with bar:
            if self.workers == 1:
                blocks = self.pipeline
                for rank in left:
                    self.pipeline = copy.deepcopy(blocks)
                    self._run_for_rank(rank, OFF_SCREEN)
                    bar.update(1)
            else:
                self._watch(left, bar)

    def _watch(self, left: collections.deque[int], bar: tqdm[Any]) -> None:
        context = multiprocess.get_context("forkserver")
        context.set_forkserver_preload(["corpora.curate.flow"])  # what is imported there need not be in each process
        tries: collections.Counter[int] = collections.Counter()
        running: dict[Any, tuple[int, Any]] = {}  # sentinel -> rank and process
        try:
            while left or running:
                while left and len(running) < self.workers:
                    rank = left.popleft()
                    tries[rank] += 1
                    process = context.Process(target=self._told, args=(rank,))
                    process.start()
                    running[process.sentinel] = (rank, process)
                for sentinel in multiprocessing.connection.wait(list(running)):
                    rank, process = running.pop(sentinel)
                    process.join()
                    if process.exitcode == 0:
                        bar.update(1)
                    elif process.exitcode > 0:
                        raise DataError(self._fault(rank).read_text(encoding="utf-8"))
                    elif tries[rank] >= TRIES:
                        raise DataError(
                            f"{self.label}: the process of shard {rank} was killed {TRIES} times (signal {-process.exitcode}), for "
                            "want of memory most likely; take more shards, or fewer workers, and run again: what is done stays"
                        )
                    else:
                        left.append(rank)
        finally:
            for _, process in running.values():
                process.terminate()
                process.join()

    def _told(self, rank: int) -> None:
        """Runs a task in a process of its own; what went wrong is left in a file for the one that started it."""
        # The tasks are what runs at once: without this each has a thread for every processor in the tokenizer as well.
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
        threading.Thread(target=_end_with, args=(multiprocess.parent_process(),), daemon=True).start()
        try:
            self._run_for_rank(rank, OFF_SCREEN)
        except Exception as error:
            said = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
            self._fault(rank).parent.mkdir(parents=True, exist_ok=True)
            self._fault(rank).write_text(f"{self.label}, shard {rank}: {said}", encoding="utf-8")
            raise SystemExit(1) from error

    def _fault(self, rank: int) -> Path:
        return Path(self.logging_dir.resolve_paths(f"faults/{rank:05d}"))

    @property
    def label(self) -> str:
        """Name of the step."""
        return Path(self.logging_dir.path).name


def run_tasks(blocks: list[PipelineStep], tasks: int, name: str, logs: Path, scale: Scale) -> None:
    """Runs ``blocks`` for each of ``tasks`` shards and returns when all are done.

    Args:
        blocks: a pipeline of datatrove.
        tasks: how many shards there are.
        name: of the step; its log folder in ``logs`` has this name.
        logs: where tasks are marked as done. For Slurm and Ray a folder that all machines share.
        scale: the executor and its arguments.

    Raises:
        DataError: a task failed, or an argument is none of the executor's.
    """
    place = str(logs / name)
    options = dict(scale.options)
    try:
        if scale.executor == "local":
            executor: Any = WatchedExecutor(blocks, tasks=tasks, logging_dir=place, **{"workers": 1, **options})
        elif scale.executor == "ray":
            executor = _ray(blocks, tasks, place, options)
        else:
            from datatrove.executor import SlurmPipelineExecutor

            # The jobs run in the environment that this process runs in.
            ours = Path(sys.prefix) / "bin" / "activate"
            defaults = {"job_name": f"osler-{name}", "qos": "", "venv_path": str(ours) if ours.is_file() else None}
            executor = SlurmPipelineExecutor(blocks, tasks=tasks, logging_dir=place, **{**defaults, **options})
    except TypeError as error:
        raise DataError(
            f"scale.options: {error}; the keys are the arguments of datatrove's {scale.executor} executor"
        ) from error
    logs.mkdir(parents=True, exist_ok=True)
    # datatrove tells each task's story on the screen; it is kept in a file.
    try:
        with (logs / "datatrove.log").open("a", encoding="utf-8") as told, contextlib.redirect_stderr(told):
            setup_default_logger()
            executor.run()
    finally:
        setup_default_logger()  # it writes to that file otherwise, which is closed now
    if scale.executor == "slurm":
        _wait_for(executor, name)
    left = executor.get_incomplete_ranks(skip_completed=True)
    if left:
        raise DataError(
            f"{name}: {len(left)} of {tasks} shards were not finished (the first is {left[0]}); see {place}/logs, and run again: "
            "what is done stays"
        )


def _ray(blocks: list[PipelineStep], tasks: int, place: str, options: dict[str, Any]) -> Any:
    """The Ray executor of datatrove, on the cluster of ``RAY_ADDRESS`` or else a new one on this machine."""
    try:
        import ray
    except ImportError as error:
        raise DataError("scale.executor is ray, which is not installed: pip install 'osler[ray]'") from error
    from datatrove.executor.ray import RayPipelineExecutor

    if not ray.is_initialized():
        defaults = {
            "include_dashboard": False,
            "log_to_driver": False,
            "logging_level": "warning",
            "runtime_env": {"worker_process_setup_hook": _ray_worker},
        }
        ray.init(**{**defaults, **options.get("cluster", {})})
    options.pop("cluster", None)
    return RayPipelineExecutor(blocks, tasks=tasks, logging_dir=place, **options)


def _ray_worker() -> None:
    """Lets the processes that a worker of Ray starts die when they are told to.

    They inherit Ray's own handler of the signal, under which some do not, and datatrove's pool in the worker then waits for them for ever
    (seen once in five runs with datatrove 0.10.1 and Ray 2.60).
    """
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))  # type: ignore[arg-type,return-value]


def _wait_for(executor: Any, name: str) -> None:
    """Returns when the tasks of a Slurm job are done, or the job has left the queue."""
    total = executor.world_size
    with tqdm(total=total, desc=name, unit="shard", disable=None) as bar:
        while left := executor.get_incomplete_ranks(skip_completed=True):
            bar.update(total - len(left) - bar.n)
            if not _queued(str(executor.job_id)):
                time.sleep(SLURM_WAIT)  # a shared file system may show a mark late
                return
            time.sleep(SLURM_WAIT)


def _queued(job: str) -> bool:
    """Whether Slurm still has tasks of the job to run, or runs them."""
    found = subprocess.run(["squeue", "--noheader", "--jobs", job], capture_output=True, text=True, check=False)
    return found.returncode == 0 and bool(found.stdout.strip())


def resumable(work: Path, given: Any) -> None:
    """Makes ``work`` a folder whose finished shards are worth keeping: empties it when it was made from something else.

    Raises:
        DataError: there is something in it that was not made here.
    """
    mark = work / MARK
    if work.is_dir() and not mark.is_file() and any(work.iterdir()):
        raise DataError(
            f"{work}: this folder holds files that osler did not make, and they would be lost; name another folder with --out"
        )
    said = json.dumps(given, sort_keys=True, default=str)
    if not mark.is_file() or mark.read_text(encoding="utf-8") != said:
        if work.is_dir():
            discard(work)
        work.mkdir(parents=True, exist_ok=True)
        mark.write_text(said, encoding="utf-8")


def discard(work: Path) -> None:
    """Removes a work folder. What an interrupt leaves of it is known for osler's own, and is no work to go on from."""
    (work / MARK).write_text("{}", encoding="utf-8")
    remove_marked(work, MARK)
