"""Which event of the page does what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
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
    reactions = _Reactions(at, events)
    _asking(at, reactions)
    _talks(at, reactions)
    _saving(at, events)
    _in_the_browser(page, at, reactions)


_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class _Reactions:
    """The events as gradio calls them: they give the components' new values."""

    at: dict[str, Any]
    events: Events

    @property
    def everything(self) -> list[Any]:
        """What a reaction may change."""
        return list(self.at.values())

    def _values(self, updates: Updates) -> dict[Any, Any]:
        shown = {**updates, **({"note": _alert(updates["note"])} if "note" in updates else {})}
        return {self.at[name]: value for name, value in shown.items()}

    async def ask(self, message: str, box: str, language: str, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        async for update in self.events.ask(message, box, language, str(request.session_hash), request.username):
            yield self._values(update)

    async def retry(self, box: str, language: str, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        async for update in self.events.retry(box, language, str(request.session_hash), request.username):
            yield self._values(update)

    def stop(self, request: gr.Request) -> None:
        self.events.stop(str(request.session_hash))

    def arrive(self, wish: str, kept: str) -> dict[Any, Any]:
        updates = self.events.arrive(wish, kept)
        return self._values(_merged(labels(self.events.about, language_for(wish)), updates))

    def speak(self, language: str, box: str) -> dict[Any, Any]:
        tongue = language_for(language)
        return self._values(_merged(labels(self.events.about, tongue), self.events.turn_over("", box, tongue)))

    def over(self, action: str) -> Callable[..., dict[Any, Any]]:
        """The reaction to another talk, or another name of one."""

        def event(box: str, language: str, value: str = "") -> dict[Any, Any]:
            return self._values(self.events.turn_over(action, box, language, value))

        return event

    def deleted(self, box: str, language: str, sure: str) -> dict[Any, Any]:
        return self._values(self.events.turn_over("delete" if sure == "yes" else "", box, language))


def _asking(at: dict[str, Any], reactions: _Reactions) -> None:
    talk, everything = [at["box"], at["language"]], reactions.everything
    once: dict[str, Any] = {"trigger_mode": "once", **_PRIVATE}
    gr.on([at["message"].submit, at["send"].click], reactions.ask, [at["message"], *talk], everything, **once)
    at["retry"].click(reactions.retry, talk, everything, **once)
    at["stop"].click(reactions.stop, None, None, queue=False, **_PRIVATE)
    for name in EXAMPLES:
        at[name].click(reactions.ask, [at[name], *talk], everything, **once)


def _talks(at: dict[str, Any], reactions: _Reactions) -> None:
    talk, everything, over = [at["box"], at["language"]], reactions.everything, reactions.over
    at["new"].click(over("new"), talk, everything, **_PRIVATE)
    at["talk_list"].input(over("show"), [*talk, at["talk_list"]], everything, **_PRIVATE)
    at["rename"].click(
        lambda: (gr.update(visible=True), ""), None, [at["rename_row"], at["rename_to"]], **_PRIVATE
    ).then(None, None, None, js="() => document.querySelector('#rename_to textarea, #rename_to input')?.focus()")
    at["rename_to"].submit(over("rename"), [*talk, at["rename_to"]], everything, **_PRIVATE)
    sure = {one: words("delete_sure", one) for one in LANGUAGES}
    asks = f"(box, language, _) => [box, language, confirm(({sure})[language]) ? 'yes' : 'no']"
    at["delete"].click(reactions.deleted, [*talk, at["passed"]], everything, js=asks, **_PRIVATE)


def _saving(at: dict[str, Any], events: Events) -> None:
    for name, maker, kind, suffix in (
        ("save_markdown", lambda box, language: events.markdown(box, language), "text/markdown", "md"),
        ("save_json", lambda box, language: events.json(box), "application/json", "json"),
    ):
        at[name].click(maker, [at["box"], at["language"]], at["file"], **_PRIVATE).then(
            None, at["file"], None, js=f"(text) => oslerSave(text, '{kind}', '{suffix}')"
        )


def _in_the_browser(page: gr.Blocks, at: dict[str, Any], reactions: _Reactions) -> None:
    """What the browser keeps and shows by itself, and the page's opening."""
    box, language, everything = at["box"], at["language"], reactions.everything
    box.change(None, [box, at["keep"]], None, js="(box, keep) => oslerKeep(box, keep)")
    at["keep"].input(None, [box, at["keep"]], None, js="(box, keep) => oslerForget(box, keep)")
    at["colours"].click(None, None, None, js="() => oslerColours()")
    language.input(reactions.speak, [language, box], everything, **_PRIVATE).then(None, language, None, js=SET_LANGUAGE)
    opening = f"() => {{ oslerArrive(); return [({BROWSER_LANGUAGE})(), oslerKept()]; }}"
    page.load(reactions.arrive, [at["passed"], at["file"]], everything, js=opening, **_PRIVATE).then(
        None, language, None, js="(language) => { document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'; }"
    )
