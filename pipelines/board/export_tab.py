"""The page's sixth tab: a model of a run in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from corpora.errors import OslerError
from pipelines.board import starting, views
from pipelines.board.examine_tab import model_choices, model_of
from pipelines.board.friendly import OWN, QUIET, friendly
from pipelines.board.jobs import Job, command_line
from pipelines.board.places import Places
from pipelines.board.texts import Say

SECONDS = 2.0
# The form, and what `osler` is told for it: of a model's folder, or of a stage.
SHARDS, PUBLISH = "safetensors", "publish"
GGUF = ("q8_0", "f16", "bf16", "f32")
FORMS = [("safetensors", SHARDS), *((f"GGUF {kind}", kind) for kind in GGUF), ("osler publish", PUBLISH)]


def words(places: Places, choice: str | None, form: str) -> tuple[list[str], Job, Path]:
    """The command that exports a model, its job, and the folder that it writes.

    Raises:
        OslerError: there is no such model, form, or recipe.
    """
    name, stage, model = model_of(places, choice)
    if form not in [value for _, value in FORMS]:
        raise OslerError(f"'{form}' is no form of export")
    run = places.run(name)
    target = run / "export" / f"{stage}-{form}"
    job = places.job(name, f"export-{stage}")
    if form == PUBLISH:
        recipe = starting.recipe_of(places, name)
        if not recipe.is_file():
            raise OslerError(
                f"{recipe}: no recipe, with which a model is published. Put it there, or in a shell: "
                f"{command_line(['publish', stage, str(target), '--recipe', 'RECIPE', '--run', str(run)])}"
            )
        return ["publish", stage, str(target), "--recipe", str(recipe), "--run", str(run)], job, target
    how = ["--shards", "5GB"] if form == SHARDS else ["--gguf", form]
    return ["export", str(model.parent), "--to", str(target), *how], job, target


def build(say: Say, places: Places) -> tuple[gr.Dropdown, gr.Timer]:
    """The tab, with its own events; returns the choice of a model, and what looks again and again."""

    @friendly
    def export(choice: str | None, form: str) -> None:
        given, job, _ = words(places, choice, form)
        job.start(given)

    @friendly
    def watch(choice: str | None, form: str, before: str | None) -> list[Any]:
        now = ""
        if choice:
            _, job, target = words(places, choice, SHARDS)
            if job.state != "none":
                now = views.state(say, job) + views.command(say, job.command)
            rows = [
                [str(path), f"{path.stat().st_size / 2**20:,.1f}"]
                for path in sorted(target.parent.rglob("*"))
                if path.is_file()
            ]
            now += views.table([say("written"), say("mib")], rows, numbers=(1,))
        return [gr.skip(), gr.skip()] if now == before else [now, now]

    gr.Markdown(say("export_intro"))
    with gr.Row(elem_classes="controls"):
        model = gr.Dropdown(model_choices(places), label=say("model"), elem_id="export-model")
        form = gr.Dropdown(FORMS, value=SHARDS, label=say("form_of_export"), elem_id="export-form")
        button = gr.Button(say("export"), variant="primary", elem_id="export")
    shown = gr.HTML(elem_id="exported", elem_classes="osler")
    seen = gr.State()
    button.click(export, [model, form], None, **OWN)
    timer = gr.Timer(SECONDS, active=False)
    timer.tick(watch, [model, form, seen], [seen, shown], **QUIET)
    return model, timer
