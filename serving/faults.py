"""What can go wrong between the assistant and its model, in words that a person can act on."""

from __future__ import annotations

import httpx
import openai

from corpora.errors import OslerError

# What a client of a server that is down, stalls, or sends nonsense raises. RuntimeError: a client's connections of an event loop that is closed.
FAULTS = (openai.OpenAIError, httpx.HTTPError, OSError, ValueError, TypeError, KeyError, RuntimeError)


class AssistantError(OslerError):
    """The model cannot be reached, refused the request, or broke off; or the retriever or a tool failed.

    Attributes:
        begun: part of the answer had already been said.
    """

    begun = False


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
    if isinstance(error, openai.LengthFinishReasonError):
        said = "the answer did not end within its length limit; give a larger max_tokens"
    elif isinstance(error, openai.APITimeoutError | httpx.TimeoutException):
        said = "no answer in time; try again, or give a longer timeout"
    elif isinstance(error, openai.AuthenticationError):
        said = "the key does not work; give api_key= one of `osler keys add NAME --own-triage`"
    elif isinstance(error, openai.NotFoundError) and not where.rstrip("/").endswith("/v1"):
        said = f"{_reason(error)}; the address of a server ends in /v1"
    elif isinstance(error, openai.APIStatusError):
        said = f"refused with {error.status_code}: {_reason(error)}"
    elif isinstance(error, openai.APIConnectionError | httpx.HTTPError | OSError):
        away = never_connected(error)
        said = (
            "the model cannot be reached; start it with `osler serve`"
            if away
            else "the connection broke off; ask again"
        )
    else:
        said = f"the answer could not be read: {error}"
    made = AssistantError(f"{where}: {said}")
    made.__cause__ = error
    return made


def _reason(error: openai.APIStatusError) -> str:
    """What the server itself said, without the client's words around it."""
    told = error.body.get("message") if isinstance(error.body, dict) else None
    return str(told or error.message)
