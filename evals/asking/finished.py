"""Finished parts of an exam, so that a run that was killed goes on where it stopped.

A part is what was computed together (a chunk of items whose options are scored, a batch of texts that are written), or one answer of a server or
text of vLLM. It is kept under a hash of the model, the engine's settings, the task and every prompt in it. What was computed together is kept as a
whole: were its items kept one by one, those computed anew would be batched with other neighbours and could differ in the last bits, and the resumed
run would not end with the same bytes. vLLM fills a place of its batch as soon as one is free, and leaves out the prefixes that it has at hand, so that a
part begun anew would not meet the same numbers either: its texts are kept one by one, and a killed run loses those alone that were being written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from corpora.disk import lock
from corpora.errors import DataError, OslerError


def key_of(parts: Iterable[str]) -> str:
    """SHA-256 of the parts in their order."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


class Finished:
    """A SQLite file of finished parts; each is there whole or not at all, even after ``kill -9``."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or begins it.

        Raises:
            DataError: it cannot be written, or is damaged.
            OslerError: another run writes to it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = _alone(path)
        self.found = 0  # parts that were asked for and were there from an earlier run
        self._own: set[str] = set()  # those of this run
        with self._told():
            self._database = sqlite3.connect(path)
            self._database.execute("PRAGMA journal_mode=WAL")
            # Without a wait for the disk at each answer: a part that a power cut takes is asked for again.
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("CREATE TABLE IF NOT EXISTS chunks (key TEXT PRIMARY KEY, seconds REAL, found TEXT)")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(
                f"{self.path}: what is finished cannot be kept here ({error}): is the folder writable, and the disk not full? If the file is "
                "damaged, remove it: the run then begins anew"
            ) from error

    def get(self, key: str, counted: bool = True) -> tuple[Any, float] | None:
        """What was found for the part and the seconds it took, if it is there; ``counted`` in ``found``."""
        with self._told():
            row = self._database.execute("SELECT found, seconds FROM chunks WHERE key = ?", (key,)).fetchone()
        self.found += counted and row is not None and key not in self._own
        return (json.loads(row[0]), float(row[1])) if row is not None else None

    def once(self, key: str, compute: Callable[[], Any]) -> tuple[Any, float]:
        """What ``compute`` gives and the seconds that it took: kept from an earlier time, or computed and kept now."""
        kept = self.get(key)
        if kept is None:
            started = time.perf_counter()
            kept = compute(), time.perf_counter() - started
            self.put(key, *kept)
        return kept

    def put(self, key: str, found: Any, seconds: float) -> None:
        """Keeps what was found for a part."""
        self._own.add(key)
        with self._told(), self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", (key, seconds, json.dumps(found, ensure_ascii=False))
            )

    def __enter__(self) -> Finished:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._lock.close()


def _alone(path: Path) -> IO[str]:
    """A lock beside the file, held until it is closed or the process ends: two runs would write the same results.

    Raises:
        OslerError: another run holds it.
    """
    held = lock(path.with_name(f"{path.name}.lock"))
    if held is None:
        raise OslerError(
            f"{path.parent}: another run writes to this folder; wait for it, or name another folder with --output"
        )
    return held
