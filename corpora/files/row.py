"""What is read of a file: a row, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


LONGEST_LINE = 64 * 2**20  # bytes; a longer line of a JSON Lines file is refused rather than read into memory


@dataclass(frozen=True)
class RawRow:
    """A row of a file, or the reason why there is none at this place."""

    place: str  # "row 3", or "part/a.xml, row 3" in an archive
    value: Row
    fault: str = ""
