"""The heads of requests within bounds: whatever comes before a key could be looked at.

The parser, httptools, takes a header as large as one likes and copies it anew with every piece that comes: 32 MiB of one, from anybody, held
all other callers for 1.2 s. uvicorn's other parser, h11, has a bound, and takes 0.24 ms of a processor for one request where httptools takes
0.041 and the class here 0.043.
"""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.gateway.errors import Refused
from serving.gateway.journal import log

HEAD_BYTES = 64 * 1024  # h11's bound in uvicorn
HEAD_SECONDS = 15.0  # for a head to come, from a connection's or its own first byte


class BoundedHeads(HttpToolsProtocol):
    """A connection on which no more than ``HEAD_BYTES`` come without a body's bytes among them, and a head within ``HEAD_SECONDS``.

    So trailers and the extensions of chunks are bounded too. What is no HTTP is refused in the shape of every other error.
    """

    _since_body = 0  # bytes that came since the last head was whole, or since the last of a body
    _late: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:  # type: ignore[override]
        """Somebody is there, and has yet to speak."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        super().connection_lost(exc)
        self._come()

    def data_received(self, data: bytes) -> None:
        """Hands on as much as there is room for, and the rest if that made room."""
        while data and not self.transport.is_closing():
            room = HEAD_BYTES - self._since_body
            if room <= 0:
                self._refuse(Refused(431, f"the head of a request may have {HEAD_BYTES} bytes", "head_too_large"))
                return
            part, data = data[:room], data[room:]
            self._since_body += len(part)
            super().data_received(part)
        if self._since_body and self._late is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._since_body = 0
        self._come()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body has come; how large it may be is the application's to say."""
        self._since_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes next is another head."""
        self._since_body = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """The parser cannot read it."""
        self._refuse(Refused(400, "this is no HTTP request", "invalid_http"))

    def _wait(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _come(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if self._answering:  # to the request before
            return
        if self._since_body:
            self._refuse(Refused(408, "the head of the request did not come in time", "timeout"))
        else:
            self.transport.close()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, refused: Refused) -> None:
        """Says why, unless the answer to another request is being written, and hangs up."""
        log("refused", route="other", status=refused.status, code=refused.code)
        if not self._answering:
            response = refused.response()
            headers = [*response.raw_headers, (b"connection", b"close")]
            lines = [f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}".encode()]
            lines += [b"%s: %s" % header for header in headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()
