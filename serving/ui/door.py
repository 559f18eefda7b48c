"""The door of a Gradio page: what the page does not ask for is closed, nothing comes from outside, and on loopback only loopback is listened to."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Awaitable, Callable

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing goes outside, whatever the environment says

import gradio as gr
from fastapi import FastAPI, Request
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, Response

from serving.ui.theme import theme

# Gradio builds functions from text in the browser, so scripts may be evaluated; none may come from elsewhere, and nothing may go there.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
# What a page's own files are called; they hold nothing of a reader's and may be kept by the browser.
FILES = re.compile(r"(?:/\w+)?/(?:assets|static)/.*")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def guarded(host: str, paths: re.Pattern[str], refuse: Callable[[Request], Response | None] | None = None) -> FastAPI:
    """An empty application behind the door.

    Args:
        host: Where it will listen. On loopback, requests for another name than this machine's are refused.
        paths: The paths that may be asked for, whole; all others are not found.
        refuse: Answers a request that is to go no further; None lets it pass.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def door(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if not paths.fullmatch(request.url.path):
            return PlainTextResponse("not found", 404)
        answer = (refuse(request) if refuse is not None else None) or await go_on(request)
        for name, value in HEADERS.items():
            if name != "cache-control" or not FILES.fullmatch(request.url.path):
                answer.headers[name] = value
        return answer

    if is_loopback(host):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", host])
    return app


def mount(
    app: FastAPI,
    page: gr.Blocks,
    *,
    path: str,
    login: Callable[[str, str], bool] | None,
    login_text: str,
    head: str,
    largest_file: str | int,
    show_error: bool,
) -> None:
    """Puts a page into the application without what Gradio adds of its own.

    Args:
        app: Of ``guarded``.
        page: What Gradio draws.
        path: Where it stands.
        login: Checks user and password; None asks for no login.
        login_text: Stands above the login, HTML.
        head: What goes into the page's head, HTML.
        largest_file: That may be brought, in bytes or as ``4gb``.
        show_error: Whether an error's own words reach the browser.
    """
    gr.mount_gradio_app(
        app,
        page,
        path=path,
        auth=login,
        auth_message=login_text,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        show_error=show_error,
        max_file_size=largest_file,
        theme=theme(),
        head=head,
    )
