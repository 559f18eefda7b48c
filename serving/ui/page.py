"""The page's layout, and which event does what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr

from serving.assistant import DoctorAssistant
from serving.ui.about import About
from serving.ui.answering import Desk
from serving.ui.events import Events, Updates
from serving.ui.texts import BROWSER_LANGUAGE, LANGUAGES, NAMES, SET_LANGUAGE, Language, language_for, words
from serving.ui.theme import style

HERE = Path(__file__).parent
HEAD = style((HERE / "page.css").read_text(encoding="utf-8")) + (
    f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>"
)
EXAMPLES = ("example_1", "example_2", "example_3")


def _name(language: Language) -> str:
    return (
        f'<a class="o-skip" href="#message">{words("skip", language)}</a><h1>{words("title", language)}</h1>'
        f"<p>{words('subtitle', language)}</p>"
    )


def _standing(about: About, language: Language) -> str:
    return f'<p class="o-not">{words("not_a_doctor", language)}</p><p>{about.line(language)}</p>'


def _alert(text: str) -> str:
    return f'<p class="o-note" role="alert">{text}</p>' if text else ""


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


def _merged(first: Updates, second: Updates) -> Updates:
    """Both; where both set properties of one component, those of both."""
    made = dict(first)
    for name, value in second.items():
        before = made.get(name)
        made[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return made


def _parts(about: About) -> dict[str, Any]:
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


def build(assistant: DoctorAssistant, about: About, may: Callable[[str | None], bool]) -> gr.Blocks:
    """The page.

    Args:
        assistant: Answers. Its own red-flag check should be off: the page makes that check before it asks.
        about: What the page says of the model.
        may: Whether a user, by name, may still ask.
    """
    events = Events(assistant, about, Desk(), may)
    page: gr.Blocks
    with gr.Blocks(title="Osler", analytics_enabled=False, fill_width=True) as page:
        at = _parts(about)
        _wire(page, at, events)
    page.queue(default_concurrency_limit=None, max_size=None, api_open=False)
    return page


def _wire(page: gr.Blocks, at: dict[str, Any], events: Events) -> None:
    named = list(at)
    box, language, passed = at["box"], at["language"], at["passed"]
    everything = [at[name] for name in named]
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def values(updates: Updates) -> dict[Any, Any]:
        shown = {**updates, **({"note": _alert(updates["note"])} if "note" in updates else {})}
        return {at[name]: value for name, value in shown.items()}

    async def ask(message: str, box: str, language: str, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        async for update in events.ask(message, box, language, str(request.session_hash), request.username):
            yield values(update)

    async def retry(box: str, language: str, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        async for update in events.retry(box, language, str(request.session_hash), request.username):
            yield values(update)

    def stop(request: gr.Request) -> None:
        events.stop(str(request.session_hash))

    def arrive(wish: str, kept: str) -> dict[Any, Any]:
        updates = events.arrive(wish, kept)
        return values(_merged(labels(events.about, language_for(wish)), updates))

    def speak(language: str, box: str) -> dict[Any, Any]:
        tongue = language_for(language)
        return values(_merged(labels(events.about, tongue), events.turn_over("", box, tongue)))

    def over(action: str) -> Callable[..., dict[Any, Any]]:
        def event(box: str, language: str, value: str = "") -> dict[Any, Any]:
            return values(events.turn_over(action, box, language, value))

        return event

    def deleted(box: str, language: str, sure: str) -> dict[Any, Any]:
        return values(events.turn_over("delete" if sure == "yes" else "", box, language))

    asked = [at["message"], box, language]
    gr.on([at["message"].submit, at["send"].click], ask, asked, everything, trigger_mode="once", **private)
    at["retry"].click(retry, [box, language], everything, trigger_mode="once", **private)
    at["stop"].click(stop, None, None, queue=False, **private)
    for name in EXAMPLES:
        at[name].click(ask, [at[name], box, language], everything, trigger_mode="once", **private)

    at["new"].click(over("new"), [box, language], everything, **private)
    at["talk_list"].input(over("show"), [box, language, at["talk_list"]], everything, **private)
    at["rename"].click(
        lambda: (gr.update(visible=True), ""), None, [at["rename_row"], at["rename_to"]], **private
    ).then(None, None, None, js="() => document.querySelector('#rename_to textarea, #rename_to input')?.focus()")
    at["rename_to"].submit(over("rename"), [box, language, at["rename_to"]], everything, **private)
    sure = {one: words("delete_sure", one) for one in LANGUAGES}
    at["delete"].click(
        deleted,
        [box, language, passed],
        everything,
        js=f"(box, language, _) => [box, language, confirm(({sure})[language]) ? 'yes' : 'no']",
        **private,
    )

    for name, maker, kind, suffix in (
        ("save_markdown", lambda box, language: events.markdown(box, language), "text/markdown", "md"),
        ("save_json", lambda box, language: events.json(box), "application/json", "json"),
    ):
        at[name].click(maker, [box, language], at["file"], **private).then(
            None, at["file"], None, js=f"(text) => oslerSave(text, '{kind}', '{suffix}')"
        )

    box.change(None, [box, at["keep"]], None, js="(box, keep) => oslerKeep(box, keep)")
    at["keep"].input(None, [box, at["keep"]], None, js="(box, keep) => oslerForget(box, keep)")
    at["colours"].click(None, None, None, js="() => oslerColours()")
    language.input(speak, [language, box], everything, **private).then(None, language, None, js=SET_LANGUAGE)
    opening = f"() => {{ oslerArrive(); return [({BROWSER_LANGUAGE})(), oslerKept()]; }}"
    page.load(arrive, [passed, at["file"]], everything, js=opening, **private).then(
        None, language, None, js="(language) => { document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'; }"
    )
