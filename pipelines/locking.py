"""One run in a folder at a time: a second one would throw away what the first has under way."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from corpora.errors import OslerError

LOCK = ".lock"  # no stage is called so


@contextlib.contextmanager
def alone_in(run_dir: Path) -> Iterator[None]:
    """Holds the folder of a run for this process while the block lasts; it is let go however the process ends.

    A disk that knows no locks (some of those that several machines share) is taken as it is.

    Raises:
        OslerError: another process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise OslerError(
                f"{run_dir}: process {lock.read().strip() or 'of an unknown id'} runs a recipe there; wait for its end, stop it with "
                "`kill -TERM`, or name another folder with --run"
            ) from error
        except OSError:
            pass
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
