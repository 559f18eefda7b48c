"""Commands that read results folders: compare, leaderboard, report, export-results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from corpora.errors import OslerError
from corpora.page import p_value
from pipelines.cli.options import JsonOption, app, err, out, table


@app.command()
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Two or more results folders of `osler eval --output`, the base model's first; or two JSON files of `osler eval -o FILE` "
            "or an exam stage."
        ),
    ],
    own_prompts: Annotated[
        bool,
        typer.Option(
            "--own-prompts", help="Also compare models that were asked in different ways, as with and without chat."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare models with the first one, task by task, on the same items.

    Shows the paired difference with its 95% interval, the p of the exact McNemar test (of the cluster bootstrap where items share a passage),
    the same after Holm's adjustment over the table, and the smallest difference that so many items could have shown. "better" is printed
    only where the adjusted p is below 5%, and "both below majority" beside it where naming the commonest key would score more than either.

    Example: `osler compare runs/exams/base runs/exams/mine`
    """
    if any(path.suffix == ".json" for path in results):
        _compare_files(results, as_json)
        return
    for folder in results:
        _refuse_exam_stage(folder)
    from evals.figures.compare import beneath
    from evals.figures.compare import compare as paired
    from evals.figures.forgetting import forgetting

    found = paired(results, own_prompts)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    _show(found["base"], found["comparisons"])
    if any(one["test"] != "exact McNemar" for one in found["comparisons"]):
        out.print("* by paired cluster bootstrap: answers are graded, or items share passages")
    for line in beneath(found):
        out.print(line, markup=False, soft_wrap=True)
    for one in found["comparisons"]:
        if one["ungraded"]:
            out.print(
                f"{one['task']}, {one['model']}: {one['ungraded']:,} answers have no score in one of the two and are left out",
                markup=False,
            )
    for line in forgetting(found):
        out.print(line, markup=False, soft_wrap=True)
    for line in found["left_out"]:
        out.print(f"not compared: {line}", markup=False)


def _refuse_exam_stage(folder: Path) -> None:
    """Raises OslerError for the folder of an exam stage, whose models have a file each, or of a run that holds one."""
    for place in (folder, folder / "exam"):
        files = [path for path in sorted(place.glob("*.json")) if path.name != "manifest.json"]
        if (place / "manifest.json").is_file() and len(files) > 1:
            shown = ", ".join(path.name for path in files)
            raise OslerError(
                f"{place}: an exam stage, with a file for each model: {shown}; name two of them, as {files[0]} {files[-1]}"
            )


WIDE = 110  # characters; below them the table's cells are cut, and a paragraph for each comparison is read better


def _show(base: str, comparisons: list[dict[str, Any]]) -> None:
    """The comparisons as a table, or in a narrow terminal (and in a file) a paragraph for each."""
    from evals.figures.compare import told

    heads = (
        *("task", "model", "n", "base, %", "model, %", "difference, points (95%)"),
        *("won / lost", "p", "Holm p", "smallest", ""),
    )
    shown = table(f"against {escape(base)}", *heads, names=2)
    if out.width < WIDE:
        out.print(f"[bold]against {escape(base)}[/bold]; smallest: the least difference that so many items could show")
    for one in comparisons:
        task, model, n, before, after, difference, won, p, adjusted, smallest, verdict = (
            one["task"],
            one["model"],
            f"{one['n']:,}",
            f"{100 * one['base_accuracy']:.1f}",
            f"{100 * one['accuracy']:.1f}",
            f"{100 * one['difference']:+.1f} ({100 * one['low']:+.1f} to {100 * one['high']:+.1f})",
            f"{one['gained']} / {one['lost']}",
            f"{p_value(one['p'])}{'' if one['test'] == 'exact McNemar' else '*'}",
            p_value(one["holm"]),
            f"{100 * one['smallest']:.1f}" if one["smallest"] is not None else "–",
            told(one),
        )
        shown.add_row(escape(task), escape(model), n, before, after, difference, won, p, adjusted, smallest, verdict)
        if out.width < WIDE:
            out.print(
                f"{task}, {model}: {verdict}\n"
                f"  n {n}; {before}% and {after}%; difference {difference} points (95%)\n"
                f"  won / lost {won}; p {p}, Holm's {adjusted}; smallest {smallest}",
                markup=False,
            )
    if out.width >= WIDE:
        out.print(shown)


def _compare_files(paths: list[Path], as_json: bool) -> None:
    """Two files of answers as ``osler eval -o FILE`` and the exam stage write them."""
    from pipelines.report.paired import compare as paired

    other = [str(path) for path in paths if path.suffix != ".json"]
    if other:
        raise OslerError(
            f"{', '.join(other)}: no JSON file; two JSON files of answers can be compared, or two or more results folders, but not both together"
        )
    if len(paths) != 2:
        raise OslerError(
            f"two JSON files of answers are compared, and {len(paths)} is given: {', '.join(map(str, paths))}"
        )
    loaded: list[dict[str, Any]] = []
    for path in paths:
        if not path.is_file():
            raise OslerError(f"{path}: no such file; write one with `osler eval MODEL -o {path}`")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise OslerError(f"{path}: not valid JSON: {error}") from error
        if not isinstance(found, dict) or "items" not in found:
            raise OslerError(f"{path}: no exam answers in this file; write it with `osler eval MODEL -o {path}`")
        loaded.append(found)
    result = paired(*loaded)
    if not result:
        raise OslerError(f"{paths[0]} and {paths[1]} have no items in common")
    if as_json:
        print(json.dumps(result))
        return
    for name, figures in result.items():
        p = figures["p"]
        verdict = "the difference is significant at 5%" if p < 0.05 else "no significant difference at 5%"
        out.print(
            f"{name}: {100 * figures['difference']:+.1f} points on {figures['n']} items "
            f"(won {figures['gained']}, lost {figures['lost']}), exact McNemar p = {p:.4g}: {verdict}"
        )
        sat = [file["items"][name] for file in loaded]
        baseline = min(float(one.get("majority", 0)) for one in sat)
        if all(one.get("all", {}).get("share", 1) < baseline for one in sat):
            out.print(
                f"{name}: both are below the majority baseline: who always names the commonest key scores {100 * baseline:.1f}%"
            )


@app.command()
def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder below which all results.json are gathered.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write `leaderboard.md` and `leaderboard.html` to this folder."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Gather the results of all models below FOLDER in one table, the best mean over the tasks that all sat first.

    What a model sat in several folders stands in one row, or where it sat a task twice or in different ways, in a row a folder.

    Example: `osler leaderboard runs --output runs`
    """
    from corpora.page import write_page
    from evals.reports import leaderboard as board

    found = board.gather(folder, lambda text: err.print(text, markup=False, soft_wrap=True))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        write_page(output, "leaderboard", "Leaderboard", board.lines(found))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    head, rows = board.head_and_rows(found)
    shown = table("accuracy, % (95% interval)", *map(escape, head))
    for row in rows:
        shown.add_row(*map(escape, row))
    out.print(shown)
    if output is not None:
        out.print(f"written: {output / 'leaderboard.md'}, {output / 'leaderboard.html'}", markup=False, soft_wrap=True)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A results folder of `osler eval --output`.")],
    base: Annotated[
        Path | None, typer.Option("--base", help="Results folder of the model's own base, to be held beside it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the page. Default: the results folder.")
    ] = None,
    items: Annotated[
        bool,
        typer.Option(
            help="Quote items: the worst mistakes and the first prompt. A page without them can be published, whatever the items' licence."
        ),
    ] = True,
) -> None:
    """Write the report of an exam, `report.md` and `report.html`, from its results folder.

    Tables with intervals, plots by subject and of calibration, what rotating the options changes, and the worst mistakes to read. The HTML
    file holds its pictures and needs no network.

    Examples: `osler report runs/exams/mine` · `osler report runs/exams/mine --base runs/exams/base --no-items -o results/mine`
    """
    from evals.reports.report import write_report

    page = write_report(folder, base, output, items)
    out.print(f"written: {page}, {page.with_suffix('.html')}", markup=False, soft_wrap=True)


@app.command("export-results")
def export_results(
    folder: Annotated[Path, typer.Argument(help="A results folder of `osler eval --output`.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the export. Default: `lm-eval` in the results folder."),
    ] = None,
) -> None:
    """Write the results of an exam in lm-eval's form, `results_*.json` and `samples_*.jsonl`, for its tools and for leaderboards.

    Example: `osler export-results runs/exams/mine`
    """
    from evals.reports.lm_eval_export import export

    path = export(folder, output or folder / "lm-eval")
    out.print(f"written: {path}", markup=False, soft_wrap=True)
