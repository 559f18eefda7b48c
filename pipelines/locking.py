"""One run in a folder at a time: a second one would throw away what the first has under way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from corpora.disk import lock
from corpora.errors import OslerError

LOCK = ".lock"  # no stage is called so


@contextlib.contextmanager
def alone_in(run_dir: Path) -> Iterator[None]:
    """Holds the folder of a run for this process while the block lasts; it is let go however the process ends.

    Raises:
        OslerError: another process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    held = lock(run_dir / LOCK)
    if held is None:
        holder = (run_dir / LOCK).read_text(encoding="utf-8").strip()
        raise OslerError(
            f"{run_dir}: process {holder or 'of an unknown id'} runs a recipe there; wait for its end, stop it with "
            "`kill -TERM`, or name another folder with --run"
        )
    with held:
        held.truncate(0)
        held.write(f"{os.getpid()}\n")
        held.flush()
        yield
