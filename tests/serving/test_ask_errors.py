"""What a server refuses is one message of ``osler ask`` and ``osler chat``, with the remedy."""

import httpx
import openai
import pytest

from corpora.errors import OslerError
from pipelines.cli.answers import reachable
from serving.clients import chat_model, completion_model, stream_answer, stream_completion
from tests.serving.gateway_world import Model, running

REQUEST = httpx.Request("POST", "http://127.0.0.1:8080/v1/chat/completions")


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        (openai.InternalServerError, 503, "the model does not answer; try again later"),
        (openai.RateLimitError, 429, "the model does not answer; try again later"),
        (openai.BadRequestError, 400, "the model does not answer$"),
        (openai.AuthenticationError, 401, "set OSLER_API_KEY"),
    ],
)
def test_a_servers_refusal_is_one_message(kind: type[openai.APIStatusError], status: int, told: str):
    refused = kind("the model does not answer", response=httpx.Response(status, request=REQUEST), body=None)
    with pytest.raises(OslerError, match=told), reachable("http://127.0.0.1:8080/v1"):
        raise refused


@pytest.mark.parametrize(
    ("fault", "told"),
    [("cut", "broke off; ask again"), ("garbage", "broke off .*; ask again"), ("error", "engine died")],
)
@pytest.mark.parametrize("complete", [False, True])
def test_an_answer_that_breaks_off_is_told_after_what_was_said(fault: str, told: str, complete: bool):
    """A plain end of the stream is one as well: it was taken for a whole answer."""
    said = []
    with running(Model(fault=fault).app()) as url, pytest.raises(OslerError, match=told), reachable(url):
        address = f"{url}/v1"
        pieces = (
            stream_completion(completion_model(address), "Asthma")
            if complete
            else stream_answer(chat_model(address), "What is asthma?")
        )
        for piece in pieces:
            said.append(piece)
    assert said == ["Asthma", " narrows"]
