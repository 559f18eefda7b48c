"""The caller's connection: its body within bounds, and work that ends when the caller leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.gateway.errors import Refused
from serving.gateway.settings import Settings

T = TypeVar("T")
Event = tuple[bytes, bool]  # what the caller is sent, and whether more follows


class ClientLeft(Exception):
    """The caller closed the connection, or has not read for too long."""


async def read_body(request: Request, settings: Settings) -> bytes:
    """The request's body.

    Raises:
        Refused: it is too large, or comes too slowly.
        ClientLeft: it broke off.
    """
    told = request.headers.get("content-length", "")
    too_large = Refused(413, f"the body is over {settings.body_bytes} bytes", "body_too_large")
    if told.isdigit() and int(told) > settings.body_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_seconds):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                body += message.get("body", b"")
                if len(body) > settings.body_bytes:
                    raise too_large
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Refused(408, "the body did not come in time", "timeout") from None


async def unless_left(receive: Receive, work: Awaitable[T], seconds: float | None = None) -> T:
    """What ``work`` returns; it is cancelled as soon as the caller leaves, or after ``seconds``.

    Raises:
        ClientLeft: it was.
    """
    task = asyncio.current_task()
    assert task is not None
    before, gone = task.cancelling(), False

    def leave(_: object = None) -> None:
        nonlocal gone
        # Once: a second cancelling, as where the caller leaves after the time ran out, would be taken for somebody else's.
        if not gone:
            gone = True
            task.cancel()

    # As asyncio.timeout does it: the work stays in this task, and what cancels it is told from others who do.
    watch = asyncio.ensure_future(_left(receive))
    watch.add_done_callback(leave)
    timer = asyncio.get_running_loop().call_later(seconds, leave) if seconds is not None else None
    try:
        return await work
    except BaseException:
        if gone and task.uncancel() <= before:
            raise ClientLeft from None
        raise
    finally:
        watch.remove_done_callback(leave)
        watch.cancel()
        if timer is not None:
            timer.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Streamed(Response):
    """Server-sent events.

    ``after`` runs whatever happens, even where the caller left before the first; it is told what ended them early, if anything.
    """

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        after: Callable[[BaseException | None], Awaitable[None]],
        headers: dict[str, str],
        seconds: float,
    ) -> None:
        super().__init__(headers={**headers, "cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self.headers["content-type"] = "text/event-stream; charset=utf-8"
        self._events = events
        self._after = after
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the events until they end or the caller leaves."""

        async def run() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with aclosing(self._events) as events:
                async for event, more in events:
                    await send({"type": "http.response.body", "body": event, "more_body": more})

        early: BaseException | None = None
        try:
            await unless_left(receive, run(), self._seconds)
        except ClientLeft as left:
            early = left
        except BaseException as error:
            early = error
            raise
        finally:
            await self._after(early)
