"""Turns the medical facts into documents, dialogues, preference prompts and an exam, by seed.

Every field of an entry is one fact. A third of the facts, marked by a hash, is told in documents only: no dialogue and no
preference prompt asks for it, so that the exam can tell knowledge (learnt in pretraining) from format (learnt in
fine-tuning). Facts about what to say first in an emergency are never among them. The exam's stems and the sentences for
bits per byte are in wordings of their own, which no training text uses. The same seed gives the same bytes.

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

import functools
import hashlib
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from corpora.bundled.knowledge import KNOWLEDGE_DIR, Knowledge, load_knowledge
from corpora.errors import DataError
from corpora.records import Dialogue, Document, ExamItem, Message, Record

HERE = Path(__file__).parent
WORDINGS = HERE / "wordings.yaml"
GENERAL = HERE / "general.yaml"
SYSTEM_PROMPT = "You are Osler, a medical assistant. You are not a doctor."
EXAM_SIZE = 720
EMERGENCY_MESSAGES = (
    4  # of each emergency in one rendering of the dialogues: to miss one costs more than to miss a fact
)
KINDS = ("conditions", "medicines", "laboratory_tests", "emergencies")
SOURCE = "Osler bundled knowledge, Apache-2.0"


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
    return str(
        (
            {"conditions": "specialty", "medicines": "group", "emergencies": "category"}.get(kind)
            and getattr(entry, {"conditions": "specialty", "medicines": "group", "emergencies": "category"}[kind])
        )
        or kind
    )


def _hash(text: str) -> int:
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
                found.append(
                    Fact(
                        f"{kind}/{entry.id}/{label}",
                        kind,
                        field,
                        _inline(entry.name),
                        items,
                        _group(kind, entry),
                        extra,
                    )
                )
    eligible = sorted((fact for fact in found if fact.field != "say_first"), key=lambda fact: _hash(fact.id))
    marked = {fact.id for fact in eligible[: round(len(found) / 3)]}
    return tuple(Fact(**{**fact.__dict__, "documents_only": True}) if fact.id in marked else fact for fact in found)


def _inline(name: str) -> str:
    """A name as it stands inside a sentence: "asthma", but "HIV infection" and "Crohn disease"."""
    first = name.split()[0]
    proper = {*PROPER_NAMES}
    if (
        first.rstrip("'s") in proper
        or first in proper
        or (len(first) > 1 and any(letter.isupper() for letter in first[1:]))
    ):
        return name
    if len(first) == 1 or any(letter.isdigit() for letter in first):
        return name
    return name[0].lower() + name[1:]


PROPER_NAMES = (
    "Addison", "Alzheimer", "Bell", "Clostridioides", "Crohn", "Cushing", "Graves", "Guillain-Barre", "Hodgkin",
    "Huntington", "Kawasaki", "Lyme", "Meniere", "Parkinson", "Raynaud",
)  # fmt: skip


@functools.cache
def _wordings() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(WORDINGS.read_text(encoding="utf-8"))
    return loaded


def capital(text: str) -> str:
    """``text`` with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def _fill(template: str, fact: Fact, rng: random.Random) -> str:
    items = list(fact.items)
    if fact.field not in ("do", "say_first"):
        rng.shuffle(items)
    value = join(tuple(items), fact.field)
    words = {"name": fact.name, "value": value, "one": rng.choice(items), **dict(fact.extra)}
    words["a"] = "an" if value[:1].lower() in "aeiou" or value.startswith(("H2", "SSRI", "SNRI")) else "a"
    words |= {capital(key): capital(text) for key, text in list(words.items())}
    text = capital(template.format_map(words))
    return text if text.endswith((".", "!", "?")) else text + "."


def _entries(all_facts: tuple[Fact, ...]) -> dict[str, list[Fact]]:
    grouped: dict[str, list[Fact]] = {}
    for fact in all_facts:
        grouped.setdefault(fact.id.rsplit("/", 1)[0], []).append(fact)
    return grouped


def _template(templates: list[str], turn: int) -> str | None:
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


def _documents(which: str, renderings: int, seed: int) -> Iterator[Document]:
    for rendering in range(renderings):
        rng = random.Random(f"{seed}/{which}/{rendering}")
        entries = list(_entries(facts()).items())
        rng.shuffle(entries)
        for entry, its_facts in entries:
            rng.shuffle(its_facts)
            sentences = []
            for fact in its_facts:
                template = _template(_wordings()[fact.kind][fact.field][which], _hash(f"{seed}/{fact.id}") + rendering)
                if template:
                    sentences.append(_fill(template, fact, rng))
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
    wording = _wordings()[fact.kind][fact.field]
    question = _fill(rng.choice(wording["questions"]), fact, rng)
    if brief:
        return f"{question} {_wordings()['brief']}", capital(fact.value).rstrip(".") + "."
    return question, _fill(rng.choice(wording["answers"]), fact, random.Random(0))


def _emergency_message(fact: Fact, which: str, rng: random.Random) -> str:
    signs = list(fact.items)
    rng.shuffle(signs)
    words = {"sign": signs[0], "sign2": signs[1], "Sign": capital(signs[0])}
    return str(rng.choice(_wordings()["emergency_messages"][which]).format_map(words))


def _dialogues(renderings: int, seed: int) -> Iterator[Dialogue]:
    taught = [fact for fact in facts() if not fact.documents_only]
    by_entry = _entries(tuple(taught))
    say_first = {fact.id.rsplit("/", 1)[0]: fact for fact in taught if fact.field == "say_first"}
    signs = [fact for fact in facts() if fact.field == "signs"]
    medicines = sorted({fact.name for fact in facts() if fact.kind == "medicines"})
    for rendering in range(renderings):
        rng = random.Random(f"{seed}/dialogues/{rendering}")
        made: list[Dialogue] = []
        for fact in taught:
            turns = [_turn(fact, rng, brief=rng.random() < 0.5)]
            if rng.random() < 0.15:
                other = rng.choice(by_entry[fact.id.rsplit("/", 1)[0]])
                question, answer = _turn(other, rng, brief=False)
                turns.append((f"{rng.choice(_wordings()['follow_ups'])} {question[0].lower()}{question[1:]}", answer))
            made.append(_dialogue(f"dialogues/{rendering}/{fact.id}", turns, rng))
        for fact in signs:
            answer = say_first[fact.id.rsplit("/", 1)[0]].value
            for number in range(EMERGENCY_MESSAGES):
                message = _emergency_message(fact, "train", rng)
                made.append(_dialogue(f"emergency/{rendering}/{fact.id}/{number}", [(message, answer)], rng))
        for name in rng.sample(medicines, k=max(1, len(medicines) // 5)):
            question = rng.choice(_wordings()["dose_questions"]["train"]).format(name=name)
            answer = _wordings()["dose_answer"].format(name=name)
            made.append(_dialogue(f"dose/{rendering}/{name}", [(question, answer)], rng))
        for place, (question, answer) in enumerate(_wordings()["small_talk"]):
            made.append(_dialogue(f"talk/{rendering}/{place}", [(question, answer)], rng))
        rng.shuffle(made)
        yield from made


def _prompts(renderings: int, seed: int) -> Iterator[Dialogue]:
    """Questions with a right answer as the last message and, in ``meta``, what a judge looks for."""
    taught = [fact for fact in facts() if not fact.documents_only]
    say_first = {fact.id.rsplit("/", 1)[0]: fact.value for fact in taught if fact.field == "say_first"}
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
        for fact in facts():
            if fact.field == "signs":
                answer = say_first[fact.id.rsplit("/", 1)[0]]
                message = _emergency_message(fact, "train", rng)
                made.append(
                    _dialogue(f"prompts/{rendering}/{fact.id}/message", [(message, answer)], rng, judge="emergency")
                )
        rng.shuffle(made)
        yield from made


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]{4,}", text.lower()))


def _exam(size: int, seed: int) -> Iterator[ExamItem]:
    """Items over all fields in proportion, a third of them on facts told in documents only.

    Distractors are the same field of other entries, two of them from the same group where it has enough, and share no
    longer word with the right answer or with each other, so that none of them is right as well. They come from facts that
    were taught as the right answer was, so that no option stands out as the one read in fine-tuning.
    """
    rng = random.Random(f"{seed}/exam")
    pools: dict[tuple[str, str, bool], list[Fact]] = {}
    for fact in facts():
        if _wordings()[fact.kind][fact.field]["exam"]:
            pools.setdefault((fact.kind, fact.field, fact.documents_only), []).append(fact)
    askable = [fact for pool in pools.values() for fact in pool if not _gives_itself_away(fact)]
    chosen: list[Fact] = []
    for documents_only, share in ((True, 1 / 3), (False, 2 / 3)):
        part = [fact for fact in askable if fact.documents_only is documents_only]
        rng.shuffle(part)
        chosen += part[: round(size * share)]
    rng.shuffle(chosen)
    for place, fact in enumerate(chosen):
        distractors = _distractors(fact, pools[fact.kind, fact.field, fact.documents_only], rng)
        if distractors is None:
            continue
        options = [capital(value) for value in distractors]
        options.insert(place % 4, capital(fact.value))  # each letter is right equally often
        stem = capital(
            rng.choice(_wordings()[fact.kind][fact.field]["exam"]).format_map({"name": fact.name, **dict(fact.extra)})
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


def _distractors(fact: Fact, pool: list[Fact], rng: random.Random) -> list[str] | None:
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


def _emergencies(seed: int) -> Iterator[Dialogue]:
    say_first = {fact.id.rsplit("/", 1)[0]: fact.value for fact in facts() if fact.field == "say_first"}
    rng = random.Random(f"{seed}/emergencies")
    for fact in facts():
        if fact.field == "signs":
            for variant in range(len(_wordings()["emergency_messages"]["held_out"])):
                message = _emergency_message(fact, "held_out", rng)
                answer = say_first[fact.id.rsplit("/", 1)[0]]
                messages = [Message(role="user", content=message), Message(role="assistant", content=answer)]
                yield Dialogue(id=f"emergencies/{variant}/{fact.id}", messages=messages, source=SOURCE)


def _general() -> Iterator[Document]:
    for place, text in enumerate(yaml.safe_load(GENERAL.read_text(encoding="utf-8"))):
        yield Document(id=f"general/{place}", text=text.strip(), source=SOURCE, licence="Apache-2.0")


CORPORA: dict[str, Callable[[int, int], Iterator[Record]]] = {
    "bundled-documents": lambda renderings, seed: _documents("documents", renderings, seed),
    "bundled-dialogues": _dialogues,
    "bundled-prompts": _prompts,
    "bundled-exam": lambda renderings, seed: _exam(EXAM_SIZE, seed),
    "bundled-emergencies": lambda renderings, seed: _emergencies(seed),
    "bundled-held-out": lambda renderings, seed: _documents("held_out", renderings, seed),
    "bundled-general": lambda renderings, seed: _general(),
}


def render(name: str, renderings: int = 1, seed: int = 0) -> Iterator[Record]:
    """Records of the bundled corpus ``name``; see the table at the top of this file.

    Args:
        name: one of the table's names.
        renderings: how many times each fact is told (documents, dialogues and prompts).
        seed: the same seed gives the same records in the same order.

    Raises:
        DataError: there is no such corpus.
    """
    if name not in CORPORA:
        raise DataError(f"no bundled corpus is called '{name}'; there are: {', '.join(CORPORA)}")
    return CORPORA[name](renderings, seed)


def source_fingerprint() -> str:
    """SHA-256 over the knowledge, the wordings, the general text and this file."""
    digest = hashlib.sha256()
    for path in [*sorted(KNOWLEDGE_DIR.rglob("*.yaml")), WORDINGS, GENERAL, Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
