"""The part of the page that writes a recipe from a corpus, a base model, a method and hardware."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from corpora.errors import OslerError
from pipelines.board import compose, corpora
from pipelines.board.friendly import QUIET, friendly
from pipelines.board.places import Places
from pipelines.board.texts import Say


@dataclass
class NewRecipe:
    """Components and the function that other parts of the page use."""

    fold: gr.Accordion
    corpus: gr.Dropdown
    given: list[Any]  # what ``write`` takes
    button: gr.Button
    write: Callable[..., tuple[str, str]]


def build(say: Say, places: Places) -> NewRecipe:
    """The part, with its own events."""

    @friendly
    def write(
        name: str, corpus: str, base: str, kind: str, weights: str, hardware: str, epochs: float
    ) -> tuple[str, str]:
        """The recipe, and what it is to be planned for."""
        places.run(name)
        seen = corpora.look(corpus, places)
        text = compose.compose(name, corpus, seen.record, base, kind, weights, hardware, epochs or None)
        return text, compose.setting_for(base, hardware, weights).gpus

    def hardware_of(base: str) -> Any:
        found = compose.hardware_for(base)
        labels = [(say("this_machine") if one == compose.HERE else one, one) for one in found]
        return gr.update(choices=labels, value=found[0])

    def weights_of(base: str, hardware: str) -> Any:
        found = compose.weights_for(base, hardware)
        return gr.update(choices=[(say(f"weights_{one}"), one) for one in found], value=found[0] if found else None)

    def kinds_of(corpus: str | None) -> Any:
        try:
            record = corpora.look(corpus, places).record if corpus else ""
        except OslerError:
            record = ""
        found = compose.KINDS.get(record, ())
        return gr.update(choices=list(found), value=found[0] if found else None)

    with gr.Accordion(say("new_section"), open=False, elem_id="new") as fold:
        corpus = gr.Dropdown(
            corpora.choices(places), value="bundled-dialogues", label=say("corpus"), elem_id="new-corpus"
        )
        with gr.Row():
            base = gr.Dropdown(compose.bases(), value=compose.EMBEDDED, label=say("base"), elem_id="new-base")
            hardware = gr.Dropdown(
                [(say("this_machine"), compose.HERE)],
                value=compose.HERE,
                label=say("hardware"),
                elem_id="new-hardware",
            )
        with gr.Row():
            kind = gr.Dropdown(["sft"], value="sft", label=say("method"), elem_id="new-kind")
            weights = gr.Dropdown(
                [(say(f"weights_{one}"), one) for one in compose.WEIGHTS],
                value="full",
                label=say("weights"),
                elem_id="new-weights",
            )
        with gr.Row():
            name = gr.Textbox("mine", label=say("name"), elem_id="new-name")
            epochs = gr.Number(0, label=say("epochs"), minimum=0, elem_id="new-epochs")
        write_button = gr.Button(say("write"), variant="primary", elem_id="write")
    base.change(hardware_of, base, hardware, **QUIET)
    gr.on([base.change, hardware.change], weights_of, [base, hardware], weights, **QUIET)
    corpus.change(kinds_of, corpus, kind, **QUIET)
    return NewRecipe(fold, corpus, [name, corpus, base, kind, weights, hardware, epochs], write_button, write)
