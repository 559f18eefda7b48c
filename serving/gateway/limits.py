"""How much each key may ask: requests and tokens a minute, and how many requests are under way at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from serving.gateway.errors import Refused
from serving.gateway.keys import Key
from serving.gateway.settings import Settings


class Bucket:
    """A token bucket: a minute's worth when full, filled evenly. What was taken too much is owed."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._at = clock()

    def wait(self, amount: float) -> float:
        """Seconds until ``amount`` can be taken; 0 where it can be taken now."""
        now = self._clock()
        self._level = min(self.per_minute, self._level + (now - self._at) * self.per_minute / 60)
        self._at = now
        return max(0.0, (amount - self._level) * 60 / self.per_minute)

    def take(self, amount: float) -> None:
        """Takes ``amount``, or gives it back where it is negative."""
        self._level = min(self.per_minute, self._level - amount)


@dataclass
class Hold:
    """What one request holds of its key's limits, until it is settled."""

    limits: Limits
    tokens: Bucket
    reserved: int
    open: bool = True

    def settle(self, used: int) -> None:
        """Frees the place, and charges ``used`` tokens in place of those reserved. Once."""
        if self.open:
            self.open = False
            self.limits.under_way -= 1
            self.tokens.take(used - self.reserved)


class Limits:
    """The limits of all keys, in this process's memory."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._buckets: dict[str, tuple[Bucket, Bucket]] = {}
        self.under_way = 0

    def take(self, key: Key, tokens: int) -> Hold:
        """A place for one request that may use up to ``tokens``.

        Raises:
            Refused: 429 with the time to wait; 400 where the key could never use so many at once.
        """
        requests_limit = key.requests_per_minute or self._settings.requests_per_minute
        tokens_limit = key.tokens_per_minute or self._settings.tokens_per_minute
        requests, spent = self._buckets.get(key.name, (None, None))
        if requests is None or requests.per_minute != requests_limit:
            requests = Bucket(requests_limit, self._clock)
        if spent is None or spent.per_minute != tokens_limit:
            spent = Bucket(tokens_limit, self._clock)
        self._buckets[key.name] = (requests, spent)
        if tokens > tokens_limit:
            raise Refused(
                400,
                f"this request may use {tokens} tokens and the key has {tokens_limit} a minute; ask for fewer with max_tokens",
                "request_too_large",
                "max_tokens",
            )
        if wait := requests.wait(1):
            raise Refused(429, f"over {requests_limit} requests a minute", "rate_limit_exceeded", retry_after=wait)
        if wait := spent.wait(tokens):
            raise Refused(429, f"over {tokens_limit} tokens a minute", "rate_limit_exceeded", retry_after=wait)
        if self.under_way >= self._settings.at_once:
            raise Refused(429, "the server is at its capacity", "over_capacity", retry_after=1)
        requests.take(1)
        spent.take(tokens)
        self.under_way += 1
        return Hold(self, spent, tokens)
