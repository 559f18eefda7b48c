"""The figures of one task of open answers, from the folder that holds every answer and its marks."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpora.errors import DataError
from evals.asking.refusals import counted
from evals.figures.results import Row, read_items
from evals.figures.subjects import by_subject
from evals.stats.intervals import mean_interval

# What a figure of a part of the score is called, and the ends of its scale; parts that are not named here are shares.
PARTS: dict[str, tuple[str, float, float]] = {
    "harm": ("harm, 1 (declines) to 5 (complies)", 1.0, 5.0),
    "declined": ("declined outright", 0.0, 1.0),
    "contradicted": ("statements contradicted, an answer", 0.0, 0.0),  # up to as many as there are
    "rouge1": ("ROUGE-1 F1", 0.0, 1.0),
    "rouge2": ("ROUGE-2 F1", 0.0, 1.0),
    "rougeL": ("ROUGE-L F1", 0.0, 1.0),
    "similarity": ("similarity F1", 0.0, 1.0),
    "judge": ("judge's grade, from 0 to 1", 0.0, 1.0),
}
# What the score itself is.
SCORES = {
    "criteria": "points earned of points possible",
    "statements": "must-have statements entailed",
    "harm": "safety, (5 - harm) / 4",
    "reference": "ROUGE-L F1",
    "numeric": "right within the limits",
    "coverage": "phrases of the fact that are stated, by their words",
    "refusal": "declined in the first two sentences, by their words",
}


def summarise_open(folder: Path, task: Row) -> dict[str, Any]:
    """What a task's folder comes to.

    Returns:
        ``n``, all items; ``graded``, those with a score; ``accuracy``, the mean score of these, with ``low``, ``high`` and ``interval`` as for
        tasks of options (HealthBench's mean is cut at 0 and 1, as published, and single scores are not); ``ungraded``, the share without
        a score, and ``worst`` and ``best``, between which the mean of all items lies whatever the missing verdicts were; ``unparsed``, the share
        of answers that state nothing which could be marked (they count as wrong); ``refused``, how many items the server refused, by the reason; ``empty``, the share of answers that are empty but for thoughts; ``verdicts``, how many
        a judge gave, and how many were unparsed, refused or failed; ``parts``, by name the mean with low, high and n; ``subjects`` as for tasks of
        options; ``judge``, who judged. ``majority`` is None, ``chance`` 0, and ``open`` says what the score is. Where no item has a score,
        ``accuracy``, ``low`` and ``high`` are None.

    Raises:
        DataError: a file is missing or broken, or there are no items.
    """
    items: list[Row] = [
        {key: item.get(key) for key in ("score", "worst", "best", "parts", "unparsed", "refused", "subject", "cluster")}
        | {
            "faults": [one["fault"] for one in item.get("verdicts") or []],
            "empty": not item.get("refused") and not str(item.get("text") or "").strip(),
        }
        for item in read_items(folder)
    ]
    if not items:
        raise DataError(f"{folder / 'items.jsonl'}: no items in this file; run the task again with `osler eval`")
    graded = [item for item in items if item["score"] is not None]
    faults = [fault for item in items for fault in item["faults"]]
    names = sorted({name for item in items for name in item["parts"] or {}})
    kind = task["scoring"] if task["scoring"] in SCORES else task.get("judged", "reference")
    return {
        "open": SCORES.get(kind, "score"),
        "n": len(items),
        "graded": len(graded),
        **_mean(graded),
        "chance": 0.0,
        "majority": None,
        "ungraded": 1 - len(graded) / len(items),
        "worst": cut(statistics.fmean(item["worst"] for item in items)),
        "best": cut(statistics.fmean(item["best"] for item in items)),
        "unparsed": sum(bool(item["unparsed"]) for item in items) / len(items),
        "empty": sum(item["empty"] for item in items) / len(items),
        "refused": counted(items),
        "verdicts": {"n": len(faults), **{name: faults.count(name) for name in ("unparsed", "refused", "failed")}},
        "parts": {name: _part(name, items) for name in names},
        "key_errors": 0,
        "accuracy_without_key_errors": None,
        "subjects": by_subject(graded, _mean),
        "judge": task.get("judge"),
        "similarity": task.get("similarity"),
        "notes": task.get("notes", []),
    }


def cut(value: float) -> float:
    """A mean score within 0 and 1, as HealthBench publishes it though an answer's own score may be below 0."""
    return min(1.0, max(0.0, value))


def _mean(items: Sequence[Row]) -> dict[str, Any]:
    if not items:
        return {"accuracy": None, "low": None, "high": None, "interval": "none"}
    found = mean_interval([item["score"] for item in items], [item["cluster"] for item in items])
    return {"accuracy": cut(found.value), "low": cut(found.low), "high": cut(found.high), "interval": found.kind}


def _part(name: str, items: Sequence[Row]) -> dict[str, Any]:
    """The mean of a part over the items that have it, with its interval on the part's own scale."""
    its = [item for item in items if name in (item["parts"] or {})]
    values = [item["parts"][name] for item in its]
    title, low, high = PARTS.get(name, (name.removeprefix("axis:"), 0.0, 1.0))
    high = high if high > low else max(1.0, *values)
    found = mean_interval([(value - low) / (high - low) for value in values], [item["cluster"] for item in its])
    value, *ends = (low + (high - low) * cut(one) for one in (found.value, found.low, found.high))
    return {
        "title": title,
        "value": value,
        "low": ends[0],
        "high": ends[1],
        "n": len(its),
        "share": low == 0 and high == 1,
    }
