"""What the cases are about: the bundled facts, and guides to made-up places that stand for a user's own documents."""

from __future__ import annotations

import functools
import itertools
import random
import tempfile
from pathlib import Path
from typing import Any, Literal

import yaml

from corpora.bundled.facts import Fact, facts
from corpora.bundled.render import render
from corpora.bundled.wording import capital
from corpora.records import Dialogue, ExamItem
from serving.retrieval import PassageIndex
from serving.retrieval.bundled import bundled_passages
from serving.retrieval.documents import read_documents
from serving.retrieval.passages import Passage

Split = Literal["train", "held_out"]
WORDINGS = Path(__file__).with_name("wordings.yaml")
PASSAGES = 2  # given to the model with a question: four, the assistant's default, are more than it reads
PLACES = 18  # of one guide


@functools.cache
def wordings() -> dict[str, Any]:
    """``wordings.yaml``."""
    loaded: dict[str, Any] = yaml.safe_load(WORDINGS.read_text(encoding="utf-8"))
    return loaded


@functools.cache
def interacting() -> tuple[list[tuple[str, str]], list[str]]:
    """Pairs of medicines of which the facts name an interaction, and all medicines."""
    found = [fact for fact in facts() if fact.kind == "medicines"]
    medicines = {fact.name for fact in found}
    agents = [(fact.name, dict(fact.extra)["agent"]) for fact in found if fact.field == "interactions"]
    pairs = {(min(pair), max(pair)) for pair in agents if set(pair) <= medicines}
    return sorted(pairs), sorted(medicines)


@functools.cache
def taught() -> list[Dialogue]:
    """The dialogues that ask for a fact."""
    return [
        one
        for one in render("bundled-prompts", 1, 0)
        if isinstance(one, Dialogue) and one.meta["judge"] == "fact" and not one.meta["emergency"]
    ]


@functools.cache
def exam_items() -> list[ExamItem]:
    """The exam's questions, in wordings that no dialogue has."""
    return [one for one in render("bundled-exam", 1, 0) if isinstance(one, ExamItem)]


def names(fact: Fact, passage: Passage) -> bool:
    """Whether a passage names what the fact is about."""
    return fact.name.lower() in passage.text.lower()


def number_of(fact: Fact, passages: tuple[Passage, ...]) -> int | None:
    """The number of the passage on what the fact is about, from 1."""
    for at, one in enumerate(passages, start=1):
        if (one.heading or "").lower() == fact.name.lower() and f"/{fact.kind}" in one.file:
            return at
    return None


@functools.cache
def facts_index() -> PassageIndex:
    """The index of the bundled facts."""
    return PassageIndex(passages=list(bundled_passages()), k=PASSAGES)


@functools.lru_cache(maxsize=64)
def guide(split: Split, label: str) -> tuple[dict[str, dict[str, str]], PassageIndex]:
    """A guide to places with some details of each, read as a user's document and indexed beside the facts."""
    rng = random.Random(f"{label}/guide")
    own = wordings()["notices"]
    words = own["places"][split]
    places = [f"{first} {second}" for first, second in itertools.product(words["first"], words["second"])]
    found = {place: _details(rng) for place in rng.sample(places, PLACES)}
    text = "\n\n".join(
        f"## {capital(place)}\n\n"
        + " ".join(own["details"][name]["text"].format(place=place, value=value) for name, value in details.items())
        for place, details in found.items()
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "guide.md").write_text(text, encoding="utf-8")
        passages = read_documents(Path(folder))
    return found, PassageIndex(passages=[*passages, *bundled_passages()], k=PASSAGES)


def _details(rng: random.Random) -> dict[str, str]:
    own = wordings()["notices"]
    first, last = sorted(rng.sample(range(7, 20), 2))
    days = [own["days"][at] for at in sorted(rng.sample(range(len(own["days"])), 2))]
    found = {
        "hours": f"{' and '.join(days)} from {first} to {last}",
        "telephone": str(rng.randint(1000, 9999)),
        "room": f"{rng.choice('ABCDE')}{rng.randint(10, 99)}",
        "bring": " and ".join(rng.sample(own["things"], 2)),
    }
    names = rng.sample(list(found), rng.randint(2, 3))
    return {name: found[name] for name in names}
