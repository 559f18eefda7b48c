"""What comes before a request's body is bounded, by size and by time, before any key is looked at."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from serving.gateway import heads
from serving.gateway.heads import HEAD_BYTES
from tests.serving.gateway_world import World, world

END = b"\r\n\r\n"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("door"), pause=0.1) as made:
        yield made


@contextmanager
def connected(door: World) -> Iterator[socket.socket]:
    address = urlsplit(door.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=10) as made:
        yield made


def answers(line: socket.socket) -> list[tuple[int, bytes]]:
    """All that is answered until the other side hangs up: status and body of each."""
    told = b""
    try:
        while piece := line.recv(65536):
            told += piece
    except ConnectionResetError:
        pass
    return [(int(one[:3]), one.partition(END)[2]) for one in told.split(b"HTTP/1.1 ")[1:]]


def health(size: int, name: bytes = b"x-pad", last: bool = True) -> bytes:
    """A question whose head has ``size`` bytes."""
    start = b"GET /health HTTP/1.1\r\nhost: a\r\n" + (b"connection: close\r\n" if last else b"") + name + b": "
    return start + b"a" * (size - len(start) - len(END)) + END


@pytest.mark.parametrize("piece", [1_000_000, 1000])
def test_a_head_may_be_so_large_and_no_larger(door: World, piece: int) -> None:
    for size, status in ((HEAD_BYTES, 200), (HEAD_BYTES + 1, 431)):
        with connected(door) as line:
            asked = health(size)
            for at in range(0, size, piece):
                line.sendall(asked[at : at + piece])
            [(told, body)] = answers(line)
            assert told == status
    assert json.loads(body)["error"]["code"] == "head_too_large"


@pytest.mark.parametrize(
    "start",
    [
        b"GET /health HTTP/1.1\r\nhost: a\r\nx-pad: ",
        b"GET /health HTTP/1.1\r\nhost: a\r\n",
        b"GET /",
        b"POST /health HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;a=",
        b"POST /health HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-trailer: ",
        b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: b\r\n\r\n",
    ],
    ids=["header", "headers", "path", "extension", "trailer", "upgrade"],
)
def test_whatever_brings_no_body_is_cut_off_while_others_are_answered(door: World, start: bytes) -> None:
    """32 MiB in a header, from anybody, had held all others for more than a second."""
    piece = (b"x-a: b\r\n" if start.endswith(b"\r\nhost: a\r\n") else b"a" * 8) * 4096
    sent = 0

    def send() -> None:
        nonlocal sent
        try:
            line.sendall(start)
            for _ in range(1024):
                line.sendall(piece)
                sent += len(piece)
        except OSError:
            pass

    with connected(door) as line:
        line.settimeout(20)
        sender = threading.Thread(target=send)
        sender.start()
        slowest = 0.0
        while sender.is_alive():
            before = time.monotonic()
            assert httpx.get(f"{door.url}/health").status_code == 200
            slowest = max(slowest, time.monotonic() - before)
        sender.join()
    assert sent < 16 * 2**20  # some lies in the system's buffers when the door hangs up
    assert slowest < 0.5


def test_many_small_requests_may_come_together(door: World) -> None:
    with connected(door) as line:
        line.sendall(health(900, last=False) * 99 + health(900))
        assert [status for status, _ in answers(line)] == [200] * 100


def test_an_answer_that_is_being_written_is_not_mixed_with_a_refusal(door: World) -> None:
    body = json.dumps({"model": "osler", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    with connected(door) as line:
        line.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %s\r\ncontent-length: %d\r\n\r\n%s"
            % (door.key.encode(), len(body), body)
        )
        told = line.recv(65536)
        line.sendall(b"GET / HTTP/1.1\r\nx: " + b"a" * 2 * HEAD_BYTES)
        told += b"".join(iter(lambda: _received(line), b""))
    assert told.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 431" not in told
    assert b"[DONE]" not in told


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(65536)
    except ConnectionResetError:
        return b""


def test_what_is_no_http_is_refused_in_the_shape_of_every_error(door: World) -> None:
    with connected(door) as line:
        line.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # TLS knocks at plain HTTP
        [(status, body)] = answers(line)
    assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_http")


def test_a_head_that_comes_too_slowly_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.4)
    with world(tmp_path, pause=0.2) as door:
        begun = time.monotonic()
        with connected(door) as silent:
            assert answers(silent) == []
        with connected(door) as slow:
            for byte in (b"GET /health HTTP/1.1\r\nx: ", b"a", b"a"):
                slow.sendall(byte)
                time.sleep(0.1)
            assert [status for status, _ in answers(slow)] == [408]
        with connected(door) as second:
            second.sendall(health(500, last=False))
            assert second.recv(65536).startswith(b"HTTP/1.1 200")
            second.sendall(b"GET /hea")
            assert [status for status, _ in answers(second)] == [408]
        assert time.monotonic() - begun < 4
        assert door.ask("Hi").status_code == 200  # which takes a second: an answer's time is another's to bound


def test_a_connection_is_kept_longer_than_clients_keep_it(door: World) -> None:
    with connected(door) as line:
        line.sendall(health(200, last=False))
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(5.5)
        line.sendall(health(200))
        assert [status for status, _ in answers(line)] == [200]
