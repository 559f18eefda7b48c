"""Look-ups in the bundled facts: an entry by its name, and medicines against each other."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from corpora.bundled.knowledge import Knowledge, Medicine, load_knowledge
from serving.medicine_names import kindred, names_in, usual_name, with_usual_names
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
    same: list[tuple[str, str]] = []  # two names of one medicine
    alone: str = ""  # the medicine, where only one was given
    notice: str = (
        "The bundled facts hold at most three interactions for each medicine. A pair that is not named here may still interact: "
        "ask a pharmacist."
    )

    def text(self) -> str:
        """The check in plain lines, for the model."""
        lines = [
            f"{' with '.join(one.medicines)}: {one.effect}. Source: {'; '.join(one.sources)}" for one in self.found
        ]
        lines += [
            f"{one} and {other} are two names of one medicine: taken together, their doses add up."
            for one, other in self.same
        ]
        if self.alone:
            lines.append(f"Only {self.alone} was given, and nothing to check it against.")
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
    asked = f" {_plain(with_usual_names(query))} "
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
    plain = _plain(usual_name(name))
    return next((one for one in _knowledge().medicines if plain in map(_plain, [one.name, *one.aliases])), None)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(
        name
        for one in _knowledge().medicines
        for name in [one.name, *one.aliases, *(pair.agent for pair in one.interactions)]
    )


def known_medicines(text: str) -> list[str]:
    """Names of the facts' medicines, and of the substances that their interactions name, in ``text``, in its order.

    As they stand there, in lower case: a brand or a Chinese name is known too, and `usual_name` tells what it names.
    """
    return names_in(text, _names())


def _told(name: str) -> str:
    """The name as it was given, and beside it the facts' own where that is another."""
    usual = usual_name(name)
    return name if usual == name.lower() else f"{name} ({usual})"


def check_interactions(medicines: list[str]) -> InteractionCheck:
    """Every pair of ``medicines`` that the facts of either name, by the other's name or class."""
    given: dict[str, str] = {}
    for name in medicines:
        given.setdefault(name.strip().lower(), name.strip())
    known = [(name, _medicine(name)) for name in given.values()]
    found: list[Interaction] = []
    for name, medicine in known:
        for other, entry in known:
            if medicine is None or other == name:
                continue
            labels = set(map(_plain, [*kindred(other), *([entry.name, *entry.aliases] if entry else [])]))
            classed = f" {_plain(entry.drug_class)} " if entry else ""
            for one in medicine.interactions:
                agent = _plain(one.agent)
                pair = tuple(sorted((_told(name), _told(other))))
                if (agent in labels or f" {agent} " in classed) and not any(
                    (*sorted(done.medicines), done.effect) == (*pair, one.effect) for done in found
                ):
                    sources = [citation(_knowledge().sources[key]) for key in medicine.sources]
                    found.append(Interaction(medicines=(_told(name), _told(other)), effect=one.effect, sources=sources))
    same = [
        (one, other)
        for (one, _), (other, _) in itertools.combinations(known, 2)
        if _plain(usual_name(one)) == _plain(usual_name(other)) != ""
    ]
    return InteractionCheck(
        found=found,
        same=same,
        alone=_told(known[0][0]) if len(known) == 1 else "",
        cautions={entry.name: list(entry.contraindications) for _, entry in known if entry},
        unknown=[name for name, entry in known if entry is None],
    )
