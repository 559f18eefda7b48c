"""One answer on the command line: what is said before it, how it is shown, and what goes wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.errors import OslerError
from pipelines.cli.options import check_key, err, out
from pipelines.cli.rendering import markdown, render
from pipelines.cli.texts import json_line

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_openai import ChatOpenAI, OpenAI

    from serving.assistant import DoctorAssistant

    Client = DoctorAssistant | ChatOpenAI | OpenAI


def client_of(
    address: str, api_key: str, timeout: float, complete: bool, assistant: bool, documents: Sequence[Path]
) -> Client:
    """What asks the model at ``address`` and gives up after ``timeout`` seconds without a word.

    Raises:
        OslerError: the key can be none, or the assistant's is one with which the gateway looks for emergencies too.
    """
    from serving.assistant import DoctorAssistant
    from serving.clients import chat_model, completion_model
    from serving.served import check_no_second_triage, served

    check_key(address, api_key)
    bounds: dict[str, Any] = {"timeout": timeout, "max_retries": 0}  # each try would take as long again
    if complete:
        return completion_model(address, api_key=api_key, **bounds)
    if assistant:
        check_no_second_triage(address, served(address, api_key))
        return DoctorAssistant(address, documents=documents, api_key=api_key, **bounds)
    return chat_model(address, api_key=api_key, **bounds)


@contextmanager
def reachable(address: str) -> Iterator[None]:
    """Turns the client's errors about the server into messages of one line."""
    import httpx
    import openai

    from serving.faults import never_connected

    try:
        yield
    except openai.AuthenticationError as error:
        raise OslerError(f"{address}: the key does not work; set OSLER_API_KEY to one of `osler keys add`") from error
    except openai.APITimeoutError as error:
        raise OslerError(f"{address}: no answer in time; try again, or give a longer --timeout") from error
    except openai.APIConnectionError as error:
        if not never_connected(error):
            raise OslerError(f"{address}: the answer broke off; ask again") from error
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


def emergency_first(question: str) -> str:
    """Says what to do first where the words tell of an emergency: before any model is started, and whether or not one can be.

    Returns what was said.
    """
    from serving.triage import banner, triage

    said = banner(triage(question))
    if said and err.is_terminal:
        err.print(markdown(said))
    elif said:
        err.print(said.replace("**", ""), markup=False, soft_wrap=True)
    return said


def told_once(said: str, pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of an answer without ``said`` at its beginning: the gateway and the assistant put the same words there."""
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


def say(pieces: Iterable[str], plain: bool = False) -> str:
    """Prints the pieces as they come and returns the whole: Markdown on a terminal, and as it is in a pipe or where it is ``plain``."""
    if sys.stdout.isatty() and not plain and not out.is_dumb_terminal:
        return render(pieces, out)
    said = ""
    try:
        for piece in pieces:
            said += piece
            sys.stdout.write(piece)
            sys.stdout.flush()
    finally:
        if said:
            sys.stdout.write("\n")
            sys.stdout.flush()  # before what standard error says next
    return said


@contextmanager
def recorded(question: str, complete: bool, as_json: bool) -> Iterator[dict[str, Any]]:
    """What is known of one answer, to be filled in; printed at the end with ``as_json``, also where there is no answer."""
    from serving.triage import triage

    found = {"question": question, "answer": None, "emergency": None if complete else triage(question).as_dict()}

    def tell() -> None:
        if as_json:
            sys.stdout.write(json_line(found))
            sys.stdout.flush()

    try:
        yield found
    except OslerError as error:
        found["error"] = str(error)
        tell()
        raise
    tell()


def answer(
    client: Client, address: str, history: Sequence[BaseMessage], said: str, found: dict[str, Any], as_json: bool
) -> None:
    """Asks ``found["question"]`` and fills in what comes; without ``as_json`` it is shown as it is written.

    Args:
        client: what is asked.
        address: where it answers, for errors.
        history: the messages before.
        said: what the person was told before, so that it is not told again.
        found: of ``recorded``.
        as_json: nothing is shown.

    Raises:
        OslerError: there is no whole answer.
    """
    from langchain_openai import OpenAI

    with reachable(address):
        pieces = told_once(said, _pieces(client, history, found))
        found["answer"] = "".join(pieces) if as_json else say(pieces, plain=isinstance(client, OpenAI))
    if "error" in found:  # the assistant said what can be said without a model
        raise OslerError(found["error"])


def _pieces(client: Client, history: Sequence[BaseMessage], found: dict[str, Any]) -> Iterator[str]:
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI, OpenAI

    from serving.clients import stream_answer, stream_completion

    question = found["question"]
    if isinstance(client, OpenAI):
        yield from stream_completion(client, question)
    elif isinstance(client, ChatOpenAI):
        yield from stream_answer(client, question, history)
    else:
        for piece in client.stream([*history, HumanMessage(question)]):
            told = piece.response_metadata
            found |= {key: told[key] for key in ("citations", "tools", "error") if key in told}
            yield str(piece.text)
