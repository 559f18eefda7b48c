"""The command line's exam by task files: which engine is asked, which tasks, and where the answers are written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from corpora.errors import DataError, OslerError
from evals.asking.finished import Finished
from evals.asking.refusals import RefusedError
from evals.engines import Engine, weights_fingerprint
from evals.exam.source import Source
from evals.exam.tasks import Task
from evals.figures.contamination import TrainingText, write_contamination
from evals.figures.results import write_results
from evals.figures.summary import summarise
from evals.open.marking import Means, why_not
from evals.run import NO_MEANS, Options, adjusted, run_task
from serving.hardware import has_gpu, inference_dtype, machine
from serving.vllm.defaults import defaults
from serving.vllm.options import environment

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
EngineName = Literal["transformers", "vllm", "openai"]
CACHE = ".finished.sqlite"
CUT = "tensor-parallel-size"
NO_OPTIONS: Mapping[str, Any] = {}
# As the server has it (``serving.vllm``): the worker in this process, and no compiling for one exam.
ON_A_PROCESSOR = {"enforce_eager": True, "distributed_executor_backend": "uni", "max_num_seqs": 128}


def engine_of(
    model: str, name: EngineName, url: str | None, dtype: str = "auto", server: Mapping[str, Any] = NO_OPTIONS
) -> Engine:
    """The engine that asks ``model``.

    Args:
        model: a folder, a hub's id or a bundled model; the server's name for it with ``url``.
        name: of the engine.
        url: of a server.
        dtype: number format of a model in this process: float32, bfloat16 or float16; auto for what runs fastest here.
        server: how a server is asked, with openai alone: concurrency, timeout, key_env and temperature of ``evals.engines.openai.OpenAIEngine``.

    Raises:
        OslerError: the model or the server cannot be used, or ``name`` and ``url`` do not go together.
    """
    if dtype not in (*DTYPES, "auto"):
        raise OslerError(f"--dtype is {', '.join(DTYPES)} or auto, not '{dtype}'")
    if name == "openai":
        if dtype != "auto":
            raise OslerError("--dtype is of a model in this process; a server chooses its own")
        if url is None:
            raise OslerError("--engine openai asks a server that already runs: name its address with --url")
        from evals.engines.openai import OpenAIEngine

        return OpenAIEngine(url, model, **server)
    from pipelines.config import resolve_model
    from pipelines.loading import load_model, load_tokenizer, on_gpu

    folder = Path(resolve_model(model))
    fingerprint = weights_fingerprint(folder)
    if name == "vllm":
        from evals.engines.vllm import VllmEngine

        os.environ.update(environment())
        if has_gpu():  # this process has asked CUDA for its devices, and a fork of it cannot use them
            os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
            return VllmEngine(folder, model, fingerprint, dtype=dtype, **cut_over_gpus(folder))
        # vLLM's own auto is the format in which the weights are stored, which a processor without units for it is slow to compute.
        fast = str(inference_dtype()).removeprefix("torch.") if dtype == "auto" else dtype
        return VllmEngine(folder, model, fingerprint, dtype=fast, **ON_A_PROCESSOR)
    from evals.engines.transformers import TransformersEngine

    tokenizer = load_tokenizer(folder)
    loaded = load_model(folder, training=False, **({"dtype": DTYPES[dtype]} if dtype != "auto" else {}))
    return TransformersEngine(on_gpu(loaded), tokenizer, model, fingerprint)


def cut_over_gpus(folder: Path) -> dict[str, Any]:
    """Arguments of ``vllm.LLM`` for a model that one of this machine's GPUs has no room for: over how many of them it is cut, as for a server."""
    return {one.name.replace("-", "_"): one.value for one in defaults(str(folder), {}, machine()) if one.name == CUT}


def is_base(model: str) -> bool:
    """Whether a model is called a base model."""
    return "base" in Path(model).name.lower()


def asked_in_chat(model: str, engine: Engine) -> bool:
    """Whether a model is asked in its chat format when nothing is said: it has one, and is not called a base model."""
    if is_base(model):
        return False
    try:
        engine.render([{"role": "user", "content": "?"}])
    except OslerError:
        return False
    return True


def examine_tasks(
    engine: Engine,
    tasks: Sequence[Task],
    source: Source,
    options: Options,
    out: Path,
    *,
    suite: str | None,
    told: Callable[[str], None],
    means: Means = NO_MEANS,
    trained_on: Callable[[], TrainingText] | None = None,
) -> dict[str, Any]:
    """Runs the tasks and writes ``out``; of several, those that cannot be run are listed in the results with the reason.

    Args:
        engine: who is asked.
        tasks: what is asked.
        source: where the items are read.
        options: how they are asked.
        out: folder of the results.
        suite: what the tasks are together.
        told: takes notes for the user.
        means: what marks open answers: a judge, a model for similarity.
        trained_on: what the model was trained on, if the items are to be looked for in it.

    Raises:
        OslerError: none of the tasks can be run.
    """
    summaries: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    out.mkdir(parents=True, exist_ok=True)
    with Finished(out / CACHE) as finished:
        for task in tasks:
            try:
                summaries[task.name] = run_task(
                    adjusted(task, options), engine, source, out / task.name, options, finished, means
                )
                for note in summaries[task.name]["notes"]:
                    told(f"{task.name}: {note}")
                if finished.found and engine.name == "openai":  # whose weights are out of sight
                    told(
                        f"{task.name}: answers were kept in {out} by an earlier run, and this server was not asked for them again; "
                        "if its model has changed since, name another folder with --output"
                    )
                finished.found = 0
            except DataError as error:
                if len(tasks) == 1:
                    raise
                skipped[task.name] = str(error)
                told(f"left out: {error}")
            except OslerError as error:
                left_out = isinstance(error, RefusedError) or why_not(task, means) is not None
                if not left_out or len(tasks) == 1:
                    raise
                skipped[task.name] = str(error)
                told(f"left out: {error}")
            write_results(out, engine, suite, summaries, skipped)
    if summaries and trained_on is not None:
        # Of open questions there are no options to know an item by.
        looked_for = {out / task.name: task for task in tasks if task.name in summaries and not task.open_ended}
        write_contamination(looked_for, source, trained_on())
        summaries |= {folder.name: summarise(folder) for folder in looked_for}
    if not summaries:
        raise OslerError(f"none of the tasks could be run: {'; '.join(skipped.values())}")
    return write_results(out, engine, suite, summaries, skipped)
