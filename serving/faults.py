"""What can go wrong between the assistant and its model, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import httpx
import openai

from corpora.errors import OslerError

# What a client of a server that is down, stalls, or sends nonsense raises. RuntimeError: a client's connections of an event loop that is closed.
FAULTS = (openai.OpenAIError, httpx.HTTPError, OSError, ValueError, TypeError, KeyError, RuntimeError)


# What is said of each fault. ``told`` is what a server, a library or a tool said itself. A page in another language has these in its own words.
REASONS: Mapping[str, str] = {
    "too_long": "the answer did not end within its length limit; give a larger max_tokens",
    "late": "no answer in time; try again, or give a longer timeout",
    "key": "the key does not work; give api_key= one of `osler keys add NAME --own-triage`",
    "address": "{told}; the address of a server ends in /v1",
    "refused": "refused with {status}: {told}",
    "away": "the model cannot be reached; start it with `osler serve`",
    "connection": "the connection broke off; ask again",
    "unreadable": "the answer could not be read: {told}",
    "broke_off": "the model's answer broke off; ask again",
    "empty": "the model gave no answer",
    "retriever": "the retriever failed: {told}",
    "tool": "the tool {name} failed: {told}",
}


class AssistantError(OslerError):
    """The model cannot be reached, refused the request, or broke off; or the retriever or a tool failed.

    Attributes:
        begun: part of the answer had already been said.
        reason: which of ``REASONS`` it is; empty for one that a caller's own program makes.
        values: what is filled into it; and ``code``, a server's word for programs, where it sent one.
        where: the server's address; empty where no server is at fault.
    """

    begun = False
    reason = ""
    values: Mapping[str, str] = {}
    where = ""

    @classmethod
    def of(cls, reason: str, where: str = "", **values: object) -> Self:
        """The error for one of ``REASONS``."""
        said = REASONS[reason].format(**values)
        made = cls(f"{where}: {said}" if where else said)
        made.reason, made.where = reason, where
        made.values = {name: str(value) for name, value in values.items()}
        return made


class NotText(AssistantError):
    """A message has a part that the assistant does not read, such as an image."""


class ToolsRefused(AssistantError):
    """The server takes no tools in a request; the turn goes on with the router."""


def never_connected(error: BaseException | None) -> bool:
    """Whether a client's error about its connection says that nobody was there; else a connection broke."""
    while error is not None:
        if type(error).__name__ in ("ConnectError", "ConnectTimeout"):  # of httpx, or of httpx2, as newer clients have
            return True
        error = error.__cause__
    return False


def explained(error: Exception, where: str) -> AssistantError:
    """One of ``FAULTS`` of a client of the server at ``where``, with its remedy."""
    code = getattr(error, "code", None)
    values: dict[str, object] = {"code": code} if isinstance(code, str) else {}
    if isinstance(error, openai.LengthFinishReasonError):
        reason = "too_long"
    elif isinstance(error, openai.APITimeoutError | httpx.TimeoutException):
        reason = "late"
    elif isinstance(error, openai.AuthenticationError):
        reason = "key"
    elif isinstance(error, openai.NotFoundError) and not where.rstrip("/").endswith("/v1"):
        reason, values["told"] = "address", _reason(error)
    elif isinstance(error, openai.APIStatusError):
        reason = "refused"
        values |= {"status": error.status_code, "told": _reason(error)}
    elif isinstance(error, openai.APIConnectionError | httpx.HTTPError | OSError):
        reason = "away" if never_connected(error) else "connection"
    else:
        reason, values["told"] = "unreadable", error
    made = AssistantError.of(reason, where, **values)
    made.__cause__ = error
    return made


def _reason(error: openai.APIStatusError) -> str:
    """What the server itself said, without the client's words around it."""
    told = error.body.get("message") if isinstance(error.body, dict) else None
    return str(told or error.message)
