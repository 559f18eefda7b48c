"""What a server refuses is one message of ``osler ask`` and ``osler chat``, with the remedy."""

import httpx
import openai
import pytest

from corpora.errors import OslerError
from pipelines.cli.talk import _reachable

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
    with pytest.raises(OslerError, match=told), _reachable("http://127.0.0.1:8080/v1"):
        raise refused
