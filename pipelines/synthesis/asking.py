"""A teacher found and asked for many things at once; what is finished is a line of a journal and is not asked again."""

from __future__ import annotations

import asyncio
import collections
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from corpora.errors import OslerError
from pipelines.config import Asking, RecipeError
from pipelines.synthesis.estimate import Estimate
from pipelines.synthesis.journal import Journal
from pipelines.synthesis.teacher import Spent, Teacher, TeacherError
from pipelines.synthesis.token_counts import token_counter
from serving.vllm.options import on_every_gpu
from serving.vllm.start import serving

W = TypeVar("W")
Line = dict[str, Any]


def endpoint_key(asking: Asking) -> str | None:
    """The key for the teacher's endpoint, from the environment variable that the recipe names.

    Raises:
        RecipeError: the variable is not set.
    """
    variable = asking.teacher.key_env
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise RecipeError(
            f"the environment variable {variable} is not set; it holds the key for {asking.teacher.url} (key_env)"
        )
    return os.environ[variable]


async def _each(
    teacher: Teacher,
    pending: Iterator[W],
    make: Callable[[Teacher, W], Awaitable[Line]],
    journal: Journal,
    show: Callable[[Line, Spent], None],
) -> None:
    in_a_row: collections.Counter[str] = collections.Counter()

    async def worker() -> None:
        for work in pending:
            line = await make(teacher, work)
            journal.add(line)
            show(line, teacher.spent)
            if line["outcome"] != "failed":
                in_a_row.clear()
                continue
            in_a_row[f"{line['reason']}: {line['said']}"] += 1
            if in_a_row.total() >= teacher.stage.stop_after:
                told = "; ".join(f"{count} × {reason}" for reason, count in in_a_row.most_common(3))
                raise TeacherError(
                    f"{teacher.url} failed {in_a_row.total()} records in a row ({told}); what was done is kept: mend the endpoint, "
                    "or raise timeout or retries, and run again"
                )

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(teacher.stage.concurrency):
                group.create_task(worker())
    except* OslerError as found:
        raise found.exceptions[0] from None
    finally:
        await teacher.close()


def own_flags(model: str, largest: int, seed: int, given: dict[str, Any]) -> dict[str, Any]:
    """Flags of our own vLLM: room for the largest request, as far as the model has it."""
    config = Path(model) / "config.json"
    room = json.loads(config.read_text()).get("max_position_embeddings", largest) if config.is_file() else largest
    return {"max-model-len": min(largest + 8, room), "seed": seed, **on_every_gpu(given)}


def ask_all(
    expected: Estimate,
    model: str | None,
    seed: int,
    journal: Journal,
    pending: Iterator[W],
    make: Callable[[Teacher, W], Awaitable[Line]],
    show: Callable[[Line, Spent], None],
) -> tuple[Spent, dict[str, Any]]:
    """Makes a line of the journal of everything that is pending, ``concurrency`` at once.

    Args:
        expected: the estimate, whose block says whom to ask and how.
        model: folder or hub id of our own teacher, which vLLM is started for; None for an endpoint.
        seed: of our own vLLM.
        journal: of the lines.
        pending: what is not in the journal yet.
        make: from one of these to its line, which says the outcome: kept, dropped or failed (by the endpoint).
        show: tells a person of a line and of what was taken so far.

    Returns:
        What was taken in this and in earlier runs, and figures of our own vLLM for the manifest.

    Raises:
        TeacherError: the teacher cannot be used, or failed ``stop_after`` in a row.
        ServerError: our own vLLM does not start, or has stopped.
    """
    block = expected.stage
    count, _ = token_counter(model)

    def ask(url: str, served: str, key: str | None) -> Spent:
        async def run() -> Spent:
            teacher = Teacher(block, url, served, key, expected.largest, count, journal.spent)
            await _each(teacher, pending, make, journal, show)
            return teacher.spent

        return asyncio.run(run())

    if block.teacher.url is not None:
        return ask(block.teacher.url, str(block.teacher.name), endpoint_key(block)), {}
    assert model is not None
    with serving(model, flags=own_flags(model, expected.largest, seed, block.teacher.vllm)) as server:
        try:
            spent = ask(server.url, server.model, None)
        except TeacherError:
            server.check()  # the server's own reason, where it has stopped
            raise
        figures = {
            "vllm_start_seconds": round(server.start_seconds, 1),
            "vllm_memory_gib": round(server.peak_memory_gib, 2),
        }
    return spent, figures
