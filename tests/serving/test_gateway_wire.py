"""The door's connections to vLLM: kept where an answer was read whole, closed at once where it was left, and never trusted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.types import Message

from corpora.errors import DataError
from serving.gateway import wire
from serving.gateway.connection import ClientLeft, unless_left
from serving.gateway.errors import ModelDown
from serving.gateway.wire import Wires

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
BODY = b"5\r\nHello\r\n7\r\n, ward!\r\n"
WHOLE = HEAD + BODY + b"0\r\n\r\n"


@dataclass
class Script:
    """A server that sends what a test wrote down: for each request the next list of pieces; ``None`` closes the connection."""

    replies: list[list[bytes | None]]
    pause: float = 0.0
    connections: int = 0
    left: int = 0
    sent: int = 0  # bytes that the client took
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(int(head.partition(b"content-length: ")[2])))
                for piece in self.replies.pop(0):
                    await asyncio.sleep(self.pause)
                    if piece is None:
                        writer.close()
                        return
                    writer.write(piece)
                    await writer.drain()
                    self.sent += len(piece)
        self.left += 1


@asynccontextmanager
async def vllm(script: Script, path: str = "", key: str | None = None) -> AsyncIterator[Wires]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    wires = Wires(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}", key, 5.0)
    try:
        yield wires
    finally:
        wires.close()
        server.close()


async def ask(wires: Wires, idle: float | None = 5.0, seconds: float = 5.0) -> tuple[int, bytes]:
    async with wires.post("/v1/completions", b"{}", "an-id", idle, seconds) as answer:
        return answer.status, await answer.whole()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


def bits(whole: bytes, size: int) -> list[bytes | None]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.mark.parametrize("size", [1, 2, 7, len(WHOLE)])
def test_an_answer_comes_whole_however_it_is_cut_and_its_connection_is_kept(size: int):
    async def run() -> None:
        early = b"HTTP/1.1 100 Continue\r\n\r\n"
        script = Script([bits(early + WHOLE, size), bits(WHOLE, size)], pause=0.001)
        async with vllm(script) as wires:
            assert [await ask(wires) for _ in range(2)] == [(200, b"Hello, ward!")] * 2
            assert script.connections == 1

    asyncio.run(run())


def test_a_connection_is_kept_where_https_own_end_comes_after_what_the_reader_waits_for():
    async def run() -> None:
        script = Script([[HEAD, BODY, b"0\r\n\r\n"], [WHOLE]], pause=0.05)
        async with vllm(script) as wires:
            async with wires.post("/v1/completions", b"{}", "an-id", 5.0, 5.0) as answer:
                assert await answer.read() == b"Hello, ward!"
                answer.ended = True  # as after [DONE]
            await asyncio.sleep(0.2)
            assert await ask(wires) == (200, b"Hello, ward!")
            assert (script.connections, script.left) == (1, 0)

    asyncio.run(run())


def test_one_whose_end_does_not_come_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wire, "_ENDING_SECONDS", 0.1)

    async def run() -> None:
        script = Script([[HEAD, BODY], [WHOLE]])
        async with vllm(script) as wires:
            async with wires.post("/v1/completions", b"{}", "an-id", 5.0, 5.0) as answer:
                await answer.read()
                answer.ended = True
            assert await ask(wires) == (200, b"Hello, ward!")
            assert script.connections == 2
            await until(lambda: script.left == 1)

    asyncio.run(run())


def test_an_answer_that_is_left_frees_vllm_at_once():
    async def run() -> None:
        script = Script([[HEAD + BODY]])
        async with vllm(script) as wires:
            async with wires.post("/v1/completions", b"{}", "an-id", 5.0, 5.0) as answer:
                await answer.read()
            async with asyncio.timeout(0.5):
                await until(lambda: script.left == 1)

    asyncio.run(run())


def test_an_answer_without_a_length_ends_with_its_connection_and_one_with_a_length_does_not():
    async def run() -> None:
        script = Script([[b"HTTP/1.1 200 OK\r\n\r\n", b"Hello", None], [HEAD, BODY, None]], pause=0.02)
        async with vllm(script) as wires:
            assert await ask(wires) == (200, b"Hello")
            with pytest.raises(ModelDown, match="broke off"):
                await ask(wires)

    asyncio.run(run())


@pytest.mark.parametrize("reply", [[b"no HTTP\r\n\r\n"], [WHOLE + WHOLE], [HEAD + b"zz\r\n"]])
def test_what_is_no_answer_is_a_fault_and_its_connection_not_used_again(reply: list[bytes | None]):
    async def run() -> None:
        script = Script([reply, [WHOLE]])
        async with vllm(script) as wires:
            with contextlib.suppress(ModelDown):
                assert await ask(wires) == (200, b"Hello, ward!")  # what nobody asked for comes after it
            assert await ask(wires) == (200, b"Hello, ward!")
            assert script.connections == 2

    asyncio.run(run())


def test_a_word_that_nobody_asked_for_closes_a_kept_connection():
    async def run() -> None:
        script = Script([[WHOLE, WHOLE], [WHOLE]], pause=0.1)
        async with vllm(script) as wires:
            await ask(wires)
            await until(lambda: script.sent == 2 * len(WHOLE))
            await asyncio.sleep(0.05)
            assert await ask(wires) == (200, b"Hello, ward!")
            assert script.connections == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("replies", "idle", "seconds"),
    [([], 0.2, 5.0), ([HEAD], 0.2, 5.0), ([HEAD, *bits(BODY, 1)], 0.5, 0.3), ([HEAD, *bits(BODY, 1)], None, 0.3)],
)
def test_each_wait_has_an_end(replies: list[bytes | None], idle: float | None, seconds: float):
    async def run() -> None:
        script = Script([replies], pause=0.05)
        async with vllm(script) as wires:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(ModelDown) as fault:
                await ask(wires, idle, seconds)
            assert fault.value.code == "timeout"
            assert asyncio.get_running_loop().time() - begun < 1
            await until(lambda: script.left == 1)

    asyncio.run(run())


def test_pieces_that_come_in_time_may_last_longer_than_one_wait():
    async def run() -> None:
        script = Script([[HEAD, *bits(BODY, 4), b"0\r\n\r\n"]], pause=0.1)
        async with vllm(script) as wires:
            assert await ask(wires, 0.3, 5.0) == (200, b"Hello, ward!")

    asyncio.run(run())


def test_what_a_slow_caller_does_not_take_waits_at_vllm_and_is_no_fault_of_its():
    async def run() -> None:
        size, many = 50_000, 400
        chunk = b"%x\r\n" % size + b"x" * size + b"\r\n"
        script = Script([[HEAD, *[chunk] * many, b"0\r\n\r\n"]])
        async with vllm(script) as wires, wires.post("/v1/completions", b"{}", "an-id", 0.3, 30.0) as answer:
            await asyncio.sleep(0.8)
            assert script.sent < size * many / 2
            assert len(await answer.whole()) == size * many

    asyncio.run(run())


def test_the_request_is_sent_as_it_is_meant():
    async def run() -> None:
        script = Script([[WHOLE], [WHOLE]])
        async with vllm(script, "/team", "a key") as wires:
            await ask(wires)
        head, _, body = script.requests[0].partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0] == b"POST /team/v1/completions HTTP/1.1"
        assert {b"authorization: Bearer a key", b"x-request-id: an-id", b"content-length: 2"} <= set(lines)
        assert [line.startswith(b"host: 127.0.0.1:") for line in lines].count(True) == 1
        assert body == b"{}"

    asyncio.run(run())
    plain = Wires("https://me:p%40ss@gpu.example", None, 1.0)
    assert b"authorization: Basic " + base64.b64encode(b"me:p@ss") in plain._headers
    assert (plain._host, plain._port) == ("gpu.example", 443)
    for key in ("schlüssel", "a\r\nx: b"):
        with pytest.raises(DataError, match="signs that no key has"):
            Wires("http://127.0.0.1:1", key, 1.0)


def test_work_ends_when_the_caller_leaves_and_only_then():
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

    async def fails() -> None:
        raise ZeroDivisionError

    asyncio.run(run())
