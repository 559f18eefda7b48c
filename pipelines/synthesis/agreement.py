"""Whether a teacher's answer agrees with the gold label or with the passage that it cites. Rules only; no model is asked.

All texts are compared as ``corpora.curate.units`` cuts them, so that case, width, accents, punctuation and the variant of Chinese
characters make no difference. Numbers are read apart from that (``evals.reading.quantities``): one that the passage does not have is an invented
one, be it only written otherwise (0.5 g for 500 mg). What these rules do not see is said in docs/synthetic.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from corpora.curate.units import units
from corpora.records import LETTERS
from evals.reading.quantities import UNIT, Quantity, quantities
from evals.text_metrics.words import content
from evals.verifiers import letters


def holds_run(text: Sequence[str], run: Sequence[str]) -> bool:
    """Whether ``run`` stands in ``text`` in one piece."""
    size = len(run)
    return size > 0 and any(list(text[place : place + size]) == list(run) for place in range(len(text) - size + 1))


_LABELS = {
    "question": "question|问题",
    "answer": "answer|答案",
    "quotation": "quotation|quote|引文",
    "diagnosis": "(?:final |most likely )?diagnosis|诊断",
}
_OPTION = re.compile(r"^[ \t*]{0,8}\(?([A-J])[.)、:：．](.+)$", re.MULTILINE)
_THOUGHT = re.compile(r"^\s*<think>.*?</think>\s*", re.DOTALL)


def spoken(reply: str) -> str:
    """The reply without the thoughts that some models put before it."""
    return _THOUGHT.sub("", reply).strip()


def labelled(reply: str, *names: str) -> dict[str, str] | None:
    """What follows each of the labels ("Question: …"), up to the next; None when one is missing or empty."""
    heads = "|".join(f"(?P<{name}>{_LABELS[name]})" for name in names)
    marks = list(
        re.finditer(rf"^[ \t*#]{{0,8}}(?:{heads})[ \t*]{{0,8}}[:：][\s*]{{0,8}}", reply, re.MULTILINE | re.IGNORECASE)
    )
    found: dict[str, str] = {}
    for mark, end in zip(marks, [*(after.start() for after in marks[1:]), len(reply)], strict=False):
        found[str(mark.lastgroup)] = reply[mark.end() : end].strip().strip("*").strip()
    return found if all(found.get(name) for name in names) else None


def worded(reply: str, options: Sequence[str]) -> frozenset[int] | None:
    """Place of the only option all of whose content words a reply has, where they are half of the reply's or more; else None.

    For teachers that were not taught to name a letter and answer in a few words. Less than all of them would take "activating mu receptors" for
    "blocking mu receptors".
    """
    said = set(content(reply))
    words = [set(content(option)) or set(units(option)) for option in options]
    held = [place for place, one in enumerate(words) if one and one <= said and 2 * len(one) >= len(said)]
    return frozenset(held) if len(held) == 1 else None


def written_item(reply: str) -> tuple[str, list[str], int] | None:
    """Stem, options and place of the key of an item as a teacher was asked to write it, or None."""
    parts = labelled(reply, "question", "answer")
    if parts is None:
        return None
    first = _OPTION.search(parts["question"])
    options = [(letter, option.strip(" \t*")) for letter, option in _OPTION.findall(parts["question"])]
    stem = parts["question"][: first.start()].strip() if first else ""
    key = letters(f"answer: {parts['answer']}")
    in_order = [letter for letter, _ in options] == list(LETTERS[: len(options)])
    distinct = len({tuple(units(option)) for _, option in options}) == len(options) >= 2
    if not stem or not in_order or not distinct or key is None or len(key) != 1 or max(key) >= len(options):
        return None
    return stem, [option for _, option in options], next(iter(key))


def copies(new: str, old: str, share: float = 0.7) -> bool:
    """Whether most of the 3-grams of ``new`` stand in ``old``: the same text, or one with a few words changed."""
    size = 3
    grams = [
        {tuple(words[place : place + size]) for place in range(len(words) - size + 1)}
        for words in map(units, (new, old))
    ]
    return not grams[0] or len(grams[0] & grams[1]) / len(grams[0]) >= share


def invented(text: str, passage: str) -> set[Quantity]:
    """Quantities of ``text`` that ``passage`` does not have. A bare number is had where its value is, with any unit."""
    known = quantities(passage)
    values = {quantity.value for quantity in known}
    return {one for one in quantities(text) if (one not in known if one.unit else one.value not in values)}


def sentences(text: str) -> list[str]:
    """Sentences of English and Chinese text, lines and parts between semicolons too."""
    return [part for part in re.split(r"(?<=[.!?;])\s+|[。！？；;\n]+", text) if part.strip()]


def dose_support(answer: str, passage: str, title: str = "") -> float:
    """How well the passage says of each dose of the answer what the answer says of it, from 0 to 1.

    For each sentence of the answer that has a quantity with a unit: the largest share of its other content units that stands in one
    sentence of the passage with the same quantity, or in the title. The least of these counts; 1 where there is none.
    """
    least = 1.0
    told = [(set(quantities(sentence)), set(units(f"{sentence} {title}"))) for sentence in sentences(passage)]
    for sentence in sentences(answer):
        words = {unit for unit in content(sentence) if not unit[0].isdigit() and not re.fullmatch(UNIT, unit)}
        for quantity in (one for one in quantities(sentence) if one.unit):
            shares = [len(words & known) / max(1, len(words)) for said, known in told if quantity in said]
            least = min(least, max(shares, default=0.0) if words else 1.0)
    return least


def support(answer: str, passage: str) -> float:
    """Share of the answer's content units that stand anywhere in the passage."""
    said, known = content(answer), set(units(passage))
    return sum(unit in known for unit in said) / max(1, len(said))


def quoted(quotation: str, passage: str, least: int) -> bool:
    """Whether the quotation has ``least`` units and stands in the passage word for word, with the passage's numbers."""
    run = units(quotation)
    return len(run) >= least and holds_run(units(passage), run) and not invented(quotation, passage)


_POINTS = re.compile(
    r"\b(according to|based on|in|from|per) (the|this) (passage|text|guideline|document|article|excerpt|source)\b|\bthe passage\b"
    r"|上文|本文|文中|该段|这段文字|根据(该|本|此)?(指南|资料|材料)",
    re.IGNORECASE,
)


def points_at_source(text: str) -> bool:
    """Whether the text speaks of a passage that its reader will not have."""
    return bool(_POINTS.search(text))


def verdict(reply: str) -> bool | None:
    """What a judge said: supported, not supported, or (None) neither of them at the start."""
    start = " ".join(units(reply)[:6])
    if re.match(
        r"(the answer is |it is |answer )?(not supported|unsupported|partially|partly)|不 支 持|部 分 支 持", start
    ):
        return False
    return True if re.match(r"(the answer is |it is |answer )?supported|支 持", start) else None


# Words of conditions' names that give nothing away.
_GENERIC_ENGLISH = (
    "disease diseases syndrome disorder disorders failure infection infections injury deficiency cancer chronic acute primary secondary "
    "severe recurrent simple congenital hereditary type stage cardiac kidney bladder thyroid muscle spinal venous arterial artery "
    "ventricular pulmonary bowel"
)
_GENERIC = frozenset(_GENERIC_ENGLISH.split())
_DOUBT = re.compile(
    r"\b(not|no|unlikely|exclude[sd]?|ruled? out|versus|vs|or|either)\b|不是|并非|排除|或|不像|不考虑", re.IGNORECASE
)


def names_of(title: str) -> list[list[str]]:
    """A condition's name and what stands in brackets or after a slash, each as units."""
    parts = re.split(r"[()（）/;；,，]|\balso known as\b|\bor\b|又称|又名", title)
    return [found for found in (units(part) for part in parts) if found]


def gives_away(case: str, title: str) -> bool:
    """Whether a case has the condition's name, a telling word of it, or a word made from that ("asthmatic")."""
    said = units(case)
    for name in names_of(title):
        if holds_run(said, name):
            return True
        if not name[0].isascii() and len(name) > 2 and name[-1] in "病症炎癌" and holds_run(said, name[:-1]):
            return True
        stems = [
            word[: max(5, len(word) - 2)] for word in name if word.isascii() and len(word) >= 6 and word not in _GENERIC
        ]
        if any(unit.startswith(stem) for stem in stems for unit in said):
            return True
    return False


def names_condition(reply: str, title: str) -> bool:
    """Whether the line "Diagnosis: …" of a reply names the condition and no second one, and does not deny it."""
    found = labelled(reply, "diagnosis")
    if found is None:
        return False
    line = found["diagnosis"].splitlines()[0]
    bare = re.sub(re.escape(title), " ", line, flags=re.IGNORECASE)  # a name may itself hold "or"
    return not _DOUBT.search(bare) and any(holds_run(units(line), name) for name in names_of(title))
