"""Look-ups in the bundled facts: an entry by its name, and medicines against each other."""

from __future__ import annotations

import re
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from corpora.bundled.knowledge import Knowledge, Medicine, load_knowledge
from serving.retrieval import PassageIndex, passage_index
from serving.retrieval.bundled import bundled_passages
from serving.retrieval.passages import Passage, citation


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class LookUp(_Result):
    """Entries of the bundled facts that a query found, best first."""

    query: str
    passages: list[Passage]

    def text(self) -> str:
        """Entries with their sources, for the model."""
        if not self.passages:
            return f"The bundled facts hold nothing on '{self.query}'."
        return "\n".join(f"{one.text} Source: {'; '.join(one.sources)}" for one in self.passages)


class Interaction(_Result):
    """Two substances and what the facts say of them together."""

    medicines: tuple[str, str]
    effect: str
    sources: list[str]


class InteractionCheck(_Result):
    """What the bundled facts say of a list of medicines; silence is no evidence of safety."""

    found: list[Interaction]
    cautions: dict[str, list[str]]  # medicine to who must not take it
    unknown: list[str]  # names that the facts do not hold
    notice: str = (
        "The bundled facts hold at most three interactions for each medicine. A pair that is not named here may still interact: "
        "ask a pharmacist."
    )

    def text(self) -> str:
        """The check in plain lines, for the model."""
        lines = [
            f"{' with '.join(one.medicines)}: {one.effect}. Source: {'; '.join(one.sources)}" for one in self.found
        ]
        lines = lines or ["The bundled facts name no interaction between these."]
        lines += [f"{name} must not be used in: {', '.join(cautions)}." for name, cautions in self.cautions.items()]
        if self.unknown:
            lines.append(f"Not in the bundled facts, so not checked as medicines: {', '.join(self.unknown)}.")
        return "\n".join([*lines, self.notice])


@lru_cache(maxsize=1)
def _knowledge() -> Knowledge:
    return load_knowledge()


@lru_cache(maxsize=1)
def _facts() -> PassageIndex:
    return passage_index(k=3)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip().removesuffix("s")


def look_up(query: str) -> LookUp:
    """Entries on ``query``: those whose name or alias it holds, else the best by words."""
    asked = f" {_plain(query)} "
    knowledge = _knowledge()
    names: dict[str, list[str]] = {}  # a condition and an emergency may share a name
    for kind in ("conditions", "medicines", "laboratory_tests", "emergencies"):
        for entry in getattr(knowledge, kind):
            names.setdefault(entry.name, [entry.name]).extend(entry.aliases)
    named = [
        passage
        for passage in bundled_passages()
        if passage.heading is not None and any(f" {_plain(name)} " in asked for name in names[passage.heading])
    ]
    return LookUp(query=query, passages=named[:3] or _facts().search(query))


def _medicine(name: str) -> Medicine | None:
    plain = _plain(name)
    return next((one for one in _knowledge().medicines if plain in map(_plain, [one.name, *one.aliases])), None)


def known_medicines(text: str) -> list[str]:
    """Names of the facts' medicines, and of the substances that their interactions name, in ``text``, in its order."""
    low = text.lower()
    names = {
        name.lower()
        for one in _knowledge().medicines
        for name in [one.name, *one.aliases, *(pair.agent for pair in one.interactions)]
    }
    hits = [
        (mark.start(), name)
        for name in names
        if name in low  # sooner answered than by the pattern, of which there are hundreds
        for mark in [re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", low)]
        if mark
    ]
    # A name inside another ("amitriptyline overdose") does not count beside it.
    return [name for _, name in sorted(hits) if not any(name != other and name in other for _, other in hits)]


def check_interactions(medicines: list[str]) -> InteractionCheck:
    """Every pair of ``medicines`` that the facts of either name, by the other's name or class."""
    known = [(name, _medicine(name)) for name in dict.fromkeys(name.strip() for name in medicines)]
    found: list[Interaction] = []
    for name, medicine in known:
        for other, entry in known:
            if medicine is None or other == name:
                continue
            labels = {_plain(other)} | ({_plain(entry.name), *map(_plain, entry.aliases)} if entry else set())
            classed = f" {_plain(entry.drug_class)} " if entry else ""
            for one in medicine.interactions:
                agent = _plain(one.agent)
                pair = tuple(sorted((name, other)))
                if (agent in labels or f" {agent} " in classed) and not any(
                    (*sorted(done.medicines), done.effect) == (*pair, one.effect) for done in found
                ):
                    sources = [citation(_knowledge().sources[key]) for key in medicine.sources]
                    found.append(Interaction(medicines=(name, other), effect=one.effect, sources=sources))
    return InteractionCheck(
        found=found,
        cautions={entry.name: list(entry.contraindications) for _, entry in known if entry},
        unknown=[name for name, entry in known if entry is None],
    )
