"""What the linear reader weighs of a message: words, pairs and pieces of words, the lexicon's concepts with their scopes, and what the rules say."""

from __future__ import annotations

import bisect
import functools
import operator
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from serving.triage.reading import Reading
from serving.triage.text import is_chinese

DIMENSIONS = 2**17  # of the weights for emergency or not; a feature's place is its CRC-32
CATEGORY_DIMENSIONS = 2**14
# Of a word's pieces, by which a word that no example has is known by its stem.
PIECES = (4, 5)
LENGTH_STEP, LENGTHS = 8, 8  # tokens


Place = tuple[int, ...]  # tokens


Feature = tuple[str, Place]


class Occurrence(NamedTuple):
    """A feature at a place: the tokens that it rests on, all within ``[start, end)``."""

    start: int
    end: int
    name: str
    tokens: Place


@functools.lru_cache(maxsize=10_000)
def _pieces(word: str) -> tuple[str, ...]:
    whole = f"<{word}>"
    return tuple(f"c:{whole[first : first + size]}" for size in PIECES for first in range(len(whole) - size + 1))


def occurrences(reading: Reading) -> list[Occurrence]:
    """Every word, pair, piece and sign of a message, in order."""
    tokens, scopes = reading.text.tokens, reading.scopes
    found: list[Occurrence] = []

    def add(start: int, end: int, *names: str) -> None:
        place = tuple(range(start, end))
        found.extend([Occurrence(start, end, name, place) for name in names])

    for place, token in enumerate(tokens):
        if token.isalnum():
            scope = ("n" if scopes.denied[place] else "") + ("p" if scopes.past[place] else "")
            scope += "s" if scopes.supposed[place] else ""
            add(place, place + 1, f"w:{token}", f"w:{scope}:{token}" if scope else f"w0:{token}")
        if place > 0:
            add(place - 1, place + 1, f"b:{tokens[place - 1]}_{token}")
        if place > 1 and is_chinese(token):
            add(place - 2, place + 1, f"t:{''.join(tokens[place - 2 : place + 1])}")
        if token.isascii() and len(token) > PIECES[0]:
            add(place, place + 1, *_pieces(token))
    for concept, hits in reading.hits.items():
        stated = set(map(id, reading.stated_hits(concept)))
        for hit in hits:
            said = id(hit) in stated
            tokens_of = tuple(sorted({*hit.tokens, *hit.context})) if said else ()
            found.append(Occurrence(hit.first, hit.end, f"{'C' if said else 'D'}:{concept}", tokens_of))
    return sorted(found, key=operator.itemgetter(0))


def features(
    reading: Reading,
    found: Mapping[str, Place],
    window: tuple[int, int] | None = None,
    known: Sequence[Occurrence] | None = None,
) -> list[Feature]:
    """What is weighed, each once, with the tokens that it rests on.

    Args:
        reading: The message.
        found: The emergencies that the rules find in it, each with its tokens.
        window: The tokens ``[start, end)`` that are looked at; None for all.
        known: Its ``occurrences``, where they are known already.
    """
    tokens = reading.text.tokens
    start, end = window or (0, len(tokens))
    known = occurrences(reading) if known is None else known
    first = bisect.bisect_left(known, start, key=lambda one: one.start)
    last = bisect.bisect_left(known, end, key=lambda one: one.start)
    weighed: dict[str, Place] = {}
    for one in known[first:last]:
        if one.end <= end:
            weighed.setdefault(one.name, one.tokens)
    # A sign that is said somewhere is not also one that is denied.
    weighed = {name: place for name, place in weighed.items() if not (name[:2] == "D:" and f"C:{name[2:]}" in weighed)}
    if reading.scopes.elsewhere:
        weighed["X:elsewhere"] = ()
    by_rule = {emergency: place for emergency, place in found.items() if place and start <= min(place) < end}
    weighed["R:found" if by_rule else "R:silent"] = ()
    for emergency in by_rule:
        weighed[f"F:{emergency}"] = ()  # no tokens of its own: its signs have them
    weighed[f"N:{min(LENGTHS, (end - start) // LENGTH_STEP)}"] = ()
    if not any(map(is_chinese, tokens[start:end])):
        weighed["L:en"] = ()
    return list(weighed.items())


@functools.lru_cache(maxsize=100_000)
def slot(name: str, dimensions: int) -> int:
    """Where the weight of a feature stands."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % dimensions


def names_what(name: str) -> bool:
    """Whether a feature is weighed for the category: words, pairs, signs that are said, and what the rules take it for."""
    return name[:2] in ("w:", "b:", "t:", "C:", "F:")
