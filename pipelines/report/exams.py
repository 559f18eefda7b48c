"""What the exam stages of a run found, by model."""

from __future__ import annotations

import re
from typing import Any

from pipelines.artifact import Artifact


def file_name(name: str) -> str:
    """A name as a part of a file's: items of one's own are called by their path, and a model of a hub by its id."""
    return re.sub(r"[^\w.-]+", "-", name)


def exams(artifacts: dict[str, Artifact]) -> dict[str, dict[str, Any]]:
    """What the exam stages found about each model, by model; of what two of them found of one, the later counts."""
    found: dict[str, dict[str, Any]] = {}
    for artifact in artifacts.values():
        if artifact.kind == "exam":
            for model, result in artifact.metrics.items():
                found[model] = _both(found.get(model, {}), result)
    return found


def _both(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What two exams found about one model."""
    parts = {key for key in ("items", "bits_per_byte", "against") if key in before and key in after}
    return {**before, **after, **{key: {**before[key], **after[key]} for key in parts}}
