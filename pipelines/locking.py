"""One run in a folder at a time: a second one would throw away what the first has under way. And what other machines see of it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from corpora.disk import lock
from corpora.errors import OslerError

LOCK = ".lock"  # no stage is called so
ENDED = "ended\n"  # in the place of the process's number
BEAT_SECONDS = 5.0
SETTLED_SECONDS = 60.0  # a folder that is new on NFS may be seen so late (nfs(5), acdirmax), and the first machine may be started again
LOST_SECONDS = 180.0  # a machine that reads over NFS may see a time stamp a minute late (nfs(5), acregmax)


@contextlib.contextmanager
def alone_in(run_dir: Path) -> Iterator[None]:
    """Holds the folder of a run for this process while the block lasts; it is let go however the process ends.

    Meanwhile the lock's time stamp is renewed, and at the end it says so: see ``Leader``.

    Raises:
        OslerError: another process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    held = lock(run_dir / LOCK)
    if held is None:
        holder = (run_dir / LOCK).read_text(encoding="utf-8").strip()
        raise OslerError(
            f"{run_dir}: process {holder if holder.isdecimal() else 'of an unknown id'} runs a recipe there; wait for its end, stop it with "
            "`kill -TERM`, or name another folder with --run"
        )
    with held:
        held.truncate(0)
        held.write(f"{os.getpid()}\n")
        held.flush()
        try:
            with _beating(run_dir / LOCK):
                yield
        finally:
            held.truncate(0)
            held.write(ENDED)
            held.flush()


@contextlib.contextmanager
def _beating(path: Path) -> Iterator[None]:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, name="lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Leader:
    """The first machine of a run, as the others see it on the disk that they share: by the time stamp of its lock.

    Clocks of machines differ, so that a stamp is compared with itself alone: it changes, or it does not.
    """

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / LOCK
        self._stamp: int | None = None
        self._changed = time.monotonic()
        self.seen = False  # alive, at least once

    def gone(self) -> bool:
        """Whether it was at work and is no more: it ended ``SETTLED_SECONDS`` ago, or has given no sign for ``LOST_SECONDS``."""
        try:
            stamp, text = self.path.stat().st_mtime_ns, self.path.read_text(encoding="utf-8")
        except OSError:
            return False
        if stamp != self._stamp:
            self.seen = self.seen or self._stamp is not None
            self._stamp, self._changed = stamp, time.monotonic()
        return self.seen and time.monotonic() - self._changed > (SETTLED_SECONDS if text == ENDED else LOST_SECONDS)
