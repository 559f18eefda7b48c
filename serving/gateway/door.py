"""What stands behind the routes: one request, from its key to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from serving.gateway.asked import Asked, read
from serving.gateway.audit import Audit
from serving.gateway.chunks import Together
from serving.gateway.connection import ClientLeft, Event, Streamed, read_body, unless_left
from serving.gateway.errors import Refused
from serving.gateway.exchange import Exchange
from serving.gateway.fields import Kind
from serving.gateway.journal import Metrics
from serving.gateway.keys import Key, KeyFile
from serving.gateway.limits import Limits
from serving.gateway.listing import Served
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream
from serving.guard import RedFlag, red_flags

_DONE = b"data: [DONE]\n\n"
_SHORT = 300  # characters of a message that is read through at once
_LONG = 20_000  # characters from which messages are read one after the other: short ones then share the interpreter with one of them at most


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _json(body: dict[str, Any], exchange: Exchange) -> Response:
    return Response(orjson.dumps(body), headers=exchange.headers, media_type="application/json")


class Gateway:
    """What stands behind the routes."""

    def __init__(self, upstream: Upstream, keys: KeyFile, audit: Audit, settings: Settings) -> None:
        self.upstream = upstream
        self.keys = keys
        self.audit = audit
        self.settings = settings
        self.limits = Limits(settings)
        self.metrics = Metrics()
        self._one_long = asyncio.Semaphore(1)

    def authenticate(self, request: Request) -> Key:
        """The key that the request shows.

        Raises:
            Refused: 401 where it shows none that works.
        """
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        key = self.keys.find(presented.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise Refused(401, "no working API key; send it as 'Authorization: Bearer KEY'", "invalid_api_key")
        return key

    async def _prepare(self, exchange: Exchange) -> None:
        """Takes the limits and bounds the answer's length.

        Raises:
            Refused: over a limit, no such model, or too long for its context.
        """
        asked = exchange.asked
        exchange.served = await self.upstream.listing.served(asked.model)
        given = asked.payload.get("max_completion_tokens") or asked.payload.get("max_tokens")
        length = await self._length(asked, exchange.served, given)
        if length is not None:
            asked.payload["max_tokens"] = length
        most = given or length or (exchange.served.context or self.settings.max_tokens)
        if asked.kind == "completion" and given is None:
            most = 16  # OpenAI's default, and vLLM's
        exchange.hold = self.limits.take(exchange.key, asked.likely_prompt_tokens + most * asked.answers)
        self.metrics.under_way.set(self.limits.under_way)

    async def _length(self, asked: Asked, served: Served, given: int | None) -> int | None:
        """The ``max_tokens`` to send in place of none; None where vLLM's own default is within the cap."""
        cap = self.settings.max_tokens
        own = self.settings.max_context
        context = min(filter(None, (served.context, own)), default=None)
        defaults = asked.kind == "completion" or (own is None and context is not None and context <= cap)
        if context is None or asked.most_prompt_tokens + (given or cap) <= context:
            return None if given or defaults else cap
        if own is None and (given or defaults):
            return None  # vLLM refuses what is too long for its context
        count = await self.upstream.count_tokens(asked)
        if count is None:
            return None if given else cap
        if count + (given or 1) > context:
            raise Refused(
                400,
                f"the prompt has {count} tokens and the context is {context}"
                + (f" with max_tokens {given}" if given else ""),
                "context_length_exceeded",
                "messages" if asked.kind == "chat" else "prompt",
            )
        return None if given or asked.kind == "completion" else min(cap, context - count)

    async def answer(self, request: Request, kind: Kind) -> Response:
        """Answers one request for text.

        Raises:
            Refused: it gets an error, and its person's words tell of no emergency.
            ClientLeft: nobody waits any more.
        """
        key = self.authenticate(request)
        asked = read(await read_body(request, self.settings), kind, self.settings, key.tools)
        exchange = Exchange(key, asked, self.audit, self.metrics)
        if key.triage and asked.question:
            exchange.flag = await self._red_flags(asked.question)
        if exchange.flag is not None:
            self.metrics.emergencies.inc()
        try:
            return await self._answer(request, exchange)
        except Refused as refused:
            if exchange.hold is not None:
                exchange.hold.settle(0)
            if exchange.flag is None:
                raise
            return self._alone(exchange, refused.code)
        except (ClientLeft, asyncio.CancelledError) as early:
            exchange.end(*_ending(early))
            raise
        except BaseException:
            if exchange.hold is not None:
                exchange.hold.settle(0)
            raise
        finally:
            self.metrics.under_way.set(self.limits.under_way)

    async def _answer(self, request: Request, exchange: Exchange) -> Response:
        asked = exchange.asked
        await self._prepare(exchange)
        if not asked.stream:
            # What to do first does not wait for a model that hangs as long as an answer may take.
            seconds = self.settings.idle_seconds if exchange.flag else self.settings.total_seconds
            work = self.upstream.complete(asked, exchange.id, min(seconds, self.settings.total_seconds))
            body = await unless_left(request.receive, work)
            body = exchange.whole(body)
            exchange.end("answered")
            return _json(body, exchange)
        chunks = self.upstream.stream(asked, exchange.id)
        first: Together | None = None
        if not exchange.banner:
            # A model that is down is told with a status, as long as nothing has been said.
            first = await unless_left(request.receive, anext(chunks))
        return self._streamed(exchange, self._events(exchange, chunks, first), chunks)

    async def _red_flags(self, text: str) -> RedFlag | None:
        # A few milliseconds are dearer in a thread: it holds the interpreter for as long, and every stream waits for it.
        if len(text) <= _SHORT:
            return red_flags(text)
        async with self._one_long if len(text) > _LONG else nullcontext():
            return await asyncio.to_thread(red_flags, text)

    def _alone(self, exchange: Exchange, code: str) -> Response:
        """The emergency's words without the model's."""
        if exchange.asked.stream:
            return self._streamed(exchange, self._alone_events(exchange, code), None)
        body = exchange.alone()
        exchange.end("emergency_alone", code)
        return _json(body, exchange)

    def _streamed(
        self,
        exchange: Exchange,
        events: AsyncGenerator[Event, None],
        chunks: AsyncGenerator[Together, None] | None,
    ) -> Streamed:
        async def after(early: BaseException | None) -> None:
            if chunks is not None:
                await chunks.aclose()
            exchange.end(*_ending(early))
            self.metrics.under_way.set(self.limits.under_way)

        seconds = self.settings.total_seconds + self.settings.idle_seconds
        return Streamed(events, after, exchange.headers, seconds)

    async def _events(
        self, exchange: Exchange, chunks: AsyncGenerator[Together, None], first: Together | None
    ) -> AsyncGenerator[Event, None]:
        if exchange.banner:
            yield _event(exchange.opening(exchange.banner)), True
        try:
            together, whole = await anext(chunks) if first is None else first
            while True:
                # Chunks that came together leave together: a door that is behind catches up with fewer writes.
                told = [_event(piece) for chunk in together if (piece := exchange.piece(chunk)) is not None]
                if whole:
                    break
                if told:
                    yield b"".join(told), True
                together, whole = await anext(chunks)
        except Refused as error:
            if exchange.banner and not exchange.model_spoke:
                closing = _event(exchange.closing())
                exchange.end("emergency_alone", error.code)
                yield closing + _DONE, False
            else:
                exchange.end("cut", error.code)
                yield _event(error.body()), False  # and no [DONE]: what came before is not a whole answer
            return
        exchange.end("answered")
        yield b"".join([*told, _DONE]), False

    async def _alone_events(self, exchange: Exchange, code: str) -> AsyncGenerator[Event, None]:
        assert exchange.flag is not None
        told = _event(exchange.opening(exchange.flag.text)) + _event(exchange.closing())
        exchange.end("emergency_alone", code)
        yield told + _DONE, False


def _ending(early: BaseException | None) -> tuple[str, str | None]:
    """Outcome and code of an answer that something ended early."""
    if isinstance(early, ClientLeft):
        return "client_left", None
    return "cut", "door_closed" if isinstance(early, asyncio.CancelledError) else "internal_error"
