"""What ``task.json`` says of every run, whichever way the task is answered: what was asked of which model, and of what data."""

from __future__ import annotations

from typing import Any

from evals.engines import Engine, OneByOne
from evals.items import Source, provenance
from evals.tasks import Task


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
        "prompt_example": prompt,
        "source": task.source,
        "licence": task.data_licence + (f", if {source.file.name} holds the published rows" if source.file else ""),
        "data": {"file": origin.file, "sha256": origin.sha256},
        "n": count,
        "published_n": task.data.published,
        "limit": source.limit,
        "model": {"id": engine.id, "fingerprint": engine.fingerprint, "engine": engine.name},
        "settings": engine.settings,
        "not_taken": sorted(_not_taken(engine)),
    }


def _not_taken(engine: Engine) -> set[str]:
    return engine.not_taken if isinstance(engine, OneByOne) else set()


def unlike_asked(engine: Engine) -> list[str]:
    """A note, where a server's model was asked without temperature 0 since it does not take it."""
    if "temperature" not in _not_taken(engine):
        return []
    return [
        "the model takes no temperature, so that its answers are drawn as its server does and another run may differ"
    ]
