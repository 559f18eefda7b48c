"""What ``task.json`` says of every run, whichever way the task is answered: what was asked of which model, and of what data."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from evals.engines import Engine, not_taken
from evals.exam.source import Source, provenance
from evals.exam.tasks import Task


def described_run(task: Task, engine: Engine, source: Source, chat: bool, prompt: str, count: int) -> dict[str, Any]:
    """The fields that all runs share.

    Args:
        task: what was asked.
        engine: who was asked.
        source: where the items were read.
        chat: whether in the model's chat format.
        prompt: the first one, as an example.
        count: items.
    """
    origin = provenance(task, source)
    return {
        "task": task.name,
        "title": task.title,
        "version": task.version,
        "language": task.language,
        "metric": task.metric,
        "scoring": task.scoring,
        "normalise": task.normalise,
        "chat_template": chat,
        "max_tokens": task.max_tokens if task.scoring != "likelihood" else None,
        "prompt_example": prompt,
        "source": task.source,
        "licence": task.data_licence + (f", if {source.file.name} holds the published rows" if source.file else ""),
        "data": {"file": origin.file, "sha256": origin.sha256},
        "n": count,
        "published_n": task.data.published,
        "limit": source.limit,
        "model": {"id": engine.id, "fingerprint": engine.fingerprint, "engine": engine.name},
        "settings": engine.settings,
        "not_taken": sorted(not_taken(engine)),
        "osler": _osler_version(),
    }


def _osler_version() -> str:
    try:
        return version("osler")
    except PackageNotFoundError:
        return "unknown"
