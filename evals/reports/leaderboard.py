"""All results below a folder in one table: models by tasks."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpora.errors import DataError, OslerError
from corpora.page import percent, table
from evals.figures.results import Row, read_json, read_task
from evals.reports.cells import plain


def gather(folder: Path, told: Callable[[str], None] = lambda _: None) -> list[Row]:
    """Every ``results.json`` below ``folder``: its model, suite, place and tasks, the best mean over the tasks that all sat first.

    A model that sat different tasks in several folders is one row; one that sat a task twice, or with and without the chat template, has a row a
    folder, and its ``label`` names the folder. A row's ``mean`` is that over the tasks that every model has, with the same items, so that none gains by leaving the hard ones out; None
    where they have no such task in common.

    Args:
        folder: below which results are looked for.
        told: takes notes for the user: which results cannot be read, and which tasks were not asked of the same items.

    Raises:
        OslerError: there are no results that can be read.
    """
    found: list[Row] = []
    broken: list[str] = []
    for path in sorted(folder.rglob("results.json")):
        try:
            results = read_json(path)
            if not isinstance(results.get("tasks"), dict) or not isinstance(results.get("model"), dict):
                continue  # another program's
            _check(path, results)
        except (DataError, OSError) as error:
            broken.append(f"left out: {error}")
            continue
        folders = {name: str(path.parent / name) for name in results["tasks"]}
        one = {"model": results["model"], "suite": results.get("suite"), "path": str(path.parent)}
        found.append({**one, "tasks": results["tasks"], "folders": folders})
    for reason in broken:
        told(reason)
    if not found:
        raise OslerError(
            f"{folder}: no results.json below this folder{' that can be read' if broken else ''}; "
            f"`osler eval MODEL --suite quick --output {folder}/NAME` writes one"
        )
    found = _together(found)
    _label(found, folder)
    names = columns(found)
    scored = [{name for name, its in one["tasks"].items() if its["accuracy"] is not None} for one in found]
    shared = set.intersection(*scored)
    for name in names:
        if len(kinds := {_asked(Path(one["folders"][name])) for one in found if name in one["tasks"]} - {None}) > 1:
            told(
                f"{name}: the models were asked {len(kinds)} different sets of items or versions of the task, so that it is in no mean"
            )
            shared.discard(name)
    for one in found:
        scores = [one["tasks"][name]["accuracy"] for name in shared]
        one["mean"] = sum(scores) / len(scores) if scores else None
    return sorted(found, key=lambda one: (one["mean"] is None, -(one["mean"] or 0), one["label"]))


def _together(found: list[Row]) -> list[Row]:
    """One row of a model that sat different tasks in several folders, with the chat template in all or in none; otherwise a row a folder."""
    of_model: dict[str, list[Row]] = {}
    for one in found:
        of_model.setdefault(json.dumps(one["model"], sort_keys=True), []).append(one)
    rows = []
    for same in of_model.values():
        met = [name for one in same for name in one["tasks"]]
        if len(met) > len(set(met)) or len({_chat(place) for one in same for place in one["folders"].values()}) > 1:
            rows += same
            continue
        suites = {one["suite"] for one in same}
        joined = {key: {name: its for one in same for name, its in one[key].items()} for key in ("tasks", "folders")}
        rows.append({**same[0], "suite": suites.pop() if len(suites) == 1 else None, **joined})
    return rows


def _chat(folder: str) -> bool | None:
    """Whether a task was asked through the chat template; None where that cannot be told."""
    try:
        return bool(read_task(Path(folder)).get("chat_template"))
    except DataError:
        return None


def _label(found: list[Row], below: Path) -> None:
    """Names each row: by the model's id, and by its folder too where several have that id."""
    ids = [str(one["model"]["id"]) for one in found]
    for one, name in zip(found, ids, strict=True):
        place = Path(one["path"]).relative_to(below)
        one["label"] = name if ids.count(name) == 1 else f"{name} ({place})"


def _check(path: Path, results: Row) -> None:
    """Raises DataError where results lack what a table shows of them, or hold no task."""
    again = "run the tasks again with `osler eval`"
    if "id" not in results["model"]:
        raise DataError(f"{path}: no id of the model; {again}")
    if not results["tasks"]:
        raise DataError(f"{path}: no task was finished; {again}")
    for name, its in results["tasks"].items():
        numbers = [its.get(key) for key in ("n", "accuracy", "low", "high")] if isinstance(its, dict) else [None]
        unscored = isinstance(its, dict) and "accuracy" in its and numbers[1:] == [None] * 3
        if not all(
            isinstance(one, int | float) and math.isfinite(one) for one in (numbers[:1] if unscored else numbers)
        ):
            raise DataError(f"{path}: task '{name}' has no n, accuracy, low and high; {again}")


def _asked(folder: Path) -> tuple[str, int, int] | None:
    """Of which file, how many items of it, and in which version a task was; None where that cannot be told."""
    try:
        task = read_task(folder)
        return str(task["data"]["sha256"]), int(task["n"]), int(task.get("version", 1))
    except (DataError, KeyError, TypeError, ValueError):
        return None


def columns(found: list[Row]) -> list[str]:
    """All tasks, in the order in which they were met."""
    return list(dict.fromkeys(name for one in found for name in one["tasks"]))


def cell(summary: dict[str, Any] | None) -> str:
    """Accuracy, or an open task's mean score, with its interval; a dash where the task was not sat or no answer has a score."""
    if not summary or summary["accuracy"] is None:
        return "–"
    return f"{percent(summary['accuracy'])} ({percent(summary['low'])}–{percent(summary['high'])})"


def head_and_rows(found: list[Row]) -> tuple[list[str], list[list[str]]]:
    """The table: a row a model, or a folder of one that sat a task several times or in different ways, with accuracy in % and 95% interval of each task."""
    names = columns(found)
    sizes = {name: {one["tasks"][name]["n"] for one in found if name in one["tasks"]} for name in names}
    heads = [f"{name} (n {'/'.join(f'{n:,}' for n in sorted(sizes[name]))})" for name in names]
    rows = [
        [
            one["label"],
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
        table([html.escape(cell) for cell in head], [[plain(row[0]), *row[1:]] for row in rows]),
        "",
    ]
