"""Turns the medical facts into documents, dialogues, preference prompts and an exam, by seed.

The exam's stems and the sentences for bits per byte are in wordings of their own, which no training text uses. The same seed gives the same
bytes. What a model is measured on (exam, emergencies, held-out and general text) is the same at every seed.

``render`` knows these corpora:

==========================  ============================================================
``bundled-documents``       documents, each fact in new words and order at each rendering
``bundled-dialogues``       fine-tuning dialogues
``bundled-prompts``         prompts for sampling, each with what a right answer holds
``bundled-exam``            four-option questions
``bundled-emergencies``     messages that must be answered with a referral, in wordings held out of training
``bundled-held-out``        documents in wordings held out of training, for bits per byte
``bundled-general``         a small general text written for this project, for measuring forgetting
==========================  ============================================================
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from corpora.bundled.exam import EXAM_SEED, EXAM_SIZE, exam
from corpora.bundled.facts import SOURCE, Fact, facts, hashed
from corpora.bundled.wording import capital, emergency_message, fill, template_of, wordings
from corpora.errors import DataError, nearest
from corpora.records import Dialogue, Document, Message, Record

HERE = Path(__file__).parent
GENERAL = HERE / "general.yaml"
SYSTEM_PROMPT = "You are Osler, a medical assistant. You are not a doctor."
# Of each emergency in one rendering of the dialogues: to miss one costs more than to miss a fact.
EMERGENCY_MESSAGES = 4


def _entries(all_facts: tuple[Fact, ...]) -> dict[str, list[Fact]]:
    grouped: dict[str, list[Fact]] = {}
    for fact in all_facts:
        grouped.setdefault(fact.entry, []).append(fact)
    return grouped


def _signs() -> list[Fact]:
    """The signs of each emergency."""
    return [fact for fact in facts() if fact.field == "signs"]


def _say_first() -> dict[str, str]:
    """By emergency, what is to be said first."""
    return {fact.entry: fact.value for fact in facts() if fact.field == "say_first"}


def _documents(which: str, renderings: int, seed: int) -> Iterator[Document]:
    for rendering in range(renderings):
        rng = random.Random(f"{seed}/{which}/{rendering}")
        entries = list(_entries(facts()).items())
        rng.shuffle(entries)
        for entry, its_facts in entries:
            rng.shuffle(its_facts)
            sentences = []
            for fact in its_facts:
                turn = hashed(f"{seed}/{fact.id}") + rendering
                template = template_of(wordings()[fact.kind][fact.field][which], turn)
                if template:
                    sentences.append(fill(template, fact, rng))
            yield Document(
                id=f"{which}/{rendering}/{entry}",
                text=" ".join(sentences),
                title=its_facts[0].name,
                source=SOURCE,
                licence="Apache-2.0",
            )


def _dialogue(identifier: str, turns: list[tuple[str, str]], rng: random.Random, **meta: Any) -> Dialogue:
    messages = [Message(role="system", content=SYSTEM_PROMPT)] if rng.random() < 0.25 else []
    for question, answer in turns:
        messages += [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Dialogue(id=identifier, messages=messages, source=SOURCE, meta=meta)


def _turn(fact: Fact, rng: random.Random, brief: bool) -> tuple[str, str]:
    wording = wordings()[fact.kind][fact.field]
    question = fill(rng.choice(wording["questions"]), fact, rng)
    if brief:
        return f"{question} {wordings()['brief']}", capital(fact.value).rstrip(".") + "."
    return question, fill(rng.choice(wording["answers"]), fact, random.Random(0))


def _dialogues(renderings: int, seed: int) -> Iterator[Dialogue]:
    taught = [fact for fact in facts() if not fact.documents_only]
    by_entry = _entries(tuple(taught))
    say_first = _say_first()
    medicines = sorted({fact.name for fact in facts() if fact.kind == "medicines"})
    for rendering in range(renderings):
        rng = random.Random(f"{seed}/dialogues/{rendering}")
        made: list[Dialogue] = []
        for fact in taught:
            turns = [_turn(fact, rng, brief=rng.random() < 0.5)]
            if rng.random() < 0.15:
                other = rng.choice(by_entry[fact.entry])
                question, answer = _turn(other, rng, brief=False)
                turns.append((f"{rng.choice(wordings()['follow_ups'])} {question[0].lower()}{question[1:]}", answer))
            made.append(_dialogue(f"dialogues/{rendering}/{fact.id}", turns, rng))
        for fact in _signs():
            answer = say_first[fact.entry]
            for number in range(EMERGENCY_MESSAGES):
                message = emergency_message(fact, "train", rng)
                made.append(_dialogue(f"emergency/{rendering}/{fact.id}/{number}", [(message, answer)], rng))
        for name in rng.sample(medicines, k=max(1, len(medicines) // 5)):
            question = rng.choice(wordings()["dose_questions"]["train"]).format(name=name)
            answer = wordings()["dose_answer"].format(name=name)
            made.append(_dialogue(f"dose/{rendering}/{name}", [(question, answer)], rng))
        for place, (question, answer) in enumerate(wordings()["small_talk"]):
            made.append(_dialogue(f"talk/{rendering}/{place}", [(question, answer)], rng))
        rng.shuffle(made)
        yield from made


def _prompts(renderings: int, seed: int) -> Iterator[Dialogue]:
    """Questions with a right answer as the last message and, in ``meta``, what a judge looks for."""
    taught = [fact for fact in facts() if not fact.documents_only]
    say_first = _say_first()
    for rendering in range(renderings):
        rng = random.Random(f"{seed}/prompts/{rendering}")
        made: list[Dialogue] = []
        for fact in taught:
            question, answer = _turn(fact, rng, brief=False)
            meta = {
                "judge": "fact",
                "fact": fact.id,
                "items": list(fact.items),
                "emergency": fact.kind == "emergencies",
            }
            made.append(_dialogue(f"prompts/{rendering}/{fact.id}", [(question, answer)], rng, **meta))
        for fact in _signs():
            turns = [(emergency_message(fact, "train", rng), say_first[fact.entry])]
            made.append(_dialogue(f"prompts/{rendering}/{fact.id}/message", turns, rng, judge="emergency"))
        rng.shuffle(made)
        yield from made


def _emergencies(seed: int) -> Iterator[Dialogue]:
    say_first = _say_first()
    rng = random.Random(f"{seed}/emergencies")
    for fact in _signs():
        for variant in range(len(wordings()["emergency_messages"]["held_out"])):
            message, answer = emergency_message(fact, "held_out", rng), say_first[fact.entry]
            messages = [Message(role="user", content=message), Message(role="assistant", content=answer)]
            yield Dialogue(id=f"emergencies/{variant}/{fact.id}", messages=messages, source=SOURCE)


def _general() -> Iterator[Document]:
    for place, text in enumerate(yaml.safe_load(GENERAL.read_text(encoding="utf-8"))):
        yield Document(id=f"general/{place}", text=text.strip(), source=SOURCE, licence="Apache-2.0")


CORPORA: dict[str, Callable[[int, int], Iterator[Record]]] = {
    "bundled-documents": lambda renderings, seed: _documents("documents", renderings, seed),
    "bundled-dialogues": _dialogues,
    "bundled-prompts": _prompts,
    "bundled-exam": lambda renderings, seed: exam(EXAM_SIZE),
    "bundled-emergencies": lambda renderings, seed: _emergencies(EXAM_SEED),
    "bundled-held-out": lambda renderings, seed: _documents("held_out", renderings, EXAM_SEED),
    "bundled-general": lambda renderings, seed: _general(),
}


def render(name: str, renderings: int = 1, seed: int = 0) -> Iterator[Record]:
    """Records of the bundled corpus ``name``; see the table at the top of this file.

    Args:
        name: one of the table's names.
        renderings: how many times each fact is told (documents, dialogues and prompts).
        seed: the same seed gives the same records in the same order; what models are measured on does not follow it.

    Raises:
        DataError: there is no such corpus.
    """
    if name not in CORPORA:
        raise DataError(f"no bundled corpus is called '{name}'; {nearest(name, CORPORA)}")
    return CORPORA[name](renderings, seed)


def source_fingerprint() -> str:
    """SHA-256 over the knowledge, the wordings, the general text and the code of this package."""
    digest = hashlib.sha256()
    for path in [*sorted(HERE.rglob("*.yaml")), *sorted(HERE.glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
