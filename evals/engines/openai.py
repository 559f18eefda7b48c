"""A server that speaks OpenAI's protocol: completions with the prompt's log-probabilities where it gives them, and chat."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import openai

from corpora.errors import OslerError
from evals.engines import Refusal, Unanswered, cut
from evals.engines.at_once import at_once
from evals.engines.openai_errors import refusal_of
from evals.engines.openai_server import CHAT, KEY, MAX_RETRIES, NOTHING, TIMEOUT, OpenAIServer

T = TypeVar("T")
R = TypeVar("R")
CONCURRENCY = 16


class OpenAIEngine:
    """One model of one server."""

    name = "openai"

    def __init__(
        self,
        url: str,
        model: str,
        concurrency: int = CONCURRENCY,
        timeout: float = TIMEOUT,
        key_env: str = KEY,
        max_retries: int = MAX_RETRIES,
        temperature: bool = True,
        extra_body: Mapping[str, Any] = NOTHING,
    ) -> None:
        """An engine.

        Args:
            url: of the server, with ``/v1``.
            model: as the server calls it.
            concurrency: requests at once.
            timeout: seconds for one request.
            key_env: environment variable of the key.
            max_retries: of a request.
            temperature: send temperature 0 (see ``OpenAIServer``).
            extra_body: further fields of each request.

        Raises:
            OslerError: the server does not answer, or does not have the model; or a further field is the exam's own.
        """
        self.server = OpenAIServer(url, model, timeout, key_env, max_retries, temperature, extra_body)
        self.url, self.id, self.concurrency = url, model, concurrency
        self.chunk = max(128, 8 * concurrency)  # at the end of each the last requests are waited for
        self.not_taken = self.server.not_taken
        # Its weights are out of reach: what the server says of the model stands for them.
        known = json.dumps(self.server.check(), sort_keys=True)
        self.fingerprint = hashlib.sha256(f"{url}\n{model}\n{known}".encode()).hexdigest()
        further = f", with {json.dumps(extra_body, sort_keys=True, ensure_ascii=False)}" if extra_body else ""
        self.settings = ("temperature 0" if temperature else "no temperature sent") + further

    def log_probs(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """As ``Engine.log_probs``, from the echo of completions.

        Raises:
            OslerError: the server gives no log-probabilities of a prompt, parts tokens across prompt and continuation, or refuses one.
        """
        return self._all(self.scored(pairs), pairs)

    def scored(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, float | Refusal]]:
        """As ``OneByOne.scored``."""
        if any(before.startswith(CHAT) for before, _ in pairs):
            raise OslerError(
                "a chat endpoint gives no log-probabilities of the options: ask with --scoring generative, or with --no-chat"
            )
        return self._as_done(self._log_prob, pairs)

    def _log_prob(self, pair: tuple[str, str]) -> float:
        before, after = pair
        found = self.server.choice(
            self.server.client.completions.create, prompt=before + after, max_tokens=1, echo=True, logprobs=1
        ).logprobs
        if found is None or not found.token_logprobs or found.tokens is None or len(found.tokens) < 2:
            raise OslerError(f"{self.url} gives no log-probabilities of a prompt (echo); ask with --scoring generative")
        return tail_log_prob(found.tokens[:-1], found.token_logprobs[:-1], after)

    def generate(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> list[str]:
        """As ``Engine.generate``.

        Raises:
            OslerError: the server refuses one of them.
        """
        return self._all(self.answered(prompts, max_tokens, stop), prompts)

    def answered(
        self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]
    ) -> Iterator[tuple[int, str | Refusal]]:
        """As ``OneByOne.answered``."""
        return self._as_done(lambda prompt: cut(self.server.written(prompt, max_tokens, stop), stop).strip(), prompts)

    def render(self, messages: list[dict[str, str]]) -> str:
        """As ``OpenAIServer.render``."""
        return self.server.render(messages)

    def _as_done(self, ask: Callable[[T], R], given: Sequence[T]) -> Iterator[tuple[int, R | Refusal]]:
        """What ``ask`` gives for each of ``given``, with its place, as it comes; after a fault those that were asked already still come.

        Raises:
            Unanswered: one of them failed.
        """
        failed: Exception | None = None
        first = 0
        stop = threading.Event()
        with at_once(ask, given, self.concurrency, stop) as answers:
            for place, found in answers:
                if not isinstance(found, Exception):
                    yield place, found
                elif (refusal := refusal_of(found, self.server.key_env)) is not None:
                    yield place, refusal
                elif failed is None:
                    failed, first = found, place
                    stop.set()
        if isinstance(failed, openai.OpenAIError):
            raise Unanswered(str(self.server.unusable(failed)), first) from failed
        if isinstance(failed, OslerError):
            raise Unanswered(str(failed), first) from failed
        if failed is not None:
            raise failed

    def _all(self, answers: Iterator[tuple[int, R | Refusal]], given: Sequence[Any]) -> list[R]:
        """Every answer in its place; raises OslerError where one is refused."""
        found: dict[int, R] = {}
        for place, one in answers:
            if isinstance(one, Refusal):
                raise OslerError(f"{self.url} refuses a request ({one.kind}): {one.message}")
            found[place] = one
        return [found[place] for place in range(len(given))]


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
