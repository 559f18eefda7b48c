"""The page's fourth tab: what runs have found, side by side, and further exams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from corpora.errors import OslerError
from evals.exam.task_files import suite_names, task_names, variant_names
from pipelines.board import results, views
from pipelines.board.friendly import OWN, QUIET, friendly
from pipelines.board.jobs import answer_of, command_line
from pipelines.board.places import Places, models
from pipelines.board.texts import Say

SECONDS = 3.0


@dataclass
class ExamineTab:
    """Components that are filled when the tab is opened."""

    runs: gr.Dropdown
    refresh: Any
    outputs: list[Any]
    timer: gr.Timer


def model_choices(places: Places) -> list[tuple[str, str]]:
    """Models that runs have left, as ``run/stage``."""
    return [
        (f"{name} · {stage}", f"{name}/{stage}")
        for name in places.names()
        for stage in reversed(models(places.run(name)))
    ]


def model_of(places: Places, choice: object) -> tuple[str, str, Path]:
    """Run, stage and folder of a model that was chosen.

    Raises:
        OslerError: there is no such model.
    """
    name, _, stage = str(choice or "").partition("/")
    if stage not in models(places.run(name)):
        raise OslerError(f"'{choice}' is no model of a run here")
    return name, stage, places.run(name) / stage / "model"


def build(say: Say, places: Places) -> ExamineTab:
    """The tab, with its own events."""

    def folders(names: list[str] | None) -> dict[str, Path]:
        return {name: places.run(name) for name in names or []}

    @friendly
    def side_by_side(names: list[str] | None) -> list[Any]:
        chosen = folders(names)
        files = results.exam_files(chosen)
        values = [value for _, value in files]
        first = values[0] if values else None
        return [
            results.comparison(say, chosen) if chosen else views.note("plain", say("no_runs")),
            gr.update(choices=files, value=first),
            gr.update(choices=files, value=values[-1] if values else None),
            results.report(next(iter(chosen.values()))) if chosen else "",
        ]

    @friendly
    def paired(names: list[str] | None, first: str, second: str) -> str:
        known = [value for _, value in results.exam_files(folders(names))]
        if first not in known or second not in known:
            raise OslerError(say("no_exam"))
        words = ["compare", first, second]
        return results.paired(say, results.answers(answer_of([*words, "--json"]))) + views.command(
            say, command_line(words)
        )

    @friendly
    def examine(choice: str | None, task: str, limit: float) -> str:
        name, stage, model = model_of(places, choice)
        output = places.run(name) / "eval" / stage / task
        kind = "--suite" if task in suite_names() else "--task"
        words = ["eval", str(model), kind, task, "--output", str(output)]
        words += ["--limit", str(int(limit))] if limit else []
        words += ["--data", str(places.data)] if places.data is not None else []
        places.job(name, f"eval-{stage}").start(words)
        return exam_state(choice)

    def exam_state(choice: str | None) -> str:
        if not choice:
            return ""
        name, stage, _ = model_of(places, choice)
        job = places.job(name, f"eval-{stage}")
        if job.state == "none":
            return ""
        return views.state(say, job) + views.command(say, job.command)

    @friendly
    def watch(choice: str | None, before: str | None) -> list[Any]:
        now = exam_state(choice)
        return [gr.skip()] * 3 if now == before else [now, now, results.leaderboard(say, places.runs)]

    @friendly
    def refresh(names: list[str] | None) -> list[Any]:
        there = places.names()
        chosen = [name for name in names or [] if name in there] or there[:1]
        choices = model_choices(places)
        return [
            gr.update(choices=there, value=chosen),
            gr.update(choices=choices, value=choices[0][1] if choices else None),
            *side_by_side(chosen),
            results.leaderboard(say, places.runs),
        ]

    runs = gr.Dropdown(places.names(), value=[], multiselect=True, label=say("compare_runs"), elem_id="compare-runs")
    shown = gr.HTML(elem_id="side-by-side", elem_classes="osler")
    gr.Markdown(f"### {say('paired')}")
    with gr.Row(elem_classes="controls"):
        first = gr.Dropdown([], label=say("first_model"), elem_id="first-model")
        second = gr.Dropdown([], label=say("second_model"), elem_id="second-model")
        compare = gr.Button(say("compare"), elem_id="compare")
    difference = gr.HTML(elem_id="difference", elem_classes="osler")
    gr.Markdown(f"### {say('more_exams')}")
    with gr.Row(elem_classes="controls"):
        model = gr.Dropdown(model_choices(places), label=say("model"), elem_id="exam-model")
        task = gr.Dropdown(
            [*suite_names(), *task_names(), *variant_names()],
            value="bundled-exam",
            label=say("task"),
            elem_id="exam-task",
        )
        limit = gr.Number(100, label=say("limit"), minimum=0, precision=0, elem_id="exam-limit")
        examine_button = gr.Button(say("examine"), elem_id="examine")
    exam = gr.HTML(elem_id="exam-state", elem_classes="osler")
    gr.Markdown(f"### {say('leaderboard')}")
    board = gr.HTML(elem_id="leaderboard", elem_classes="osler")
    with gr.Accordion(say("report"), open=False):
        report = gr.HTML(elem_id="report", elem_classes="osler")
    seen = gr.State()
    outputs = [shown, first, second, report]
    runs.input(side_by_side, runs, outputs, **QUIET)
    compare.click(paired, [runs, first, second], difference, **OWN)
    examine_button.click(examine, [model, task, limit], exam, **OWN)
    timer = gr.Timer(SECONDS, active=False)
    timer.tick(watch, [model, seen], [seen, exam, board], **QUIET)
    return ExamineTab(runs, refresh, [runs, model, *outputs, board], timer)
