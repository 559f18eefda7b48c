"""The page's third tab: a run while it goes on, and after."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from pipelines.board import results, views
from pipelines.board.elsewhere import running_in
from pipelines.board.friendly import OWN, QUIET, friendly
from pipelines.board.places import RECIPE_FILE, Places
from pipelines.board.starting import start_alone
from pipelines.board.texts import Say

SECONDS = 2.0  # between two looks at a run that goes on


@dataclass
class RunTab:
    """Components that other tabs use."""

    run: gr.Dropdown
    outputs: list[Any]
    watch: Any  # a function of the run's name and of what is shown
    timer: gr.Timer


def build(say: Say, places: Places) -> RunTab:
    """The tab, with its own events."""

    def views_of(name: str | None) -> list[str]:
        if not name:
            return [views.note("plain", say("no_runs")), "", "", "", "", ""]
        run, job = places.run(name), places.training(name)
        log = job.tail()
        return [
            views.state(say, job, None if job.runs else running_in(run)),
            views.stages(say, run, job.runs),
            views.live(say, run),
            results.samples(say, run),
            f"<pre>{escape(log)}</pre>" if log else "",
            views.command(say, job.command, job.stopping, f"osler watch {run}" if (run / "trackio").is_dir() else ""),
        ]

    @friendly
    def watch(name: str | None, before: list[str] | None) -> list[Any]:
        """What has changed since the last look; the rest is left as it is, so that nothing flickers."""
        now = views_of(name)
        old = before or [""] * len(now)
        runs = bool(name) and places.training(name).runs
        can_go_on = bool(name) and not runs and (places.run(name) / RECIPE_FILE).is_file()
        changed = [new if new != was else gr.skip() for new, was in zip(now, old, strict=True)]
        return [now, *changed, gr.update(interactive=runs), gr.update(interactive=can_go_on)]

    @friendly
    def stop(name: str | None) -> None:
        places.training(name).stop()

    @friendly
    def go_on(name: str | None) -> None:
        job = places.training(name)
        run = places.run(name)
        words = job.words or ["reproduce", str(run / RECIPE_FILE), "--run", str(run)]
        start_alone(job, words, run)

    with gr.Row(elem_classes="controls"):
        run = gr.Dropdown(places.names(), value=first(places), label=say("run"), scale=3, elem_id="run")
        stop_button = gr.Button(say("stop"), variant="stop", interactive=False, elem_id="stop")
        resume_button = gr.Button(say("resume"), interactive=False, elem_id="resume")
    state = gr.HTML(elem_id="state", elem_classes="osler")
    stages = gr.HTML(elem_id="stages", elem_classes="osler")
    curves = gr.HTML(elem_id="curves", elem_classes="osler")
    with gr.Accordion(say("run_samples"), open=True, elem_id="samples-fold"):
        samples = gr.HTML(elem_id="samples", elem_classes="osler")
    with gr.Accordion(say("log"), open=False):
        log = gr.HTML(elem_id="log", elem_classes="osler")
    command = gr.HTML(elem_id="run-command", elem_classes="osler")
    seen = gr.State()
    outputs = [seen, state, stages, curves, samples, log, command, stop_button, resume_button]
    timer = gr.Timer(SECONDS, active=False)  # each tab looks while it is shown
    timer.tick(watch, [run, seen], outputs, **QUIET)
    run.change(watch, [run, seen], outputs, **QUIET)
    stop_button.click(stop, run, None, **OWN).then(watch, [run, seen], outputs, **QUIET)
    resume_button.click(go_on, run, None, **OWN).then(watch, [run, seen], outputs, **QUIET)
    return RunTab(run, outputs, watch, timer)


def first(places: Places) -> str | None:
    """The run that is shown: one that goes on, else the newest."""
    found = places.names()
    return next((name for name in found if places.training(name).runs), found[0] if found else None)
