"""The folder of a vLLM's log that nobody gave a place: it goes with its server, unless something failed.

The process that made a folder holds a lock on it, which the system frees however that process ends. So a folder that nobody holds is of a
server that is gone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "osler-vllm-"
KEPT_SECONDS = 24 * 3600.0  # since the last line of a server that failed: its error names the log


class LogFolder:
    """A new folder below the system's place for temporary files; those of servers that are long gone are removed on the way."""

    def __init__(self) -> None:
        remove_old()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    @property
    def log(self) -> Path:
        """The log's file."""
        return self.path / "vllm.log"

    def close(self, keep: bool) -> None:
        """Lets the folder go, and removes it unless it is to ``keep``. Once."""
        if self._lock >= 0:
            if not keep:
                shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def remove_old() -> None:
    """Removes this user's folders that no process holds and that have not changed for ``KEPT_SECONDS``."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, gone meanwhile, or held
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
                if os.fstat(lock).st_uid == os.getuid() and time.time() - changed > KEPT_SECONDS:
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
