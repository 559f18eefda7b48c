"""A journal of finished records: lines that are appended as they come, outlive the process, and are found again by key."""

from __future__ import annotations

import collections
import json
import os
from pathlib import Path
from typing import Any

from pipelines.synthesis.teacher import Spent


class Journal:
    """Lines on finished records, appended as they come and found again by key. A line that was torn off is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spent = Spent()  # in earlier runs
        self.outcomes: dict[str, str] = {}
        self._places: dict[str, tuple[int, int]] = {}  # key -> start and length
        self._file = path.open("a+b")
        self._file.seek(0)
        whole = 0
        for line in self._file:
            try:
                entry = json.loads(line) if line.endswith(b"\n") else None
            except json.JSONDecodeError:
                entry = None
            if entry is None:
                break
            self._note(entry, whole, len(line))
            took = entry["spent"]
            self.spent.add(Spent(**{**took, "failures": collections.Counter(took["failures"])}))
            whole += len(line)
        self._file.truncate(whole)
        self._end = whole

    def _note(self, entry: dict[str, Any], start: int, length: int) -> None:
        self.outcomes[entry["key"]] = entry["outcome"]
        self._places[entry["key"]] = (start, length)

    def forget_failed(self) -> None:
        """Lets what the endpoint failed be asked again."""
        for key in [key for key, outcome in self.outcomes.items() if outcome == "failed"]:
            del self.outcomes[key]

    def __contains__(self, key: str) -> bool:
        return key in self.outcomes

    def add(self, entry: dict[str, Any]) -> None:
        """Writes a line; it outlives the process from here on."""
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        self._file.write(line)
        self._file.flush()
        self._note(entry, self._end, len(line))
        self._end += len(line)

    def read(self, key: str) -> dict[str, Any]:
        """The last line on a key."""
        start, length = self._places[key]
        self._file.seek(start)
        found: dict[str, Any] = json.loads(self._file.read(length))
        return found

    def close(self) -> None:
        """Makes it safe from a power failure too."""
        os.fsync(self._file.fileno())
        self._file.close()
