"""The page's first tab: which corpus, and what is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.board import corpora, views
from pipelines.board.friendly import OWN, friendly
from pipelines.board.places import Places
from pipelines.board.texts import Say


@dataclass
class DataTab:
    """Components that other tabs use."""

    corpus: gr.Dropdown
    use: gr.Button
    look: Callable[[str | None], str]
    shown: gr.HTML


def build(say: Say, places: Places) -> DataTab:
    """The tab, with its own events."""

    @friendly
    def look(name: str | None) -> str:
        return views.look(say, corpora.look(name, places)) if name else ""

    @friendly
    def bring(path: str) -> tuple[Any, str]:
        seen = corpora.bring(Path(path), places)
        return gr.update(choices=corpora.choices(places), value=seen.name), views.look(say, seen)

    gr.Markdown(say("data_intro"))
    with gr.Row():
        corpus = gr.Dropdown(
            corpora.choices(places), value="bundled-dialogues", label=say("corpus"), scale=3, elem_id="corpus"
        )
        file = gr.File(label=say("bring"), scale=2, height=130, elem_id="bring")
    shown = gr.HTML(elem_id="look", elem_classes="osler")
    use = gr.Button(say("use_corpus"), variant="primary", elem_id="use-corpus")
    corpus.input(look, corpus, shown, **OWN)
    file.upload(bring, file, [corpus, shown], **OWN)
    return DataTab(corpus, use, look, shown)
