"""Commands that ask a model: ask, chat."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from corpora.errors import OslerError
from pipelines.cli.answers import answer, client_of, emergency_first, recorded
from pipelines.cli.options import JsonOption, UrlOption, app, err, out
from pipelines.cli.serve import served_model
from pipelines.cli.texts import input_lines, input_text

ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A model's folder or hub id. Default: what `osler reproduce` made last."),
]

KeyOption = Annotated[
    str,
    typer.Option(
        "--api-key", help="The key that the server at --url wants, as the gateway does.", envvar="OSLER_API_KEY"
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds without a word after which an answer is given up.")
]
DocumentsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--documents", help="With --assistant: a folder of your own to cite beside the bundled facts; repeatable."
    ),
]
AssistantOption = Annotated[
    bool,
    typer.Option(
        "--assistant",
        help="Ask through DoctorAssistant: passages that it cites, calculators and look-ups (docs/assistant.md). It wants a model that "
        "reads 2,000 tokens or more.",
    ),
]


@contextmanager
def _server(url: str | None, model: str | None) -> Iterator[str]:
    """The address of a running server, or of one started for the block."""
    if url is not None:
        yield url
        return
    from serving.vllm.start import serving

    with serving(served_model(model)) as server:
        yield server.url


def _questions() -> Iterator[str]:
    """What the person types, until an empty line or Ctrl-D; or each line of a pipe that is not empty."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in input_lines() if line.strip())
        return
    while True:
        try:
            question = (out if out.is_terminal else err).input("[bold]you:[/bold] ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not question:
            return
        yield question


@app.command()
def ask(
    question: Annotated[
        str | None, typer.Argument(help="The question. Default, and `-`: all of standard input.")
    ] = None,
    model: ModelOption = None,
    url: UrlOption = None,
    api_key: KeyOption = "unused",
    complete: Annotated[
        bool, typer.Option("--complete", help="Continue the text, as a base model does, instead of answering.")
    ] = False,
    assistant: AssistantOption = False,
    documents: DocumentsOption = None,
    timeout: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Ask one QUESTION through LangChain. Starts vLLM for it, unless --url names a server.

    An emergency in the question is told first, on standard error, before the model is asked. With --json all is one object on standard output:
    question, answer, emergency (as `osler triage --json`), with --assistant its citations and tools, and error where there is no answer. Exit
    code 1 without a whole answer.

    Examples: `osler ask "What is asthma?"` · `osler ask --complete -m bundled:osler-nano-base "The old man"` · `echo "What is gout?" | osler
    ask --json`
    """
    if question in (None, "-") and (not sys.stdin.isatty() or question == "-"):
        question = input_text()
    question = (question or "").strip()
    if not question:
        raise OslerError("there is no question; give it as an argument, or on standard input")
    if documents and not assistant:
        raise OslerError("--documents belongs to --assistant, which cites them")
    from serving.clients import NOTICE

    with recorded(question, complete, as_json) as found:
        said = "" if complete or as_json else emergency_first(question)
        with _server(url, model) as address:
            client = client_of(address, api_key, timeout, complete, assistant, documents or ())
            answer(client, address, [], said, found, as_json)
    if not complete and not as_json:
        err.print(f"[dim]{NOTICE}[/dim]", soft_wrap=True)


@app.command()
def chat(
    model: ModelOption = None,
    url: UrlOption = None,
    api_key: KeyOption = "unused",
    assistant: AssistantOption = False,
    documents: DocumentsOption = None,
    timeout: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Talk with the model, several turns. An empty line or Ctrl-D ends it; Ctrl-C ends an answer.

    Starts vLLM and stops it at the end, unless --url names a server. The last three exchanges are remembered. What tells of an emergency is
    answered first with what to do. An answer that fails is told, and the talk goes on. From a pipe each line is a message, and with --json
    each answer an object, as of `osler ask --json`; exit code 1 where one failed.

    Examples: `osler chat` · `osler chat --url http://127.0.0.1:8000/v1` · `osler chat --json < questions.txt`
    """
    if documents and not assistant:
        raise OslerError("--documents belongs to --assistant, which cites them")
    from langchain_core.messages import BaseMessage

    from serving.clients import NOTICE, remember

    history: list[BaseMessage] = []
    failed = False
    with _server(url, model) as address:
        client = client_of(address, api_key, timeout, False, assistant, documents or ())
        err.print(f"[dim]{NOTICE} An empty line ends the talk.[/dim]", soft_wrap=True)
        for question in _questions():
            try:
                with recorded(question, False, as_json) as found:
                    said = "" if as_json else emergency_first(question)
                    if out.is_terminal and not as_json:
                        out.print("[bold]osler:[/bold]")
                    answer(client, address, history, said, found, as_json)
            except OslerError as error:
                failed = True
                err.print("error:", style="bold red", end=" ")
                err.print(str(error), markup=False, soft_wrap=True)
            except KeyboardInterrupt:
                if not sys.stdin.isatty():
                    raise
                err.print("stopped: this answer is not complete")
            else:
                # Words alone on what to do first are an answer as well: after an empty one the gateway would look at the question again.
                history = remember(history, question, found["answer"] or said)
    if failed and not sys.stdin.isatty():
        raise typer.Exit(1)
