"""A server that speaks OpenAI's protocol: completions with the prompt's log-probabilities where it gives them, and chat."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import openai

from corpora.errors import OslerError
from evals.engines import cut
from evals.engines.at_once import at_once

T = TypeVar("T")
R = TypeVar("R")
CHAT = '[{"role": '  # how a rendered chat begins: the server lays it out by the model's template
KEY = "OPENAI_API_KEY"  # environment variable of the key, as OpenAI's own client has it
MAX_RETRIES = 5  # of a request, with growing pauses or the server's Retry-After, by OpenAI's client
UNREADABLE_RETRIES = 2  # of a request whose reply came with code 200 and was no answer, as of a busy router
_MALFORMED = (AttributeError, IndexError, TypeError, ValueError)  # what the client raises on a body of another form
_LASTING = (openai.BadRequestError, openai.PermissionDeniedError, openai.NotFoundError, openai.UnprocessableEntityError)


class UnreadableError(openai.OpenAIError):
    """A reply that is no answer of OpenAI's protocol."""


class OpenAIEngine:
    """One model of one server."""

    name = "openai"
    chunk = 128

    def __init__(
        self,
        url: str,
        model: str,
        concurrency: int = 16,
        timeout: float = 600.0,
        key_env: str = KEY,
        max_retries: int = MAX_RETRIES,
    ) -> None:
        """An engine.

        Args:
            url: of the server, with ``/v1``.
            model: as the server calls it.
            concurrency: requests at once.
            timeout: seconds for one request.
            key_env: environment variable of the key.
            max_retries: of a request.

        Raises:
            OslerError: the server does not answer, or does not have the model.
        """
        if not url.startswith(("http://", "https://")):
            raise OslerError(
                f"{url}: the address of a server begins with http:// or https://, as http://127.0.0.1:8000/v1"
            )
        key = os.environ.get(key_env) or "none"
        self.client = openai.OpenAI(base_url=url, api_key=key, max_retries=max_retries, timeout=timeout)
        self.url, self.id, self.concurrency, self.key_env = url, model, concurrency, key_env
        self._length = "max_tokens"
        known = self._models()
        if known and model not in known:
            raise OslerError(f"{url} does not serve '{model}'; it serves: {', '.join(sorted(known))}")
        # Its weights are out of reach: what the server says of the model stands for them.
        said = json.dumps(known.get(model), sort_keys=True)
        self.fingerprint = hashlib.sha256(f"{url}\n{model}\n{said}".encode()).hexdigest()
        self.settings = "temperature 0"

    def _models(self) -> dict[str, Any]:
        try:
            return {model.id: getattr(model, "root", None) for model in self.client.models.list()}
        except openai.NotFoundError:
            return {}  # a server that lists none
        except openai.APIConnectionError as error:
            raise OslerError(
                f"{self.url}: no server answers there ({error}): is it running, and is this its address?"
            ) from error
        except openai.OpenAIError as error:
            raise self._unusable(error) from error
        except _MALFORMED as error:
            raise OslerError(
                f"{self.url}/models gives no list of models: is this the address of an OpenAI-compatible server, with /v1 at its end?"
            ) from error

    def log_probs(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """As ``Engine.log_probs``, from the echo of completions.

        Raises:
            OslerError: the server gives no log-probabilities of a prompt, or parts tokens across prompt and continuation.
        """
        if any(before.startswith(CHAT) for before, _ in pairs):
            raise OslerError(
                "a chat endpoint gives no log-probabilities of the options: ask with --scoring generative, or with --no-chat"
            )
        return self._each(self._log_prob, pairs)

    def _log_prob(self, pair: tuple[str, str]) -> float:
        before, after = pair
        found = self._choice(
            self.client.completions.create,
            model=self.id,
            prompt=before + after,
            max_tokens=1,
            echo=True,
            logprobs=1,
            temperature=0.0,
        ).logprobs
        if found is None or not found.token_logprobs or found.tokens is None or len(found.tokens) < 2:
            raise OslerError(f"{self.url} gives no log-probabilities of a prompt (echo); ask with --scoring generative")
        return tail_log_prob(found.tokens[:-1], found.token_logprobs[:-1], after)

    def generate(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> list[str]:
        """As ``Engine.generate``."""
        found = dict(self.answered(prompts, max_tokens, stop))
        return [found[place] for place in range(len(prompts))]

    def answered(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> Iterator[tuple[int, str]]:
        """As ``OneByOne.answered``."""
        return self._as_done(lambda prompt: cut(self.written(prompt, max_tokens, stop), stop).strip(), prompts)

    def written(self, prompt: str, max_tokens: int, stop: Sequence[str]) -> str:
        """What the server writes on one prompt, or in one conversation as ``render`` gives it.

        Raises:
            openai.OpenAIError: the server refused, or did not answer after all retries.
        """
        if not prompt.startswith(CHAT):
            # Four sequences are as many as OpenAI's protocol takes.
            completion = self._choice(
                self.client.completions.create,
                model=self.id,
                prompt=prompt,
                max_tokens=max_tokens,
                temperature=0.0,
                stop=list(stop)[:4] or None,
            )
            if not isinstance(completion.text, str):
                raise UnreadableError(f"its reply is no answer of OpenAI's protocol: {str(completion)[:100]}")
            return _valid(completion.text)
        length = self._length  # of this request: others are under way, and may learn the server's name for it meanwhile
        given = {"model": self.id, "messages": json.loads(prompt), "temperature": 0.0, length: max_tokens}
        try:
            reply = self._choice(self.client.chat.completions.create, **given)
        except openai.BadRequestError as error:
            if length == "max_tokens" and "max_completion_tokens" in str(error):
                self._length = "max_completion_tokens"  # as OpenAI's reasoning models want it
                return self.written(prompt, max_tokens, stop)
            raise
        try:
            return _valid(reply.message.content)
        except AttributeError as error:
            raise UnreadableError(
                f"its reply is no answer of OpenAI's protocol, a choice without a message: {str(reply)[:100]}"
            ) from error

    def _choice(self, ask: Callable[..., Any], **given: Any) -> Any:
        """The first choice of the server's reply; one that is no answer is asked for again.

        Raises:
            openai.OpenAIError: the server refused, did not answer, or answers in another form.
        """
        for tried in range(min(UNREADABLE_RETRIES, self.client.max_retries) + 1):
            if tried:
                time.sleep(0.5 * tried)
            reply: Any = None
            try:
                reply = ask(**given)
                return reply.choices[0]
            except _MALFORMED as error:
                told = getattr(reply, "error", None) or reply or error
        raise UnreadableError(f"its reply is no answer of OpenAI's protocol: {str(told)[:200]}")

    def render(self, messages: list[dict[str, str]]) -> str:
        """The messages as JSON: the server lays them out."""
        return json.dumps(messages, ensure_ascii=False)

    def _each(self, ask: Callable[[T], R], given: Sequence[T]) -> list[R]:
        found = dict(self._as_done(ask, given))
        return [found[place] for place in range(len(given))]

    def _as_done(self, ask: Callable[[T], R], given: Sequence[T]) -> Iterator[tuple[int, R]]:
        """What ``ask`` gives for each of ``given``, with its place, as it comes; after a fault those that were asked already still come.

        Raises:
            OslerError: one of them failed.
        """
        failed: Exception | None = None
        first: T | None = None
        stop = threading.Event()
        with at_once(ask, given, self.concurrency, stop) as answers:
            for place, found in answers:
                if not isinstance(found, Exception):
                    yield place, found
                elif failed is None:
                    failed, first = found, given[place]
                    stop.set()
        if isinstance(failed, openai.OpenAIError):
            raise self._unusable(failed, first) from failed
        if failed is not None:
            raise failed

    def _unusable(self, error: openai.OpenAIError, asked: object = None) -> OslerError:
        key = os.environ.get(self.key_env)
        said = str(error).replace(key, "[key]") if key else str(error)
        if isinstance(error, openai.AuthenticationError):
            return OslerError(f"{self.url} refuses the key in {self.key_env}: {said}")
        if isinstance(error, _LASTING):
            prompt = asked[0] if isinstance(asked, tuple) else asked
            told = f" The request it refuses ends in: …{str(prompt)[-200:]!r}" if prompt is not None else ""
            return OslerError(f"{self.url} refuses a request: {said}; what was finished is kept.{told}")
        return OslerError(f"{self.url}: {said}; what was finished is kept: run the same command to go on")


def _valid(text: str | None) -> str:
    """What a server wrote, with halves of surrogate pairs, which no file can hold, replaced."""
    return (text or "").encode("utf-8", "replace").decode("utf-8")


def tail_log_prob(tokens: Sequence[str], log_probs: Sequence[float | None], after: str) -> float:
    """Log-probability of the tokens at the end that write ``after``.

    Raises:
        OslerError: no number of tokens at the end writes it, or nothing stands before it.
    """
    text, total = "", 0.0
    for token, value in zip(reversed(tokens), reversed(log_probs), strict=True):
        if value is None:
            break
        text, total = token + text, total + value
        if text == after:
            return total
        if len(text) >= len(after):
            break
    raise OslerError(f"the server's tokens do not part the prompt from {after[:40]!r}; ask with --scoring generative")
