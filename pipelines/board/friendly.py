"""An error that a person can mend is a message on the page, and no failure of the page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from html import escape
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from corpora.errors import OslerError

P = ParamSpec("P")
R = TypeVar("R")

# Events of the page are for the page: they are no interface for programs, which have the command line.
OWN: dict[str, Any] = {"api_visibility": "private"}
QUIET: dict[str, Any] = {**OWN, "show_progress": "hidden"}


def friendly(work: Callable[P, R]) -> Callable[P, R]:
    """``work`` whose OslerErrors are shown."""

    @functools.wraps(work)
    def told(*given: P.args, **named: P.kwargs) -> R:
        try:
            return work(*given, **named)
        except OslerError as error:
            raise shown(error) from error

    return told


def friendly_pieces(work: Callable[P, Generator[R, None, None]]) -> Callable[P, Generator[R, None, None]]:
    """The same for a function that gives its result in pieces."""

    @functools.wraps(work)
    def told(*given: P.args, **named: P.kwargs) -> Generator[R, None, None]:
        try:
            yield from work(*given, **named)
        except OslerError as error:
            raise shown(error) from error

    return told


def warn(error: OslerError) -> None:
    """Shows the message in a corner of the page, where the work goes on."""
    gr.Warning(escape(str(error)), duration=20)


def shown(error: OslerError) -> gr.Error:
    """The message in a corner of the page, for long enough to be read."""
    return gr.Error(escape(str(error)), duration=20, print_exception=False)
