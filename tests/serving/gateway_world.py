"""A real gateway on a free port in front of a slow stand-in that speaks OpenAI's protocol."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from openai import OpenAI
from starlette.types import ASGIApp

from serving.addresses import free_port
from serving.gateway.app import build, listening
from serving.gateway.audit import Audit
from serving.gateway.door import Gateway
from serving.gateway.keys import KeyFile
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream

INNER = {"message": "inner secret", "type": "InternalServerError"}
WORDS = ("Asthma", " narrows", " the", " airways", ".")


@dataclass
class Model:
    """The stand-in for vLLM: what it does next, and what it saw.

    ``fault`` is one of: stall (before the first byte), freeze, cut, garbage, odd, error (after two words), status, grammar (of any schema, as vLLM
    tells it), once (a status, and then never again).
    """

    pause: float = 0.0  # seconds before each word
    fault: str | None = None
    ill: bool = False  # its health page says so
    refuse: str = ""  # a 400 in vLLM's words
    dribbles: str = ""  # what comes a byte at a time, without an end: answer, models, tokenize
    context: int = 4096
    roots: tuple[str, str] = ("/secret/place", "/a")  # where its weights lie, and the adapter's
    seen: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    left_at: float | None = None  # when it saw its client leave

    async def _words(self, body: dict[str, Any], chat: bool) -> AsyncIterator[str]:
        def event(said: str, finish: str | None) -> str:
            held: dict[str, Any] = {"delta": {"content": said} if said else {}} if chat else {"text": said}
            choices = [{"index": at, **held, "finish_reason": finish} for at in range(body.get("n", 1))]
            chunk = {"id": "x", "object": "chat.completion.chunk" if chat else "text_completion", "created": 1}
            return f"data: {json.dumps({**chunk, 'model': 'osler', 'choices': choices})}\n\n"

        try:
            if self.fault == "grammar":
                yield event("", None)
                yield f"data: {json.dumps({'error': {**INNER, 'code': 500}})}\n\ndata: [DONE]\n\n"
                return
            for at, word in enumerate(WORDS):
                await asyncio.sleep(self.pause)
                if at == 2 and self.fault == "freeze":
                    await asyncio.sleep(60)
                if at == 2 and self.fault == "cut":
                    return
                if at == 2 and self.fault == "garbage":
                    yield "data: {not json\n\n"
                if at == 2 and self.fault == "odd":
                    yield 'data: {"choices": [], "usage": {"prompt_tokens": "seven"}}\n\n'
                if at == 2 and self.fault == "error":
                    yield 'data: {"error": {"message": "engine died", "code": 500}}\n\n'
                yield event(word, None)
            yield event("", "stop")
            usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
            yield f"data: {json.dumps({'id': 'x', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'osler', 'choices': [], 'usage': usage})}\n\n"
            yield "data: [DONE]\n\n"
        except (asyncio.CancelledError, GeneratorExit):
            self.left_at = time.monotonic()
            raise

    async def _answer(self, request: Request, chat: bool) -> Response:
        body = await request.json()
        self.seen.append({**body, "_headers": dict(request.headers)})
        if self.fault in ("status", "once") or (self.fault == "grammar" and not body.get("stream")):
            self.fault = None if self.fault == "once" else self.fault
            return JSONResponse({"error": INNER}, 500)
        if self.refuse:
            return JSONResponse({"error": {"message": self.refuse, "type": "BadRequestError", "code": 400}}, 400)
        if self.dribbles == "answer":
            return _dribble()
        if self.fault == "stall":
            await asyncio.sleep(60)
        if body.get("stream"):
            return StreamingResponse(self._words(body, chat), media_type="text/event-stream")
        if self.fault == "garbage":
            return Response("{not json", media_type="application/json")
        waiting = asyncio.ensure_future(asyncio.sleep(self.pause * len(WORDS)))
        while not waiting.done():
            if await request.is_disconnected():
                self.left_at = time.monotonic()
            await asyncio.sleep(0.02)
        text = "".join(WORDS)
        held: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if self.fault == "odd":
            held = {"message": None} if chat else {"text": 5}
        finish = None if self.fault == "cut" else "stop"
        count = body.get("n", 1) * (len(body["prompt"]) if isinstance(body.get("prompt"), list) else 1)
        choices = [{"index": at, **json.loads(json.dumps(held)), "finish_reason": finish} for at in range(count)]
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        kind = "chat.completion" if chat else "text_completion"
        return JSONResponse(
            {"id": "x", "object": kind, "created": 1, "model": "osler", "choices": choices, "usage": usage}
        )

    def app(self) -> FastAPI:
        async def note(request: Request) -> None:  # no middleware: it would hide from a route that its client left
            self.paths.append(request.url.path)

        app = FastAPI(dependencies=[Depends(note)])

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> Response:
            return await self._answer(request, True)

        @app.post("/v1/completions")
        async def completion(request: Request) -> Response:
            return await self._answer(request, False)

        @app.post("/tokenize")
        async def tokenize(request: Request) -> Response:
            if self.dribbles == "tokenize":
                return _dribble()
            return JSONResponse({"count": len(json.dumps(await request.json()).split())})

        @app.get("/health")
        async def health() -> Response:
            return Response(status_code=503 if self.ill else 200)

        @app.get("/v1/models")
        async def models() -> Response:
            if self.dribbles == "models":
                return _dribble()
            base = {"id": "osler", "object": "model", "root": self.roots[0], "max_model_len": self.context}
            return JSONResponse(
                {"data": [base, {"id": "cardio", "object": "model", "root": self.roots[1], "parent": "osler"}]}
            )

        return app


def _dribble() -> Response:
    async def blanks() -> AsyncIterator[str]:
        for _ in range(100):
            yield " "
            await asyncio.sleep(0.1)

    return StreamingResponse(blanks(), media_type="application/json")


@contextmanager
def running(app: ASGIApp, config: Callable[[ASGIApp, str, int, int], uvicorn.Config] | None = None) -> Iterator[str]:
    port = free_port()
    if config is None:
        set_up = uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1)
    else:
        set_up = config(app, "127.0.0.1", port, 1)
    server = uvicorn.Server(set_up)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class World:
    url: str
    key: str
    keys: KeyFile
    audit: Path
    model: Model
    gateway: Gateway

    def client(self, key: str | None = None) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0)

    def post(self, path: str = "/v1/chat/completions", key: str | None = None, **body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.post(self.url + path, json={"model": "osler", **body}, headers=headers, timeout=30)

    def ask(self, text: str, **body: Any) -> httpx.Response:
        return self.post(messages=[{"role": "user", "content": text}], **body)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit.read_text(encoding="utf-8").splitlines()]


@contextmanager
def world(
    folder: Path,
    settings: Settings | None = None,
    up: bool = True,
    started: Callable[[], float] | None = None,
    **model: Any,
) -> Iterator[World]:
    """``up=False`` puts nothing where the model should be."""
    keys = KeyFile(folder / "keys.json")
    key = keys.add("ward")
    stand_in = Model(**model)
    audit = folder / "audit.jsonl"

    @contextmanager
    def door(address: str) -> Iterator[World]:
        chosen = settings or Settings(requests_per_minute=10_000, tokens_per_minute=10_000_000)
        gateway = Gateway(Upstream(address, chosen, started=started), keys, Audit(audit), chosen)
        with running(build(gateway), listening) as url:
            yield World(url, key, keys, audit, stand_in, gateway)

    if not up:
        with door(f"http://127.0.0.1:{free_port()}") as made:
            yield made
        return
    with running(stand_in.app()) as address, door(address) as made:
        yield made
