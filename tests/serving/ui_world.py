"""Chat pages on free ports: on a real gateway with a slow model, on a scripted model, and on a model that is down."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serving.addresses import free_port
from serving.served import served
from serving.ui.about import About
from serving.ui.app import doctor, web
from tests.serving.gateway_world import Model, running, world
from tests.serving.stand_in import Reply, StandIn, stand_in

ABOUT = About("tiny", "a few made-up sentences", 9_600_000)


@dataclass
class Pages:
    """Addresses of the pages, and what stands behind them."""

    browser: Any
    gateway: str  # page on the gateway
    scripted: str  # page on the scripted model
    down: str  # page on a model that is down
    model: Model  # behind the gateway
    script: StandIn
    errors: list[str] = field(default_factory=list)  # of the pages' scripts
    outside: list[str] = field(default_factory=list)  # requests of the pages and their servers to other hosts

    @contextmanager
    def tab(self, url: str, width: int = 1200, height: int = 800, **options: Any) -> Iterator[Any]:
        """A tab in a profile of its own; what it asks of another host, and what fails in its scripts, is noted."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        page.set_default_timeout(30_000)
        self.watch(page, url)
        page.goto(url)
        page.wait_for_selector("#talk_list label", state="attached")
        try:
            yield page
        finally:
            context.close()

    def watch(self, page: Any, url: str) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "request",
            lambda request: (
                self.outside.append(request.url) if not request.url.startswith((url, "blob:", "data:")) else None
            ),
        )

    def says(self, *replies: Reply) -> None:
        """Sets what the scripted model answers next, the last one for ever."""
        self.script.replies[:] = replies
        self.script.requests.clear()


@contextmanager
def servers_calls() -> Iterator[list[str]]:
    """The other machines that this process, in which the pages' servers run, looks up or calls."""
    called: list[str] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def noted(host: Any) -> None:
        if str(host) not in ("127.0.0.1", "localhost", "::1", "None"):
            called.append(str(host))

    def looked_up(host: Any, *more: Any, **named: Any) -> Any:
        noted(host)
        return look_up(host, *more, **named)

    def connected(self: socket.socket, address: Any) -> Any:
        noted(address[0] if isinstance(address, tuple) else "127.0.0.1")  # a file's name is this machine's own
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", looked_up)
        patch.setattr(socket.socket, "connect", connected)
        yield called


@contextmanager
def pages(browser: Any, folder: Path) -> Iterator[Pages]:
    guide = folder / "ward"
    guide.mkdir()
    (guide / "guide.md").write_text(
        "# Ward guide\n\n## Zinc fever\n\nZinc fever <img src=x onerror=\"window.ran='document'\"> on the ward: call the doctor.\n"
    )
    with ExitStack() as stack:
        calls = stack.enter_context(servers_calls())
        behind = stack.enter_context(world(folder, pause=0.0))
        key = behind.keys.add("page", triage=False)
        address = f"{behind.url}/v1"
        found = served(address, key)
        assert found is not None
        assert found.context == 4096
        gateway = stack.enter_context(running(web(doctor(address, found, (), key), ABOUT)))
        script = stack.enter_context(stand_in(Reply(("Hello.",))))
        scripted = stack.enter_context(running(web(doctor(script.url, None, [guide]), ABOUT)))
        dead = f"http://127.0.0.1:{free_port()}/v1"
        down = stack.enter_context(running(web(doctor(dead), ABOUT)))
        yield Pages(browser, gateway, scripted, down, behind.model, script, outside=calls)


def ask(page: Any, text: str) -> None:
    page.fill("#message textarea", text)
    page.press("#message textarea", "Enter")


def answered(page: Any, turns: int = 1) -> None:
    """Waits until the conversation has ``turns`` whole turns and the next message can be sent."""
    page.wait_for_function(
        "n => document.querySelectorAll('#thread .o-turn').length === n && !!document.querySelector('#send')?.offsetParent",
        arg=turns,
    )


def retried(page: Any, turns: int = 1) -> None:
    """Asks the last message again and waits for the answer in place of the first.

    It is told by its node: one that fails at once is there before the answer that is being written could be seen.
    """
    page.evaluate("() => [...document.querySelectorAll('#thread .o-turn')].at(-1).setAttribute('data-first', '')")
    page.click("#retry")
    page.wait_for_selector("#thread:not(:has([data-first])) .o-turn", state="attached")
    answered(page, turns)
