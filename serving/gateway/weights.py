"""Which weights answered: a hash over a model's or an adapter's folder, made beside the answering.

VLLM reads the files once, when it starts. What lies in the folder later is no word on what answers: a version is that of the files as they
were then, and files that have changed since are told of and never taken for it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

Stamp = tuple[tuple[str, int, int], ...]  # each file's name, bytes and time of change


def hashed(folder: Path) -> str:
    """A hash over the names and contents of the files in ``folder``, in 16 hexadecimal digits. Raises OSError."""
    total = hashlib.sha256()
    for path in _files(folder):
        with path.open("rb") as stream:
            total.update(path.name.encode() + b"\0" + hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _stamp(folder: Path) -> Stamp:
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in _files(folder))


def _newest(folder: Path) -> float:
    """When a file of the folder last came or changed, in seconds since 1970: also one that was moved here with a time of its own."""
    return max((path.stat().st_ctime for path in _files(folder)), default=0.0)


class WeightVersions:
    """The versions of the folders that vLLM serves from, known a while after they were first seen: 16 GB take some ten seconds to read."""

    def __init__(self, started: Callable[[], float] | None = None) -> None:
        """``started`` tells when vLLM was last started, in seconds since 1970; None where somebody else starts it, and may do so unseen."""
        self._started = started
        self._start: float | None = None
        self._seen: dict[str, Stamp] = {}
        self._known: dict[str, str] = {}
        self._changed: set[str] = set()

    def of(self, root: str | None) -> str | None:
        """The version of what vLLM loaded from a folder.

        None for a hub id, a folder that this machine has not, or while it is read; for files that changed before they could be read; and where
        they have changed and a vLLM that somebody else starts may have loaded the old ones or the new.
        """
        if root is None or (self._started is None and root in self._changed):
            return None
        return self._known.get(root)

    def changed(self, root: str | None) -> bool:
        """Whether the folder's files are no longer those that vLLM loaded, or were when they were first seen."""
        return root in self._changed

    def look(self, roots: Iterable[str | None]) -> None:
        """Has the folders read that are new or have changed."""
        start = self._started() if self._started is not None else None
        if start != self._start:  # another vLLM, which has loaded what lay there when it began
            self._start = start
            self._seen, self._known, self._changed = {}, {}, set()
        for root in {one for one in roots if one}:
            folder = Path(root)
            try:
                stamp, newest = _stamp(folder), _newest(folder)
            except OSError:
                if root in self._seen:
                    self._changed.add(root)
                continue
            if self._seen.get(root) != stamp:
                if root in self._seen or (start is not None and newest > start):
                    self._changed.add(root)
                self._seen[root] = stamp
                threading.Thread(target=self._read, args=(root, folder, stamp, start), daemon=True).start()

    def _read(self, root: str, folder: Path, stamp: Stamp, start: float | None) -> None:
        try:
            version = hashed(folder)
            whole = _stamp(folder) == stamp
        except OSError:
            return
        if not whole or self._seen.get(root) != stamp or self._start != start:
            return  # it changed meanwhile, and is read anew
        if root not in self._changed:
            self._known[root] = version
        elif self._known.get(root) == version:  # the same files, written once more
            self._changed.discard(root)
