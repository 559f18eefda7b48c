"""What a finder returns, how overlapping finds become one, and how the lists of words beside it are read."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

DATA = Path(__file__).parent / "data"

# The eighteen identifiers of 45 CFR 164.514(b)(2)(i), in its order; ages over 89, which stand with the dates there, are a kind of their own.
Kind = Literal[
    "name",
    "place",
    "date",
    "age",
    "phone",
    "fax",
    "email",
    "national_id",
    "record",
    "plan",
    "account",
    "licence",
    "vehicle",
    "device",
    "url",
    "ip",
    "biometric",
    "photo",
    "other",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Full-width forms and the many spaces and dashes as their plain ASCII ones, letter for letter, so that places in the text stay true.
# The full-width comma, semicolon, question and exclamation marks are left: they end a Chinese clause.
_WIDE = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code) not in "，；？！"}
_PLAIN = str.maketrans(
    {
        **_WIDE,
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u02bc", "'"),
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """An identifying piece: ``text[start:end]``."""

    start: int
    end: int
    kind: Kind


def plain(text: str) -> str:
    """The text in half width, with plain spaces, dashes and apostrophes; as long as before."""
    return text if text.isascii() else text.translate(_PLAIN)


def apart(found: Iterable[Found]) -> list[Found]:
    """The finds in order, those that overlap joined under the kind of the longest, so that no piece of either is left."""
    joined: list[Found] = []
    longest = 0
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        size = one.end - one.start
        if joined and one.start < joined[-1].end:
            last = joined[-1]
            kind = one.kind if size > longest else last.kind
            joined[-1] = Found(last.start, max(last.end, one.end), kind)
            longest = max(longest, size)
        else:
            joined.append(one)
            longest = size
    return joined


def around(pivot: re.Pattern[str], text: str, before: int, after: int) -> list[tuple[int, int]]:
    """The stretches of a text so many letters before and after where a cheap pattern matches; costly ones are tried there alone."""
    found: list[tuple[int, int]] = []
    first = last = -1
    for match in pivot.finditer(text):
        start = match.start() - before
        if start > last:
            if last >= 0:
                found.append((max(0, first), last))
            first = start
        last = match.end() + after
    if last >= 0:
        found.append((max(0, first), last))
    return found


def within(stretches: list[tuple[int, int]], pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The matches of a pattern in these stretches of a text."""
    for start, end in stretches:
        yield from pattern.finditer(text, start, end)


def near(
    pivot: re.Pattern[str], pattern: re.Pattern[str], text: str, before: int, after: int
) -> Iterator[re.Match[str]]:
    """The matches of a costly pattern around those of a cheap one."""
    return within(around(pivot, text, before, after), pattern, text)


@functools.cache
def words(name: str) -> frozenset[str]:
    """The lines of one of the project's own lists in the folder ``data``; those that begin with "#" are notes."""
    text = (DATA / name).read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
