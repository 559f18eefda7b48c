"""The page's second tab: a recipe opened, written or changed, planned and started."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from corpora.errors import OslerError
from pipelines.artifact import fingerprint
from pipelines.board import form, new_recipe, opening, plan_view, starting, views
from pipelines.board.friendly import OWN, QUIET, friendly, friendly_pieces, warn
from pipelines.board.places import Places
from pipelines.board.texts import Say
from pipelines.bundled import recipe_names
from pipelines.config import Recipe, RecipeError


@dataclass
class RecipeTab:
    """Components that other tabs use."""

    source: gr.Dropdown
    new: new_recipe.NewRecipe
    start: Callable[[str, str], str]
    start_button: gr.Button
    text: gr.Code
    until: gr.Dropdown


def whole(editor: gr.Code) -> gr.Code:
    """The editor, which keeps the first and last letters of its text: Gradio strips both ends, which are a recipe's as well."""
    # Not a class of its own: for each of those Gradio writes a .pyi file beside the module.
    editor.postprocess = lambda value: value  # type: ignore[method-assign]
    return editor


def _checked(text: str | None) -> tuple[Recipe | None, str]:
    """The recipe, or why there is none."""
    if not (text or "").strip():
        return None, ""
    try:
        return opening.check(text or ""), ""
    except OslerError as error:
        return None, str(error)


def sources(places: Places) -> list[tuple[str, str]]:
    """Recipes to open: those of runs first, then the bundled ones."""
    runs = [(f"run · {name}", f"run:{name}") for name in places.names() if starting.recipe_of(places, name).is_file()]
    return [*runs, *((name, name) for name in recipe_names())]


def build(say: Say, places: Places, open_to_others: bool) -> RecipeTab:
    """The tab, with its own events."""
    downloads = tempfile.TemporaryDirectory(prefix="osler-board-")  # is removed when the board ends

    def open_source(name: str | None) -> str:
        if name and name.startswith("run:"):
            return opening.open_file(starting.recipe_of(places, name.removeprefix("run:")))
        return opening.open_bundled(name or "")

    def told(text: str, stage: str | None) -> list[Any]:
        """What the page says of a text: whether it is a recipe, its fields, what can be run of it, and the file to download."""
        recipe, fault = _checked(text)
        if recipe is None:
            message = views.note("bad", fault) if fault else views.note("plain", say("recipe_empty"))
            return [
                message,
                *(gr.skip() for _ in range(len(form.HEAD) + 1 + len(form.STAGE) + 1)),
                gr.update(interactive=False),
            ]
        stages = form.trained(recipe)
        stage = stage if stage in stages else (stages[0] if stages else None)
        kinds = dict.fromkeys(one.kind for one in recipe.stages.values() if one.kind in starting.COMMANDS)
        until = [(say("until_all"), ""), *((say("until_kind", kind=kind), kind) for kind in kinds)]
        good = say("recipe_good", stages=", ".join(f"{name} ({one.kind})" for name, one in recipe.stages.items()))
        # Two readers may each have a recipe of this name.
        file = Path(downloads.name) / fingerprint(text)[:16] / f"{recipe.name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text.encode("utf-8"))
        return [
            views.note("good", good),
            *form.head_values(recipe),
            gr.update(choices=stages, value=stage),
            *form.stage_values(recipe, stage),
            gr.update(choices=until, value=""),
            gr.update(value=str(file), interactive=True),
        ]

    def put(text: str, value: str, was: str, changed: Callable[[], str]) -> tuple[Any, Any]:
        """The text with a field's value, and the field: what a recipe cannot hold goes into neither, or no field could mend it any more."""
        if not value.strip() or value.strip() == was.strip():
            return gr.skip(), was
        try:
            now = changed()
            opening.check(now)
        except OslerError as error:
            warn(error)
            return gr.skip(), was
        return now, gr.skip()

    @friendly
    def put_head(key: str, text: str, value: str) -> tuple[Any, Any]:
        recipe = opened(text)
        return put(text, value, form.head_values(recipe)[form.HEAD.index(key)], lambda: form.put_head(text, key, value))

    @friendly
    def put_stage(key: str, text: str, stage: str | None, value: str) -> tuple[Any, Any]:
        recipe = opened(text)
        was = form.stage_values(recipe, stage)[form.STAGE.index(key)]
        return put(text, value, was, lambda: form.put_stage(text, recipe, stage or "", key, value))

    def opened(text: str) -> Recipe:
        recipe, fault = _checked(text)
        if recipe is None:
            raise RecipeError(fault or say("recipe_empty"))
        return recipe

    @friendly
    def stage_fields(text: str, stage: str | None) -> list[Any]:
        recipe, _ = _checked(text)
        return list(form.stage_values(recipe, stage)) if recipe is not None else [gr.skip()] * len(form.STAGE)

    @friendly_pieces
    def plan(text: str, gpus: str) -> Generator[str, None, None]:
        yield views.note("plain", say("planning"))
        try:
            opened(text)
            found, line = starting.plan(places, text, gpus, open_to_others)
        except OslerError as error:
            yield views.note("bad", str(error))
            return
        yield plan_view.plan(say, found, line)

    @friendly
    def start(text: str, until: str) -> str:
        opened(text)
        return starting.start(places, text, until or "", open_to_others)

    gr.Markdown(say("open_intro"))
    with gr.Row(equal_height=False):
        with gr.Column(min_width=320), gr.Accordion(say("open_section"), open=True):
            source = gr.Dropdown(sources(places), value="nano", label=say("recipe"), elem_id="source")
            with gr.Row():
                open_button = gr.Button(say("open"), variant="primary", elem_id="open")
                file = gr.UploadButton(say("open_file"), file_types=[".yaml", ".yml"], elem_id="open-file")
        with gr.Column(min_width=320):
            new = new_recipe.build(say, places)
    verdict = gr.HTML(views.note("plain", say("recipe_empty")), elem_id="verdict", elem_classes="osler")
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(f"### {say('form')}\n{say('form_info')}")
            labels = {"name": "name", "base_model": "base", "description": "description", "seed": "seed"}
            head = [gr.Textbox(label=say(labels[key]), elem_id=f"field-{key}") for key in form.HEAD]
            stage = gr.Dropdown([], label=say("training_stage"), elem_id="field-stage")
            fields = []
            for pair in zip(form.STAGE[::2], form.STAGE[1::2], strict=True):
                with gr.Row():
                    for key in pair:
                        field = gr.Textbox(
                            label=say(key), placeholder=say("own_default"), elem_id=f"field-{key}", min_width=120
                        )
                        fields.append(field)
        with gr.Column(scale=3, min_width=300):
            editor = gr.Code(
                language="yaml", label=say("text"), lines=22, max_lines=32, elem_id="text", interactive=True
            )
            text = whole(editor)
            download = gr.DownloadButton(say("download"), interactive=False, elem_id="download")
    gr.Markdown(f"### {say('plan_section')}")
    with gr.Row():
        gpus = gr.Dropdown(starting.hardware(say("this_machine")), value="cpu", label=say("plan_for"), elem_id="gpus")
        until = gr.Dropdown([(say("until_all"), "")], value="", label=say("until"), elem_id="until")
    with gr.Row():
        plan_button = gr.Button(say("plan"), elem_id="plan-button")
        start_button = gr.Button(say("start"), variant="primary", elem_id="start")
    planned = gr.HTML(elem_id="plan", elem_classes="osler")

    open_button.click(friendly(open_source), source, text, **OWN)
    file.upload(friendly(lambda path: opening.open_file(Path(path))), file, text, **OWN)
    new.button.click(new.write, new.given, [text, gpus], **OWN)
    text.change(
        told, [text, stage], [verdict, *head, stage, *fields, until, download], trigger_mode="always_last", **QUIET
    )
    stage.input(stage_fields, [text, stage], fields, **QUIET)
    for key, field in zip(form.HEAD, head, strict=True):
        gr.on([field.blur, field.submit], partial(put_head, key), [text, field], [text, field], **QUIET)
    for key, field in zip(form.STAGE, fields, strict=True):
        gr.on([field.blur, field.submit], partial(put_stage, key), [text, stage, field], [text, field], **QUIET)
    plan_button.click(plan, [text, gpus], planned, **OWN)
    return RecipeTab(source, new, start, start_button, text, until)
