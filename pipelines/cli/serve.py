"""The command that serves a model."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from corpora.errors import OslerError
from pipelines.cli.gateway import (
    AUDIT,
    KEYS,
    AtOnceOption,
    AuditOption,
    BodyOption,
    DrainOption,
    IdleOption,
    KeysOption,
    MaxContextOption,
    MaxNOption,
    MaxTokensOption,
    RequestsOption,
    TokensOption,
    TotalOption,
    limits_given,
)
from pipelines.cli.options import RECIPE, app, err, out


def served_model(model: str | None) -> str:
    """The folder of the model to serve: as given, or the one that ``osler reproduce`` made."""
    from pipelines.config import load_recipe, resolve_model

    if model is not None:
        return resolve_model(model)
    recipe = load_recipe(RECIPE)
    assert recipe.serve is not None
    folder = Path("runs") / recipe.name / recipe.serve.model / "model"
    if not (folder / "config.json").is_file():
        raise OslerError(f"{folder}: no model yet; run `osler reproduce` first, or name a model")
    return str(folder)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A model's folder or hub id. Default: what `osler reproduce` made.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. vLLM's own door is not guarded: keep it on loopback.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Put the guarded door at this address, and vLLM on loopback behind it.")
    ] = False,
    keys: KeysOption = KEYS,
    audit: AuditOption = AUDIT,
    restarts: Annotated[
        int, typer.Option(min=0, help="How often vLLM is started again within --restart-window when it dies.")
    ] = 3,
    restart_window: Annotated[float, typer.Option(min=1, help="Seconds for which a death counts.")] = 600.0,
    vllm_python: Annotated[
        Path | None, typer.Option(help="A Python that has vLLM, where it is in an environment of its own.")
    ] = None,
    start_seconds: Annotated[float, typer.Option(min=1, help="Longest wait for vLLM to answer after a start.")] = 600.0,
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
    """Serve MODEL with vLLM until Ctrl-C or SIGTERM, and start it again when it dies. Any of vLLM's own flags can follow, and win.

    Defaults are chosen for the GPUs or the processor found, and printed with the reason. When vLLM dies too often, the command ends with exit
    code 1 and vLLM's reason; with --gateway the door lets open answers end first.

    Examples: `osler serve runs/nano/final/model --max-model-len 1024` · `osler serve --gateway --host 0.0.0.0` · `osler serve MODEL
    --tensor-parallel-size 4 --quantization fp8` · `osler serve MODEL --enable-lora --lora-modules ward=ADAPTER`
    """
    from serving.addresses import at
    from serving.processes import interrupt_on_sigterm
    from serving.vllm.start import prepared, running
    from serving.vllm.supervisor import Restarts, keep, kept

    policy = Restarts(restarts, restart_window)
    given = [
        name
        for name in limits_given(context)
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    if given and not gateway:
        raise OslerError(f"--{given[0].replace('_', '-')} is a limit of the door; it goes with --gateway")
    words = context.args
    if model is not None and model.startswith("-"):  # the first of vLLM's flags, where no MODEL is named
        words, model = [model, *words], None
        for before, word in pairwise(words):
            if not before.startswith("-") and not word.startswith("-") and "=" not in word:
                raise OslerError(f"'{word}': MODEL comes before vLLM's flags")
    name = served_model(model)
    interrupt_on_sigterm()
    if gateway:
        from serving.gateway.app import check_before_start, run
        from serving.gateway.settings import Settings

        check_before_start(host, port, keys)
        server = prepared(name, words=words, roomy=True, python=vllm_python)
        _tell(server.options)
        with running(server, start_seconds), kept(server, policy, start_seconds):
            err.print(
                f"the door opens at {at(host, port)}/v1; vLLM's log is {server.log}", markup=False, soft_wrap=True
            )
            run(
                server.url,
                host,
                port,
                keys,
                audit,
                Settings(**limits_given(context)),
                server.api_key,
                lambda: server.started_at,
            )
        return
    server = prepared(name, host=host, port=port, words=words, roomy=True, python=vllm_python)
    _tell(server.options)
    with running(server, start_seconds):
        out.print(
            f"vLLM answers at {server.url} as model '{server.model}'. Ctrl-C stops it; its log is {server.log}",
            markup=False,
            soft_wrap=True,
        )
        out.print(
            f'Ask it from another terminal: osler ask --url {server.url} "What is asthma?"',
            markup=False,
            soft_wrap=True,  # the command is copied: no line break within it
        )
        try:
            keep(server, policy, threading.Event(), start_seconds)
        except KeyboardInterrupt:
            err.print("stopping")


def _tell(options: list[Any]) -> None:
    """Prints the defaults that were chosen, each with its reason."""
    err.print("defaults for this machine; your own flags win:")
    for one in options:
        err.print(f"  {one.text()}  [dim]{one.why}[/dim]", soft_wrap=True)
