"""Errors that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OslerError(Exception):
    """A problem that the user can mend; its message names the place and the remedy."""


class DataError(OslerError):
    """A file, row or entry that cannot be used."""


STOPPED = 75  # exit code after ``Stopped`` (EX_TEMPFAIL of sysexits.h: try again)
INTERRUPTED = 130  # exit code after Ctrl-C, as of a shell


class Stopped(OslerError):
    """A run that was asked to stop by SIGTERM, and has saved what it had done."""

    code = STOPPED


class Interrupted(Stopped):
    """The same, by Ctrl-C."""

    code = INTERRUPTED


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A clause that offers the nearest of ``known``; where none is near, ``otherwise``, or all of them."""
    known = sorted(known)
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return f"did you mean '{folded[near[0]]}'?" if near else otherwise or f"known here: {', '.join(known)}"
