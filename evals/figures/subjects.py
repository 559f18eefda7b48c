"""The figures of an exam by subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evals.figures.results import Row

SUBJECT_ITEMS = 5  # a subject of fewer items has an interval too wide to look at


def by_subject(items: Sequence[Row], figures: Callable[[Sequence[Row]], Row]) -> dict[str, Row]:
    """What ``figures`` gives for the items of each subject, in alphabetical order: n, accuracy, low and high."""
    groups: dict[str, list[Row]] = {}
    for item in items:
        if item.get("subject"):
            groups.setdefault(item["subject"], []).append(item)
    return {
        name: {"n": len(its), **{key: value for key, value in figures(its).items() if key != "interval"}}
        for name, its in sorted(groups.items())
        if len(its) >= SUBJECT_ITEMS
    }
