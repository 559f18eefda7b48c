"""A file that one process at a time holds."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def lock(path: Path) -> IO[str] | None:
    """The file, held until it is closed or the process ends, however it ends; None where another process holds it.

    A disk that knows no locks (some of those that several machines share) is taken as it is.
    """
    stream = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return None
    except OSError:
        pass
    return stream
