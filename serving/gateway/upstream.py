"""The one place that asks vLLM: for answers, whole and streamed, for counts of tokens, and for its health; and every way in which that can fail.

Answers are read by aiohttp, which parses HTTP in C, and all else by httpx.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import orjson

from corpora.errors import DataError
from serving.addresses import can_be_sent
from serving.gateway.asked import Asked
from serving.gateway.chunks import Chunk, ChunkReader, Together, broken_off, check_shape, speaks, unreadable
from serving.gateway.errors import ModelDown, ModelFailed, Refused
from serving.gateway.listing import Listing
from serving.gateway.settings import Settings

PATHS = {"chat": "/v1/chat/completions", "completion": "/v1/completions"}
_NO_TOOLS = (
    "vLLM was started without tool calling and this request offers tools: start it with --enable-auto-tool-choice and --tool-call-parser, let "
    "the client offer none, or give it a key made with --no-tools"
)

_NO_GRAMMAR = (
    "vLLM can make no grammar of this schema: it fails on each request with it. Leave parts of it out until it can; known to fail are a $ref that "
    "leads to itself and to nothing else, a list as 'items', and patterns with \\p{...}, with a NUL, or that are no regular expression"
)
_GRAMMAR = ("model", "response_format", "tools", "tool_choice", "parallel_tool_calls")
IDLE_SECONDS = (
    4.0  # that a connection to vLLM is kept unused: vLLM closes it after 5, and a request that crosses that is lost
)
_AGAIN_SECONDS = 0.9  # with which an answer stays within its time and a second


class Upstream:
    """VLLM at ``url``, with ``/v1`` or without. Raises DataError where its key cannot be sent, or not beside the address's user."""

    def __init__(
        self,
        url: str,
        settings: Settings,
        api_key: str | None = None,
        started: Callable[[], float] | None = None,
    ) -> None:
        """``started`` tells when vLLM was last started, where this process starts it."""
        self._settings = settings
        if api_key and not can_be_sent(api_key):
            raise DataError(
                "the key of vLLM has signs that no key has; set OSLER_UPSTREAM_KEY to the one of its --api-key"
            )
        if api_key and httpx.URL(url).userinfo:
            raise DataError(
                "the address of vLLM holds a user's name and a key is given too, and a request shows one of them: take the name and password out of "
                "the address, or leave out OSLER_UPSTREAM_KEY"
            )
        self._url = url.rstrip("/").removesuffix("/v1")
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._answers: aiohttp.ClientSession | None = None
        self._client = httpx.AsyncClient(
            base_url=self._url,
            headers=self._headers,
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=settings.at_once, keepalive_expiry=IDLE_SECONDS
            ),
            timeout=httpx.Timeout(settings.idle_seconds, connect=settings.connect_seconds),
            trust_env=False,  # no proxy of the environment's may read what patients write
            follow_redirects=False,
        )
        self.listing = Listing(self._client, settings, started)

    async def close(self) -> None:
        """Ends every connection."""
        self.listing.close()
        await self._client.aclose()
        if self._answers is not None:
            await self._answers.close()

    async def healthy(self) -> bool:
        """Whether vLLM says that it is ready."""
        try:
            answer = await self._client.get("/health", timeout=2)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

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
        async with self._post(asked, request_id, None, seconds or self._settings.total_seconds) as answer:
            told = await answer.read()
        if answer.status != 200:
            raise await self._cause(asked, _refusal(answer.status, told))
        try:
            body = dict(orjson.loads(told))
            check_shape(body, asked.answers, "message")
            ended = {choice["index"] for choice in body["choices"] if choice["finish_reason"]}
            whole = len(ended) == len(body["choices"]) == asked.answers
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable() from error
        if not whole:
            raise ModelDown("the model's answer is not whole", "bad_answer")
        return body

    async def stream(self, asked: Asked, request_id: str) -> AsyncGenerator[Together, None]:
        """The answer's chunks, those together that came together, and at last that it is whole.

        Raises:
            Refused: vLLM refused the request, in its words.
            ModelDown: the answer does not begin, stalls, breaks off or cannot be read.
        """
        reader = ChunkReader(asked.answers)
        async with self._post(asked, request_id, self._settings.idle_seconds, self._settings.total_seconds) as answer:
            if answer.status != 200:
                raise await self._cause(asked, _refusal(answer.status, await answer.read()))
            # Chunks before the first word, behind which it may fail.
            silent: list[Chunk] | None = [] if asked.held else None
            async for piece in answer.content.iter_any():
                chunks = reader.feed(piece)
                if silent is not None:
                    silent += chunks
                    if not any(map(speaks, silent)) and not reader.done:
                        if reader.fault is not None:
                            raise await self._cause(asked, reader.fault)
                        continue
                    chunks, silent = silent, None
                if chunks or reader.done:
                    yield chunks, reader.done
                if reader.fault is not None:
                    raise reader.fault
                if reader.done:
                    return
        raise broken_off()

    async def _cause(self, asked: Asked, refused: Refused) -> Refused:
        """The refusal, or where a grammar was to be made and vLLM can make none, one that tells the caller so.

        VLLM finds some schemas good, fails on them in its engine, and says "Internal server error". A schema is taken for the cause where vLLM is
        well and fails again, on another prompt: a caller who was told that the model is down would ask for ever.
        """
        if not isinstance(refused, ModelFailed) or not asked.held:
            return refused
        again = {name: asked.payload[name] for name in _GRAMMAR if name in asked.payload}
        again |= {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        try:
            async with asyncio.timeout(_AGAIN_SECONDS):
                answer = await self._client.post(PATHS["chat"], json=again)
                bad = answer.status_code == 500 and await self.healthy()
        except (httpx.HTTPError, TimeoutError):
            return refused
        param = "response_format" if asked.structured else "tools"
        return Refused(400, _NO_GRAMMAR, "no_grammar", param) if bad else refused

    @asynccontextmanager
    async def _post(
        self, asked: Asked, request_id: str, idle_seconds: float | None, seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer whose head has come within ``seconds``, each part of it ``idle_seconds`` after the one before. Raises ModelDown, also while it is read."""
        headers = {**self._headers, "x-request-id": request_id, "content-type": "application/json"}
        bounds = aiohttp.ClientTimeout(
            total=seconds, sock_connect=self._settings.connect_seconds, sock_read=idle_seconds
        )
        url, body = f"{self._url}{PATHS[asked.kind]}", orjson.dumps(asked.payload)
        try:
            async with self._session().post(
                url, data=body, headers=headers, timeout=bounds, allow_redirects=False
            ) as answer:
                yield answer
        except TimeoutError as error:  # aiohttp's are of this kind too
            raise ModelDown("the model did not answer in time", "timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            away = isinstance(error, aiohttp.ClientConnectorError)
            raise ModelDown("the model does not answer" if away else "the model broke off") from error

    def _session(self) -> aiohttp.ClientSession:
        """The client of answers, made within the loop that it runs in."""
        if self._answers is None:
            self._answers = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._answers


def _refusal(status: int, body: bytes) -> Refused:
    """Errors of the request go to the caller in vLLM's words; all others say only that the model is not there."""
    if status not in (400, 404, 413, 422):
        return (ModelFailed if status == 500 else ModelDown)(f"the model answered with status {status}")
    try:
        error = json.loads(body)["error"]
        message = str(error["message"])
        if "--enable-auto-tool-choice" in message:
            return Refused(status, _NO_TOOLS, "tools_not_served", "tools")
        code = "context_length_exceeded" if "context length" in message else "refused_by_model"
        return Refused(status, message, code, error.get("param"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refused(status, "the model refused the request", "refused_by_model")
