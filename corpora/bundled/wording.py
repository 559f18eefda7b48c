"""Facts in words: the templates of ``wordings.yaml``, filled by seed."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import Any

import yaml

from corpora.bundled.facts import Fact, join

WORDINGS = Path(__file__).with_name("wordings.yaml")


@functools.cache
def wordings() -> dict[str, Any]:
    """``wordings.yaml``."""
    loaded: dict[str, Any] = yaml.safe_load(WORDINGS.read_text(encoding="utf-8"))
    return loaded


def capital(text: str) -> str:
    """``text`` with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def fill(template: str, fact: Fact, rng: random.Random) -> str:
    """The sentence that a template makes of a fact, the phrases of a list in an order of their own."""
    items = list(fact.items)
    if fact.field not in ("do", "say_first"):
        rng.shuffle(items)
    value = join(tuple(items), fact.field)
    words = {"name": fact.name, "value": value, "one": rng.choice(items), **dict(fact.extra)}
    words["a"] = "an" if value[:1].lower() in "aeiou" or value.startswith(("H2", "SSRI", "SNRI")) else "a"
    words |= {capital(key): capital(text) for key, text in list(words.items())}
    text = capital(template.format_map(words))
    return text if text.endswith((".", "!", "?")) else text + "."


def template_of(templates: list[str], turn: int) -> str | None:
    """The wording of a fact for its ``turn``: questions with their answers and plain statements by turns, each list in order.

    What was read as an answer to a question is found again when a question is asked; knowledge that was only ever stated is
    much harder to ask for (Allen-Zhu and Li 2023, "Physics of Language Models: Part 3.1").
    """
    asked = [template for template in templates if "?" in template]
    told = [template for template in templates if "?" not in template]
    if not asked or not told:
        return templates[turn % len(templates)] if templates else None
    pool = (asked, told)[turn % 2]
    return pool[turn // 2 % len(pool)]


def emergency_message(fact: Fact, which: str, rng: random.Random) -> str:
    """A message with two of an emergency's signs; ``which`` wordings: ``train`` or ``held_out``."""
    signs = list(fact.items)
    rng.shuffle(signs)
    words = {"sign": signs[0], "sign2": signs[1], "Sign": capital(signs[0])}
    return str(rng.choice(wordings()["emergency_messages"][which]).format_map(words))
