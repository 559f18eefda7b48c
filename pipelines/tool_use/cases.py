"""The cases: prompts with what a right answer does, drawn by seed, in training and held-out wordings.

Held out are the wordings, the triples of numbers, the pairs of medicines, and the places of the notices; of the facts those
that no dialogue asks for (``documents_only``). A hash puts each on one side, so that no seed mixes them.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from corpora.bundled.facts import Fact, facts
from corpora.bundled.wording import capital
from corpora.errors import DataError
from corpora.records import ToolCall
from pipelines.tool_use.knowledge import (
    PASSAGES,
    WORDINGS,
    Split,
    exam_items,
    facts_index,
    guide,
    interacting,
    names,
    number_of,
    taught,
    wordings,
)
from serving.retrieval.passages import Passage

Kind = Literal["gcs", "echo", "interactions", "missing", "plain", "fact", "notice", "nothing"]
TOOL_NAMES = ("gcs", "check_interactions")
PARTS = re.compile(r"\[([^][]*)\]")  # of a training wording, one of which is drawn
GUIDES: dict[Split, int] = {"train": 60, "held_out": 6}
# Cases of each kind: in one rendering for training, and in the exam, which has 300.
COUNTS: dict[Split, dict[Kind, int]] = {
    "train": {
        "gcs": 300,
        "interactions": 600,
        "missing": 150,
        "plain": 150,
        "fact": 150,
        "notice": 220,
        "nothing": 60,
        "echo": 150,
    },
    "held_out": {
        "gcs": 70,
        "interactions": 90,
        "missing": 20,
        "plain": 20,
        "fact": 35,
        "notice": 35,
        "nothing": 30,
    },
}


class Case(BaseModel):
    """A prompt and what a right answer does.

    Attributes:
        tools: names of those that are offered.
        passages: given with the question.
        call: the right call; None where none is to be made.
        value: what the answer must hold: the missing input, or the words of the passage.
        number: of the passage to cite.
        answer: a right answer to a prompt that needs no tool.
        ends_with_call: the dialogue ends there; the tool's result takes most of the tokens, and a call is learnt without it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    question: str
    tools: tuple[str, ...] = ()
    passages: tuple[Passage, ...] = ()
    call: ToolCall | None = None
    value: str = ""
    number: int | None = None
    answer: str = ""
    ends_with_call: bool = False


def side(key: str) -> Split:
    """On which side of the split a key is; a fifth is held out."""
    return "held_out" if hashlib.sha256(key.encode()).digest()[0] < 51 else "train"


def pair_side(first: str, second: str) -> Split:
    """On which side of the split a pair of medicines is, in either order."""
    return side(f"pair {sorted((first, second))}")


class _Draw:
    """Draws cases of each kind."""

    def __init__(self, split: Split, seed: int, rendering: int) -> None:
        self.split: Split = split
        self.label = f"{seed}/{split}/{rendering}"
        self.rng = random.Random(f"{self.label}/tool-use")

    def wording(self, *keys: str) -> str:
        """A wording of this split."""
        found: Any = wordings()
        for key in (*keys, self.split):
            found = found[key]
        if self.split == "held_out":
            return str(self.rng.choice(found))
        # A wording with parts stands for many.
        (wording,) = self.rng.choices(found, [4 if PARTS.search(one) else 1 for one in found])
        return self.filled(wording)

    def filled(self, wording: str) -> str:
        """The wording with one of each of its parts."""
        return PARTS.sub(lambda parts: self.rng.choice(parts[1].split("|")), wording)

    def offered(self, question: str, passages: list[Passage] | None = None) -> dict[str, Any]:
        """The question with both tools, which stand beside passages in a third of the training dialogues only, and with the passages.

        Their order is drawn: retrieval puts the best first, and to cite the first must not be enough.
        """
        given = list(passages or [])
        self.rng.shuffle(given)
        bare = self.split == "train" and passages is not None and self.rng.random() < 2 / 3
        return {"question": question, "tools": () if bare else TOOL_NAMES, "passages": tuple(given)}

    def ends(self) -> bool:
        """Whether a training dialogue ends with its call."""
        return self.split == "train" and self.rng.random() < 0.85

    def age(self) -> int:
        """Of an adult, in years."""
        return self.rng.randint(19, 94)

    def values(self, tool: str) -> dict[str, int]:
        """Values that are together on this side of the split."""
        ranges = wordings()["calculations"][tool]["values"]
        while True:
            found = {name: self.rng.randint(*bounds) for name, bounds in ranges.items()}
            if side(f"{tool} {sorted(found.items())}") == self.split:
                return found

    def gcs(self) -> Case:
        """A score of three values of a digit each."""
        values = self.values("gcs")
        wording = self.wording("calculations", "gcs")
        question = capital(wording.format(**values, age=self.age(), scores=self.scores(wording, values)))
        call = ToolCall(name="gcs", arguments=values)
        return Case(id="", kind="gcs", call=call, ends_with_call=self.ends(), **self.offered(question))

    def scores(self, wording: str, values: dict[str, int]) -> str:
        """The values in an order, a way of writing and with joints that are drawn; empty where the wording names them itself."""
        if "{scores}" not in wording:
            return ""
        words, joints = (wordings()["calculations"]["gcs"][key] for key in ("scores", "joints"))
        way, joint = self.rng.choice(words), self.rng.choice(joints)
        said = [way[name].format(value) for name, value in values.items()]
        if self.rng.random() < 0.5:
            self.rng.shuffle(said)
        return f"{', '.join(said[:-1])} and {said[-1]}" if joint == " and " else joint.join(said)

    def missing(self) -> Case:
        """A score of which one value is not said."""
        values = self.values("gcs")
        missing = self.rng.choice(list(values))
        left = {name: value for name, value in values.items() if name != missing}
        said = [f"{name} {value}" for name, value in left.items()]
        self.rng.shuffle(said)
        wording = self.wording("calculations", "gcs", "missing")
        if self.split == "train" and self.rng.random() < 0.7:  # in the words of those that have all three
            asked = wordings()["calculations"]["gcs"]["train"]
            frames = [one for one in asked if "{scores}" in one]
            wording = self.filled(self.rng.choice(frames))
        scores = self.scores(wording, left)
        question = capital(wording.format(first=said[0], second=said[1], age=self.age(), scores=scores))
        answer = wordings()["answers"]["missing"].format(missing=missing)
        return Case(id="", kind="missing", value=missing, answer=answer, **self.offered(question))

    def echo(self) -> Case:
        """Words and numbers to repeat, for training only: what the base does not know, and calls and quotations are made of."""
        words = [self.rng.choice(interacting()[1]) if self.rng.random() < 0.5 else str(self.rng.randint(1, 999))]
        while len(words) < self.rng.randint(4, 12):
            words.append(
                self.rng.choice(interacting()[1])
                if self.rng.random() < 0.4
                else str(self.rng.randint(1, 999))
                if self.rng.random() < 0.6
                else self.rng.choice(self.rng.choice(facts()).value.split())
            )
        said = " ".join(words)
        question = f"{self.rng.choice(['Repeat:', 'Say after me:', 'Say this again:'])} {said}"
        return Case(id="", kind="echo", question=question, answer=f"You said: {said}")

    def interactions(self) -> Case:
        """Two medicines: in half of the cases a pair of which the facts name an interaction."""
        known, medicines = interacting()
        while True:
            pair = list(self.rng.choice(known) if self.rng.random() < 0.5 else self.rng.sample(medicines, 2))
            if pair_side(*pair) == self.split:
                break
        self.rng.shuffle(pair)
        question = capital(self.wording("interactions").format(a=pair[0], b=pair[1], age=self.age()))
        # The order in which the question names them.
        pair.sort(key=lambda name: question.lower().index(name.lower()))
        call = ToolCall(name="check_interactions", arguments={"medicines": pair})
        return Case(id="", kind="interactions", call=call, ends_with_call=self.ends(), **self.offered(question))

    def plain(self) -> Case:
        """A question that needs no tool, with the tools at hand."""
        if self.split == "held_out":
            item = self.rng.choice(exam_items())
            return Case(id="", kind="plain", **self.offered(item.question))
        dialogue = self.rng.choice(taught())
        question, answer = (message.content for message in dialogue.messages[-2:])
        return Case(id="", kind="plain", answer=answer, **self.offered(question))

    def fact(self) -> Case | None:
        """A fact that stands in one of the passages."""
        fact, label = self._askable()
        question = self.wording("facts", fact.kind, fact.field).format(name=fact.name)
        given = self.offered(question, facts_index().search(question))
        number = number_of(fact, given["passages"])
        if number is None or f" {label}: {fact.value}." not in given["passages"][number - 1].text:
            return None
        answer = wordings()["answers"]["fact"].format(label=label, value=fact.value, number=number)
        return Case(id="", kind="fact", value=fact.value, number=number, answer=answer, **given)

    def _askable(self) -> tuple[Fact, str]:
        asked = wordings()["facts"]
        pool = [
            fact
            for fact in facts()
            if fact.documents_only is (self.split == "held_out") and fact.field in asked.get(fact.kind, {})
        ]
        fact = self.rng.choice(pool)
        return fact, asked[fact.kind][fact.field]["label"]

    def notice(self) -> Case | None:
        """A detail of a place of which a guide tells."""
        return self._noticed(is_told=True)

    def nothing(self) -> Case | None:
        """A question that no passage answers: on a place or a detail that the guide does not have, or on an entry that was not found."""
        if self.rng.random() < 0.5:
            return self._noticed(is_told=False)
        fact, _ = self._askable()
        question = self.wording("facts", fact.kind, fact.field).format(name=fact.name)
        others = [one for one in facts_index().search(question, 8) if not names(fact, one)]
        if len(others) < PASSAGES:
            return None
        given = self.offered(question, others[:PASSAGES])
        return Case(id="", kind="nothing", answer=wordings()["answers"]["nothing"], **given)

    def _noticed(self, is_told: bool) -> Case | None:
        places, index = guide(self.split, f"{self.label}/{self.rng.randrange(GUIDES[self.split])}")
        details = wordings()["notices"]["details"]
        place = self.rng.choice(list(places))
        detail = self.rng.choice([name for name in details if (name in places[place]) is is_told])
        question = self.wording("notices", "details", detail).format(place=place)
        given = self.offered(question, index.search(question))
        number = next((at for at, one in enumerate(given["passages"], 1) if one.heading == capital(place)), None)
        if number is None:
            return None
        if not is_told:
            return Case(id="", kind="nothing", answer=wordings()["answers"]["nothing"], **given)
        value = places[place][detail]
        sentence = details[detail]["answer"].format(place=place, value=value)
        answer = wordings()["answers"]["notice"].format(sentence=sentence, number=number)
        return Case(id="", kind="notice", value=value, number=number, answer=answer, **given)


def cases(split: Split, renderings: int, seed: int) -> Iterator[Case]:
    """The cases of a split, each of ``renderings`` in an order of its own."""
    for rendering in range(renderings):
        draw = _Draw(split, seed, rendering)
        made: list[Case] = []
        for kind, count in COUNTS[split].items():
            asked: set[str] = set()
            for _ in range(50 * count):
                case = getattr(draw, kind)()
                if case is None or case.question in asked:
                    continue
                asked.add(case.question)
                made.append(case.model_copy(update={"id": f"{split}/{rendering}/{kind}/{len(asked)}"}))
                if len(asked) == count:
                    break
            else:
                raise DataError(f"{WORDINGS}: too few wordings for {count} different prompts of the kind {kind}")
        draw.rng.shuffle(made)
        yield from made
