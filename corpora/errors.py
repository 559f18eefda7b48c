"""Errors that a user can act on."""

from __future__ import annotations


class OslerError(Exception):
    """A problem that the user can mend; its message names the place and the remedy."""


class DataError(OslerError):
    """A file, row or entry that cannot be used."""
