"""What is said first in each emergency, and the guideline behind it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from corpora.bundled.knowledge import KNOWLEDGE_DIR, Emergency, Source, load_knowledge
from corpora.errors import DataError

Language = Literal["en", "zh"]
FOLDER = Path(__file__).parent
# In place of the country's number, which the program does not know.
_NUMBER, _LOCAL_NUMBER = "the emergency number", "your local emergency number"
# Chinese is read far beyond the mainland, whose numbers the wordings name.
_MAINLAND = "（以上是中国大陆的号码，在其他地方请拨打当地的急救电话。）"
_SUICIDE = (
    "Thank you for saying this; you matter, and you do not have to carry it alone. If you or they may be in danger now, call your local "
    "emergency number, or a crisis line. Stay with someone you trust, and move pills and weapons out of reach."
)


@dataclass(frozen=True, slots=True)
class Advice:
    """An emergency with its sources and what is said first, by language."""

    entry: Emergency
    sources: tuple[Source, ...]
    first: dict[Language, str]


def _english(entry: Emergency) -> str:
    if entry.id == "thoughts-of-suicide":
        return _SUICIDE
    return " ".join([entry.say_first, *entry.do, *entry.do_not]).replace(_NUMBER, _LOCAL_NUMBER)


def _chinese(wording: str) -> str:
    return wording + _MAINLAND if any(character.isascii() and character.isdigit() for character in wording) else wording


@functools.cache
def advice() -> dict[str, Advice]:
    """All emergencies, bundled and of the triage's own, by id.

    Raises:
        DataError: an emergency has no Chinese wording, or a wording no emergency.
    """
    path = FOLDER / "chinese.yaml"
    chinese: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    found: dict[str, Advice] = {}
    for folder in (KNOWLEDGE_DIR, FOLDER / "knowledge"):
        knowledge = load_knowledge(folder)
        for entry in knowledge.emergencies:
            if entry.id not in chinese:
                raise DataError(f"{path}: no wording for '{entry.id}'; add one")
            first: dict[Language, str] = {"en": _english(entry), "zh": _chinese(chinese[entry.id])}
            found[entry.id] = Advice(entry, tuple(knowledge.sources[key] for key in entry.sources), first)
    for key in chinese:
        if key not in found:
            raise DataError(f"{path}: '{key}' is no emergency; its id is wrong or its entry is missing")
    return found
