"""Dialogues whose answers can only be copied from their questions: words in an order that no language has.

A model of this size that has read running text alone does not look back: what comes next is guessed from what it knows. Calls and
quotations are made of what stands in the context. Where nothing else helps, attention learns to find the earlier place and go on as
it did there ("induction heads", Olsson et al. 2022, https://arxiv.org/abs/2209.11895), and within some 100,000 tokens.

The words are drawn from the bundled facts, numbers and made-up names, so that every token that a call or a quotation may need has
been copied. Names are also listed as JSON, each some 14 times. Two medicines that stand in one row are a pair of the training
side: the pairs of the exam are in no row.
"""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Callable, Iterator

from corpora.bundled.facts import SOURCE, facts
from corpora.bundled.render import SYSTEM_PROMPT
from corpora.records import Dialogue, Message
from pipelines.tool_use.cases import TOOL_NAMES, pair_side
from pipelines.tool_use.knowledge import interacting, wordings
from pipelines.tool_use.turns import schemas, spaced

# Rows of each form in one rendering.
COUNTS = {"repeated": 350, "listed": 250, "spelt": 450, "looked_up": 350}
SYLLABLES = [
    first + vowel + last for first in "bcdfghklmnprstvz" for vowel in "aeiou" for last in ("", "l", "n", "r", "x")
]


@functools.cache
def vocabulary() -> list[str]:
    """The words of the bundled facts that hold no word of a medicine's name, in order."""
    medicines = {word for name in interacting()[1] for word in re.findall(r"\w+", name.lower())}
    words = {word.strip(".,;:()") for fact in facts() for word in f"{fact.name} {fact.value}".split()}
    return sorted(word for word in words if word and not medicines & set(re.findall(r"\w+", word.lower())))


class _Draw:
    """Draws what is to be copied."""

    def __init__(self, label: str) -> None:
        self.rng = random.Random(label)

    def word(self) -> str:
        """A word of the facts, a number, or a made-up name."""
        kind = self.rng.random()
        if kind < 0.2:
            return str(self.rng.randint(0, 10 ** self.rng.randint(1, 4)))
        if kind < 0.4:
            name = "".join(self.rng.choices(SYLLABLES, k=self.rng.randint(2, 4)))
            return name.capitalize() if self.rng.random() < 0.2 else name
        return self.rng.choice(vocabulary())

    def words(self, fewest: int, most: int) -> list[str]:
        """Words, of which in half of the cases one is the name of a medicine."""
        found = [self.word() for _ in range(self.rng.randint(fewest, most))]
        if self.rng.random() < 0.5:
            found[self.rng.randrange(len(found))] = self.rng.choice(interacting()[1])
        return found

    def wording(self, form: str) -> str:
        """How one asks for it."""
        return str(self.rng.choice(wordings()["copying"][form]))

    def repeated(self) -> tuple[str, str]:
        """Words to say again."""
        said = " ".join(self.words(6, 16))
        return self.wording("repeated").format(words=said), said

    def medicines(self, count: int) -> list[str]:
        """Names of medicines, each two of which are a pair of the training side."""
        found: list[str] = []
        while len(found) < count:
            name = self.rng.choice(interacting()[1])
            if name not in found and all(pair_side(name, other) == "train" for other in found):
                found.append(name)
        return found

    def listed(self) -> tuple[str, str]:
        """Two names in a sentence, to be set down as JSON: in a third of the cases two medicines, in a third one."""
        names = self.medicines(self.rng.randrange(3))
        while len(names) < 2:
            names.append(" ".join(self.word() for _ in range(self.rng.choice([1, 1, 2]))))
        self.rng.shuffle(names)
        return self.wording("listed").format(a=names[0], b=names[1]), _as_json(names)

    def spelt(self) -> tuple[str, str]:
        """Several medicines, to be set down as JSON."""
        names = self.medicines(self.rng.randint(3, 6))
        said = f"{', '.join(names[:-1])} and {names[-1]}"
        return self.wording("spelt").format(names=said), _as_json(names)

    def looked_up(self) -> tuple[str, str]:
        """One of several notes, by its name."""
        notes = {
            self.word(): " ".join(self.word() for _ in range(self.rng.randint(2, 7)))
            for _ in range(self.rng.randint(2, 6))
        }
        key = self.rng.choice(list(notes))
        text = ". ".join(f"{name}: {value}" for name, value in notes.items())
        return self.wording("looked_up").format(notes=text, key=key), f"{key}: {notes[key]}."


def _as_json(names: list[str]) -> str:
    return json.dumps({"names": [spaced(name) for name in names]}, ensure_ascii=False)


def copying(renderings: int, seed: int) -> Iterator[Dialogue]:
    """The rows of each of ``renderings``, shuffled."""
    for rendering in range(renderings):
        draw = _Draw(f"{seed}/copying/{rendering}")
        forms = [form for form, count in COUNTS.items() for _ in range(count)]
        draw.rng.shuffle(forms)
        for number, form in enumerate(forms):
            make: Callable[[], tuple[str, str]] = getattr(draw, form)
            question, answer = make()
            # In a third of the rows the tools stand before the question, as they do where a call is due.
            offered = draw.rng.random() < 1 / 3
            messages = [
                *([Message(role="system", content=SYSTEM_PROMPT)] if offered else []),
                Message(role="user", content=question),
                Message(role="assistant", content=answer),
            ]
            yield Dialogue(
                id=f"copying/{rendering}/{number}",
                messages=messages,
                tools=schemas(TOOL_NAMES) if offered else [],
                source=SOURCE,
                meta={"form": form},
            )
