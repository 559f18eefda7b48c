"""Requests to a teacher behind an OpenAI-compatible endpoint: paced, timed, tried again, counted.

The client is OpenAI's own. Its retries are switched off and tenacity's used in their place, so that each try passes the rate limits and is
counted, and a ``Retry-After`` holds all requests back and not the one alone. Rates are kept by aiolimiter's leaky bucket. The requests'
bucket holds one, so that they leave evenly and no window of a minute has more than ``requests_per_minute`` of them; the tokens' bucket
holds what the largest request may take, so that no minute has more than that above ``tokens_per_minute``.
"""

from __future__ import annotations

import asyncio
import collections
import email.utils
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import openai
import tenacity
from aiolimiter import AsyncLimiter
from openai.types.chat import ChatCompletion

from corpora.errors import OslerError
from pipelines.config import Asking, Price

LONGEST_PAUSE = 3600.0  # seconds of a Retry-After that is waited for; a longer one is a quota that is used up
LONGEST_BACKOFF = 60.0  # seconds between two tries


class TeacherError(OslerError):
    """A teacher that cannot be used: the run stops, and what was done is kept."""


class Failed(Exception):
    """A request that was given up. ``reason`` is short and the same for all alike; the message has the rest."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class _Again(Failed):
    """A try that failed and may go well the next time."""


@dataclass(frozen=True)
class Reply:
    """What a teacher wrote."""

    text: str
    cut: bool  # ended at max_tokens


@dataclass
class Spent:
    """What requests have taken. ``requests`` counts tries, ``failures`` those of them that gave no reply, by reason."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures: collections.Counter[str] = field(default_factory=collections.Counter)

    def cost(self, price: Price | None) -> float:
        """In the currency of the prices; 0 without them."""
        if price is None:
            return 0.0
        return (self.prompt_tokens * price.input + self.completion_tokens * price.output) / 1e6

    def add(self, other: Spent) -> None:
        """Counts the other's in."""
        self.requests += other.requests
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.failures.update(other.failures)

    def as_dict(self) -> dict[str, Any]:
        """For the journal and the manifest."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "failures": dict(self.failures.most_common()),
        }


def retry_after(headers: Any) -> float | None:
    """Seconds that the answer's ``Retry-After`` asks for (RFC 9110, 10.2.3: seconds, or a date), or None."""
    said = headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


class Teacher:
    """One endpoint and its limits, within one event loop."""

    def __init__(
        self,
        stage: Asking,
        url: str,
        model: str,
        key: str | None,
        largest: int,
        count: Callable[[str], int],
        before: Spent,
    ) -> None:
        """A teacher.

        Args:
            stage: limits and sampling.
            url: of the endpoint, with /v1.
            model: as the endpoint calls it.
            key: for the endpoint; it is sent there and written nowhere.
            largest: tokens that one request may take at most, answer included.
            count: tokens of a prompt.
            before: what an interrupted run has already taken of ``max_cost``.
        """
        self.stage, self.url, self.model, self._key, self.count = stage, url, model, key, count
        self.largest = largest
        self.spent = Spent()
        self.spent.add(before)
        self._reserved = 0.0  # cost at most of the requests under way
        self._resume_at = 0.0  # event-loop time before which nothing is sent
        self._client = openai.AsyncOpenAI(base_url=url, api_key=key or "unused", timeout=stage.timeout, max_retries=0)
        rate = stage.requests_per_minute
        self._requests = AsyncLimiter(1, 60 / rate) if rate else None
        tokens = stage.tokens_per_minute
        self._tokens = AsyncLimiter(largest, 60 * largest / tokens) if tokens else None

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()

    def told(self, text: object) -> str:
        """A message of the endpoint's, shortened, without the key should the endpoint repeat it."""
        said = " ".join(str(text).split())
        return (said.replace(self._key, "[key]") if self._key else said)[:300]

    async def ask(self, prompt: str, seed: int, spent: Spent, more: dict[str, Any] | None = None) -> Reply:
        """The teacher's reply to a prompt; what it took is counted here and in ``spent``.

        ``more`` are further fields of the request.

        Raises:
            Failed: the request was refused, or failed ``retries`` times more than once.
            TeacherError: no request can go well: wrong key, unknown model, no money, quota used up, ``max_cost`` reached.
        """
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_Again),
            wait=tenacity.wait_random_exponential(multiplier=self.stage.backoff, max=LONGEST_BACKOFF),
            stop=tenacity.stop_after_attempt(self.stage.retries + 1),
            reraise=True,
        )
        reply: Reply = await retrying(self._once, prompt, seed, spent, more or {})
        return reply

    async def _once(self, prompt: str, seed: int, spent: Spent, more: dict[str, Any]) -> Reply:
        tokens = self.count(prompt)
        most = Spent(prompt_tokens=tokens, completion_tokens=self.stage.teacher.max_tokens)
        await self._turn(min(self.largest, tokens + self.stage.teacher.max_tokens))
        cost = most.cost(self.stage.teacher.price_per_million)
        so_far = self.spent.cost(self.stage.teacher.price_per_million)
        if self.stage.max_cost is not None and so_far + self._reserved + cost > self.stage.max_cost:
            raise TeacherError(
                f"max_cost {self.stage.max_cost:g} is reached: {so_far:.4g} are spent and a further request may cost "
                f"{cost:.2g}; what was done is kept: raise max_cost and run again"
            )
        self._reserved += cost
        took = Spent(requests=1)
        try:
            return await self._send(prompt, seed, tokens, took, more)
        except Failed as failure:
            took.failures[failure.reason] += 1
            raise
        finally:
            self._reserved -= cost
            self.spent.add(took)
            spent.add(took)

    async def _turn(self, tokens: int) -> None:
        """Waits until a request may leave."""
        loop = asyncio.get_running_loop()
        while True:
            while (wait := self._resume_at - loop.time()) > 0:
                await asyncio.sleep(wait)
            if self._requests is not None:
                await self._requests.acquire()
            if self._tokens is not None:
                await self._tokens.acquire(tokens)
            if self._resume_at <= loop.time():  # nobody was told to wait while this one stood in line
                return

    async def _send(self, prompt: str, seed: int, prompt_tokens: int, took: Spent, more: dict[str, Any]) -> Reply:
        block = self.stage.teacher
        body = {
            "max_tokens": block.max_tokens,
            "temperature": block.temperature,
            "top_p": block.top_p,
            "seed": seed,
            **block.extra,
            **more,
        }
        try:
            async with asyncio.timeout(self.stage.timeout):  # the client's own would let an answer trickle for ever
                answer = await self._client.chat.completions.create(
                    model=self.model,
                    messages=[{"role": "user", "content": prompt}],
                    extra_body={name: value for name, value in body.items() if value is not None},
                )
        except (TimeoutError, openai.APITimeoutError) as error:
            raise _Again("timed out", f"no answer within {self.stage.timeout:g} s") from error
        except openai.APIStatusError as error:
            raise self._refusal(error) from error
        except openai.APIConnectionError as error:
            raise _Again("connection failed", self.told(error.__cause__ or error)) from error
        except (ValueError, openai.APIResponseValidationError) as error:  # a body that is no JSON, cut off or garbled
            raise _Again("answer not readable", self.told(error)) from error
        if not isinstance(answer, ChatCompletion) or not isinstance(answer.choices, list) or not answer.choices:
            raise _Again("answer not readable", f"no choices in {self.told(answer)}")
        choice = answer.choices[0]
        text = (choice.message.content if choice.message else None) or ""
        used = answer.usage
        took.prompt_tokens += used.prompt_tokens if used else prompt_tokens
        took.completion_tokens += used.completion_tokens if used else self.count(text)
        cut = choice.finish_reason == "length"
        if not text.strip() and not cut:
            raise _Again("empty answer", f"finish_reason {choice.finish_reason}")
        return Reply(text, cut)

    def _refusal(self, error: openai.APIStatusError) -> OslerError | Failed:
        """What an answer with an error status means for the request, or for the run."""
        status, said = error.status_code, self.told(error.message)
        variable = self.stage.teacher.key_env
        if status in (401, 403):
            key = f"check the key in the environment variable {variable}" if variable else "name a key with key_env"
            return TeacherError(f"{self.url} refused the key ({status}: {said}); {key}")
        if status == 404:
            return TeacherError(
                f"{self.url} knows no model '{self.model}', or is not the address with /v1 (404: {said}); mend teacher.name or "
                f"teacher.url. {self.url}/models lists the models"
            )
        if status == 402 or error.code == "insufficient_quota":
            return TeacherError(f"{self.url}: the account has no credit left ({status}: {said}); what was done is kept")
        wait = retry_after(error.response.headers)
        if status in (408, 409, 425, 429) or status >= 500:
            if wait is not None and wait > LONGEST_PAUSE:
                return TeacherError(
                    f"{self.url} asks to come back in {wait:.0f} s ({status}: {said}); what was done is kept"
                )
            if wait is not None:
                self._resume_at = max(self._resume_at, asyncio.get_running_loop().time() + wait)
            return _Again(f"status {status}", said)
        return Failed(f"status {status}", said)
