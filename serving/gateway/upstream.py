"""The one place that speaks with vLLM: its four routes, and every way in which an answer can fail.

Streams are read by aiohttp, which parses HTTP in C, and all else by httpx.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
import orjson

from serving.gateway.asked import Asked
from serving.gateway.chunks import ChunkReader, broken_off, check_shape, unreadable
from serving.gateway.errors import ModelDown, Refused
from serving.gateway.settings import Settings
from serving.gateway.weights import WeightVersions

PATHS = {"chat": "/v1/chat/completions", "completion": "/v1/completions"}
LISTING_SECONDS = 10.0  # how long the list of models is believed
_MOMENT = 0.5  # in seconds: a vLLM that was started anew with other weights is asked in time for the audit's line
_NO_TOOLS = (
    "vLLM was started without tool calling and this request offers tools: start it with --enable-auto-tool-choice and --tool-call-parser, let "
    "the client offer none, or give it a key made with --no-tools"
)
_MODEL_FIELDS = ("id", "object", "created", "owned_by", "max_model_len", "parent")


@dataclass(frozen=True, slots=True)
class Served:
    """A model that vLLM serves.

    Attributes:
        name: What clients call it.
        context: Its context in tokens, if vLLM tells.
        root: Where its weights came from: a path or a hub id.
        parent: The model that it adapts, where it is a LoRA adapter.
        version: Of its weights, where they lie on this machine (``serving.gateway.weights``).
        parent_version: Of the weights that it adapts.
    """

    name: str
    context: int | None
    root: str | None
    parent: str | None
    version: str | None = None
    parent_version: str | None = None


class Upstream:
    """VLLM at ``url``, with ``/v1`` or without."""

    def __init__(self, url: str, settings: Settings, api_key: str | None = None) -> None:
        self._settings = settings
        self._url = url.rstrip("/").removesuffix("/v1")
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._streams: aiohttp.ClientSession | None = None
        self._client = httpx.AsyncClient(
            base_url=self._url,
            headers=self._headers,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=settings.at_once),
            timeout=httpx.Timeout(settings.idle_seconds, connect=settings.connect_seconds),
            trust_env=False,  # no proxy of the environment's may read what patients write
            follow_redirects=False,
        )
        self._listing: list[dict[str, Any]] = []
        self._listed_at = -LISTING_SECONDS
        self._versions = WeightVersions()
        self._refresh: asyncio.Future[None] | None = None

    async def close(self) -> None:
        """Ends every connection."""
        if self._refresh is not None:
            self._refresh.cancel()
        await self._client.aclose()
        if self._streams is not None:
            await self._streams.close()

    async def healthy(self) -> bool:
        """Whether vLLM says that it is ready."""
        try:
            answer = await self._client.get("/health", timeout=2)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def _list(self) -> list[dict[str, Any]]:
        self._listed_at = time.monotonic()  # before the answer, so that one request at a time asks again
        try:
            async with asyncio.timeout(self._settings.connect_seconds):  # httpx bounds each read, and not their sum
                answer = await self._client.get("/v1/models")
            self._listing = [dict(entry) for entry in answer.raise_for_status().json()["data"]]
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise ModelDown("the model does not answer") from error
        self._versions.look(entry.get("root") for entry in self._listing)
        return self._listing

    async def _relist(self) -> None:
        with suppress(ModelDown):
            await self._list()

    async def models(self) -> dict[str, Any]:
        """What ``/v1/models`` answers: without the places where weights lie.

        While vLLM is down it is what it last listed. Chat pages let nobody write to a model that is not listed, and emergencies are
        answered without it; whether it is there, ``/health`` tells.

        Raises:
            ModelDown: vLLM does not answer, and never has.
        """
        try:
            await self._list()
        except ModelDown:
            if not self._listing:
                raise
        entries = [{name: entry[name] for name in _MODEL_FIELDS if name in entry} for entry in self._listing]
        return {"object": "list", "data": entries}

    async def served(self, name: str) -> Served:
        """The model of this name.

        Raises:
            Refused: 404 where none has it.
            ModelDown: vLLM does not answer, and never has.
        """
        known = {entry.get("id"): entry for entry in self._listing}
        stale = time.monotonic() - self._listed_at >= LISTING_SECONDS
        if not known or (stale and name not in known):
            with suppress(ModelDown) if known else nullcontext():
                await self._list()
            known = {entry.get("id"): entry for entry in self._listing}
        elif stale:  # a model that hangs is waited for a moment, and the old list believed: the answer itself will tell
            if self._refresh is None or self._refresh.done():
                self._refresh = asyncio.ensure_future(self._relist())
            await asyncio.wait({self._refresh}, timeout=_MOMENT)
            known = {entry.get("id"): entry for entry in self._listing}
        if name in known:
            entry = known[name]
            parent = known.get(entry.get("parent"), {})
            versions = self._versions.of(entry.get("root")), self._versions.of(parent.get("root"))
            context = entry.get("max_model_len") or parent.get("max_model_len")
            return Served(name, context, entry.get("root"), entry.get("parent"), *versions)
        raise Refused(404, "no model of this name is served; /v1/models lists the names", "model_not_found", "model")

    async def count_tokens(self, asked: Asked) -> int | None:
        """The tokens of the longest prompt; None where vLLM does not say."""
        names = ("messages", "tools") if asked.kind == "chat" else ()
        bodies = [{name: asked.payload[name] for name in names if name in asked.payload}]
        if asked.kind == "completion":
            prompts = asked.payload["prompt"]
            bodies = [{"prompt": prompt} for prompt in (prompts if isinstance(prompts, list) else [prompts])]
        try:
            counts = []
            async with asyncio.timeout(self._settings.idle_seconds):
                for body in bodies:
                    answer = await self._client.post("/tokenize", json={"model": asked.model, **body})
                    counts.append(int(answer.raise_for_status().json()["count"]))
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError):
            return None
        return max(counts)

    async def complete(self, asked: Asked, request_id: str, seconds: float | None = None) -> dict[str, Any]:
        """The whole answer, if it comes within ``seconds``, or else within ``total_seconds``.

        Raises:
            Refused: vLLM refused the request, in its words.
            ModelDown: no answer, or one that is not whole.
        """
        try:
            async with asyncio.timeout(seconds or self._settings.total_seconds):
                answer = await self._client.post(
                    PATHS[asked.kind],
                    json=asked.payload,
                    headers={"x-request-id": request_id},
                    timeout=httpx.Timeout(None, connect=self._settings.connect_seconds),
                )
        except (httpx.HTTPError, TimeoutError) as error:
            raise _down(error) from error
        if answer.status_code != 200:
            raise _refusal(answer.status_code, answer.content)
        try:
            body = dict(answer.json())
            check_shape(body, asked.answers, "message")
            ended = {choice["index"] for choice in body["choices"] if choice["finish_reason"]}
            whole = len(ended) == len(body["choices"]) == asked.answers
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable() from error
        if not whole:
            raise ModelDown("the model's answer is not whole", "bad_answer")
        return body

    async def stream(self, asked: Asked, request_id: str) -> AsyncGenerator[list[dict[str, Any]], None]:
        """The answer's chunks, those together that came together. It ends only where the answer is whole.

        Raises:
            Refused: vLLM refused the request, in its words.
            ModelDown: the answer does not begin, stalls, breaks off or cannot be read.
        """
        reader = ChunkReader(asked.answers)
        try:
            async with self._post(asked, request_id) as answer:
                if answer.status != 200:
                    raise _refusal(answer.status, await answer.read())
                async for piece in answer.content.iter_any():
                    if chunks := reader.feed(piece):
                        yield chunks
                    if reader.fault is not None:
                        raise reader.fault
                    if reader.done:
                        return
        except TimeoutError as error:  # aiohttp's are of this kind too
            raise ModelDown("the model did not answer in time", "timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            away = isinstance(error, aiohttp.ClientConnectorError)
            raise ModelDown("the model does not answer" if away else "the model broke off") from error
        raise broken_off()

    def _post(self, asked: Asked, request_id: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """The request for a stream."""
        headers = {**self._headers, "x-request-id": request_id, "content-type": "application/json"}
        body = orjson.dumps(asked.payload)
        given = self._settings
        bounds = aiohttp.ClientTimeout(
            total=given.total_seconds, sock_connect=given.connect_seconds, sock_read=given.idle_seconds
        )
        url = f"{self._url}{PATHS[asked.kind]}"
        return self._session().post(url, data=body, headers=headers, timeout=bounds, allow_redirects=False)

    def _session(self) -> aiohttp.ClientSession:
        """The client of streams, made within the loop that it runs in."""
        if self._streams is None:
            self._streams = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),  # vLLM closes an idle one after 5
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._streams


def _down(error: httpx.HTTPError | TimeoutError) -> ModelDown:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return ModelDown("the model did not answer in time", "timeout")
    return ModelDown("the model does not answer" if isinstance(error, httpx.ConnectError) else "the model broke off")


def _refusal(status: int, body: bytes) -> Refused:
    """Errors of the request go to the caller in vLLM's words; all others say only that the model is not there."""
    if status not in (400, 404, 413, 422):
        return ModelDown(f"the model answered with status {status}")
    try:
        error = json.loads(body)["error"]
        message = str(error["message"])
        if "--enable-auto-tool-choice" in message:
            return Refused(status, _NO_TOOLS, "tools_not_served", "tools")
        code = "context_length_exceeded" if "context length" in message else "refused_by_model"
        return Refused(status, message, code, error.get("param"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refused(status, "the model refused the request", "refused_by_model")
