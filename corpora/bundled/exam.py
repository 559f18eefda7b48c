"""The bundled exam: four-option questions on the facts, in wordings that no training text uses."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from corpora.bundled.facts import SOURCE, Fact, facts
from corpora.bundled.wording import capital, wordings
from corpora.records import ExamItem

EXAM_SIZE = 720
# What a model is measured on does not follow the seed of its run: two runs could not be compared item by item, and the same
# model would score otherwise in its run's report than by `osler eval`. Any number would do.
EXAM_SEED = 7


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]{4,}", text.lower()))


def exam(size: int) -> Iterator[ExamItem]:
    """Items over all fields in proportion, a third of them on facts told in documents only.

    Distractors are the same field of other entries, two of them from the same group where it has enough, and share no
    longer word with the right answer or with each other, so that none of them is right as well. They come from facts that
    were taught as the right answer was, so that no option stands out as the one read in fine-tuning.
    """
    rng = random.Random(f"{EXAM_SEED}/exam")
    pools: dict[tuple[str, str, bool], list[Fact]] = {}
    for fact in facts():
        if wordings()[fact.kind][fact.field]["exam"]:
            pools.setdefault((fact.kind, fact.field, fact.documents_only), []).append(fact)
    askable = [fact for pool in pools.values() for fact in pool if not _gives_itself_away(fact)]
    chosen: list[Fact] = []
    for documents_only, share in ((True, 1 / 3), (False, 2 / 3)):
        part = [fact for fact in askable if fact.documents_only is documents_only]
        rng.shuffle(part)
        chosen += part[: round(size * share)]
    rng.shuffle(chosen)
    for place, fact in enumerate(chosen):
        distractors = distractors_of(fact, pools[fact.kind, fact.field, fact.documents_only], rng)
        if distractors is None:
            continue
        options = [capital(value) for value in distractors]
        options.insert(place % 4, capital(fact.value))  # each letter is right equally often
        stem = capital(
            rng.choice(wordings()[fact.kind][fact.field]["exam"]).format_map({"name": fact.name, **dict(fact.extra)})
        )
        yield ExamItem(
            id=f"exam/{fact.id}",
            question=stem,
            options=options,
            answers=[place % 4],
            source=SOURCE,
            meta={"fact": fact.id, "kind": fact.kind, "field": fact.field, "documents_only": fact.documents_only},
        )


def _gives_itself_away(fact: Fact) -> bool:
    """Whether the answer repeats a word of the question, so that one who knows nothing would choose it."""
    asked = " ".join([fact.name, *(text for key, text in fact.extra if key == "agent")])
    return bool({word[:5] for word in _words(fact.value)} & {word[:5] for word in _words(asked)})


def distractors_of(fact: Fact, pool: list[Fact], rng: random.Random) -> list[str] | None:
    """Three wrong answers out of ``pool``, or None where it has too few that share no longer word."""
    same = [other for other in pool if other.name != fact.name and other.group == fact.group]
    rest = [other for other in pool if other.name != fact.name and other.group != fact.group]
    rng.shuffle(same)
    rng.shuffle(rest)
    taken: list[str] = []
    used = _words(fact.value) | _words(fact.name)
    for other in same[:2] + rest + same[2:]:
        words = _words(other.value)
        if (words & used and fact.field != "range") or other.value in (fact.value, *taken):
            continue
        taken.append(other.value)
        used |= words
        if len(taken) == 3:
            return taken
    return None
