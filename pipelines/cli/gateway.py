"""Commands of the public door: gateway, keys, audit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from corpora.errors import OslerError
from pipelines.cli.options import JsonOption, address, app, err, out

KEYS = Path("gateway/keys.json")
AUDIT = Path("gateway/audit.jsonl")

KeysOption = Annotated[Path, typer.Option("--keys", help="File of the API keys' hashes.")]
AuditOption = Annotated[Path, typer.Option("--audit", help="File of the audit; its secret and head lie beside it.")]

PANEL = "Limits of the door"
RequestsOption = Annotated[
    int,
    typer.Option("--requests-per-minute", min=1, help="Of a key without a limit of its own.", rich_help_panel=PANEL),
]
TokensOption = Annotated[
    int,
    typer.Option("--tokens-per-minute", min=1, help="The same, prompt and answer together.", rich_help_panel=PANEL),
]
MaxTokensOption = Annotated[
    int, typer.Option("--max-tokens", min=1, help="Most tokens of one answer.", rich_help_panel=PANEL)
]
MaxNOption = Annotated[int, typer.Option("--max-n", min=1, help="Most answers to one prompt.", rich_help_panel=PANEL)]
MaxContextOption = Annotated[
    int | None,
    typer.Option(
        "--max-context",
        min=1,
        help="Most tokens of prompt and answer. Default: the model's context.",
        rich_help_panel=PANEL,
    ),
]
BodyOption = Annotated[int, typer.Option("--body-bytes", min=1, help="Most bytes of a request.", rich_help_panel=PANEL)]
AtOnceOption = Annotated[
    int, typer.Option("--at-once", min=1, help="Most requests under way, over all keys.", rich_help_panel=PANEL)
]
IdleOption = Annotated[
    float,
    typer.Option("--idle-seconds", min=0.1, help="Longest wait for the next piece of a stream.", rich_help_panel=PANEL),
]
TotalOption = Annotated[
    float, typer.Option("--total-seconds", min=0.1, help="Longest time of one answer.", rich_help_panel=PANEL)
]
DrainOption = Annotated[
    int,
    typer.Option("--drain-seconds", min=0, help="Longest wait for open answers at the end.", rich_help_panel=PANEL),
]

keys_app = typer.Typer(help="The gateway's API keys: add, list, revoke.", no_args_is_help=True)
audit_app = typer.Typer(help="The gateway's audit.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")


def limits_given(context: typer.Context) -> dict[str, Any]:
    """The limits of the door that a command was given, or has by default, for ``Settings``."""
    from serving.gateway.settings import Settings

    return {name: value for name, value in context.params.items() if name in Settings.model_fields}


@app.command()
def gateway(
    context: typer.Context,
    upstream: Annotated[
        str, typer.Option(callback=address, help="Where vLLM answers; keep it on loopback or a closed network.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    keys: KeysOption = KEYS,
    audit: AuditOption = AUDIT,
    upstream_key: Annotated[str | None, typer.Option(help="vLLM's own API key.", envvar="OSLER_UPSTREAM_KEY")] = None,
    requests_per_minute: RequestsOption = 60,
    tokens_per_minute: TokensOption = 100_000,
    max_tokens: MaxTokensOption = 2048,
    max_n: MaxNOption = 4,
    max_context: MaxContextOption = None,
    body_bytes: BodyOption = 256 * 1024,
    at_once: AtOnceOption = 256,
    idle_seconds: IdleOption = 30.0,
    total_seconds: TotalOption = 300.0,
    drain_seconds: DrainOption = 60,
) -> None:
    """Open the public door in front of vLLM: keys, limits, red flags first, an audit. SIGTERM or Ctrl-C closes it.

    Example: `osler gateway --upstream http://127.0.0.1:8000 --host 0.0.0.0 --port 8080`
    """
    from serving.gateway.app import run
    from serving.gateway.settings import Settings

    run(upstream, host, port, keys, audit, Settings(**limits_given(context)), upstream_key)


@keys_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is; it stands in logs and in the audit.")],
    keys: KeysOption = KEYS,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Default: the gateway's.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=1, help="Default: the gateway's.")] = None,
    own_triage: Annotated[
        bool,
        typer.Option("--own-triage", help="The client looks for emergencies itself, or is an evaluation: no banner."),
    ] = False,
    no_tools: Annotated[
        bool,
        typer.Option(
            "--no-tools",
            help="Leave out the tools that the client offers: for chat pages that offer some to every model, as Open WebUI does.",
        ),
    ] = False,
) -> None:
    """Make a key for NAME and print it, this once. The file keeps its hash."""
    from serving.gateway.keys import KeyFile

    secret = KeyFile(keys).add(name, requests_per_minute, tokens_per_minute, triage=not own_triage, tools=not no_tools)
    sys.stdout.write(secret + "\n")
    err.print(f"this key is not shown again; {keys} keeps its hash", markup=False, soft_wrap=True)


@keys_app.command("list")
def list_keys(keys: KeysOption = KEYS, as_json: JsonOption = False) -> None:
    """List the keys' names and limits."""
    from serving.gateway.keys import KeyFile

    entries = KeyFile(keys).read()
    if as_json:
        sys.stdout.write(json.dumps([entry.model_dump(exclude={"sha256"}) for entry in entries]) + "\n")
        return
    if not entries:
        err.print(f"{keys}: no keys yet; `osler keys add NAME` makes one", markup=False, soft_wrap=True)
        return
    table = Table("name", "created (UTC)", "revoked (UTC)", "requests/min", "tokens/min", "triage", "tools")
    for column in table.columns:
        column.overflow = "fold"  # a name is typed again to revoke its key: nothing is cut
    for entry in entries:
        limits = (entry.requests_per_minute, entry.tokens_per_minute)
        shown = (str(limit) if limit else "gateway's" for limit in limits)
        table.add_row(
            entry.name,
            entry.created[:16].replace("T", " "),
            (entry.revoked or "")[:16].replace("T", " "),
            *shown,
            "gateway" if entry.triage else "client",
            "passed" if entry.tools else "left out",
        )
    out.print(table)


@keys_app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")], keys: KeysOption = KEYS) -> None:
    """Make NAME's key void: a running gateway refuses it within a second or two."""
    from serving.gateway.keys import KeyFile

    KeyFile(keys).revoke(name)
    err.print(f"'{name}' is revoked", markup=False)


@audit_app.command("verify")
def verify_audit(
    audit: AuditOption = AUDIT,
    head: Annotated[
        str | None,
        typer.Option(help="A line's hash that was kept elsewhere (in a log line's `audit`): it must be there."),
    ] = None,
) -> None:
    """Follow the audit's chain; exit code 1 and the place where a line was changed, moved, put in or taken out."""
    from serving.gateway.audit import verify

    if not audit.is_file():
        raise OslerError(f"{audit}: no audit here; name it with --audit")
    found = verify(audit, head.rpartition(":")[2] if head else None)
    out.print(f"{audit}: {found.count} lines, whole and in order; head {found.count}:{found.mac}", soft_wrap=True)
