"""A report's section on one task: how it was asked, its figures by subject, calibration, other forms, and what it got wrong."""

from __future__ import annotations

import re
from pathlib import Path

from corpora.page import percent, table
from evals.figures.contamination import in_words
from evals.figures.results import Row
from evals.reports import open_answers
from evals.reports.cells import plain
from evals.reports.mistakes import mistakes
from evals.reports.plots import Dot, dots, picture, reliability
from evals.stats.intervals import wilson


def task_section(out: Path, name: str, folder: Path, task: Row, found: Row, items: bool = True) -> list[str]:
    """The section of a task in Markdown; its plots are written to ``out``.

    Args:
        out: the folder of the page.
        name: of the task.
        folder: of its results.
        task: how it was asked (``task.json``).
        found: its summary.
        items: quote some of its items.
    """
    shots = task.get("num_fewshot", 0)
    asked = [
        f"{plain(str(task['scoring']))} scoring",
        f"{shots} examples" if shots else "no examples",
        "in the model's chat template" if task.get("chat_template") else "without a chat template",
    ]
    lines = [
        f"## {plain(str(task.get('title') or name))}",
        "",
        f"{', '.join(asked).capitalize()}. {_sources(task)}",
        "",
    ]
    lines += [line for note in task.get("notes") or [] for line in (f"- {plain(str(note))}", "")]
    if "open" in found:
        return lines + open_answers.details(folder, found, items) + (_first_prompt(task) if items else [])
    lines += _error_lists(task, found)
    if len(found.get("subjects", {})) > 1:
        shown = [
            Dot(f"{key} ({one['n']:,})", one["accuracy"], one["low"], one["high"], found["chance"])
            for key, one in found["subjects"].items()
        ]
        lines += [
            "### By subject",
            "",
            *picture(out, f"{name}-subjects", dots(shown, f"{name} by subject"), f"{name} by subject"),
        ]
    if "ece" in found:
        lines += _calibration(out, name, found)
    lines += _other_forms(out, name, found)
    lines += _contamination(found, items)
    return [*lines, *mistakes(folder), *_first_prompt(task)] if items else lines


def _first_prompt(task: Row) -> list[str]:
    prompt = str(task.get("prompt_example") or "")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", prompt)), default=0))
    return ["### The first prompt", "", fence, prompt[:3000], fence, ""] if prompt else []


def _sources(task: Row) -> str:
    data = task.get("data") or {}
    parts = [f"Convention: {plain(str(task['source']))}." if task.get("source") else ""]
    parts += [
        f"Data: {plain(str(data['file']))}, SHA-256 `{str(data.get('sha256'))[:16]}`." if data.get("file") else ""
    ]
    parts += [f"Licence: {plain(str(task['licence']))}." if task.get("licence") else ""]
    return " ".join(part for part in parts if part)


def _calibration(out: Path, name: str, found: Row) -> list[str]:
    points = found["reliability"]
    # Of the items with a confidence; those that a server refused have none.
    errors = 1 - sum(point["n"] * point["accuracy"] for point in points) / sum(point["n"] for point in points)
    rows = [
        [label, f"{found[key]['value']:.3f}", f"{found[key]['low']:.3f} to {found[key]['high']:.3f}", best]
        for key, label, best in (
            ("ece", "calibration error (ECE)", "0 if confidence equals the share of right answers"),
            ("brier", "Brier score", "0 best, 2 worst"),
            ("aurc", "errors left by abstaining (AURC)", f"{max(0.0, errors):.3f} if confidence told nothing"),
        )
    ]
    lines = ["### Calibration", "", table(["measure", "value", "95% interval", "compare"], rows), ""]
    return [
        *lines,
        *picture(
            out,
            f"{name}-reliability",
            reliability(points, f"Reliability on {name}"),
            f"reliability on {name}",
        ),
    ]


def _other_forms(out: Path, name: str, found: Row) -> list[str]:
    lines = []
    turned = found.get("rotations") or {}
    if turned and "skipped" not in turned:
        flips, worst = turned["flip_rate"], turned["worst_case"]
        lines += [
            "### When the options change places",
            "",
            f"Over all {turned['rotations']} rotations {percent(turned['accuracy'])}% are right. {_said(flips)} of the items get another "
            f"answer in some rotation, and {_said(worst)} are right in every one.",
            "",
        ]
        by = [
            Dot(
                f"turned by {place}" if place else "as published",
                value,
                *_ends(value, turned["n"], found),
                found["chance"],
            )
            for place, value in enumerate(turned["by_rotation"])
        ]
        lines += picture(
            out, f"{name}-rotations", dots(by, f"{name} by rotation"), f"{name} by rotation of the options"
        )
    if found.get("blank"):
        blank = found["blank"]
        lines += [
            "### Without the question",
            "",
            f"From the options alone {_said(blank)} are right; chance is {percent(found['chance'])}%.",
            "",
        ]
    return lines


def _contamination(found: Row, items: bool) -> list[str]:
    """Where the items were looked for, and the first that were found."""
    seen = found.get("contamination")
    if seen is None:
        return []
    lines = ["### In the training text", "", f"{plain(in_words(seen), 3000)}.", ""]
    if not items:
        return lines
    lines += [
        f"- {plain(str(one['item']))} in {plain(str(one['record']))} ({plain(str(one['corpus']))}), {percent(one['share'])}% of the question"
        for one in seen["examples"]
    ]
    more = (seen["touched"] or 0) - len(seen["examples"])
    return [*lines, *([f"- and {more:,} more"] if more > 0 else []), ""]


def _error_lists(task: Row, found: Row) -> list[str]:
    """By which lists items count as known errors, with what these looked at."""
    lists = task.get("key_errors") or []
    if not lists or not found.get("key_errors"):
        return []
    return [
        f"Known errors of the key, the question or the options: {found['key_errors']:,} of {found['n']:,} items.",
        "",
        *(f"- {plain(str(one['title']))}: {plain(str(one['source']))}. {plain(str(one['about']))}" for one in lists),
        "",
    ]


def _said(found: Row) -> str:
    """A share with its interval within a sentence."""
    return f"{percent(found['share'])}% ({percent(found['low'])} to {percent(found['high'])})"


def _ends(share: float, n: int, found: Row) -> tuple[float, float]:
    """The interval of a rotation's share; none where the task's items share passages, whose number says too much."""
    return wilson(round(share * n), n) if found["interval"] == "wilson" else (share, share)
