"""Runs a step of datatrove: in this machine's processes, on Slurm, or on Ray."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Literal

from datatrove.pipeline.base import PipelineStep

Executor = Literal["local", "slurm", "ray"]


def run_pipeline(
    pipeline: list[PipelineStep], tasks: int, name: str, logs: Path, kind: Executor, options: dict[str, Any]
) -> None:
    """One step of datatrove on the chosen executor, until all of its tasks are done; what was done before is not done again."""
    if kind == "local":
        from datatrove.executor import LocalPipelineExecutor

        executor: Any = LocalPipelineExecutor(pipeline, tasks=tasks, logging_dir=str(logs / name), **options)
    elif kind == "ray":
        from datatrove.executor.ray import RayPipelineExecutor

        executor = RayPipelineExecutor(pipeline, tasks=tasks, logging_dir=str(logs / name), **options)
    else:
        from datatrove.executor import SlurmPipelineExecutor

        executor = SlurmPipelineExecutor(
            pipeline, tasks=tasks, logging_dir=str(logs / name), job_name=f"osler-{name}", **options
        )
    # datatrove tells each task's story on the screen; it is kept in a file.
    with (logs.parent / "datatrove.log").open("a", encoding="utf-8") as told, contextlib.redirect_stderr(told):
        executor.run()
