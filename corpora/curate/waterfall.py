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

    def as_dict(self) -> dict[str, Any]:
        """For programs and the data card."""
        return {
            "step": self.name,
            "in": self.received,
            "kept": self.kept,
            "changed": self.changed,
            "dropped": dict(self.dropped.most_common()),
        }


def counted(records: Iterable[Record], step: Step) -> Iterator[Record]:
    """Passes records on and counts them as received."""
    for record in records:
        step.received += 1
        yield record
