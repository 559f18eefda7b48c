"""A request that is made again where the network or a busy server was the fault."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import httpx
import tenacity

from corpora.errors import DataError

TRIES = 6
CONNECTING = {"ConnectError", "ConnectTimeout", "ProxyError"}  # of httpx, and of the hub library's own copy of it
QUICK_TRIES, QUICK_SECONDS = 3, 3.0  # how often, and how long, a connection that fails at once is tried again


class Unreachable(DataError):
    """A server to which no connection can be made."""


class Busy(Exception):
    """An answer after which the same request may succeed later."""


def reach(endpoint: str, ask: Callable[[], Any]) -> None:
    """Makes sure within seconds that a server can be reached, before it is asked with the patience that a download needs.

    Any answer will do, a refusal too, and so does one that is slow to come: what it says is told by the request that is meant.

    Args:
        endpoint: the server's address, for the error.
        ask: makes one cheap request, with a time limit of its own.

    Raises:
        Unreachable: no connection could be made.
    """
    pause = float(os.environ.get("OSLER_RETRY_SECONDS", "1"))
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_connecting),
        wait=tenacity.wait_fixed(pause),
        # A name that is not found may be found a second later; after a time limit nothing is gained by a second one.
        stop=tenacity.stop_any(tenacity.stop_after_attempt(QUICK_TRIES), tenacity.stop_after_delay(QUICK_SECONDS)),
        reraise=True,
    )
    try:
        retrying(ask)
    except Exception as error:
        if _connecting(error):
            raise Unreachable(
                f"{endpoint} cannot be reached ({error or type(error).__name__}; tried {_times(retrying.statistics)})"
            ) from error


def _connecting(error: BaseException) -> bool:
    return type(error).__name__ in CONNECTING


def _times(statistics: dict[str, Any]) -> str:
    tries = int(statistics["attempt_number"])
    return "once" if tries == 1 else f"{tries} times"


def again(function: Callable[..., Any], *args: Any, tries: int = TRIES) -> Any:
    """Calls ``function``, and again after a pause that grows where the network or a busy server was the fault.

    Raises:
        DataError: it failed every time.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((Busy, httpx.TransportError, ConnectionError, TimeoutError)),
        wait=tenacity.wait_exponential(multiplier=float(os.environ.get("OSLER_RETRY_SECONDS", "1")), max=30),
        stop=tenacity.stop_after_attempt(tries),
        reraise=True,
    )
    try:
        return retrying(function, *args)
    except (Busy, httpx.HTTPError, ConnectionError, TimeoutError) as error:
        host = f"{error.request.url.host}: " if isinstance(error, httpx.RequestError) else ""
        raise DataError(f"{host}{error}; tried {tries} times. Try again later: what has arrived is kept") from error
