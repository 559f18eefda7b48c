"""A request that is made again where the network or a busy server was the fault."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import httpx
import tenacity

from corpora.errors import DataError

TRIES = 6


class Busy(Exception):
    """An answer after which the same request may succeed later."""


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
