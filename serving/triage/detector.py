"""Finds emergencies in a text: rules over concepts and their scopes, and the linear reader that weighs what they say."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import yaml

from corpora.errors import DataError
from serving.triage.features import Place
from serving.triage.learned import judge
from serving.triage.lexicon import Choice, Choices, load_lexicon
from serving.triage.numbers import MEASURED
from serving.triage.reading import Reading
from serving.triage.scope import Span
from serving.triage.sounds import mend_sounds
from serving.triage.spelling import Speller
from serving.triage.text import Text, read

RULES = Path(__file__).parent / "rules.yaml"
PIECE, OVERLAP = 4000, 600  # characters that are read at a time, of a longer text


@functools.cache
def load_rules(path: Path = RULES) -> Choices:
    """The combinations by which each emergency is known, in order of precedence.

    Raises:
        DataError: a combination names a concept that the lexicon lacks.
    """
    lexicon = load_lexicon(measured=MEASURED)
    raw: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = Choices((emergency, Choice.of(lines)) for emergency, lines in raw.items())
    for emergency, choice in found.items():
        if missing := choice.used - lexicon.names:
            raise DataError(f"{path}: '{emergency}' uses the concept '{min(missing)}', which no lexicon defines")
    return found


@functools.cache
def _speller() -> Speller:
    return Speller(load_lexicon(measured=MEASURED).vocabulary)


@dataclass(frozen=True, slots=True)
class Detection:
    """An emergency, and the stretches of the text (``[start, end)`` in characters) that say so."""

    emergency: str
    spans: tuple[Span, ...]


def pieces(text: str) -> list[tuple[int, str]]:
    """The overlapping pieces that a text is read in, each with its start."""
    starts = range(0, max(1, len(text) - OVERLAP), PIECE - OVERLAP)
    return [(start, text[start : start + PIECE]) for start in starts]


def detect(text: str) -> list[Detection]:
    """The emergencies that the text tells of, empty for none: the likeliest first, the others in the order of the rules.

    A long text is read in overlapping pieces; where the likeliest of several differ, the most pressing comes first.
    """
    found: dict[str, Detection] = {}
    likeliest: set[str] = set()
    for start, piece in pieces(text):
        detections = _detect(piece)
        likeliest |= {detection.emergency for detection in detections[:1]}
        for detection in detections:
            moved = tuple((start + first, start + end) for first, end in detection.spans)
            found.setdefault(detection.emergency, Detection(detection.emergency, moved))
    pressing = [emergency for emergency in load_rules() if emergency in found]
    return [found[emergency] for emergency in sorted(pressing, key=lambda emergency: emergency not in likeliest)]


def read_piece(text: str) -> tuple[Reading, dict[str, Place]]:
    """What a piece holds, and the emergencies that the rules find in it, each with its tokens."""
    lexicon = load_lexicon(measured=MEASURED)
    made = read(text, _speller())
    mend_sounds(made.tokens, lexicon)
    reading = Reading(made, lexicon)
    found: dict[str, Place] = {}
    for emergency, choice in reading.possible(load_rules()) if not reading.scopes.elsewhere else ():
        if hit := next(reading.matches(choice, emergency), None):
            found[emergency] = tuple(sorted({*hit.tokens, *hit.context}))
    return reading, found


def _detect(text: str) -> list[Detection]:
    reading, found = read_piece(text)
    opinion = judge(reading, found)
    if not opinion.emergency:
        return []
    found = {opinion.category: found.get(opinion.category, opinion.tokens), **found}
    return [Detection(emergency, _spans(reading.text, tokens)) for emergency, tokens in found.items()]


def _spans(text: Text, tokens: Place) -> tuple[Span, ...]:
    spans: list[Span] = []
    for token in tokens:
        start, end = text.spans[token]
        if spans and token and (start <= spans[-1][1] + 1):
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return tuple(spans)
