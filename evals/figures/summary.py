"""The figures of one task on one model, from the folder that holds every item's answer."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpora.errors import DataError
from evals.asking.refusals import counted
from evals.exam.tasks import OPEN
from evals.figures import contamination
from evals.figures.baselines import majority
from evals.figures.results import Row, read_items, read_json, read_task
from evals.figures.subjects import by_subject
from evals.open.summary import summarise_open
from evals.stats.calibration import calibration
from evals.stats.intervals import mean_interval


def summarise(folder: Path) -> dict[str, Any]:
    """What a task's folder comes to.

    Returns:
        ``n``; ``accuracy`` (for graded answers the mean score) with its 95% interval ``low``, ``high`` and how that was made (``interval``:
        "wilson", "clustered" or "t"); ``chance``; ``majority``, what the commonest key would score (None for graded answers); ``unparsed``, the
        share in which no answer was found; ``refused``, how many of these a server refused, by the reason; ``key_errors``, how many items are known to have a wrong key, and ``accuracy_without_key_errors``;
        ``subjects`` by name with n, accuracy, low and high (those of at least ``subjects.SUBJECT_ITEMS`` items). Where options were scored, ``ece``,
        ``brier`` and ``aurc`` (value, low, high) and ``reliability``, the plot's points. Where they are there, ``rotations`` and ``blank``, what
        the same items gave in another form, and ``contamination`` (see ``evals.figures.contamination.summarised``).

    Raises:
        DataError: a file is missing or broken, or there are no items.
    """
    task = read_task(folder)
    if task["scoring"] in OPEN:
        return summarise_open(folder, task)
    # No text is kept, so that memory stays small.
    items = [
        {key: value for key, value in item.items() if key not in ("question", "options", "text", "prompt_sha256")}
        for item in read_items(folder)
    ]
    if not items:
        raise DataError(f"{folder / 'items.jsonl'}: no items in this file; run the task again with `osler eval`")
    unscored = next((item["id"] for item in items if item["score"] is None or not item["gold"]), None)
    if unscored is not None:
        raise DataError(
            f"{folder / 'items.jsonl'}: item {unscored} has no key or no score; run the task again with `osler eval`"
        )
    graded = task["metric"] == "graded"
    whole = _share(items)
    sound = [item for item in items if not item.get("key_error")]
    found: dict[str, Any] = {
        "n": len(items),
        "accuracy": whole["accuracy"],
        "low": whole["low"],
        "high": whole["high"],
        "interval": whole["interval"],
        "chance": task["chance"],
        "majority": None if graded else majority([item["gold"] for item in items]),
        "unparsed": sum(item["chosen"] is None for item in items) / len(items) if not graded else 0.0,
        "refused": counted(items),
        "key_errors": len(items) - len(sound),
        "accuracy_without_key_errors": statistics.fmean(item["score"] for item in sound) if sound else None,
        "subjects": by_subject(items, _share),
        "notes": task.get("notes", []),
    }
    scored = [item for item in items if item.get("scores") is not None and len(item["gold"]) == 1]
    if scored:
        found |= calibration(
            [item["scores"] for item in scored], [item["gold"][0] for item in scored], clusters_of(scored)
        )
    if (folder / contamination.FILE).is_file():
        found["contamination"] = contamination.summarised(folder, items, _share)
    for name in ("rotations", "blank"):
        if (folder / f"{name}.json").is_file():
            found[name] = read_json(folder / f"{name}.json")
    return found


def clusters_of(items: Sequence[Row]) -> list[str | None]:
    """The cluster of each item."""
    return [item.get("cluster") for item in items]


def _share(items: Sequence[Row]) -> dict[str, Any]:
    interval = mean_interval([item["score"] for item in items], clusters_of(items))
    return {
        "n": len(items),
        "accuracy": interval.value,
        "low": interval.low,
        "high": interval.high,
        "interval": interval.kind,
    }
