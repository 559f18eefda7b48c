"""Starts a vLLM that died again: a bounded number of times, each with its reason, and then gives up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from serving.addresses import ServerError, healthy
from serving.vllm.server import START_SECONDS, Server, console

POLL_SECONDS = 0.5
HEALTH_SECONDS = 5.0  # between two looks at the health page of a process that lives
HUNG_SECONDS = 60.0  # without an answer from it, after which a process that lives counts as dead


@dataclass(frozen=True)
class Restarts:
    """How often a server is started again, and after how long. Times are in seconds.

    Attributes:
        most: restarts within ``window``; the next death ends the service.
        window: how long a death counts.
        first: wait before the first restart; each further one within the window waits twice as long.
        longest: longest wait.
    """

    most: int = 3
    window: float = 600.0
    first: float = 1.0
    longest: float = 60.0

    def wait(self, number: int) -> float:
        """Seconds before restart ``number``, counted from 1."""
        return min(self.longest, self.first * 2.0 ** (number - 1))


def keep(
    server: Server,
    policy: Restarts,
    stopping: threading.Event,
    start_seconds: float = START_SECONDS,
    hung_seconds: float = HUNG_SECONDS,
) -> None:
    """Watches a server that has started, and starts it again when it dies, until ``stopping`` is set.

    Raises:
        ServerError: it died more often than ``policy`` allows; with the last reason.
    """
    deaths: deque[float] = deque()
    while (reason := _next_death(server, stopping, hung_seconds)) is not None:
        while reason is not None:
            server.stop()  # what is left of it: engines that outlived it hold memory and the port
            now = time.monotonic()
            deaths.append(now)
            while now - deaths[0] > policy.window:
                deaths.popleft()
            if len(deaths) > policy.most:
                times = f"{len(deaths)} times within {policy.window / 60:g} min" if policy.most else "once"
                raise ServerError(f"given up: vLLM ended {times}. The last time, {reason}")
            wait = policy.wait(len(deaths))
            console.print(reason, markup=False, soft_wrap=True)
            console.print(
                f"vLLM starts again in {wait:g} s: restart {len(deaths)} of {policy.most} within {policy.window / 60:g} min"
            )
            if stopping.wait(wait):
                return
            reason = _restart(server, stopping, start_seconds)


def _restart(server: Server, stopping: threading.Event, start_seconds: float) -> str | None:
    """None where it is healthy again, or nobody waits for it any more; else why it is not."""
    try:
        server.start()
        server.wait(start_seconds, stopping)
    except ServerError as error:
        return str(error)
    if not stopping.is_set():
        console.print(f"vLLM answers again, after {server.start_seconds:.0f} s")
    return None


def _next_death(server: Server, stopping: threading.Event, hung_seconds: float) -> str | None:
    """Why the server has died, once it has; None once ``stopping`` is set."""
    heard = looked = time.monotonic()
    while not stopping.wait(POLL_SECONDS):
        if reason := server.ended():
            return reason
        now = time.monotonic()
        if now - looked < min(HEALTH_SECONDS, hung_seconds / 2):
            continue
        if healthy(server.host, server.port):
            heard = time.monotonic()
        elif now - heard > hung_seconds:
            return f"vLLM hangs: its health page has not answered for {now - heard:.0f} s; {server.last_words()}"
        looked = time.monotonic()
    return None


@contextmanager
def kept(server: Server, policy: Restarts, start_seconds: float = START_SECONDS) -> Iterator[None]:
    """Keeps a server that has started while the block runs; when it is given up, this process gets a SIGTERM.

    The block has to end on SIGTERM, as ``serving.gateway.app.run`` does: it lets open answers end.

    Raises:
        ServerError: at the end of the block, where the server was given up.
    """
    stopping = threading.Event()
    failures: list[ServerError] = []

    def watch() -> None:
        try:
            keep(server, policy, stopping, start_seconds)
        except ServerError as error:
            failures.append(error)
            os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=watch, name="vllm-supervisor")
    watcher.start()
    try:
        yield
    finally:
        stopping.set()
        watcher.join()
    if failures:
        raise failures[0]
