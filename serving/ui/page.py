"""Which event of the page does what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr

from serving.assistant import DoctorAssistant
from serving.ui.about import About
from serving.ui.answering import Desk
from serving.ui.events import Events, Updates
from serving.ui.layout import EXAMPLES, labels, parts
from serving.ui.texts import BROWSER_LANGUAGE, LANGUAGES, SET_LANGUAGE, language_for, words
from serving.ui.theme import style

HERE = Path(__file__).parent
HEAD = style((HERE / "page.css").read_text(encoding="utf-8")) + (
    f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>"
)


def _alert(text: str) -> str:
    return f'<p class="o-note" role="alert">{text}</p>' if text else ""


def _merged(first: Updates, second: Updates) -> Updates:
    """Both; where both set properties of one component, those of both."""
    made = dict(first)
    for name, value in second.items():
        before = made.get(name)
        made[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return made


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
        at = parts(about)
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
