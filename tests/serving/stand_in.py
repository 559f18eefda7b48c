"""A real HTTP server that speaks the OpenAI chat protocol and says what a test has written down for it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from serving.addresses import free_port


@dataclass
class Reply:
    """One answer. ``pieces`` are streamed; without ``finish`` the stream ends as one that broke."""

    pieces: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()  # name, and arguments as the model wrote them
    finish: str | None = "stop"
    status: int = 200
    error: str = ""
    garbage: bool = False
    stall: float = 0.0  # seconds before the first byte


@dataclass
class StandIn:
    url: str
    replies: list[Reply]
    requests: list[dict[str, Any]] = field(default_factory=list)


def _chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return (
        "data: "
        + json.dumps(
            {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "osler", "choices": [choice]}
        )
        + "\n\n"
    )


async def _stream(reply: Reply) -> AsyncIterator[str]:
    yield _chunk({"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield _chunk({"content": piece})
    if reply.garbage:
        yield "data: {not json\n\n"
    for at, (name, arguments) in enumerate(reply.calls):
        half = len(arguments) // 2  # vLLM streams the arguments in pieces
        yield _chunk(
            {
                "tool_calls": [
                    {
                        "index": at,
                        "id": f"call-{at}",
                        "type": "function",
                        "function": {"name": name, "arguments": arguments[:half]},
                    }
                ]
            }
        )
        yield _chunk({"tool_calls": [{"index": at, "function": {"arguments": arguments[half:]}}]})
    if reply.finish:
        yield _chunk({}, "tool_calls" if reply.calls else reply.finish)
        yield "data: [DONE]\n\n"


@contextmanager
def stand_in(*replies: Reply) -> Iterator[StandIn]:
    port = free_port()
    state = StandIn(f"http://127.0.0.1:{port}/v1", list(replies))
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def answer(request: Request) -> Response:
        body = await request.json()
        state.requests.append(body)
        reply = state.replies.pop(0) if len(state.replies) > 1 else state.replies[0]
        await asyncio.sleep(reply.stall)
        if reply.status != 200:
            return JSONResponse(
                {"error": {"message": reply.error, "type": "BadRequestError", "code": reply.status}}, reply.status
            )
        if body.get("stream"):
            return StreamingResponse(_stream(reply), media_type="text/event-stream")
        message = {"role": "assistant", "content": "".join(reply.pieces)}
        choice = {"index": 0, "message": message, "finish_reason": reply.finish}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return JSONResponse(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 1,
                "model": "osler",
                "choices": [choice],
                "usage": usage,
            }
        )

    @app.post("/v1/completions")
    async def continued(request: Request) -> Response:
        body = await request.json()
        state.requests.append(body)
        choice = {"index": 0, "text": "".join(state.replies[0].pieces), "finish_reason": "stop", "logprobs": None}
        if body.get("stream"):
            chunk = {"id": "1", "object": "text_completion", "created": 1, "model": "osler", "choices": [choice]}
            return Response(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n", media_type="text/event-stream")
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return JSONResponse(
            {
                "id": "1",
                "object": "text_completion",
                "created": 1,
                "model": "osler",
                "choices": [choice],
                "usage": usage,
            }
        )

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield state
    finally:
        server.should_exit = True
        thread.join(5)
