"""Commands that serve a model and ask it: serve, ask, chat."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from corpora.errors import OslerError
from pipelines.cli.gateway import AUDIT, KEYS, AuditOption, KeysOption
from pipelines.cli.options import RECIPE, UrlOption, app, err, out


def _served_model(model: str | None, run: Path | None) -> str:
    """The folder of the model to serve: as given, or the one that the run's recipe serves."""
    from pipelines.config import load_recipe, resolve_model

    if model is not None:
        return resolve_model(model)
    recipe = load_recipe(RECIPE)
    assert recipe.serve is not None
    folder = (run or Path("runs") / recipe.name) / recipe.serve.model / "model"
    if not (folder / "config.json").is_file():
        raise OslerError(f"{folder}: no model yet; run `osler reproduce` first, or name a model with --model")
    return str(folder)


ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A model's folder or hub id. Default: what `osler reproduce` made last."),
]


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A model's folder or hub id. Default: what `osler reproduce` made.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. vLLM's own door is not guarded: keep it on loopback.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Put the guarded door at this address, and vLLM on loopback behind it.")
    ] = False,
    keys: KeysOption = KEYS,
    audit: AuditOption = AUDIT,
) -> None:
    """Serve MODEL with vLLM until Ctrl-C. Any of vLLM's own flags can follow.

    Examples: `osler serve runs/nano/final/model --max-model-len 1024` · `osler serve --gateway --host 0.0.0.0`
    """
    from serving.server import serving

    flags: dict[str, Any] = {}
    words = list(context.args)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise OslerError(f"unexpected argument '{word}'; vLLM's flags start with --")
        key, _, value = word[2:].partition("=")
        flags[key] = value or (words.pop(0) if words and not words[0].startswith("--") else True)
    # A plain `kill` stops the child as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    if gateway:
        from serving.gateway.app import check_before_start, run
        from serving.gateway.settings import Settings

        check_before_start(host, port, keys)
        with serving(_served_model(model, None), flags=flags) as server:
            err.print(f"the door opens at http://{host}:{port}/v1; vLLM's log is {server.log}", soft_wrap=True)
            run(server.url, host, port, keys, audit, Settings())
        return
    with serving(_served_model(model, None), flags=flags, host=host, port=port) as server:
        out.print(f"vLLM answers at {server.url} as model '{server.model}'. Ctrl-C stops it; its log is {server.log}")
        out.print(f'Ask it from another terminal: osler ask --url {server.url} "What is asthma?"')
        try:
            while True:
                time.sleep(0.5)
                server.check()
        except KeyboardInterrupt:
            err.print("stopping")


def _with_server(url: str | None, model: str | None, talk: Any) -> None:
    """Calls ``talk`` with the address of a running server, or of one started for it."""
    if url is not None:
        talk(url)
        return
    from serving.server import serving

    with serving(_served_model(model, None)) as server:
        talk(server.url)


def _say(pieces: Any) -> str:
    """Prints the pieces as they come and returns the whole."""
    said = ""
    for piece in pieces:
        said += piece
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return said


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    model: ModelOption = None,
    url: UrlOption = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Continue the text, as a base model does, instead of answering.")
    ] = False,
) -> None:
    """Ask one QUESTION through LangChain. Starts vLLM for it, unless --url names a server.

    Examples: `osler ask "What is asthma?"` · `osler ask --complete -m bundled:osler-nano-base "The old man"`
    """
    import openai

    from serving.assistant import NOTICE, chat_model, completion_model, stream_answer

    def talk(address: str) -> None:
        try:
            if complete:
                _say(completion_model(address).stream(question))
            else:
                _say(stream_answer(chat_model(address), question))
                err.print(f"[dim]{NOTICE}[/dim]")
        except openai.APIConnectionError as error:
            raise OslerError(
                f"{address}: no server answers there; start one with `osler serve`, or leave --url out"
            ) from error
        except openai.NotFoundError as error:
            raise OslerError(f"{address}: {error}; `osler serve` names its model 'osler'") from error

    _with_server(url, model, talk)


@app.command()
def chat(model: ModelOption = None, url: UrlOption = None) -> None:
    """Talk with the model, several turns. An empty line or Ctrl-D ends it.

    Starts vLLM and stops it at the end, unless --url names a server. The last three exchanges are remembered.

    Examples: `osler chat` · `osler chat --url http://127.0.0.1:8000/v1`
    """
    import openai
    from langchain_core.messages import BaseMessage

    from serving.assistant import NOTICE, chat_model, remember, stream_answer

    def talk(address: str) -> None:
        history: list[BaseMessage] = []
        client = chat_model(address)
        err.print(f"[dim]{NOTICE} An empty line ends the talk.[/dim]")
        while True:
            try:
                question = out.input("[bold]you:[/bold] ").strip()
            except (EOFError, KeyboardInterrupt):
                break
            if not question:
                break
            out.print("[bold]osler:[/bold] ", end="")
            try:
                answer = _say(stream_answer(client, question, history))
            except openai.APIConnectionError as error:
                raise OslerError(f"{address}: no server answers there; start one with `osler serve`") from error
            history = remember(history, question, answer)

    _with_server(url, model, talk)
