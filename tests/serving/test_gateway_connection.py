"""A caller who leaves ends the work for them; vLLM's key is one that can be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message

from corpora.errors import DataError
from serving.gateway.connection import ClientLeft, unless_left
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream


@pytest.mark.parametrize("key", ["schlüssel", "a\r\nx: b"])
def test_a_key_that_cannot_be_sent_is_refused_before_the_first_request(key: str) -> None:
    with pytest.raises(DataError, match="signs that no key has"):
        Upstream("http://127.0.0.1:1", Settings(), key)


def test_a_key_and_a_user_in_the_address_are_refused_before_the_first_request() -> None:
    with pytest.raises(DataError, match="leave out OSLER_UPSTREAM_KEY") as told:
        Upstream("http://ward:word@127.0.0.1:1/v1", Settings(), "key")
    assert "word@" not in str(told.value)


def test_work_ends_when_the_caller_leaves_and_only_then() -> None:
    def leaving(after: float) -> Callable[[], Awaitable[Message]]:
        async def receive() -> Message:
            await asyncio.sleep(after)
            return {"type": "http.disconnect"}

        return receive

    async def run() -> None:
        stopped: list[str] = []

        async def work() -> str:
            try:
                await asyncio.sleep(0.3)
            except asyncio.CancelledError:
                stopped.append("cancelled")
                raise
            return "done"

        task = asyncio.current_task()
        assert task is not None
        assert await unless_left(leaving(9), work()) == "done"
        with pytest.raises(ClientLeft):
            await unless_left(leaving(0.05), work())
        with pytest.raises(ClientLeft):
            await unless_left(leaving(9), work(), 0.05)
        assert (stopped, task.cancelling()) == (["cancelled"] * 2, 0)
        with pytest.raises(TimeoutError):  # somebody else cancels it
            async with asyncio.timeout(0.05):
                await unless_left(leaving(9), work())
        with pytest.raises(ZeroDivisionError):
            await unless_left(leaving(9), fails())
        with pytest.raises(ClientLeft):  # the time runs out, and the caller leaves while the work is being ended
            await unless_left(leaving(0.1), slow_to_end(), 0.05)
        assert task.cancelling() == 0

    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(9)
        finally:
            await asyncio.sleep(0.2)
            ended.append("whole")

    ended: list[str] = []

    async def fails() -> None:
        raise ZeroDivisionError

    asyncio.run(run())
    assert ended == ["whole"]
