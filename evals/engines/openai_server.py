"""One model of a server that speaks OpenAI's protocol: requests with retries, without the parameters that the model does not take."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import openai

from corpora.errors import OslerError
from evals.engines.openai_errors import FilteredError, UnreadableError, not_taken, passes_soon, remedy, said

CHAT = '[{"role": '  # how a rendered chat begins: the server lays it out by the model's template
KEY = "OPENAI_API_KEY"  # environment variable of the key, as OpenAI's own client has it
TIMEOUT = 600.0  # seconds, as OpenAI's client has it
# Of a request, by OpenAI's client: after what Retry-After says, up to two minutes, else after pauses that grow to 8 s.
MAX_RETRIES = 5
MORE_TRIES = 2  # after those: of a request whose reply came with code 200 and was no answer, as of a busy router, and of one refused with 429
QUOTA_PAUSE = 30.0  # seconds before a further try after 429: quotas are by the minute
# What an exam sets itself in a request, so that a field of the user's cannot change it unseen.
OWN_FIELDS = frozenset(
    [
        "model",
        "messages",
        "prompt",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "echo",
        "logprobs",
        "top_logprobs",
        "n",
        "stream",
        "stream_options",
    ]
)
NOTHING: Mapping[str, Any] = {}
_MALFORMED = (AttributeError, IndexError, TypeError, ValueError)  # what the client raises on a body of another form


class OpenAIServer:
    """A server, and the model of it that is asked."""

    def __init__(
        self,
        url: str,
        model: str,
        timeout: float = TIMEOUT,
        key_env: str = KEY,
        max_retries: int = MAX_RETRIES,
        temperature: bool = True,
        extra_body: Mapping[str, Any] = NOTHING,
    ) -> None:
        """A server; nothing is sent.

        Args:
            url: of the server, with ``/v1``.
            model: as the server calls it.
            timeout: seconds for one request.
            key_env: environment variable of the key.
            max_retries: of a request.
            temperature: send temperature 0, by which a model writes what is likeliest. A model that refuses it is asked without.
            extra_body: further fields of each request, as ``{"reasoning_effort": "low"}``.

        Raises:
            OslerError: ``url`` is no address of a server, or ``extra_body`` has a field that is the exam's.
        """
        if not url.startswith(("http://", "https://")):
            raise OslerError(
                f"{url}: the address of a server begins with http:// or https://, as http://127.0.0.1:8000/v1"
            )
        if taken := sorted(extra_body.keys() & (OWN_FIELDS | ({"temperature"} if temperature else set()))):
            raise OslerError(
                f"{', '.join(taken)}: set by the exam itself, and no further field of a request"
                + (" (a temperature of your own goes with --no-temperature)" if "temperature" in taken else "")
            )
        key = os.environ.get(key_env) or "none"
        self.client = openai.OpenAI(base_url=url, api_key=key, max_retries=max_retries, timeout=timeout)
        self.url, self.model, self.timeout, self.key_env = url, model, timeout, key_env
        self.not_taken: set[str] = set()  # parameters that the model turned out not to take
        self._sampling = {"temperature": 0.0} if temperature else {}
        self._extra = {"extra_body": dict(extra_body)} if extra_body else {}

    def check(self) -> Any:
        """What the server says of the model; None where it says nothing, or lists no models.

        Raises:
            OslerError: the server does not answer, or does not have the model.
        """
        known = self._models()
        if known and self.model not in known:
            raise OslerError(f"{self.url} does not serve '{self.model}'; it serves: {', '.join(sorted(known))}")
        return known.get(self.model)

    def _models(self) -> dict[str, Any]:
        try:
            client = self.client.with_options(
                max_retries=min(2, self.client.max_retries)
            )  # a wrong address is told soon
            return {model.id: getattr(model, "root", None) for model in client.models.list()}
        except openai.NotFoundError:
            return {}  # a server that lists none
        except openai.APIConnectionError as error:
            raise OslerError(
                f"{self.url}: no server answers there ({error}): is it running, and is this its address?"
            ) from error
        except openai.OpenAIError as error:
            raise self.unusable(error) from error
        except _MALFORMED as error:
            raise OslerError(
                f"{self.url}/models gives no list of models: is this the address of an OpenAI-compatible server, with /v1 at its end?"
            ) from error

    def written(self, prompt: str, max_tokens: int, stop: Sequence[str]) -> str:
        """What the model writes on one prompt, or in one conversation as ``render`` gives it.

        Raises:
            openai.OpenAIError: the server refused, or did not answer after all retries.
        """
        if not prompt.startswith(CHAT):
            # Four sequences are as many as OpenAI's protocol takes.
            ends = {"stop": list(stop)[:4]} if stop else {}
            choice = self.choice(self.client.completions.create, prompt=prompt, max_tokens=max_tokens, **ends)
            text = choice.text
            if not isinstance(text, str):
                raise UnreadableError(f"its reply is no answer of OpenAI's protocol: {str(choice)[:100]}")
        else:
            choice = self.choice(
                self.client.chat.completions.create, messages=json.loads(prompt), max_tokens=max_tokens
            )
            try:
                text = choice.message.content or choice.message.refusal
            except AttributeError as error:
                raise UnreadableError(
                    f"its reply is no answer of OpenAI's protocol, a choice without a message: {str(choice)[:100]}"
                ) from error
        if not text and choice.finish_reason == "content_filter":
            raise FilteredError("the reply was emptied by a content filter (finish_reason: content_filter)")
        return _valid(text)

    def choice(self, create: Callable[..., Any], **given: Any) -> Any:
        """The first choice of the server's reply; parameters that the model does not take are left out, or get their other name.

        Raises:
            openai.OpenAIError: as ``_reply``.
        """
        without = set(self.not_taken)
        while True:
            sent = {"model": self.model, **self._sampling, **given}
            if "temperature" in without:
                sent.pop("temperature", None)
            if "max_tokens" in without and "messages" in sent:
                sent["max_completion_tokens"] = sent.pop("max_tokens")
            try:
                found = self._reply(create, sent)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                name = not_taken(error, sent)
                if name is None or name in without:
                    raise
                without.add(name)
                continue
            self.not_taken |= without  # learned from an answer, and not from a refusal that had another cause
            return found

    def _reply(self, create: Callable[..., Any], sent: dict[str, Any]) -> Any:
        """The first choice of the server's reply; one that is no answer, and one of a server that is busy for long, is asked for again.

        Raises:
            openai.OpenAIError: the server refused, did not answer, or answers in another form.
        """
        tries = min(MORE_TRIES, self.client.max_retries)
        for left in range(tries, -1, -1):
            reply: Any = None
            try:
                reply = create(**sent, **self._extra)
                return reply.choices[0]
            except openai.RateLimitError as error:
                if not left or not passes_soon(error):
                    raise
                time.sleep(QUOTA_PAUSE)
            except _MALFORMED as error:
                told = getattr(reply, "error", None) or reply or error
                if not left:
                    raise UnreadableError(f"its reply is no answer of OpenAI's protocol: {str(told)[:200]}") from error
                time.sleep(0.5 * (tries - left + 1))
        raise AssertionError("the last try returns or raises")

    def render(self, messages: list[dict[str, str]]) -> str:
        """The messages as JSON: the server lays them out."""
        return json.dumps(messages, ensure_ascii=False)

    def unusable(self, error: openai.OpenAIError) -> OslerError:
        """The error for the user: what the server said, and what can be done."""
        told = f"{said(error, self.key_env)}; {remedy(error, self.timeout, self.key_env)}"
        if isinstance(error, openai.AuthenticationError):
            return OslerError(f"{self.url} refuses the key in {self.key_env}: {told}")
        if isinstance(error, openai.PermissionDeniedError | openai.NotFoundError):
            return OslerError(f"{self.url} refuses a request: {told}")
        return OslerError(f"{self.url}: {told}")


def _valid(text: str | None) -> str:
    """What a server wrote, with halves of surrogate pairs, which no file can hold, replaced."""
    return (text or "").encode("utf-8", "replace").decode("utf-8")
