"""How a server is asked an exam: the options of `osler eval` that are for `--url` alone."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from corpora.errors import OslerError

PANEL = "How a server is asked (--url)"
_EXAMPLE = '{"reasoning_effort": "low"}'

TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", min=0.1, help="Seconds to wait for one answer. Default: 600.", rich_help_panel=PANEL),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=1000, help="Requests at once. Default: 16.", rich_help_panel=PANEL),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key-env",
        help="Environment variable that holds the server's key. Default: OPENAI_API_KEY.",
        rich_help_panel=PANEL,
    ),
]
NoTemperatureOption = Annotated[
    bool,
    typer.Option(
        "--no-temperature",
        help="Send no temperature. Else it is 0, for the likeliest answer, and a model that refuses it is asked again without.",
        rich_help_panel=PANEL,
    ),
]

ExtraBodyOption = Annotated[
    str | None,
    typer.Option(
        "--extra-body",
        help='Further fields of each request, as JSON: `\'{"reasoning_effort": "low"}\'`, or for vLLM '
        '`\'{"chat_template_kwargs": {"enable_thinking": false}}\'`. Recorded with the answers.',
        rich_help_panel=PANEL,
    ),
]


def fields_of(text: str | None, flag: str) -> dict[str, Any]:
    """The fields of a request that an option's JSON names.

    Raises:
        OslerError: it is no JSON object.
    """
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise OslerError(f"{flag} {text}: not valid JSON ({error}); quote it for the shell, as '{_EXAMPLE}'") from error
    if not isinstance(found, dict):
        raise OslerError(f"{flag} {text}: a JSON object of fields is needed, as '{_EXAMPLE}'")
    return found


def server_options(
    engine: str,
    timeout: float | None,
    concurrency: int | None,
    key_env: str | None,
    no_temperature: bool,
    extra_body: str | None = None,
) -> dict[str, Any]:
    """What the command line says, for ``pipelines.examiner.engine_of``; empty where it says nothing.

    Raises:
        OslerError: it says something, and the engine asks no server; or the further fields are no JSON object.
    """
    fields = fields_of(extra_body, "--extra-body") or None
    given = {"timeout": timeout, "concurrency": concurrency, "key_env": key_env, "extra_body": fields}
    found: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if engine != "openai" and (found or no_temperature):
        flags = [f"--{name.replace('_', '-')}" for name in found] + ["--no-temperature"] * no_temperature
        raise OslerError(
            f"{', '.join(flags)}: of a server, which --url names; --engine {engine} runs the model in this process"
        )
    return {**found, "temperature": False} if no_temperature else found
