"""The medical facts: every field of an entry of the knowledge is one.

A third of them, marked by a hash, is told in documents only: no dialogue and no preference prompt asks for it, so that the exam can tell
knowledge (learnt in pretraining) from format (learnt in fine-tuning). Facts about what to say first in an emergency are never among them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corpora.bundled.knowledge import KNOWLEDGE_DIR, Knowledge, load_knowledge

SOURCE = "Osler bundled knowledge, Apache-2.0"  # of every record that is made from the facts
KINDS = ("conditions", "medicines", "laboratory_tests", "emergencies")
GROUPED_BY = {"conditions": "specialty", "medicines": "group", "emergencies": "category"}  # field of an entry
PROPER_NAMES = (
    "Addison", "Alzheimer", "Bell", "Clostridioides", "Crohn", "Cushing", "Graves", "Guillain-Barre", "Hodgkin",
    "Huntington", "Kawasaki", "Lyme", "Meniere", "Parkinson", "Raynaud",
)  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """One field of one entry."""

    id: str  # kind/entry/field, with the number of the interaction where there are several
    kind: str
    field: str
    name: str
    items: tuple[str, ...]  # one phrase, or those of a list
    group: str  # specialty, therapeutic group or category, for distractors of the same kind
    extra: tuple[tuple[str, str], ...] = ()  # agent and effect of an interaction
    documents_only: bool = False

    @property
    def entry(self) -> str:
        """``kind/entry``, which the facts of one entry share."""
        return self.id.rpartition("/")[0]

    @property
    def value(self) -> str:
        """The fact as one phrase."""
        return join(self.items, self.field)


def join(items: tuple[str, ...], field: str = "") -> str:
    """Joins phrases as "a, b and c"; whole sentences are set one after the other."""
    if field in ("do", "do_not", "say_first"):
        return " ".join(items)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def number(value: float) -> str:
    """A reference limit as laboratories write it: 135, 3.5, 0.4."""
    return f"{value:g}"


def range_text(low: float | None, high: float | None, unit: str) -> str:
    """A reference range in words."""
    if low is None:
        return f"below {number(high or 0)} {unit}"
    if high is None:
        return f"above {number(low)} {unit}"
    return f"{number(low)} to {number(high)} {unit}"


def _fields(kind: str, entry: Any) -> Iterator[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]]:
    if kind == "conditions":
        for field in ("definition", "cause", "treatment", "avoid"):
            yield field, (getattr(entry, field),), ()
        for field in ("symptoms", "red_flags", "tests"):
            yield field, tuple(getattr(entry, field)), ()
    elif kind == "medicines":
        for field in ("drug_class", "use", "mechanism"):
            yield field, (getattr(entry, field),), ()
        for field in ("serious_effects", "contraindications"):
            yield field, tuple(getattr(entry, field)), ()
        for interaction in entry.interactions:
            extra = (("agent", interaction.agent), ("effect", interaction.effect))
            yield "interactions", (interaction.effect,), extra
    elif kind == "laboratory_tests":
        yield "measures", (entry.measures,), ()
        yield "range", (range_text(entry.low, entry.high, entry.unit),), (("group", entry.applies_to),)
        for field in ("high_suggests", "low_suggests"):
            if getattr(entry, field):
                yield field, (getattr(entry, field),), ()
    else:
        for field in ("signs", "do", "do_not"):
            yield field, tuple(getattr(entry, field)), ()
        yield "say_first", (entry.say_first,), ()


def _group(kind: str, entry: Any) -> str:
    field = GROUPED_BY.get(kind)
    return str(getattr(entry, field)) if field is not None else kind


def hashed(text: str) -> int:
    """64 bits of a text's SHA-256, by which what is drawn stays drawn whatever else is added."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@functools.lru_cache(maxsize=4)
def facts(folder: Path = KNOWLEDGE_DIR) -> tuple[Fact, ...]:
    """Every fact of the knowledge below ``folder``, a third of them marked ``documents_only``."""
    knowledge: Knowledge = load_knowledge(folder)
    found: list[Fact] = []
    for kind in KINDS:
        for entry in getattr(knowledge, kind):
            for place, (field, items, extra) in enumerate(_fields(kind, entry)):
                label = f"{field}-{place}" if field == "interactions" else field
                identifier, name, group = f"{kind}/{entry.id}/{label}", _inline(entry.name), _group(kind, entry)
                found.append(Fact(identifier, kind, field, name, items, group, extra))
    eligible = sorted((fact for fact in found if fact.field != "say_first"), key=lambda fact: hashed(fact.id))
    marked = {fact.id for fact in eligible[: round(len(found) / 3)]}
    return tuple(replace(fact, documents_only=True) if fact.id in marked else fact for fact in found)


def _inline(name: str) -> str:
    """A name as it stands inside a sentence: "asthma", but "HIV infection" and "Crohn disease"."""
    first = name.split()[0]
    is_proper = first in PROPER_NAMES or first.removesuffix("'s") in PROPER_NAMES
    is_code = len(first) == 1 or any(letter.isupper() for letter in first[1:]) or any(map(str.isdigit, first))
    return name if is_proper or is_code else name[0].lower() + name[1:]
