"""Errors that a user can act on."""

from __future__ import annotations


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
