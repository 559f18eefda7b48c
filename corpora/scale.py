"""Runs a step of datatrove: in this machine's processes, on Slurm, or on Ray.

What is done is not done again, whichever of them it was done on. Raises DataError where tasks are left undone.
"""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import multiprocess
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from corpora.errors import DataError

Executor = Literal["local", "slurm", "ray"]


def _end_with(parent: Any) -> None:
    """Ends this process when its parent is gone, so that a run that starts again is alone with its files."""
    parent.join()
    os._exit(1)


class ProcessExecutor(LocalPipelineExecutor):  # type: ignore[misc]
    """datatrove's local executor, with a process for each task.

    datatrove's own gives the tasks to a pool, which waits for ever for the task of a worker that was killed, as for want of memory.
    """

    told: Path  # where the tasks' messages go, rather than to the screen

    def _alone(self, rank: int) -> None:
        """One task, in a process of its own."""
        # The tasks are what runs at once: without this each would have a thread for every processor in the tokenizer as well.
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
        threading.Thread(target=_end_with, args=(multiprocess.parent_process(),), daemon=True).start()
        with self.told.open("a", encoding="utf-8") as told, contextlib.redirect_stderr(told):
            try:
                self._run_for_rank(rank, local_rank=1)
            except Exception:  # it is in the task's log, with its traceback
                raise SystemExit(1) from None

    def _attempt(self, rank: int) -> None:
        process = multiprocess.get_context(self.start_method).Process(target=self._alone, args=(rank,))
        process.start()
        process.join()

    def run(self) -> None:
        """Every task that is not done yet, ``workers`` at a time; one that fails stops no other."""
        if self.workers == 1:
            super().run()
            return
        # What the processes are forked from imports the steps once for them all.
        modules = {type(step).__module__ for step in self.pipeline}
        multiprocess.get_context(self.start_method).set_forkserver_preload([__name__, *sorted(modules)])
        own = range(self.local_rank_offset, self.local_rank_offset + self.local_tasks)
        with ThreadPoolExecutor(self.workers) as threads:
            list(threads.map(self._attempt, self.get_incomplete_ranks(own)))


def _executor(pipeline: list[PipelineStep], kind: Executor, job_name: str, options: dict[str, Any]) -> Any:
    try:
        if kind == "local":
            here = min(options["tasks"], len(os.sched_getaffinity(0)))
            return ProcessExecutor(pipeline, **{"workers": here, **options})
        if kind == "ray":
            from datatrove.executor.ray import RayPipelineExecutor

            return RayPipelineExecutor(pipeline, **options)
        from datatrove.executor import SlurmPipelineExecutor

        # Without ``wait`` sbatch comes back when the job is queued, and the next step would find nothing.
        waiting = {"wait": "", **options.get("sbatch_args", {})}
        return SlurmPipelineExecutor(pipeline, **{"job_name": job_name, **options, "sbatch_args": waiting})
    except TypeError as error:
        raise DataError(f"options: {error}; the keys are the arguments of datatrove's executor for {kind}") from error


def run_pipeline(
    pipeline: list[PipelineStep], tasks: int, name: str, logs: Path, kind: Executor, options: dict[str, Any]
) -> None:
    """One step of datatrove on the chosen executor, until all of its tasks are done.

    Args:
        pipeline: the blocks, from a reader to a writer.
        tasks: how many parts the input has.
        name: of the step, for its folder in ``logs``.
        logs: where datatrove keeps what is done, and what each task said.
        kind: the executor.
        options: its arguments. On this machine as many tasks as there are processors run at once, if ``workers`` does not say.

    Raises:
        DataError: the executor does not know an option, or a task was not done; the others' results stay.
    """
    told = logs.parent / "datatrove.log"
    # datatrove tells each task's story on the screen; it is kept in a file.
    with told.open("a", encoding="utf-8") as stream, contextlib.redirect_stderr(stream):
        executor = _executor(
            pipeline, kind, f"osler-{name}", {"tasks": tasks, "logging_dir": str(logs / name), **options}
        )
        if isinstance(executor, ProcessExecutor):
            executor.told = told
        executor.run()
    undone = executor.get_incomplete_ranks(skip_completed=True)
    if undone:
        shown = ", ".join(map(str, undone[:5])) + (", …" if len(undone) > 5 else "")
        raise DataError(
            f"{name}: {len(undone)} of {tasks} tasks were not done ({shown}). A task that was killed left no message and often wanted "
            f"for memory: fewer workers need less. Any other's is in {logs / name / 'logs'}. Run it again: what is done stays"
        )
