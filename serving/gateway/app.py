"""The one public door: five routes, and nothing else of vLLM's."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from corpora.errors import DataError
from serving.addresses import check_port_free
from serving.gateway.audit import Audit
from serving.gateway.connection import ClientLeft
from serving.gateway.door import Gateway
from serving.gateway.errors import ModelDown, Refused
from serving.gateway.heads import BoundedHeads
from serving.gateway.journal import guard_version, log, log_to_stderr, logger
from serving.gateway.keys import KeyFile
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream
from serving.guard import red_flags
from serving.served import LOOKS

# That a caller's connection is kept unused. Longer than clients keep theirs (httpx and OpenAI's 5 s, aiohttp 15): a request that crosses the
# closing of its connection is lost, and uvicorn's own 5 s lost some of a thousand clients' that came again after Retry-After.
KEEP_ALIVE_SECONDS = 75
_SYNC_SECONDS = 1.0
_COLLECT = 50_000, 20, 20  # objects between two collections: at Python's 700 they took a tenth of the door's time
_ENDING_SECONDS = 5.0  # in which answers that were cut off at the end are written down
_LEFT = 499  # nginx's word for a caller who left; nobody reads it
Handler = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def _life(gateway: Gateway) -> AsyncIterator[None]:
    """From before the first request until all that was answered is written down."""
    await asyncio.to_thread(red_flags, "warm")  # its lexicons load once
    log("open", guard=guard_version(), audit=f"{gateway.audit.head.count}:{gateway.audit.head.mac}")
    gc.collect()
    gc.set_threshold(*_COLLECT)
    gc.freeze()  # what was loaded stays: a collection need not walk it while streams wait
    with suppress(ModelDown):  # from now on the models can be listed while vLLM is down
        await gateway.upstream.listing.models()
    syncing = asyncio.create_task(_sync(gateway.audit))
    yield
    syncing.cancel()
    await asyncio.gather(syncing, return_exceptions=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDING_SECONDS):
            while gateway.limits.under_way:
                await asyncio.sleep(0.01)
    await gateway.upstream.close()
    gateway.audit.close()
    log("closed")


async def _sync(audit: Audit) -> None:
    while True:
        await asyncio.sleep(_SYNC_SECONDS)
        await asyncio.to_thread(audit.sync)


def build(gateway: Gateway) -> ASGIApp:
    """The application: five routes by their exact paths, and no framework between them and the server."""

    async def models(request: Request) -> Response:
        key = gateway.authenticate(request)
        return JSONResponse(await gateway.upstream.listing.models(), headers={LOOKS: "yes" if key.triage else "no"})

    async def metrics(request: Request) -> Response:
        gateway.authenticate(request)
        return Response(generate_latest(gateway.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def health(request: Request) -> Response:
        # Open, and 200 as long as emergencies are answered, which needs no model; `?need=model` asks for more.
        up = await gateway.upstream.healthy()
        status = 503 if not up and request.query_params.get("need") == "model" else 200
        return JSONResponse({"status": "ok" if up else "degraded", "model": "up" if up else "down"}, status)

    routes: dict[str, tuple[tuple[str, ...], Handler]] = {
        "/v1/chat/completions": (("POST",), lambda request: gateway.answer(request, "chat")),
        "/v1/completions": (("POST",), lambda request: gateway.answer(request, "completion")),
        "/v1/models": (("GET", "HEAD"), models),
        "/metrics": (("GET", "HEAD"), metrics),
        "/health": (("GET", "HEAD"), health),
    }

    async def guarded(request: Request, route: str, handler: Handler) -> Response:
        """Every failure in OpenAI's shape, none with a person's words."""
        try:
            return await handler(request)
        except Refused as refused:
            log("refused", route=route, status=refused.status, code=refused.code)
            return refused.response()
        except ClientLeft:
            return Response(status_code=_LEFT)
        except Exception:
            logger.error("failed", exc_info=True, extra={"fields": {"route": route}})
            return Refused(500, "the server failed; its log says where", "internal_error").response()

    # For the start and the end; it closes a WebSocket, as it has no routes.
    others = Router(lifespan=lambda _: _life(gateway))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await others(scope, receive, send)
            return
        route = scope["path"]
        methods, handler = routes.get(route, ((), None))
        if handler is not None and scope["method"] in methods:
            response = await guarded(Request(scope, receive), route, handler)
        else:
            route, status = "other", 404 if handler is None else 405
            response = Refused(status, "there is no such route", "not_found").response()
        gateway.metrics.requests.labels(route, response.status_code).inc()
        await response(scope, receive, send)

    return app


def listening(app: ASGIApp, host: str, port: int, drain_seconds: int) -> uvicorn.Config:
    """How the server in front of ``app`` is set up."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=BoundedHeads,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=drain_seconds,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


def check_before_start(host: str, port: int, keys: Path) -> None:
    """Raises OslerError when no key works or the port is taken."""
    if not KeyFile(keys).working():
        raise DataError(f"{keys}: no key works, so nobody could ask; make one with `osler keys add NAME --keys {keys}`")
    check_port_free(host, port)


def run(
    upstream: str,
    host: str,
    port: int,
    keys: Path,
    audit: Path,
    settings: Settings,
    upstream_key: str | None = None,
    started: Callable[[], float] | None = None,
) -> None:
    """Keeps the door open until SIGTERM or Ctrl-C; then lets those inside finish, for ``drain_seconds`` at most.

    ``started`` tells when vLLM was last started, in seconds since 1970, where this process starts it.

    Raises:
        OslerError: no key works, the port is taken, or the audit does not verify.
    """
    check_before_start(host, port, keys)
    gateway = Gateway(Upstream(upstream, settings, upstream_key, started), KeyFile(keys), Audit(audit), settings)
    log_to_stderr()
    # uvicorn drains on these signals and then raises them once more, for whoever else listens.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    uvicorn.Server(listening(build(gateway), host, port, settings.drain_seconds)).run()
