"""The page: its six tabs, and what leads from one to another."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.board import data_tab, examine_tab, export_tab, recipe_tab, run_tab, talk_tab
from pipelines.board.corpora import choices
from pipelines.board.friendly import OWN, QUIET
from pipelines.board.places import Places
from pipelines.board.texts import words
from serving.ui.texts import TAGS, Language
from serving.ui.theme import style

HEAD = style((Path(__file__).parent / "board.css").read_text(encoding="utf-8"))
OTHER: dict[Language, str] = {"en": "/zh/", "zh": "/"}  # where the page in the other language is


def build(places: Places, language: Language = "en", open_to_others: bool = False) -> gr.Blocks:
    """The page in a language.

    Args:
        places: where runs and files are.
        language: of its texts.
        open_to_others: whether others than this machine's user can reach it; recipes then reach the folders of the board alone.
    """
    say = words(language)
    page: gr.Blocks
    with gr.Blocks(title=say("title"), analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as page:
        gr.HTML(
            f"<header><h1>{say('title')}</h1><p>{escape(say('subtitle', folder=places.runs))}</p>"
            f'<a href="{OTHER[language]}" lang="{TAGS["zh" if language == "en" else "en"]}">{say("other_language")}</a></header>',
            elem_id="head",
        )
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(say("tab_data"), id="data") as data_place:
                data = data_tab.build(say, places)
            with gr.Tab(say("tab_recipe"), id="recipe") as recipe_place:
                recipe = recipe_tab.build(say, places, open_to_others)
            with gr.Tab(say("tab_run"), id="run") as run_place:
                run = run_tab.build(say, places)
            with gr.Tab(say("tab_examine"), id="examine") as examine_place:
                examine = examine_tab.build(say, places)
            with gr.Tab(say("tab_talk"), id="talk") as talk_place:
                talk, talk_timer = talk_tab.build(say, places)
            with gr.Tab(say("tab_export"), id="export") as export_place:
                export, export_timer = export_tab.build(say, places)

        def to_recipe(corpus: str) -> list[Any]:
            return [gr.update(choices=choices(places), value=corpus), gr.update(open=True), gr.Tabs(selected="recipe")]

        def start(text: str, until: str) -> list[Any]:
            name = recipe.start(text, until)
            return [
                gr.update(choices=places.names(), value=name),
                gr.Tabs(selected="run"),
                gr.update(active=True),
            ]

        def found_again() -> list[Any]:
            """What a page that is loaded shows: the run that goes on, and what there is to choose."""
            return [
                gr.update(choices=places.names(), value=run_tab.first(places)),
                gr.update(choices=recipe_tab.sources(places)),
                gr.update(choices=choices(places)),
                gr.update(choices=choices(places)),
            ]

        def model_choices() -> Any:
            found = examine_tab.model_choices(places)
            return gr.update(choices=found, value=found[0][1] if found else None)

        timers = {
            run_place: run.timer,
            examine_place: examine.timer,
            talk_place: talk_timer,
            export_place: export_timer,
        }
        for place in (data_place, recipe_place, *timers):
            active = [gr.update(active=one is place) for one in timers]
            place.select(lambda active=active: active, None, list(timers.values()), **QUIET)
        data.use.click(to_recipe, data.corpus, [recipe.new.corpus, recipe.new.fold, tabs], **QUIET)
        recipe.start_button.click(start, [recipe.text, recipe.until], [run.run, tabs, run.timer], **OWN)
        page.load(found_again, None, [run.run, recipe.source, data.corpus, recipe.new.corpus], **QUIET)
        page.load(data.look, data.corpus, data.shown, **QUIET)
        page.load(run.watch, [run.run, run.outputs[0]], run.outputs, **QUIET)
        run_place.select(lambda: gr.update(choices=places.names()), None, run.run, **QUIET)
        examine_place.select(examine.refresh, examine.runs, examine.outputs, **QUIET)
        talk_place.select(model_choices, None, talk, **QUIET)
        export_place.select(model_choices, None, export, **QUIET)
    return page
