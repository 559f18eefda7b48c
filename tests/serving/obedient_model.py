"""The worst model: it repeats all that it was told, rules included, and adds an amount. It stands in for vLLM."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


async def _events(text: str) -> AsyncIterator[str]:
    shell = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "osler"}
    for delta, finish in (({"role": "assistant", "content": text}, None), ({}, "stop")):
        yield f"data: {json.dumps({**shell, 'choices': [{'index': 0, 'delta': delta, 'finish_reason': finish}]})}\n\n"
    yield f"data: {json.dumps({**shell, 'choices': [], 'usage': USAGE})}\n\n"
    yield "data: [DONE]\n\n"


def obedient() -> FastAPI:
    """The application, with the four routes that the gateway asks."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await request.json()
        text = "\n".join([*(str(one.get("content")) for one in body["messages"]), "Take 1234 mg."])
        if body.get("stream"):
            return StreamingResponse(_events(text), media_type="text/event-stream")
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return JSONResponse(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": "osler",
                "choices": [choice],
                "usage": USAGE,
            }
        )

    @app.post("/tokenize")
    async def tokenize() -> Response:
        return JSONResponse({"count": 1})

    @app.get("/health")
    async def health() -> Response:
        return Response()

    @app.get("/v1/models")
    async def models() -> Response:
        return JSONResponse({"data": [{"id": "osler", "object": "model", "max_model_len": 100_000}]})

    return app
