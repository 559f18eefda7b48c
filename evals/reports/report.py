"""The report of an exam: one page in Markdown and HTML from a results folder, with its plots as SVG."""

from __future__ import annotations

import heapq
import re
from pathlib import Path
from typing import Any

from corpora.page import percent, table, write_page
from corpora.records import LETTERS
from evals.compare import compare
from evals.forgetting import beside_base
from evals.open import report as open_report
from evals.reports.columns import contamination, error_lists, interval, known_error, plain, touched, unparsed
from evals.reports.plots import Dot, dots, reliability
from evals.results import Row, read_items, read_results, read_task, strangers, task_folders
from evals.stats.calibration import probabilities
from evals.summary import summarise

MISTAKES = 5  # shown of each task


def write_report(out: Path, base: Path | None = None) -> Path:
    """Writes ``report.md``, ``report.html`` and the plots to a results folder; returns the first.

    Args:
        out: the results folder.
        base: that of the model's own base, to be held beside it.

    Raises:
        OslerError: the base sat no task that this model sat, or other items.
        DataError: there are no results, or a file is broken.
    """
    folders = task_folders(out)
    results = read_results(out) if (out / "results.json").is_file() else {"tasks": {}, "suite": None}
    tasks = {name: read_task(folder) for name, folder in folders.items()}
    # What an interrupted run has finished, but not yet put in its results, is summarised anew.
    known = {name: found for name, found in results["tasks"].items() if "subjects" in found}
    summaries = {name: known.get(name) or summarise(folder) for name, folder in folders.items()}
    model = results.get("model") or next(iter(tasks.values()))["model"]
    lines = [f"# Exam of {plain(str(model['id']))}", "", _about(results, tasks, model), ""]
    opened = {name: found for name, found in summaries.items() if "open" in found}
    chosen = {name: found for name, found in summaries.items() if "open" not in found}
    lines += _overview(out, chosen) if chosen else []
    lines += open_report.overview(opened, plain)
    if base is not None:
        lines += beside_base(compare([base, out], own_prompts=True))
    for reason in [f"{name}: {why}" for name, why in (results.get("skipped") or {}).items()]:
        lines += [f"Not asked: {plain(reason)}", ""]
    if others := strangers(out):
        lines += [f"Not shown, for another model answered them into this folder: {plain(', '.join(others))}.", ""]
    for name, folder in folders.items():
        lines += _task(out, name, folder, tasks[name], summaries[name])
    return write_page(out, "report", f"Exam of {model['id']}", lines)


def _about(results: Row, tasks: dict[str, Row], model: Row) -> str:
    seconds = sum(task.get("seconds") or 0 for task in tasks.values())
    parts = [f"Suite {plain(str(results['suite']))}" if results.get("suite") else "Single tasks"]
    parts += [
        f"engine {plain(str(model['engine']))}",
        f"fingerprint `{str(model['fingerprint'])[:16]}`",
        f"{seconds:,.0f} s of computing",
    ]
    return ", ".join(parts) + "."


def _picture(out: Path, name: str, drawing: str, shows: str) -> list[str]:
    file = re.sub(r"[^\w.-]+", "-", name) + ".svg"
    (out / file).write_text(drawing, encoding="utf-8")
    return [f"![{plain(shows)}]({file})", ""]


def _said(found: Row) -> str:
    """A share with its interval within a sentence."""
    return f"{percent(found['share'])}% ({percent(found['low'])} to {percent(found['high'])})"


def _overview(out: Path, summaries: dict[str, Row]) -> list[str]:
    rows = []
    for name, found in summaries.items():
        errors = found.get("key_errors", 0)
        without = found.get("accuracy_without_key_errors")
        rows.append(
            [
                plain(name),
                f"{found['n']:,}",
                interval(found) + ("\\*" if found["interval"] == "clustered" else ""),
                percent(found["chance"]),
                percent(found["majority"]) if found.get("majority") is not None else "–",
                unparsed(found),
                f"{errors:,}",
                percent(without) if errors and without is not None else "–",
            ]
        )
    head = [
        "task",
        "n",
        "accuracy, % (95% interval)",
        "chance, %",
        "majority, %",
        "unparsed, %",
        "known key errors",
        "without those, %",
    ]
    if any("contamination" in found for found in summaries.values()):
        head += ["in training text", "without those, % (95% interval)"]
        rows = [row + touched(found) for row, found in zip(rows, summaries.values(), strict=True)]
    lines = ["## Tasks", "", table(head, rows), ""]
    lines += [
        "Majority: what one scores who always names the commonest key. Unparsed: answers in which no choice was found, and items that the server refused; they count as "
        "wrong."
        + (
            " \\* Items share passages, and the interval is clustered by them."
            if any(one["interval"] == "clustered" for one in summaries.values())
            else ""
        ),
        "",
    ]
    drawn = [Dot(name, one["accuracy"], one["low"], one["high"], one["chance"]) for name, one in summaries.items()]
    return [
        *lines,
        *_picture(out, "tasks", dots(drawn, "Accuracy by task"), "Accuracy by task with 95% intervals and chance"),
    ]


def _task(out: Path, name: str, folder: Path, task: Row, found: Row) -> list[str]:
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
        return lines + open_report.details(folder, found, plain) + _first_prompt(task)
    lines += error_lists(task, found)
    if len(found.get("subjects", {})) > 1:
        shown = [
            Dot(f"{key} ({one['n']:,})", one["accuracy"], one["low"], one["high"], found["chance"])
            for key, one in found["subjects"].items()
        ]
        lines += [
            "### By subject",
            "",
            *_picture(out, f"{name}-subjects", dots(shown, f"{name} by subject"), f"{name} by subject"),
        ]
    if "ece" in found:
        lines += _calibration(out, name, found)
    lines += _other_forms(out, name, found)
    lines += contamination(found)
    lines += _mistakes(folder)
    return lines + _first_prompt(task)


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
        *_picture(
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
            Dot(f"turned by {place}" if place else "as published", value, value, value, found["chance"])
            for place, value in enumerate(turned["by_rotation"])
        ]
        lines += _picture(
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


def _confidence(item: Row) -> float:
    return max(probabilities(item["scores"])) if item.get("scores") else 0.0


def _mistakes(folder: Path) -> list[str]:
    """The wrong answers that the model was surest of; where it gave no likelihoods, the first ones."""
    wrong = ((_confidence(item), -place, item) for place, item in enumerate(read_items(folder)) if item["score"] < 0.5)
    worst = heapq.nlargest(MISTAKES, wrong, key=lambda one: one[:2])
    if not worst:
        return []
    sure = any(item.get("scores") for _, _, item in worst)
    lines = [f"### {'Confidently wrong' if sure else 'Wrong answers'}", ""]
    for confidence, _, item in worst:
        told = f" ({percent(confidence)}% sure)" if item.get("scores") else ""
        note = known_error(item)
        lines += [f"**{plain(str(item['id']))}**{told}.{note} {plain(str(item.get('question', '')))}", ""]
        lines += [f"- {_option(place, option, item)}" for place, option in enumerate(item["options"])]
        if item["chosen"] is None and item.get("text") is not None:
            lines += ["", f"No choice was found in: {plain(str(item['text']), 300) or '(nothing)'}"]
        if refused := item.get("refused"):
            lines += ["", f"The server refused it, {refused['kind']}: {plain(str(refused['message']), 300)}"]
        lines += [""]
    return lines


def _option(place: int, option: Any, item: Row) -> str:
    letter = LETTERS[place] if place < len(LETTERS) else str(place + 1)
    marks = ["✓ key"] if place in item["gold"] else []
    marks += ["✗ chosen"] if place in (item["chosen"] or []) and place not in item["gold"] else []
    text = f"{letter}\\. {plain(str(option), 200)}"
    return f"**{text}** — {', '.join(marks)}" if marks else text
