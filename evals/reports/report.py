"""The report of an exam: one page in Markdown and HTML from a results folder, with its plots as SVG."""

from __future__ import annotations

from pathlib import Path

from corpora.page import percent, table, write_page
from evals.figures.compare import compare
from evals.figures.forgetting import beside_base
from evals.figures.results import Row, check_writable, read_results, read_task, strangers, task_folders
from evals.figures.summary import summarise
from evals.reports import open_answers
from evals.reports.cells import interval, plain, touched, unparsed
from evals.reports.plots import Dot, dots, picture
from evals.reports.task_section import task_section


def write_report(out: Path, base: Path | None = None, to: Path | None = None, items: bool = True) -> Path:
    """Writes ``report.md``, ``report.html`` and the plots; returns the first.

    Args:
        out: the results folder.
        base: that of the model's own base, to be held beside it.
        to: folder of the page; None for ``out``.
        items: quote items: the worst mistakes, the first prompt, those found in training text. A page without can be published, whatever the
            licence of the items, and puts none of them where the next model reads its training text.

    Raises:
        OslerError: the base sat no task that this model sat, or other items.
        DataError: there are no results, or a file is broken.
    """
    folders = task_folders(out)
    to = to or out
    check_writable(to)
    to.mkdir(parents=True, exist_ok=True)
    results = read_results(out) if (out / "results.json").is_file() else {"tasks": {}, "suite": None}
    tasks = {name: read_task(folder) for name, folder in folders.items()}
    # What an interrupted run has finished, but not yet put in its results, is summarised anew.
    known = {name: found for name, found in results["tasks"].items() if "subjects" in found}
    summaries = {name: known.get(name) or summarise(folder) for name, folder in folders.items()}
    model = results.get("model") or next(iter(tasks.values()))["model"]
    lines = [f"# Exam of {plain(str(model['id']))}", "", _about(results, tasks, model), ""]
    opened = {name: found for name, found in summaries.items() if "open" in found}
    chosen = {name: found for name, found in summaries.items() if "open" not in found}
    lines += _overview(to, chosen) if chosen else []
    lines += open_answers.overview(opened)
    if base is not None:
        lines += beside_base(compare([base, out], own_prompts=True))
    for reason in [f"{name}: {why}" for name, why in (results.get("skipped") or {}).items()]:
        lines += [f"Not asked: {plain(reason)}", ""]
    if others := strangers(out):
        lines += [f"Not shown, for another model answered them into this folder: {plain(', '.join(others))}.", ""]
    for name, folder in folders.items():
        lines += task_section(to, name, folder, tasks[name], summaries[name], items)
    return write_page(to, "report", f"Exam of {model['id']}", lines)


def _about(results: Row, tasks: dict[str, Row], model: Row) -> str:
    seconds = sum(task.get("seconds") or 0 for task in tasks.values())
    parts = [f"Suite {plain(str(results['suite']))}" if results.get("suite") else "Single tasks"]
    parts += [
        f"engine {plain(str(model['engine']))}",
        f"fingerprint `{str(model['fingerprint'])[:16]}`",
        f"{seconds:,.0f} s of computing",
    ]
    return ", ".join(parts) + "."


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
        *picture(out, "tasks", dots(drawn, "Accuracy by task"), "Accuracy by task with 95% intervals and chance"),
    ]
