"""The page as a web application: a door that lets through what the page needs, and nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from corpora.bundled.render import SYSTEM_PROMPT
from corpora.errors import OslerError
from serving.addresses import check_port_free
from serving.assistant import ROLE, DoctorAssistant
from serving.clients import chat_model
from serving.gateway.keys import KeyFile
from serving.retrieval import PASSAGES, passage_index
from serving.served import Served
from serving.ui.about import About
from serving.ui.door import guarded, is_loopback, mount
from serving.ui.page import HEAD, build
from serving.ui.texts import LANGUAGES, TAGS, words
from serving.vllm.defaults import MODEL_NAME

# What the page asks for. Gradio has more routes: uploads, files of the server, an assistant for writing pages.
PATHS = re.compile(
    r"/(?:|config|login/?|logout|theme\.css|manifest\.json|favicon\.ico|robots\.txt|assets/.*|static/.*"
    r"|gradio_api/(?:info|app_id|heartbeat/[^/]+|cancel|reset|startup-events|login_check|token|queue/(?:join|data)|run/[^/]+|call/[^/]+))"
)


def login(keys: KeyFile) -> Callable[[str, str], bool]:
    """A check of a key's name and the key, as user and password."""

    def check(name: str, secret: str) -> bool:
        found = keys.find(secret.strip())
        return found is not None and found.name == name.strip()

    return check


def holds_key(keys: KeyFile) -> Callable[[str | None], bool]:
    """A check that a user's key has not been revoked since the login."""
    return lambda user: user in keys.working()


def check_before_start(host: str, port: int, keys: Path | None) -> None:
    """Raises OslerError where the page may not or cannot listen.

    Raises:
        OslerError: the host is not loopback and there is no key to log in with, or the port is taken.
    """
    working = KeyFile(keys).working() if keys is not None else set()
    if keys is not None and not working:
        raise OslerError(f"{keys}: no working key to log in with; make one with `osler keys add NAME --keys {keys}`")
    if not is_loopback(host) and not working:
        raise OslerError(
            f"{host} can be reached from other machines, and the page would have no login; make a key with `osler keys add NAME` and give "
            "its file with --keys gateway/keys.json, or leave --host out"
        )
    check_port_free(host, port)


# Tokens. Below the first, fewer passages and exchanges are read; below the second, the descriptions of the tools do not fit and rules choose them.
SMALL_CONTEXT, TOOLS_CONTEXT = 4096, 16_384
PLAIN_TOKENS = 128  # of an answer; `osler ask` gives as many


def doctor(
    url: str,
    model: Served | None = None,
    documents: Sequence[str | Path] = (),
    key: str | None = None,
    plain: bool = False,
) -> DoctorAssistant:
    """The assistant behind the page, which makes the red-flag check itself, before it asks.

    Args:
        url: of an OpenAI-compatible server, with ``/v1``.
        model: What the server says of its model, by which passages and answers are measured out; None takes the usual ones.
        documents: Folders to cite beside the bundled facts.
        key: The server's API key.
        plain: The model reads the question alone, under the short system message that the recipes train with: for one that never
            learnt to read passages, longer rules or earlier exchanges. Calculators are chosen by rules.

    Raises:
        DataError: a folder that cannot be read.
    """
    context = model.context if model is not None and model.context else 32_768
    name = model.name if model is not None else MODEL_NAME
    small = context < SMALL_CONTEXT
    longest = PLAIN_TOKENS if plain else context // 8 if small else min(1024, context // 4)
    settings = {"max_tokens": longest, "timeout": 60, "max_retries": 0}
    return DoctorAssistant(
        chat_model(url, name, key or "unused", **settings),
        retriever=False if plain else passage_index(documents, k=2 if small else PASSAGES),
        tool_calls="auto" if context >= TOOLS_CONTEXT and not plain else "router",
        system=SYSTEM_PROMPT if plain else ROLE,
        triage=lambda text: None,
        exchanges=0 if plain else 1 if small else 6,
    )


def web(assistant: DoctorAssistant, about: About, host: str = "127.0.0.1", keys: Path | None = None) -> FastAPI:
    """The application.

    Args:
        assistant: Answers; its red-flag check is the page's.
        about: What the page says of the model.
        host: Where it will listen. On loopback, requests for another name than this machine's are refused.
        keys: File of the keys of those who may log in; None asks for no login.
    """
    app = guarded(host, PATHS)
    mount(
        app,
        build(assistant, about, holds_key(KeyFile(keys)) if keys is not None else lambda user: True),
        path="/",
        login=login(KeyFile(keys)) if keys is not None else None,
        login_text="".join(f'<p lang="{TAGS[one]}">{words("log_in", one)}</p>' for one in LANGUAGES),
        head=HEAD,
        largest_file=1,
        show_error=False,
    )
    return app


def run(app: FastAPI, host: str, port: int) -> None:
    """Serves the page until Ctrl-C or SIGTERM."""
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)
