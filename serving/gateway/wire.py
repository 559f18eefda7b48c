"""Answers of vLLM's over connections that are kept, read with httptools as uvicorn reads requests.

A piece of a stream is one call of ``on_body`` here, and one timer guards an answer, however many pieces it has. General HTTP clients
have a reader, a task's context and timers for each piece, which was a third of what the door took for it.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import unquote

import httptools
import httpx

from corpora.errors import DataError
from serving.gateway.errors import ModelDown

_KEPT_SECONDS = 4.0  # for which a connection waits for its next request: vLLM closes an idle one after 5
_ENDING_SECONDS = 1.0  # in which HTTP's own end follows the answer's
_HIGH_BYTES = 64 * 1024  # of an answer that wait for a slow caller: no more are read meanwhile


class Wire(asyncio.Protocol):
    """One connection, which carries one answer at a time.

    Attributes:
        status: Of the answer, once its head has come; 0 before.
        ended: Whoever reads an answer sets this at the end of what it says, which comes before HTTP's own.
    """

    def __init__(self, wires: Wires) -> None:
        self.status = 0
        self.ended = False
        self._wires = wires
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._asked = self._whole = self._left = self._lost = self._paused = self._framed = self._again = False
        self._fault: ModelDown | None = None
        self._read_at = 0.0
        self._idle_seconds: float | None = None
        self._until = 0.0

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        self._read_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(ModelDown("the model's answer cannot be read", "bad_answer"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more. An answer without a length ends so."""
        self._lost = True
        self._whole = self._whole or (exc is None and self.status > 0 and not self._framed)
        self._wires.forget(self)
        self._fail(ModelDown("the model broke off"))

    # What httptools calls.

    def on_message_begin(self) -> None:
        """An answer begins."""
        if not self._asked or self._whole:  # nobody asked for one
            self._fail(ModelDown("the model's answer cannot be read", "bad_answer"))

    def on_header(self, name: bytes, _: bytes) -> None:
        """A header came."""
        self._framed = self._framed or name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if not self._whole:
            self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """A piece of the answer came."""
        if self._left or self._whole:  # of an answer that nobody reads, or that nobody asked for
            return
        self._pieces.append(body)
        self._bytes += len(body)
        if self._bytes > _HIGH_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer has ended."""
        if self.status < 200:  # a word before it
            self.status, self._framed = 0, False
            return
        self._whole, self._again = True, self._parser.should_keep_alive()  # which it has forgotten a moment later
        if self._left:
            self._keep()

    # What the door calls.

    @property
    def usable(self) -> bool:
        """Whether another request can be sent over it."""
        return self._transport is not None and not self._lost and not self._transport.is_closing()

    def ask(self, request: bytes, idle_seconds: float | None, seconds: float) -> None:
        """Sends a request; its answer must come within ``seconds``, and each part of it ``idle_seconds`` after the one before."""
        assert self._transport is not None
        self.status, self.ended, self._bytes, self._fault = 0, False, 0, None
        self._pieces.clear()
        self._asked, self._whole, self._left, self._framed = True, False, False, False
        self._read_at = self._loop.time()
        self._idle_seconds, self._until = idle_seconds, self._read_at + seconds
        self._look()
        self._transport.write(request)

    async def head(self) -> None:
        """Waits for the status. Raises ModelDown."""
        while not self.status:
            if self._fault is not None:
                raise self._fault
            self._waiter = self._loop.create_future()
            await self._waiter

    async def read(self) -> bytes:
        """What has come since; empty at the end. Raises ModelDown where it breaks off or does not come in time."""
        while not self._pieces:
            if self._whole:
                return b""
            if self._fault is not None:
                raise self._fault
            self._waiter = self._loop.create_future()
            await self._waiter
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._read_at = self._loop.time()  # the caller was slow, not the model
            self._transport.resume_reading()
        return body

    async def whole(self) -> bytes:
        """All of the answer. Raises ModelDown."""
        body = b""
        while piece := await self.read():
            body += piece
        self.ended = True
        return body

    def leave(self) -> None:
        """Reads no more of this answer: where it has not ended, the connection is closed, and vLLM stops."""
        self._asked = False
        if self._timer is not None:
            self._timer.cancel()
        if not self.ended or self._fault is not None or not self.usable:
            self.close()
            return
        self._left = True
        if self._whole:
            self._keep()
        else:
            self._timer = self._loop.call_later(_ENDING_SECONDS, self.close)
            if self._paused and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()

    def close(self) -> None:
        """Ends the connection at once."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _keep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._again and self.usable:
            self._wires.keep(self)
        else:
            self.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, fault: ModelDown) -> None:
        self._fault = self._fault or fault
        self._wake()
        if not self._lost:
            self.close()

    def _look(self) -> None:
        """Looks whether the answer is late, and when to look again: a timer for each piece would cost more than the piece."""
        due = self._until
        if self._idle_seconds is not None and not self._paused:
            due = min(due, self._read_at + self._idle_seconds)
        if self._loop.time() >= due:
            self._fail(ModelDown("the model did not answer in time", "timeout"))
        else:
            wait = min(due, self._until if self._idle_seconds is None else self._loop.time() + self._idle_seconds)
            self._timer = self._loop.call_at(wait, self._look)


class Wires:
    """The connections to one vLLM.

    Raises:
        DataError: the key cannot be sent.
    """

    def __init__(self, url: str, api_key: str | None, connect_seconds: float) -> None:
        parts = httpx.URL(url)
        self._host, self._tls = parts.host, parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.raw_path.rstrip(b"/")
        self._connect_seconds = connect_seconds
        headers = [b"host: " + parts.netloc, b"content-type: application/json", b"accept-encoding: identity"]
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise DataError(
                    "the key of vLLM has signs that no key has; set OSLER_UPSTREAM_KEY to the one of its --api-key"
                )
            headers.append(b"authorization: Bearer " + api_key.encode())
        elif parts.userinfo:
            headers.append(b"authorization: Basic " + base64.b64encode(unquote(parts.userinfo.decode()).encode()))
        self._headers = b"\r\n".join(headers)
        self._context = ssl.create_default_context() if self._tls else None
        self._kept: dict[Wire, float] = {}  # and since when, the newest last
        self._open: set[Wire] = set()

    @asynccontextmanager
    async def post(
        self, path: str, body: bytes, request_id: str, idle_seconds: float | None, seconds: float
    ) -> AsyncIterator[Wire]:
        """An answer whose head has come. What follows is read within the block; at its end the connection is kept or closed.

        Raises:
            ModelDown: vLLM cannot be reached, or does not begin in time.
        """
        target = self._path + path.encode()
        head = b"POST %b HTTP/1.1\r\n%b\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n"
        wire = self._free() or await self._connect()
        try:
            wire.ask(head % (target, self._headers, request_id.encode(), len(body)) + body, idle_seconds, seconds)
            await wire.head()
            yield wire
        finally:
            wire.leave()

    def _free(self) -> Wire | None:
        now = asyncio.get_running_loop().time()
        while self._kept:
            wire, since = self._kept.popitem()
            if wire.usable and now - since < _KEPT_SECONDS:
                return wire
            wire.close()
        return None

    async def _connect(self) -> Wire:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, wire = await loop.create_connection(lambda: Wire(self), self._host, self._port, ssl=self._context)
        except TimeoutError as error:
            raise ModelDown("the model did not answer in time", "timeout") from error
        except OSError as error:
            raise ModelDown("the model does not answer") from error
        self._open.add(wire)
        return wire

    def keep(self, wire: Wire) -> None:
        """Takes a connection for the next request."""
        self._kept[wire] = asyncio.get_running_loop().time()

    def forget(self, wire: Wire) -> None:
        """The connection is no more."""
        self._kept.pop(wire, None)
        self._open.discard(wire)

    def close(self) -> None:
        """Ends every connection."""
        for wire in list(self._open):
            wire.close()
