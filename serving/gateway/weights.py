"""Which weights answered: a hash over a model's or an adapter's folder, made beside the answering."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
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


class WeightVersions:
    """The versions of the folders that vLLM serves from, known a while after they were first seen: 16 GB take some ten seconds to read."""

    def __init__(self) -> None:
        self._seen: dict[str, Stamp] = {}
        self._known: dict[str, str] = {}

    def of(self, root: str | None) -> str | None:
        """The version of a folder; None for a hub id, a folder that this machine has not, or while it is read."""
        return self._known.get(root) if root else None

    def look(self, roots: Iterable[str | None]) -> None:
        """Has the folders read that are new or have changed."""
        for root in {one for one in roots if one}:
            try:
                folder = Path(root)
                stamp = _stamp(folder)
            except OSError:
                continue
            if self._seen.get(root) != stamp:
                self._seen[root] = stamp
                self._known.pop(root, None)
                threading.Thread(target=self._read, args=(root, folder, stamp), daemon=True).start()

    def _read(self, root: str, folder: Path, stamp: Stamp) -> None:
        try:
            version = hashed(folder)
        except OSError:
            return
        if self._seen.get(root) == stamp:  # else it changed meanwhile, and is read anew
            self._known[root] = version
