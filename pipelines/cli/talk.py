"""Commands that ask a model: ask, chat."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown

from corpora.errors import OslerError
from pipelines.cli.options import JsonOption, UrlOption, app, err, out
from pipelines.cli.serve import served_model

ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A model's folder or hub id. Default: what `osler reproduce` made last."),
]


def _with_server(url: str | None, model: str | None, talk: Any) -> None:
    """Calls ``talk`` with the address of a running server, or of one started for it."""
    if url is not None:
        talk(url)
        return
    from serving.vllm.start import serving

    with serving(served_model(model)) as server:
        talk(server.url)


def _say(pieces: Any) -> str:
    """Prints the pieces as they come and returns the whole."""
    said = ""
    for piece in pieces:
        said += piece
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    sys.stdout.flush()  # before what standard error says next
    return said


KeyOption = Annotated[
    str,
    typer.Option(
        "--api-key", help="The key that the server at --url wants, as the gateway does.", envvar="OSLER_API_KEY"
    ),
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
def _reachable(address: str) -> Iterator[None]:
    """Turns the client's errors about the server into messages of one line."""
    import httpx
    import openai

    try:
        yield
    except openai.AuthenticationError as error:
        raise OslerError(f"{address}: the key does not work; set OSLER_API_KEY to one of `osler keys add`") from error
    except openai.APIConnectionError as error:
        raise OslerError(
            f"{address}: no server answers there; start one with `osler serve`, or leave --url out"
        ) from error
    except openai.NotFoundError as error:
        raise OslerError(f"{address}: {error}; `osler serve` names its model 'osler'") from error
    except openai.APIStatusError as error:  # the gateway's 503 while its model is down, 429 above a key's limit
        later = "; try again later" if error.status_code in (429, 503) else ""
        raise OslerError(f"{address}: {error}{later}") from error
    except (openai.OpenAIError, httpx.HTTPError, json.JSONDecodeError) as error:  # in the middle of a stream
        raise OslerError(f"{address}: the answer broke off ({error}); ask again") from error


def _emergency_first(question: str) -> str:
    """Says what to do first where the words tell of an emergency: before any model is started, and whether or not one can be.

    Returns what was said.
    """
    from serving.triage import banner, triage

    said = banner(triage(question))
    if said:
        err.print(Markdown(said))
    return said


def told_once(said: str, pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of an answer without ``said`` at its beginning: the gateway puts the same words there."""
    rest, begun = iter(pieces), ""
    for piece in rest:
        begun += piece
        whole = begun.rstrip()  # the blank lines after it may come in pieces of their own
        if said and len(whole) <= len(said) and said.startswith(whole):
            continue
        yield begun.removeprefix(said).lstrip() if said and begun.startswith(said) else begun
        begun = ""
        break
    if begun.strip() != said:
        yield begun
    yield from rest


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question; `-` reads it from standard input.")],
    model: ModelOption = None,
    url: UrlOption = None,
    api_key: KeyOption = "unused",
    complete: Annotated[
        bool, typer.Option("--complete", help="Continue the text, as a base model does, instead of answering.")
    ] = False,
    assistant: AssistantOption = False,
    documents: DocumentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask one QUESTION through LangChain. Starts vLLM for it, unless --url names a server.

    An emergency in the question is told first, on standard error, before the model is asked. With --json the answer is one object: question,
    answer, emergency (as `osler triage --json`), and with --assistant its citations and tools.

    Examples: `osler ask "What is asthma?"` · `osler ask --complete -m bundled:osler-nano-base "The old man"` · `echo "What is gout?" | osler
    ask - --json`
    """
    question = sys.stdin.read().strip() if question == "-" else question
    if not question:
        raise OslerError("there is no question; give it as an argument, or on standard input with `osler ask -`")
    if documents and not assistant:
        raise OslerError("--documents belongs to --assistant, which cites them")
    from serving.assistant import DoctorAssistant
    from serving.clients import NOTICE, chat_model, completion_model, stream_answer
    from serving.triage import triage

    said = ""
    if not complete and not as_json and not assistant:  # the assistant says it itself
        said = _emergency_first(question)

    def pieces(address: str, about: dict[str, Any]) -> Iterator[str]:
        if complete:
            yield from completion_model(address, api_key=api_key).stream(question)
        elif assistant:
            for piece in DoctorAssistant(address, documents=documents or (), api_key=api_key).stream(question):
                about |= {key: value for key, value in piece.response_metadata.items() if key in ("citations", "tools")}
                yield str(piece.text)
        else:
            yield from stream_answer(chat_model(address, api_key=api_key), question)

    def talk(address: str) -> None:
        about: dict[str, Any] = {}
        with _reachable(address):
            if as_json:
                answer = "".join(pieces(address, about))
                told = None if complete else triage(question).as_dict()
                found = {"question": question, "answer": answer, "emergency": told, **about}
                print(json.dumps(found, ensure_ascii=False, default=str))
                return
            _say(told_once(said, pieces(address, about)))
        if not complete:
            err.print(f"[dim]{NOTICE}[/dim]")

    _with_server(url, model, talk)


@app.command()
def chat(
    model: ModelOption = None,
    url: UrlOption = None,
    api_key: KeyOption = "unused",
    assistant: AssistantOption = False,
    documents: DocumentsOption = None,
) -> None:
    """Talk with the model, several turns. An empty line or Ctrl-D ends it.

    Starts vLLM and stops it at the end, unless --url names a server. The last three exchanges are remembered. What tells of an emergency is
    answered first with what to do.

    Examples: `osler chat` · `osler chat --url http://127.0.0.1:8000/v1`
    """
    if documents and not assistant:
        raise OslerError("--documents belongs to --assistant, which cites them")
    from langchain_core.messages import BaseMessage, HumanMessage

    from serving.assistant import DoctorAssistant
    from serving.clients import NOTICE, chat_model, remember, stream_answer

    def talk(address: str) -> None:
        history: list[BaseMessage] = []
        client = (
            DoctorAssistant(address, documents=documents or (), api_key=api_key)
            if assistant
            else chat_model(address, api_key=api_key)
        )
        err.print(f"[dim]{NOTICE} An empty line ends the talk.[/dim]")
        while True:
            try:
                question = out.input("[bold]you:[/bold] ").strip()
            except (EOFError, KeyboardInterrupt):
                break
            if not question:
                break
            said = "" if assistant else _emergency_first(question)
            out.print("[bold]osler:[/bold] ", end="")
            with _reachable(address):
                if isinstance(client, DoctorAssistant):
                    turns = [*history, HumanMessage(question)]
                    answer = _say(str(piece.text) for piece in client.stream(turns))
                else:
                    answer = _say(told_once(said, stream_answer(client, question, history)))
            history = remember(history, question, answer)

    _with_server(url, model, talk)
