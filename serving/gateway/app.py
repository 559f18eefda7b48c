"""The one public door: five routes, and nothing else of vLLM's."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from corpora.errors import DataError, OslerError
from serving.gateway.asked import Asked, Kind, read
from serving.gateway.audit import Audit
from serving.gateway.connection import ClientLeft, Streamed, read_body, unless_left
from serving.gateway.errors import ModelDown, Refused
from serving.gateway.exchange import Exchange
from serving.gateway.journal import Metrics, guard_version, log, log_to_stderr, logger
from serving.gateway.keys import Key, KeyFile
from serving.gateway.limits import Limits
from serving.gateway.settings import Settings
from serving.gateway.upstream import Served, Upstream
from serving.guard import red_flags
from serving.server import port_in_use

_SYNC_SECONDS = 1.0
_LEFT = 499  # nginx's word for a caller who left; nobody reads it
_DONE = b"data: [DONE]\n\n"
Handler = Callable[[Request], Awaitable[Response]]


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


class Gateway:
    """What stands behind the routes."""

    def __init__(self, upstream: Upstream, keys: KeyFile, audit: Audit, settings: Settings) -> None:
        self.upstream = upstream
        self.keys = keys
        self.audit = audit
        self.settings = settings
        self.limits = Limits(settings)
        self.metrics = Metrics()

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
        exchange.served = await self.upstream.served(asked.model)
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
        asked = read(await read_body(request, self.settings), kind, self.settings)
        exchange = Exchange(key, asked, self.audit, self.metrics)
        if key.triage and asked.question:
            exchange.flag = await asyncio.to_thread(red_flags, asked.question)
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
        except ClientLeft:
            exchange.end("client_left")
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
            body = await unless_left(request.receive, self.upstream.complete(asked, exchange.id))
            body = exchange.whole(body)
            exchange.end("answered")
            return JSONResponse(body, headers=exchange.headers)
        chunks = self.upstream.stream(asked, exchange.id)
        first = None
        if not exchange.banner:
            # A model that is down is told with a status, as long as nothing has been said.
            first = await unless_left(request.receive, _next(chunks))
        return self._streamed(exchange, self._events(exchange, chunks, first), chunks)

    def _alone(self, exchange: Exchange, code: str) -> Response:
        """The emergency's words without the model's."""
        if exchange.asked.stream:
            return self._streamed(exchange, self._alone_events(exchange, code), None)
        body = exchange.alone()
        exchange.end("emergency_alone", code)
        return JSONResponse(body, headers=exchange.headers)

    def _streamed(
        self,
        exchange: Exchange,
        events: AsyncGenerator[bytes, None],
        chunks: AsyncGenerator[dict[str, Any], None] | None,
    ) -> Streamed:
        async def after() -> None:
            if chunks is not None:
                await chunks.aclose()
            exchange.end("client_left")
            self.metrics.under_way.set(self.limits.under_way)

        seconds = self.settings.total_seconds + self.settings.idle_seconds
        return Streamed(events, after, exchange.headers, seconds)

    async def _events(
        self, exchange: Exchange, chunks: AsyncGenerator[dict[str, Any], None], first: dict[str, Any] | None
    ) -> AsyncGenerator[bytes, None]:
        if exchange.banner:
            yield _event(exchange.opening(exchange.banner))
        try:
            if first is not None and (piece := exchange.piece(first)) is not None:
                yield _event(piece)
            async for chunk in chunks:
                if (piece := exchange.piece(chunk)) is not None:
                    yield _event(piece)
        except Refused as error:
            if exchange.banner and not exchange.model_spoke:
                yield _event(exchange.closing())
                exchange.end("emergency_alone", error.code)
                yield _DONE
            else:
                exchange.end("cut", error.code)
                yield _event(error.body())  # and no [DONE]: what came before is not a whole answer
            return
        exchange.end("answered")
        yield _DONE

    async def _alone_events(self, exchange: Exchange, code: str) -> AsyncGenerator[bytes, None]:
        assert exchange.flag is not None
        yield _event(exchange.opening(exchange.flag.text))
        yield _event(exchange.closing())
        exchange.end("emergency_alone", code)
        yield _DONE


async def _next(chunks: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    try:
        return await anext(chunks)
    except StopAsyncIteration:
        raise ModelDown("the model's answer is empty", "bad_answer") from None


def build(gateway: Gateway) -> FastAPI:
    """The application with its five routes."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(red_flags, "warm")  # its lexicons load once
        log("open", guard=guard_version(), audit=f"{gateway.audit.head.count}:{gateway.audit.head.mac}")

        async def sync() -> None:
            while True:
                await asyncio.sleep(_SYNC_SECONDS)
                await asyncio.to_thread(gateway.audit.sync)

        syncing = asyncio.create_task(sync())
        yield
        syncing.cancel()
        await asyncio.gather(syncing, return_exceptions=True)
        await gateway.upstream.close()
        gateway.audit.close()
        log("closed")

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=life)

    def guarded(route: str, handler: Handler) -> Handler:
        """Every failure in OpenAI's shape, none with a person's words."""

        async def run(request: Request) -> Response:
            try:
                response = await handler(request)
            except Refused as refused:
                log("refused", route=route, status=refused.status, code=refused.code)
                response = refused.response()
            except ClientLeft:
                response = Response(status_code=_LEFT)
            except Exception:
                logger.error("failed", exc_info=True, extra={"fields": {"route": route}})
                response = Refused(500, "the server failed; its log says where", "internal_error").response()
            gateway.metrics.requests.labels(route, response.status_code).inc()
            return response

        return run

    async def chat(request: Request) -> Response:
        return await gateway.answer(request, "chat")

    async def completion(request: Request) -> Response:
        return await gateway.answer(request, "completion")

    async def models(request: Request) -> Response:
        gateway.authenticate(request)
        return JSONResponse(await gateway.upstream.models())

    async def metrics(request: Request) -> Response:
        gateway.authenticate(request)
        return Response(generate_latest(gateway.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def health(request: Request) -> Response:
        # Open, and 200 as long as emergencies are answered, which needs no model; `?need=model` asks for more.
        up = await gateway.upstream.healthy()
        status = 503 if not up and request.query_params.get("need") == "model" else 200
        return JSONResponse({"status": "ok" if up else "degraded", "model": "up" if up else "down"}, status)

    for path, method, handler in (
        ("/v1/chat/completions", "POST", chat),
        ("/v1/completions", "POST", completion),
        ("/v1/models", "GET", models),
        ("/metrics", "GET", metrics),
        ("/health", "GET", health),
    ):
        app.router.add_route(path, guarded(path, handler), methods=[method], include_in_schema=False)

    async def nothing(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        gateway.metrics.requests.labels("other", status).inc()
        return Refused(status, "there is no such route", "not_found").response()

    app.add_exception_handler(HTTPException, nothing)
    return app


def check_before_start(host: str, port: int, keys: Path) -> None:
    """Raises OslerError when no key works or the port is taken."""
    if not any(key.revoked is None for key in KeyFile(keys).read()):
        raise DataError(f"{keys}: no key works, so nobody could ask; make one with `osler keys add NAME --keys {keys}`")
    if port_in_use(host, port):
        raise OslerError(f"port {port} on {host} is in use; give another with --port, or stop what listens there")


def run(
    upstream: str,
    host: str,
    port: int,
    keys: Path,
    audit: Path,
    settings: Settings,
    upstream_key: str | None = None,
) -> None:
    """Keeps the door open until SIGTERM or Ctrl-C; then lets those inside finish, for ``drain_seconds`` at most.

    Raises:
        OslerError: no key works, the port is taken, or the audit does not verify.
    """
    check_before_start(host, port, keys)
    gateway = Gateway(Upstream(upstream, settings, upstream_key), KeyFile(keys), Audit(audit), settings)
    log_to_stderr()
    config = uvicorn.Config(
        build(gateway),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    # uvicorn drains on these signals and then raises them once more, for whoever else listens.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    uvicorn.Server(config).run()
