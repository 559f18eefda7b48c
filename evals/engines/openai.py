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
from evals.engines import Refusal, Unanswered, cut
from evals.engines.at_once import at_once
from evals.engines.openai_errors import FilteredError, UnreadableError, not_taken, passes_soon, refusal_of, remedy, said

T = TypeVar("T")
R = TypeVar("R")
CHAT = '[{"role": '  # how a rendered chat begins: the server lays it out by the model's template
KEY = "OPENAI_API_KEY"  # environment variable of the key, as OpenAI's own client has it
CONCURRENCY = 16
TIMEOUT = 600.0  # seconds, as OpenAI's client has it
# Of a request, by OpenAI's client: after what Retry-After says, up to two minutes, else after pauses that grow to 8 s.
MAX_RETRIES = 5
MORE_TRIES = 2  # after those: of a request whose reply came with code 200 and was no answer, as of a busy router, and of one refused with 429
QUOTA_PAUSE = 30.0  # seconds before a further try after 429: quotas are by the minute
_MALFORMED = (AttributeError, IndexError, TypeError, ValueError)  # what the client raises on a body of another form


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
    ) -> None:
        """An engine.

        Args:
            url: of the server, with ``/v1``.
            model: as the server calls it.
            concurrency: requests at once.
            timeout: seconds for one request.
            key_env: environment variable of the key.
            max_retries: of a request.
            temperature: send temperature 0, by which a model writes what is likeliest. A model that refuses it is asked without.

        Raises:
            OslerError: the server does not answer, or does not have the model.
        """
        if not url.startswith(("http://", "https://")):
            raise OslerError(
                f"{url}: the address of a server begins with http:// or https://, as http://127.0.0.1:8000/v1"
            )
        key = os.environ.get(key_env) or "none"
        self.client = openai.OpenAI(base_url=url, api_key=key, max_retries=max_retries, timeout=timeout)
        self.url, self.id, self.concurrency, self.timeout, self.key_env = url, model, concurrency, timeout, key_env
        self.chunk = max(128, 8 * concurrency)  # at the end of each the last requests are waited for
        self._sampling = {"temperature": 0.0} if temperature else {}
        self.not_taken: set[str] = set()
        known = self._models()
        if known and model not in known:
            raise OslerError(f"{url} does not serve '{model}'; it serves: {', '.join(sorted(known))}")
        # Its weights are out of reach: what the server says of the model stands for them.
        said = json.dumps(known.get(model), sort_keys=True)
        self.fingerprint = hashlib.sha256(f"{url}\n{model}\n{said}".encode()).hexdigest()
        self.settings = "temperature 0" if temperature else "no temperature sent"

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
            raise self._unusable(error) from error
        except _MALFORMED as error:
            raise OslerError(
                f"{self.url}/models gives no list of models: is this the address of an OpenAI-compatible server, with /v1 at its end?"
            ) from error

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
        found = self._choice(
            self.client.completions.create, prompt=before + after, max_tokens=1, echo=True, logprobs=1
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
        return self._as_done(lambda prompt: cut(self.written(prompt, max_tokens, stop), stop).strip(), prompts)

    def written(self, prompt: str, max_tokens: int, stop: Sequence[str]) -> str:
        """What the server writes on one prompt, or in one conversation as ``render`` gives it.

        Raises:
            openai.OpenAIError: the server refused, or did not answer after all retries.
        """
        if not prompt.startswith(CHAT):
            # Four sequences are as many as OpenAI's protocol takes.
            ends = {"stop": list(stop)[:4]} if stop else {}
            choice = self._choice(self.client.completions.create, prompt=prompt, max_tokens=max_tokens, **ends)
            text = choice.text
            if not isinstance(text, str):
                raise UnreadableError(f"its reply is no answer of OpenAI's protocol: {str(choice)[:100]}")
        else:
            choice = self._choice(
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

    def _choice(self, create: Callable[..., Any], **given: Any) -> Any:
        """The first choice of the server's reply; parameters that the model does not take are left out, or get their other name.

        Raises:
            openai.OpenAIError: as ``_reply``.
        """
        without = set(self.not_taken)
        while True:
            sent = {"model": self.id, **self._sampling, **given}
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
                reply = create(**sent)
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
                elif (refusal := refusal_of(found, self.key_env)) is not None:
                    yield place, refusal
                elif failed is None:
                    failed, first = found, place
                    stop.set()
        if isinstance(failed, openai.OpenAIError):
            raise Unanswered(str(self._unusable(failed)), first) from failed
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

    def _unusable(self, error: openai.OpenAIError) -> OslerError:
        told = f"{said(error, self.key_env)}; {remedy(error, self.timeout, self.key_env)}"
        if isinstance(error, openai.AuthenticationError):
            return OslerError(f"{self.url} refuses the key in {self.key_env}: {told}")
        if isinstance(error, openai.PermissionDeniedError | openai.NotFoundError):
            return OslerError(f"{self.url} refuses a request: {told}")
        return OslerError(f"{self.url}: {told}")


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
