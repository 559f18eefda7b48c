"""The bundled facts as passages: one an entry, in words, whose span is the entry in its YAML file."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from corpora.bundled.facts import join, range_text
from corpora.bundled.knowledge import KNOWLEDGE_DIR, load_knowledge
from serving.retrieval.passages import Passage, citation


def _entry_text(kind: str, entry: Any) -> str:
    name = entry.name
    also = f" (also {', '.join(entry.aliases)})" if entry.aliases else ""
    if kind == "conditions":
        said = [
            f"{name}{also} is {entry.definition}.",
            f"Cause: {entry.cause}.",
            f"Symptoms: {join(entry.symptoms)}.",
            f"Seek urgent help for: {join(entry.red_flags)}.",
            f"Tests: {join(entry.tests)}.",
            f"First treatment: {entry.treatment}.",
            f"To avoid: {entry.avoid}.",
        ]
    elif kind == "medicines":
        pairs = "; ".join(f"with {one.agent}: {one.effect}" for one in entry.interactions)
        said = [
            f"{name}{also} is a medicine of the class {entry.drug_class}.",
            f"Used for: {entry.use}.",
            f"Mechanism: {entry.mechanism}.",
            f"Serious effects: {join(entry.serious_effects)}.",
            f"Not to be used in: {join(entry.contraindications)}.",
            f"Interactions: {pairs}.",
        ]
    elif kind == "laboratory_tests":
        said = [
            f"{name}{also} measures {entry.measures} ({entry.specimen}).",
            f"Reference range for {entry.applies_to}: {range_text(entry.low, entry.high, entry.unit)}.",
            *([f"A high result suggests {entry.high_suggests}."] if entry.high_suggests else []),
            *([f"A low result suggests {entry.low_suggests}."] if entry.low_suggests else []),
        ]
    else:
        said = [
            f"{name}{also}, an emergency.",
            f"Signs: {join(entry.signs)}.",
            entry.say_first,
            *entry.do,
            *entry.do_not,
        ]
    return " ".join(said)


@lru_cache(maxsize=1)
def bundled_passages() -> tuple[Passage, ...]:
    """One passage an entry of the bundled facts."""
    knowledge = load_knowledge()
    places: dict[tuple[str, str], tuple[str, int, int, int]] = {}
    for path in sorted(KNOWLEDGE_DIR.rglob("*.yaml")):
        whole = path.read_text(encoding="utf-8")
        heads = [(mark.start(), mark.group(1)) for mark in re.finditer(r"^(\w+):$", whole, re.MULTILINE)]
        marks = list(re.finditer(r"^ *- id: (\S+)$", whole, re.MULTILINE))
        for mark, after in zip(marks, [*marks[1:], None], strict=True):
            kind = next(name for at, name in reversed(heads) if at < mark.start())
            end = min([at for at, _ in heads if at > mark.start()] + [after.start() if after else len(whole)])
            file = f"knowledge/{path.relative_to(KNOWLEDGE_DIR).as_posix()}"
            places[kind, mark.group(1)] = (file, whole.count("\n", 0, mark.start()) + 1, mark.start(), end)
    found = []
    for kind in ("conditions", "medicines", "laboratory_tests", "emergencies"):
        for entry in getattr(knowledge, kind):
            file, line, start, end = places[kind, entry.id]
            sources = [citation(knowledge.sources[key]) for key in entry.sources]
            found.append(
                Passage(
                    text=_entry_text(kind, entry),
                    file=file,
                    heading=entry.name,
                    line=line,
                    start=start,
                    end=end,
                    sources=sources,
                )
            )
    return tuple(found)
