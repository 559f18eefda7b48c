"""A model beside its own base: what it has gained on medical sets, and what it has forgotten on general ones.

"Better", "worse" and "forgotten" are said only of differences that are significant after Holm's adjustment (``evals.figures.compare``); of the others,
how large one would have had to be to show.
"""

from __future__ import annotations

from typing import Any

from corpora.page import p_value, percent, table
from evals.figures.compare import beneath, told
from evals.figures.results import Row


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _said(one: Row, base: str) -> str:
    """One general set in words."""
    numbers = (
        f"{percent(one['accuracy'])}% beside {percent(one['base_accuracy'])}%, {_points(one['difference'])} points "
        f"({_points(one['low'])} to {_points(one['high'])}) on {one['n']:,} items, Holm p {p_value(one['holm'])}"
        + (f"; both are below the majority baseline of {percent(one['majority'])}%" if one["below_majority"] else "")
    )
    if one["verdict"] == "worse":
        return f"{one['model']} is worse than {base} on {one['task']}, a general set: it has forgotten some of it ({numbers})"
    if one["verdict"] == "better":
        return f"{one['model']} is better than {base} on {one['task']}, a general set ({numbers})"
    shown = (
        f"; a difference of {100 * one['smallest']:.1f} points would have shown in 4 of 5 tries"
        if one["smallest"] is not None
        else ""
    )
    return f"no loss of {one['model']} shown on {one['task']}, a general set ({numbers}){shown}"


def forgetting(found: dict[str, Any]) -> list[str]:
    """What a comparison (``evals.figures.compare.compare``) says of the general sets, a sentence each; none without a general set."""
    return [_said(one, found["base"]) for one in found["comparisons"] if one["general"]]


def beside_base(found: dict[str, Any]) -> list[str]:
    """The section of a report: the paired table, then forgetting."""
    rows = [
        [
            f"{one['task']}{' (general)' if one['general'] else ''}",
            f"{one['n']:,}",
            percent(one["base_accuracy"]),
            percent(one["accuracy"]),
            f"{_points(one['difference'])} ({_points(one['low'])} to {_points(one['high'])})",
            f"{one['gained']} / {one['lost']}",
            p_value(one["holm"]),
            f"{100 * one['smallest']:.1f}" if one["smallest"] is not None else "–",
            told(one),
        ]
        for one in found["comparisons"]
    ]
    head = [
        "task",
        "n",
        "base, %",
        "model, %",
        "difference, points (95%)",
        "won / lost",
        "Holm p",
        "smallest that would show, points",
        "",
    ]
    lines = [f"## Beside its base, {found['base']}", "", table(head, rows), ""]
    lines += [
        'On the same items; p of the exact McNemar test, or of the paired cluster bootstrap where items share passages. "Better" and "worse" are said only '
        "where Holm's p is below 0.05.",
        "",
    ]
    for one in found["comparisons"]:
        if one["asked_differently"]:
            lines += [f"{one['task']} was asked in different ways: {'; '.join(one['asked_differently'])}.", ""]
    lines += [part for line in beneath(found) for part in (f"{line}.", "")]
    lines += ["### What was forgotten", ""]
    lines += [f"- {line}." for line in forgetting(found)] or [
        "No general set was sat by both: ask `--suite general` of both models."
    ]
    return [*lines, ""]
