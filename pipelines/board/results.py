"""What runs have found, side by side: the exams of their stages, their losses, and samples of what their models wrote."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from corpora.curate.shards import record_of
from corpora.errors import DataError, OslerError
from corpora.page import percent
from pipelines.artifact import MANIFEST, Artifact
from pipelines.board import charts, views
from pipelines.board.curves import curves, trained_stages
from pipelines.board.places import finished
from pipelines.board.texts import Say
from pipelines.report.exams import exams, file_name

SAMPLES = 3  # of each stage


def artifacts(run: Path) -> dict[str, Artifact]:
    """The finished stages of a run, in its order."""
    paths = [path for name in views.stage_names(run) if (path := run / name / MANIFEST).is_file()]
    found = {path.parent.name: finished(path.parent, path.stat().st_mtime) for path in paths}
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def comparison(say: Say, runs: dict[str, Path]) -> str:
    """Exams and losses of several runs: a table with a row a model, and the curves of each stage in one chart."""
    found = [(name, model, result) for name, run in runs.items() for model, result in exams(artifacts(run)).items()]
    kinds = list(dict.fromkeys(kind for _, _, result in found for kind in result["bits_per_byte"]))
    rows = []
    for name, model, result in found:
        bits = [f"{result['bits_per_byte'][kind]:.3f}" if kind in result["bits_per_byte"] else "" for kind in kinds]
        for exam, score in result["items"].items() or [("", None)]:
            one = (
                [f"{exam} (n {score['all']['n']:,})", _interval(score["all"]), percent(score["chance"])]
                if score
                else [""] * 3
            )
            rows.append([name, model, *one, *bits])
    heads = [
        say("run"),
        say("model"),
        say("exam"),
        say("accuracy"),
        say("chance"),
        *(say("bits", kind=kind) for kind in kinds),
    ]
    parts = [views.table(heads, rows, numbers=range(3, len(heads))) or views.note("plain", say("no_exam"))]
    stages = list(dict.fromkeys(stage for run in runs.values() for stage in trained_stages(run)))
    drawn = []
    for stage in stages:
        lines = {name: curves(run, stage).get("loss", []) for name, run in runs.items()}
        drawn.append(charts.line_chart(f"{stage}: {say('figure_loss')}", lines, say("step")))
    return "".join([*parts, f'<div class="charts">{"".join(drawn)}</div>'])


def _interval(score: dict[str, Any]) -> str:
    return f"{percent(score['share'])} ({percent(score['low'])} – {percent(score['high'])})"


def exam_files(runs: dict[str, Path]) -> list[tuple[str, str]]:
    """Files of answers that exams left, each with a label; two of them can be compared."""
    found = []
    for name, run in runs.items():
        for stage, artifact in artifacts(run).items():
            if artifact.kind == "exam":
                found += [
                    (f"{name} · {model}", str(run / stage / f"{file_name(model)}.json")) for model in artifact.metrics
                ]
    return found


def paired(say: Say, found: dict[str, Any]) -> str:
    """What `osler compare A.json B.json --json` says."""
    rows = [
        [
            name,
            f"{one['n']:,}",
            f"{100 * one['difference']:+.1f}",
            f"{one['gained']} / {one['lost']}",
            f"{one['p']:.4g}",
            say("significant" if one["p"] < 0.05 else "not_significant"),
        ]
        for name, one in found.items()
    ]
    return views.table(
        [say("exam"), "n", say("difference"), say("won_lost"), "McNemar p", say("verdict")], rows, numbers=range(1, 5)
    )


def _texts(run: Path, stage: str) -> Iterator[str]:
    """The first records that a stage wrote."""
    path = run / stage / "records.jsonl"
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            for line in itertools.islice(lines, SAMPLES):
                try:
                    yield views.record(record_of(line))
                except (DataError, ValueError):
                    continue


def samples(say: Say, run: Path) -> str:
    """What the stages of a run wrote, and what its models answered, the newest first."""
    parts = []
    for name, artifact in reversed(artifacts(run).items()):
        rows = []
        if artifact.kind == "exam":
            told = [(model, one) for model, result in artifact.metrics.items() for one in result.get("samples", [])]
            rows = [[one["question"], model, views.cut(one["answer"]) or "–"] for model, one in told]
            rows.sort(key=lambda row: row[0])
        elif artifact.kind == "serve":
            rows = [[turn["question"], views.cut(turn["answer"])] for turn in artifact.metrics["turns"]]
        if rows:
            model = [say("model")] if artifact.kind == "exam" else []
            parts.append(f"<h4>{escape(name)}</h4>" + views.table([say("asked"), *model, say("answered")], rows))
        written = "".join(_texts(run, name))
        if written:
            parts.append(f"<h4>{escape(name)}</h4><div class=records>{written}</div>")
    return "".join(parts) or views.note("plain", say("no_samples"))


def leaderboard(say: Say, runs: Path) -> str:
    """The results of `osler eval` below the folder of runs."""
    from evals.reports import leaderboard as board

    if not any(runs.rglob("results.json")):
        return views.note("plain", say("no_results"))
    head, rows = board.head_and_rows(board.gather(runs))
    return views.table(head, rows)


def report(run: Path) -> str:
    """The report of a run as a page within the page, which can run no script."""
    path = run / "report.html"
    if not path.is_file():
        return ""
    return (
        f'<iframe class="report" sandbox title="report" srcdoc="{escape(path.read_text(encoding="utf-8"))}"></iframe>'
    )


def answers(text: str) -> dict[str, Any]:
    """The JSON object that a command printed, whatever stood before it.

    Raises:
        OslerError: it printed none.
    """
    try:
        found: dict[str, Any] = json.loads(text[text.index("{") :])
    except ValueError as error:
        raise OslerError(f"the command printed no JSON: {text.strip()[-300:] or 'nothing at all'}") from error
    return found
