"""The conversations of one browser tab, as they travel between the browser and the page.

The server keeps none of them: each event brings them along and takes them back. What arrives is a stranger's JSON, and is checked.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.triage import triage
from serving.ui.texts import Language

MOST_CHARACTERS = 20_000  # of one message
MOST_TALKS = 100
MOST_TURNS = 200  # of one conversation
MOST_JSON = 4_000_000  # characters of all conversations together
TITLE = 48  # characters
Kind = Literal["unreachable", "timeout", "broke_off", "other"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Emergency(_Record):
    """What the triage said of a message."""

    category: str
    first: str  # what to do first
    source: str
    url: str | None = None
    language: Language = "en"


class Citation(_Record):
    """A passage that the model was given."""

    number: int
    cited: bool
    text: str
    file: str
    heading: str | None = None
    line: int | None = None
    page: int | None = None
    sources: list[str] = []


class ToolUse(_Record):
    """A tool that was called."""

    name: str
    arguments: dict[str, Any] = {}
    result: Any = None


class Fault(_Record):
    """Why there is no whole answer: what to do by ``kind``, and what exactly went wrong as ``AssistantError`` tells it."""

    kind: Kind
    detail: str = ""  # in English
    reason: str = ""
    values: dict[str, str] = {}
    where: str = ""


class Turn(_Record):
    """One question and its answer. ``ended`` is None while the answer is being written."""

    question: str
    answer: str = ""
    ended: Literal["whole", "stopped", "failed"] | None = None
    fault: Fault | None = None
    emergency: Emergency | None = None
    citations: list[Citation] = []
    tools: list[ToolUse] = []
    asked: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class Talk(_Record):
    """One conversation."""

    id: str = Field(default_factory=lambda: secrets.token_hex(8), pattern=r"^[0-9a-f]{16}$")
    title: str = ""
    turns: list[Turn] = Field(default=[], max_length=MOST_TURNS)

    def emergencies(self) -> list[Emergency]:
        """One of each category, the latest first."""
        found: dict[str, Emergency] = {}
        for turn in reversed(self.turns):
            if turn.emergency is not None:
                found.setdefault(turn.emergency.category, turn.emergency)
        return list(found.values())

    def messages(self) -> list[BaseMessage]:
        """The whole exchanges, for the model. What was stopped or failed is not among them."""
        whole = [turn for turn in self.turns if turn.ended == "whole"]
        return [one for turn in whole for one in (HumanMessage(turn.question), AIMessage(turn.answer))]

    def look(self, question: str) -> Emergency | None:
        """The triage of ``question``, and of it together with the words since the last whole answer."""
        unanswered: list[str] = []
        for turn in reversed(self.turns):
            if turn.ended == "whole":
                break
            unanswered.insert(0, turn.question)
        return _emergency(question) or (_emergency("\n".join([*unanswered, question])) if unanswered else None)


def _emergency(text: str) -> Emergency | None:
    found = triage(text)
    if found.source is None:
        return None
    parts = (found.source.body, found.source.title, found.source.year)
    return Emergency(
        category=str(found.category),
        first=str(found.first),
        source=", ".join(str(part) for part in parts if part),
        url=found.source.url,
        language=found.language,
    )


class Talks(_Record):
    """All conversations of a tab; ``current`` is the id of the one that is shown."""

    talks: list[Talk] = Field(default_factory=lambda: [Talk()], min_length=1, max_length=MOST_TALKS)
    current: str = ""

    @classmethod
    def read(cls, text: str | None) -> Talks:
        """From the browser's JSON; new ones where there is none.

        Raises:
            ValueError: it is not a tab's conversations, or too long.
        """
        if not text:
            return cls()
        if len(text) > MOST_JSON:
            raise ValueError("too long")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ValueError("not conversations") from error

    @property
    def talk(self) -> Talk:
        """The one that is shown."""
        return next((one for one in self.talks if one.id == self.current), self.talks[0])

    def begin(self) -> None:
        """Shows a new conversation: an empty one that there is, or one more; the oldest go beyond ``MOST_TALKS``."""
        empty = next((one for one in self.talks if not one.turns), None)
        if empty is None:
            empty = Talk()
            self.talks = [empty, *self.talks][:MOST_TALKS]
        self.current = empty.id

    def show(self, identifier: str | None) -> None:
        """Shows another one; an unknown id changes nothing."""
        if any(one.id == identifier for one in self.talks):
            self.current = str(identifier)

    def delete(self) -> None:
        """Forgets the one that is shown."""
        gone = self.talk.id
        self.talks = [one for one in self.talks if one.id != gone] or [Talk()]
        self.current = self.talks[0].id

    def rename(self, title: str) -> None:
        """Names the one that is shown; blanks alone leave its name."""
        self.talk.title = short(title) or self.talk.title

    def carried(self) -> str:
        """As JSON for the browser; the oldest others are left out where all together are too long."""
        while len(text := self.model_dump_json()) > MOST_JSON and len(self.talks) > 1:
            shown = self.talk
            oldest = next(one for one in reversed(self.talks) if one is not shown)
            self.talks = [one for one in self.talks if one is not oldest]
        return text

    def add(self, turn: Turn) -> None:
        """Ends the shown conversation with ``turn``, which names it if it is the first."""
        talk = self.talk
        talk.title = talk.title or short(turn.question)
        talk.turns = [*talk.turns, turn][-MOST_TURNS:]


def short(text: str) -> str:
    """A title of one line."""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= TITLE else f"{line[: TITLE - 1].rstrip()}…"
