"""What the board shows, as HTML: every text that comes from a file, a recipe or a model is escaped."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

from corpora.records import Record
from pipelines.artifact import MANIFEST
from pipelines.board import charts
from pipelines.board.corpora import Look, shown_turns
from pipelines.board.curves import curves, is_done, trained_stages
from pipelines.board.jobs import Job, command_line
from pipelines.board.places import RECIPE_FILE, finished
from pipelines.board.texts import Say
from pipelines.config import RecipeError, load_recipe

LONGEST = 600  # characters of a text that is shown
# The figures that are drawn, in this order, with the name of each; what else is logged is in TensorBoard's files and trackio's.
DRAWN = ("loss", "rewards/margins", "reward", "learning_rate", "tokens_per_second")


def cut(text: str, longest: int = LONGEST) -> str:
    """A text that is not too long to show."""
    return text if len(text) <= longest else text[:longest] + " …"


def command(say: Say, *commands: str) -> str:
    """Commands that do the same, to be copied."""
    if not any(commands):
        return ""
    lines = "".join(f"<code>{escape(one)}</code>" for one in commands if one)
    return f'<div class="command"><span>{say("command")}</span>{lines}</div>'


def note(kind: str, text: str) -> str:
    """A message: ``good``, ``bad``, ``warn`` or ``plain``."""
    return f'<div class="note {kind}" role="status">{escape(text)}</div>' if text else ""


def table(head: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int] = ()) -> str:
    """A table; the columns of ``numbers`` stand to the right."""
    if not rows:
        return ""

    def cell(tag: str, place: int, text: object) -> str:
        return f"<{tag}{' class=number' if place in numbers else ''}>{escape(str(text))}</{tag}>"

    heads = "".join(cell("th", place, text) for place, text in enumerate(head))
    body = "".join(
        "<tr>" + "".join(cell("td", place, text) for place, text in enumerate(row)) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def record(one: Record) -> str:
    """A record as it will be learnt: each turn under its role."""
    turns = "".join(
        f'<div class="turn"><b>{escape(cut(who, 80))}</b><p>{escape(cut(text))}</p></div>'
        for who, text in shown_turns(one)[:8]
    )
    return f'<div class="record">{turns}</div>'


def look(say: Say, seen: Look) -> str:
    """What is to be seen of a corpus: its shape, its warnings, samples, and the rows that cannot be used."""
    parts = []
    facts = [say("records_are", record=seen.record)]
    if seen.shape:
        facts.append(say("shape_is", shape=seen.shape))
    if seen.kept is not None:
        facts.append(say("kept", kept=f"{seen.kept:,}", dropped=f"{seen.dropped:,}"))
    parts.append(f"<p class=facts><b>{escape(seen.name)}</b> · {escape(' · '.join(facts))}</p>")
    parts += [note("warn", warning) for warning in seen.warnings]
    if seen.faults:
        parts.append(f"<h4>{say('bad_rows')}</h4><p>{say('bad_rows_remedy')}</p>")
        parts.append(table([say("reason"), say("count")], list(seen.reasons.items()), numbers=(1,)))
        rows = [(fault["place"], fault["reason"], cut(fault["row"], 160)) for fault in seen.faults]
        parts.append(table([say("place"), say("reason"), say("row")], rows))
    if seen.samples:
        parts.append(f"<h4>{say('samples')}</h4><div class=records>{''.join(map(record, seen.samples))}</div>")
    if seen.words:
        parts.append(command(say, command_line(seen.words)))
    return "".join(parts)


@functools.lru_cache(maxsize=64)
def _stages_reported(report: Path, changed: float) -> tuple[str, ...]:
    """Stages of the recipe in a run's report as it was at that time."""
    try:
        recipe = json.loads(report.read_text(encoding="utf-8"))["recipe"]
        return (*recipe["stages"], *(["serve"] if recipe.get("serve") else []))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


@functools.lru_cache(maxsize=64)
def _stages_of(recipe: Path, changed: float) -> tuple[str, ...]:
    """Stages of a recipe's file as it was at that time; none of one that cannot be read."""
    try:
        found = load_recipe(str(recipe))
    except RecipeError:
        return ()
    return (*found.stages, *(["serve"] if found.serve is not None else []))


def stage_names(run: Path) -> list[str]:
    """Stages of a run in their order: of its recipe, or that in its report, where one is there; then others by their time, which a copy loses."""
    names = [path.parent.name for path in run.glob(f"*/{MANIFEST}")]
    recipe, report = run / RECIPE_FILE, run / "report.json"
    wanted: list[str] = []
    if recipe.is_file():
        wanted = list(_stages_of(recipe, recipe.stat().st_mtime))
    elif report.is_file():
        wanted = [name for name in _stages_reported(report, report.stat().st_mtime) if name in names]
    return [*wanted, *sorted(set(names) - set(wanted), key=lambda name: (run / name / MANIFEST).stat().st_mtime)]


def stages(say: Say, run: Path, running: bool) -> str:
    """The stages of a run, each done, under way or waiting."""
    shown = []
    for name in stage_names(run):
        if is_done(run, name):
            kind, told = "done", say("stage_done")
            artifact = finished(run / name, (run / name / MANIFEST).stat().st_mtime)
            if artifact is not None:
                told = f"{artifact.manifest['wall_seconds']:,.0f} s"
        elif (run / f"{name}.partial").is_dir():
            kind, told = ("running", say("stage_running")) if running else ("halted", say("stage_halted"))
        else:
            kind, told = "waiting", say("stage_waiting")
        shown.append(f'<li class="{kind}"><b>{escape(name)}</b> <span>{escape(told)}</span></li>')
    return f'<ol class="stages">{"".join(shown)}</ol>' if shown else ""


def state(say: Say, job: Job, elsewhere: int | None = None) -> str:
    """What has become of a command, since when, and what to do; ``elsewhere`` is a process that runs the same without a board."""
    if elsewhere is not None:
        return f'<div class="state" data-state="elsewhere">{note("plain", say("state_elsewhere", process=elsewhere))}</div>'
    now = job.state
    if now == "none":
        return note("plain", say("state_none"))
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.started))
    kinds = {
        "running": "plain",
        "stopping": "warn",
        "finished": "good",
        "stopped": "warn",
        "failed": "bad",
        "interrupted": "bad",
    }
    told = say(f"state_{now}", since=since, code=job.code)
    if now == "failed":
        lines = job.tail(60).splitlines()
        reason = next((place for place, line in enumerate(lines) if line.startswith("error: ")), max(0, len(lines) - 4))
        told = f"{told}\n{chr(10).join(lines[reason:])}"
    return f'<div class="state" data-state="{now}">{note(kinds[now], told)}</div>'


def live(say: Say, run: Path) -> str:
    """The curves of a run, the stage that began last first."""
    parts = []
    for stage in reversed(trained_stages(run)):
        figures = curves(run, stage)
        drawn = [
            charts.line_chart(say(f"figure_{name}"), {stage: figures.get(name, [])}, say("step")) for name in DRAWN
        ]
        if any(drawn):
            parts.append(
                f'<section data-stage="{escape(stage)}"><h4>{escape(stage)}</h4><div class="charts">{"".join(drawn)}</div></section>'
            )
    return "".join(parts) or note("plain", say("no_curves"))
