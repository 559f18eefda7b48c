"""The page's components, and their fixed texts in each language."""

from __future__ import annotations

from typing import Any

import gradio as gr

from serving.ui.about import About
from serving.ui.events import Updates
from serving.ui.texts import LANGUAGES, NAMES, Language, words

EXAMPLES = ("example_1", "example_2", "example_3")


def _name(language: Language) -> str:
    return (
        f'<a class="o-skip" href="#message">{words("skip", language)}</a><h1>{words("title", language)}</h1>'
        f"<p>{words('subtitle', language)}</p>"
    )


def _standing(about: About, language: Language) -> str:
    return f'<p class="o-not">{words("not_a_doctor", language)}</p><p>{about.line(language)}</p>'


def labels(about: About, language: Language) -> Updates:
    """Every fixed text of the page in ``language``."""
    texts = {
        name: gr.update(value=words(name, language))
        for name in ("new", "rename", "delete", "send", "stop", "retry", "colours", *EXAMPLES)
    }
    return {
        **texts,
        "menu": gr.update(value=words("talks", language)),
        "save_markdown": gr.update(value=words("export_md", language)),
        "save_json": gr.update(value=words("export_json", language)),
        "name": _name(language),
        "standing": _standing(about, language),
        "talk_list": gr.update(label=words("talks", language)),
        "keep": gr.update(label=words("keep", language)),
        "keep_info": f"<p>{words('keep_info', language)}</p>",
        "message": gr.update(label=words("message", language), placeholder=words("placeholder", language)),
        "rename_to": gr.update(label=words("rename_to", language)),
        "language": gr.update(label=words("language", language)),
    }


def parts(about: About) -> dict[str, Any]:
    """The components by name; each has its name as its id."""
    at: dict[str, Any] = {}

    def put(name: str, made: Any) -> None:
        at[name] = made

    def html(name: str, value: str = "") -> None:
        put(name, gr.HTML(value, elem_id=name, js_on_load=None, padding=False, apply_default_css=False))

    def button(name: str, text: str, **more: Any) -> None:
        put(name, gr.Button(words(text, "en"), elem_id=name, **{"size": "sm", "min_width": 40, **more}))

    with gr.Row(elem_id="top"):
        html("name", _name("en"))
        button("menu", "talks")
        choices = [(NAMES[one], one) for one in LANGUAGES]
        put("language", gr.Radio(choices, value="en", label=words("language", "en"), elem_id="language", min_width=40))
        button("colours", "colours")
    html("standing", _standing(about, "en"))
    html("emergency")
    with gr.Row(elem_id="body"):
        with gr.Column(elem_id="talks"):
            button("new", "new")
            put("talk_list", gr.Radio([], label=words("talks", "en"), elem_id="talk_list"))
            with gr.Row(elem_classes="o-row"):
                button("rename", "rename")
                button("delete", "delete")
            with gr.Row(visible=False, elem_classes="o-row") as at["rename_row"]:
                put("rename_to", gr.Textbox(label=words("rename_to", "en"), elem_id="rename_to", max_length=200))
            put("keep", gr.Checkbox(False, label=words("keep", "en"), elem_id="keep"))
            html("keep_info", f"<p>{words('keep_info', 'en')}</p>")
        with gr.Column(elem_id="main"):
            html("thread")
            html("live")
            html("note")
            with gr.Column(elem_id="examples", elem_classes="o-row") as at["examples"]:
                for name in EXAMPLES:
                    button(name, name)
            with gr.Row(visible=False, elem_id="after", elem_classes="o-row") as at["after"]:
                button("retry", "retry")
                button("save_markdown", "export_md")
                button("save_json", "export_json")
            with gr.Row(elem_id="composer"):
                put(
                    "message",
                    gr.Textbox(
                        label=words("message", "en"),
                        placeholder=words("placeholder", "en"),
                        elem_id="message",
                        lines=1,
                        max_lines=8,
                    ),
                )
                button("send", "send", variant="primary", size="lg")
                button("stop", "stop", size="lg", visible=False)
            html("status", '<div role="status" class="osler-hidden"></div>')
    put("box", gr.Textbox(visible="hidden", elem_id="box"))
    put("file", gr.Textbox(visible="hidden", elem_id="file"))
    put("passed", gr.Textbox(visible="hidden", elem_id="passed"))
    return at
