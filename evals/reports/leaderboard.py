"""All results below a folder in one table: models by tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpora.errors import OslerError
from corpora.page import percent, table
from evals.results import Row, read_json


def gather(folder: Path) -> list[Row]:
    """Every ``results.json`` below ``folder``: its model, suite, place and tasks, the best mean over the tasks that all sat first.

    A model's ``mean`` is that over the tasks that every model has, so that none gains by leaving the hard ones out; None where they have
    no task in common.

    Raises:
        OslerError: there are no results.
        DataError: a file is broken.
    """
    found: list[Row] = []
    for path in sorted(folder.rglob("results.json")):
        results = read_json(path)
        if isinstance(results.get("tasks"), dict) and isinstance(results.get("model"), dict):  # not another program's
            found.append(
                {
                    "model": results["model"],
                    "suite": results.get("suite"),
                    "path": str(path.parent),
                    "tasks": results["tasks"],
                }
            )
    if not found:
        raise OslerError(
            f"{folder}: no results.json below this folder; `osler eval MODEL --suite quick --output {folder}/NAME` writes one"
        )
    shared = set.intersection(
        *({name for name, its in one["tasks"].items() if its["accuracy"] is not None} for one in found)
    )
    for one in found:
        scores = [one["tasks"][name]["accuracy"] for name in shared]
        one["mean"] = sum(scores) / len(scores) if scores else None
    return sorted(found, key=lambda one: (one["mean"] is None, -(one["mean"] or 0), str(one["model"]["id"])))


def columns(found: list[Row]) -> list[str]:
    """All tasks, in the order in which they were met."""
    return list(dict.fromkeys(name for one in found for name in one["tasks"]))


def cell(summary: dict[str, Any] | None) -> str:
    """Accuracy, or an open task's mean score, with its interval; a dash where the task was not sat or no answer has a score."""
    if not summary or summary["accuracy"] is None:
        return "–"
    return f"{percent(summary['accuracy'])} ({percent(summary['low'])}–{percent(summary['high'])})"


def head_and_rows(found: list[Row]) -> tuple[list[str], list[list[str]]]:
    """The table: a row a model, with accuracy in % and 95% interval of each task."""
    names = columns(found)
    sizes = {name: {one["tasks"][name]["n"] for one in found if name in one["tasks"]} for name in names}
    heads = [f"{name} (n {'/'.join(f'{n:,}' for n in sorted(sizes[name]))})" for name in names]
    rows = [
        [
            str(one["model"]["id"]),
            percent(one["mean"]) if one["mean"] is not None else "–",
            *(cell(one["tasks"].get(name)) for name in names),
        ]
        for one in found
    ]
    return ["model", "mean of shared tasks", *heads], rows


def lines(found: list[Row]) -> list[str]:
    """The leaderboard in Markdown."""
    head, rows = head_and_rows(found)
    return [
        "# Leaderboard",
        "",
        "Accuracy in % with its 95% interval. Intervals that overlap do not settle which of two models is better: "
        "`osler compare A B` does, on the same items.",
        "",
        table(head, rows),
        "",
    ]
