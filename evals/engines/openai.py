"""A server that speaks OpenAI's protocol: completions with the prompt's log-probabilities where it gives them, and chat."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import openai

from corpora.errors import OslerError
from evals.engines import cut

T = TypeVar("T")
R = TypeVar("R")
CHAT = '[{"role": '  # how a rendered chat begins: the server lays it out by the model's template
KEY = "OPENAI_API_KEY"  # environment variable of the key, as OpenAI's own client has it
MAX_RETRIES = 5  # of a request, with growing pauses or the server's Retry-After, by OpenAI's client


class NoAnswer(OslerError):
    """A body that is no answer of the protocol, as a proxy's page in its place."""


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
            with self._read():
                return {model.id: getattr(model, "root", None) for model in self.client.models.list()}
        except openai.NotFoundError:
            return {}  # a server that lists none
        except openai.OpenAIError as error:
            raise self._unusable(error) from error

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
        with self._read():
            answer = self.client.completions.create(
                model=self.id, prompt=before + after, max_tokens=1, echo=True, logprobs=1, temperature=0.0
            )
            found = answer.choices[0].logprobs
        if found is None or not found.token_logprobs or found.tokens is None or len(found.tokens) < 2:
            raise OslerError(f"{self.url} gives no log-probabilities of a prompt (echo); ask with --scoring generative")
        return tail_log_prob(found.tokens[:-1], found.token_logprobs[:-1], after)

    def generate(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> list[str]:
        """As ``Engine.generate``."""
        return self._each(lambda prompt: cut(self.written(prompt, max_tokens, stop), stop).strip(), prompts)

    def written(self, prompt: str, max_tokens: int, stop: Sequence[str]) -> str:
        """What the server writes on one prompt, or in one conversation as ``render`` gives it.

        Raises:
            openai.OpenAIError: the server refused, or did not answer after all retries.
            NoAnswer: what it sent is none.
        """
        if not prompt.startswith(CHAT):
            stops = list(stop)[:4] or None  # as many as OpenAI's protocol takes
            with self._read():
                completion = self.client.completions.create(
                    model=self.id, prompt=prompt, max_tokens=max_tokens, temperature=0.0, stop=stops
                )
                return completion.choices[0].text + ""
        length = self._length  # of this request: others are under way, and may learn the server's name for it meanwhile
        given = {"model": self.id, "messages": json.loads(prompt), "temperature": 0.0, length: max_tokens}
        try:
            with self._read():
                reply: Any = self.client.chat.completions.create(**given)
                return str(reply.choices[0].message.content or "")
        except openai.BadRequestError as error:
            if length == "max_tokens" and "max_completion_tokens" in str(error):
                self._length = "max_completion_tokens"  # as OpenAI's reasoning models want it
                return self.written(prompt, max_tokens, stop)
            raise

    def render(self, messages: list[dict[str, str]]) -> str:
        """The messages as JSON: the server lays them out."""
        return json.dumps(messages, ensure_ascii=False)

    def _each(self, ask: Callable[[T], R], given: Sequence[T]) -> list[R]:
        with ThreadPoolExecutor(self.concurrency) as pool:
            try:
                return list(pool.map(ask, given))
            except BaseException as error:
                pool.shutdown(wait=False, cancel_futures=True)
                if isinstance(error, openai.OpenAIError):
                    raise self._unusable(error) from error
                raise

    @contextmanager
    def _read(self) -> Iterator[None]:
        """Says of a body without the protocol's fields that it is no answer: the client checks none of them."""
        try:
            yield
        except (AttributeError, IndexError, TypeError, json.JSONDecodeError) as error:
            raise NoAnswer(
                f"{self.url}: what came is no answer of OpenAI's protocol; is this the address, with /v1?"
            ) from error

    def _unusable(self, error: openai.OpenAIError) -> OslerError:
        if isinstance(error, openai.AuthenticationError):
            return OslerError(f"{self.url} refuses the key in {self.key_env}: {error}")
        return OslerError(f"{self.url}: {error}; what was finished is kept: run the same command to go on")


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
