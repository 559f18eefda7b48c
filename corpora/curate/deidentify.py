"""Takes identifying pieces out of records: the eighteen identifiers of the HIPAA Safe Harbor rule, in English, and their Chinese counterparts.

Each piece gives way to a tag, as ``[NAME]`` or ``[PHONE]``. What is looked for are the identifiers of 45 CFR 164.514(b)(2)(i)
(https://www.ecfr.gov/current/title-45/section-164.514): by forms, by check digits, by the words around, and by lists of names and places. There is no
language model. This is no legal de-identification: see docs/deidentification.md for what it misses.

Libraries: ``phonenumbers`` (Google's metadata) tells telephone numbers of several countries, and ``python-stdnum`` checks resident identity numbers
and bank cards. Presidio was not taken: its recognisers by pattern are those that these two and a regular expression are, the one for
names needs a spaCy model, and none reads Chinese.
"""

from __future__ import annotations

import collections
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from corpora.curate.identifiers.found import KINDS, Found, Kind, apart, plain
from corpora.curate.waterfall import Step, counted
from corpora.records import Record

TAG = re.compile(rf"\[(?:{'|'.join(KINDS).upper()})\]")
# Fields of records that are no text of a person: names of what the record is and where it is from.
KEPT_FIELDS = frozenset({"id", "source", "licence", "language", "role"})


class Deidentification(BaseModel):
    """What is taken out."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar = "deidentify"

    kinds: tuple[Kind, ...] = Field(default=KINDS, min_length=1)


Finder = Callable[[str], Iterable[Found]]


@functools.cache
def _finders() -> tuple[Finder, ...]:
    """What finds the pieces. Their patterns take a third of a second to compile, and every command reads the settings above."""
    from corpora.curate.identifiers.chinese_names import chinese_names
    from corpora.curate.identifiers.chinese_places import chinese_places
    from corpora.curate.identifiers.dates import ages, dates
    from corpora.curate.identifiers.english_names import english_names
    from corpora.curate.identifiers.english_places import english_places
    from corpora.curate.identifiers.numbers import numbers
    from corpora.curate.identifiers.told import told

    return (dates, ages, numbers, english_places, chinese_places, english_names, chinese_names, told)


def identifiers(text: str, kinds: Iterable[Kind] = KINDS) -> list[Found]:
    """The identifying pieces of a text, in order and apart from one another.

    Tags that an earlier run has left are no such pieces, so that a second run changes nothing.
    """
    from corpora.curate.identifiers.addresses import addresses
    from corpora.curate.identifiers.told import whole

    wanted = set(kinds)
    bare = TAG.sub(lambda tag: "~" * len(tag[0]), plain(text))
    found = list(addresses(bare))
    for one in found:  # what a URL is made of is neither a name nor a number
        bare = f"{bare[: one.start]}{'~' * (one.end - one.start)}{bare[one.end :]}"
    found += [one for finder in _finders() for one in finder(bare)]
    found = apart(found)
    return [one for one in apart([*found, *whole(bare, found)]) if one.kind in wanted]


def redacted(text: str, kinds: Iterable[Kind] = KINDS) -> tuple[str, collections.Counter[str]]:
    """The text with a tag for each identifying piece, and how many there were of each kind."""
    pieces: list[str] = []
    counts: collections.Counter[str] = collections.Counter()
    last = 0
    for one in identifiers(text, kinds):
        pieces += [text[last : one.start], f"[{one.kind.upper()}]"]
        counts[one.kind] += 1
        last = one.end
    return "".join(pieces) + text[last:], counts


def _without(value: Any, kinds: tuple[Kind, ...], counts: collections.Counter[str]) -> Any:
    """A value of a record with every string in it redacted, however deep; the names of fields stay."""
    if isinstance(value, str):
        text, found = redacted(value, kinds)
        counts.update(found)
        return text
    if isinstance(value, list):
        return [_without(part, kinds, counts) for part in value]
    if isinstance(value, dict):
        return {key: part if key in KEPT_FIELDS else _without(part, kinds, counts) for key, part in value.items()}
    return value


def deidentify(records: Iterable[Record], what: Deidentification, step: Step) -> Iterator[Record]:
    """The records with their identifying pieces taken out of every text: titles, turns, answers, options and what ``meta`` holds.

    Args:
        records: a stream; one record at a time is held.
        what: which kinds are taken out.
        step: counts of records, and in ``found`` of pieces by kind, changed in place.
    """
    for record in counted(records, step):
        counts: collections.Counter[str] = collections.Counter()
        changed = _without(record.model_dump(), what.kinds, counts)
        if counts:
            step.changed += 1
            step.found.update(counts)
            record = type(record).model_validate(changed)
        step.kept += 1
        yield record
