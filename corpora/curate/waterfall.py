"""What became of a corpus at each step: in = kept + dropped by reason."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from corpora.records import Record


@dataclass
class Step:
    """Counts of one step."""

    name: str
    received: int = 0
    kept: int = 0
    changed: int = 0
    dropped: collections.Counter[str] = field(default_factory=collections.Counter)
    found: collections.Counter[str] = field(default_factory=collections.Counter)  # what it took out of texts, by kind

    def add(self, other: Step) -> None:
        """Adds the counts of the same step over another part of the corpus."""
        self.received += other.received
        self.kept += other.kept
        self.changed += other.changed
        self.dropped += other.dropped
        self.found += other.found

    def as_dict(self) -> dict[str, Any]:
        """For programs and the data card."""
        return {
            "step": self.name,
            "in": self.received,
            "kept": self.kept,
            "changed": self.changed,
            "dropped": dict(self.dropped.most_common()),
            **({"found": dict(self.found.most_common())} if self.found else {}),
        }

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Step:
        """What ``as_dict`` gave."""
        dropped, found = collections.Counter(given["dropped"]), collections.Counter(given.get("found", {}))
        return cls(given["step"], given["in"], given["kept"], given["changed"], dropped, found)


def counted(records: Iterable[Record], step: Step) -> Iterator[Record]:
    """Passes records on and counts them as received."""
    for record in records:
        step.received += 1
        yield record
