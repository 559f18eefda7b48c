"""What happens on the page: a message, stop, retry, and the keeping of conversations.

Each event takes the tab's conversations as JSON and gives them back; see ``serving.ui.history``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from serving.assistant import DoctorAssistant
from serving.ui import export
from serving.ui.about import About
from serving.ui.answering import Desk
from serving.ui.history import MOST_CHARACTERS, Talks, Turn
from serving.ui.render import banner, fault_html, thread_html, turn_html
from serving.ui.texts import Language, language_for, words

Updates = dict[str, Any]  # component's name on the page to its new value


def _notice(text: str) -> str:
    return f'<div role="status" class="osler-hidden">{text}</div>'


def read(box: str) -> Talks:
    """The tab's conversations; new ones where the browser's cannot be read."""
    try:
        return Talks.read(box)
    except ValueError:
        return Talks()


def whole_page(talks: Talks, language: Language) -> Updates:
    """All that depends on which conversation is shown."""
    carried = talks.carried()
    talk = talks.talk
    titles = [(one.title or words("untitled", language), one.id) for one in talks.talks]
    return {
        "box": carried,
        "talk_list": gr.update(choices=titles, value=talk.id),
        "thread": thread_html(talk, language),
        "live": "",
        "emergency": banner(talk, language),
        "examples": gr.update(visible=not talk.turns),
        "after": gr.update(visible=bool(talk.turns)),
        "rename_row": gr.update(visible=False),
    }


def _controls(running: bool) -> Updates:
    free = gr.update(interactive=not running)
    names = ("talk_list", "new", "rename", "delete", "retry", "language", "save_markdown", "save_json")
    shown = {"send": gr.update(visible=not running), "stop": gr.update(visible=running)}
    return {**dict.fromkeys(names, free), **shown}


@dataclass(frozen=True)
class Events:
    """The page's events, on one assistant.

    Attributes:
        assistant: Answers.
        about: What the page says of the model.
        desk: Keeps the answers under way.
        may: Whether a user, by name, may still ask; None is one without a login.
    """

    assistant: DoctorAssistant
    about: About
    desk: Desk
    may: Callable[[str | None], bool]

    async def ask(
        self, message: str, box: str, language: str, session: str, user: str | None
    ) -> AsyncIterator[Updates]:
        """Answers ``message``: what to do first in an emergency at once, then the model's words as they come."""
        tongue, question = language_for(language), message.strip()
        if not question:
            return
        if len(question) > MOST_CHARACTERS:
            said = words("too_long", tongue, length=len(question), most=MOST_CHARACTERS)
            yield {"status": _notice(said), "note": said}
            return
        async for update in self._answer(read(box), question, tongue, session, user):
            yield update

    async def retry(self, box: str, language: str, session: str, user: str | None) -> AsyncIterator[Updates]:
        """Asks the last question of the conversation again, in place of its last answer."""
        talks, tongue = read(box), language_for(language)
        if not talks.talk.turns:
            return
        *talks.talk.turns, last = talks.talk.turns
        async for update in self._answer(talks, last.question, tongue, session, user):
            yield update

    async def _answer(
        self, talks: Talks, question: str, tongue: Language, session: str, user: str | None
    ) -> AsyncIterator[Updates]:
        if not self.may(user):
            yield {"note": words("revoked", tongue)}
            return
        if self.desk.busy(session):
            yield {"note": words("busy", tongue)}
            return
        talk = talks.talk
        turn = Turn(question=question, emergency=talk.look(question))
        thinking = words("thinking", tongue)
        yield {
            **_controls(running=True),
            "message": "",
            "note": "",
            "thread": thread_html(talk, tongue) if talk.turns else "",
            "live": turn_html(turn, "live", tongue, thinking),
            "emergency": banner(talk, tongue, turn),
            "status": _notice(thinking),
            "examples": gr.update(visible=False),
        }
        async for tool in self.desk.answer(session, self.assistant, talk.messages(), turn):
            doing = words("using", tongue, name=tool) if tool else thinking
            if turn.ended is None:
                yield {"live": turn_html(turn, "live", tongue, doing)}
        talks.add(turn)
        ended = fault_html(turn, tongue)
        said = words("done", tongue, text=turn.answer) if turn.ended == "whole" else ""
        # A screen reader says the whole answer once; while it grew, nothing was read out.
        controls = _controls(running=False)
        page = whole_page(talks, tongue)
        page["talk_list"] = gr.update(**{**page["talk_list"], "interactive": True})
        yield {**controls, **page, "status": _notice(ended or said_plainly(said))}

    def stop(self, session: str) -> None:
        """Gives up the answer that is under way in this session."""
        self.desk.stop(session)

    def arrive(self, wish: str, kept: str) -> Updates:
        """The page as it opens: the browser's language, and the conversations kept in the browser, if any."""
        language = language_for(wish)
        try:
            talks, note = Talks.read(kept), ""
        except ValueError:
            talks, note = Talks(), words("not_kept", language)
        shown = {"language": gr.update(value=language), "keep": gr.update(value=bool(kept)), "note": note}
        return {**shown, **whole_page(talks, language)}

    def turn_over(self, action: str, box: str, language: str, value: str = "") -> Updates:
        """Begins, shows, renames or deletes a conversation."""
        talks = read(box)
        if action == "new":
            talks.begin()
        elif action == "show":
            talks.show(value)
        elif action == "rename":
            talks.rename(value)
        elif action == "delete":
            talks.delete()
        return whole_page(talks, language_for(language))

    def markdown(self, box: str, language: str) -> str:
        """The shown conversation as a Markdown file's text."""
        return export.to_markdown(read(box).talk, language_for(language), self.about.name)

    def json(self, box: str) -> str:
        """The shown conversation as a JSON file's text."""
        return export.to_json(read(box).talk, self.about.name)


def said_plainly(text: str) -> str:
    """An answer as a screen reader gets it: escaped, without Markdown's marks."""
    return escape(text.replace("*", "").replace("#", "").replace("`", ""))
