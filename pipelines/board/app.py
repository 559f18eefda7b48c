"""The page as a web application, behind a door: what it does not need is closed, other pages cannot use it, and others need a key."""

from __future__ import annotations

import hmac
import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from corpora.errors import OslerError
from pipelines.board.opening import check, open_bundled
from pipelines.board.page import HEAD, build
from pipelines.board.places import Places
from pipelines.board.texts import words
from serving.addresses import check_port_free
from serving.ui.door import guarded, is_loopback, mount
from serving.ui.texts import Language

KEY_VARIABLE = "OSLER_BOARD_KEY"
USER = "osler"  # at the login, beside the key
SHORTEST_KEY = 16  # characters
PAGES: dict[str, Language] = {"/zh": "zh", "/": "en"}  # where each is mounted, the more special first
LARGEST_FILE = "4gb"  # that is brought
# What the page asks for; Gradio has more.
PATHS = re.compile(
    r"/zh|(?:/zh)?/(?:|config|login/?|logout|theme\.css|manifest\.json|favicon\.ico|robots\.txt|assets/.*|static/.*"
    r"|gradio_api/(?:info|app_id|heartbeat/[^/]+|cancel|reset|startup-events|login_check|token|upload|upload_progress|file=.*"
    r"|queue/(?:join|data)|run/[^/]+))"
)


def read_key(file: Path | None) -> str | None:
    """The key of the board: of the file, else of the environment; None where neither has one.

    Raises:
        OslerError: the file cannot be read, or the key is too short to keep anyone out.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if file is not None:
        try:
            key = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OslerError(f"{file}: no key can be read ({error})") from error
    if file is None and not key:
        return None
    if len(key) < SHORTEST_KEY:
        raise OslerError(
            f"{file or KEY_VARIABLE}: a key has {SHORTEST_KEY} letters or more; `openssl rand -hex 24` makes one"
        )
    return key


def check_before_start(host: str, port: int, key: str | None) -> None:
    """Raises OslerError when the board may not or cannot listen there."""
    if key is None and not is_loopback(host):
        raise OslerError(
            f"{host} can be reached from other machines, and whoever reaches the board runs programs here: give a key with --key-file FILE or in "
            f"{KEY_VARIABLE}, or leave --host out"
        )
    check_port_free(host, port)


def _refuse(request: Request) -> Response | None:
    if request.url.path == "/zh":
        return RedirectResponse("/zh/")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return PlainTextResponse("a page of another site may not use the board", 403)
    return None


def web(places: Places, host: str = "127.0.0.1", key: str | None = None) -> FastAPI:
    """The application, in English at ``/`` and in Chinese at ``/zh/``.

    Args:
        places: where runs and files are.
        host: where it will listen. On loopback, requests for another name than this machine's are refused.
        key: what has to be known to log in; None asks for no login.
    """
    app = guarded(host, PATHS, _refuse)

    def login(user: str, secret: str) -> bool:
        return user == USER and key is not None and hmac.compare_digest(secret.strip().encode(), key.encode())

    for path, language in PAGES.items():
        mount(
            app,
            build(places, language, not is_loopback(host)),
            path=path,
            login=login if key is not None else None,
            login_text=words(language)("login", user=USER),
            head=HEAD,
            largest_file=LARGEST_FILE,
            show_error=True,
        )
    return app


def run(places: Places, host: str, port: int, key: str | None, ready: Callable[[], None] = lambda: None) -> None:
    """Serves the board until Ctrl-C; what it started goes on. ``ready`` is called once it listens."""
    places.runs.mkdir(parents=True, exist_ok=True)
    app = web(places, host, key)
    # What checks a recipe and what finds an emergency take seconds to import, which the first reader of a page should not wait for.
    threading.Thread(target=_import_early, daemon=True).start()
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)
    _Server(config, ready).run()


def _import_early() -> None:
    from serving.triage import triage

    triage("chest pain")
    check(open_bundled("nano"))


class _Server(uvicorn.Server):
    """Says when it listens: an address that is told before is refused to who is quick."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, and tells so."""
        await super().startup(sockets)
        if self.started:
            self._ready()
