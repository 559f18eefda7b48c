"""A judge model behind an OpenAI-compatible endpoint: many verdicts at once, each asked once, kept, and never guessed.

A verdict that cannot be read is asked for once more, with a reminder of the form; if that cannot be read either, there is none. A request
that the server refuses (too long for the judge, or filtered) or fails to answer after all retries has none either, is counted apart, and is asked
again by the next run. What was answered is kept under a hash of the judge's name, its settings and the prompt, and not of the address, so
that a run goes on when the judge's server was started anew elsewhere.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import openai
from tqdm import tqdm

from corpora.errors import OslerError
from evals.asking.cached_engine import keep_not_taken, recall_not_taken
from evals.asking.finished import Finished, key_of
from evals.engines.at_once import at_once
from evals.engines.openai_errors import UnreadableError, refusal_of, said
from evals.engines.openai_server import MAX_RETRIES, OpenAIServer
from evals.judging.prompts import KINDS, REMINDER, Kind
from evals.judging.verdicts import Request, Verdict, further

KEY = "OSLER_JUDGE_KEY"  # environment variable of the key for the judge's endpoint
MAX_TOKENS = 2048  # of a verdict with its explanation, as HealthBench's grader has it
STOP_AFTER = 8  # requests that fail one after another


@dataclass
class Judge:
    """One judge model, and what came of its verdicts so far."""

    url: str
    model: str
    key_env: str = KEY
    concurrency: int = 8
    timeout: float = 300.0  # seconds for one request
    max_retries: int = MAX_RETRIES
    max_tokens: int = MAX_TOKENS
    kinds: dict[str, Kind] = field(default_factory=lambda: dict(KINDS))  # the wordings, by kind of judgement
    agreements: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # by kind of judgement: see ``evals.judging.agreement``
    extra_body: dict[str, Any] = field(default_factory=dict)  # further fields of each request
    _server: OpenAIServer | None = field(default=None, repr=False)

    def connect(self) -> None:
        """Asks the server for its models, so that a wrong address or name is told before hours of answers are written.

        Raises:
            OslerError: it does not answer, refuses the key, or does not have the model.
        """
        if self._server is None:
            server = OpenAIServer(
                self.url, self.model, self.timeout, self.key_env, self.max_retries, extra_body=self.extra_body
            )
            server.check()
            self._server = server

    @property
    def not_taken(self) -> list[str]:
        """Parameters that the model turned out not to take; without "temperature" its verdicts are drawn, and may differ in another run."""
        return sorted(self._server.not_taken) if self._server is not None else []

    def ask(self, requests: Sequence[Request], finished: Finished, label: str = "judge") -> list[Verdict]:
        """The verdict on each request, in order.

        Raises:
            OslerError: the key or the model is refused, or ``STOP_AFTER`` requests failed one after another.
        """
        self.connect()
        assert self._server is not None
        recall_not_taken(self._server.not_taken, finished, self._not_taken_key())
        keys = [self._key(request) for request in requests]
        found: dict[str, Verdict] = {}
        missing: dict[str, Request] = {}
        for key, request in zip(keys, requests, strict=True):
            kept = finished.get(key)
            if kept is not None:
                found[key] = read(request.kind, kept[0])
            else:
                missing[key] = request
        if missing:
            try:
                found |= self._asked(missing, finished, label)
            finally:
                keep_not_taken(self._server.not_taken, finished, self._not_taken_key())
        return [found[key] for key in keys]

    def _asked(self, missing: dict[str, Request], finished: Finished, label: str) -> dict[str, Verdict]:
        found: dict[str, Verdict] = {}
        faults: list[str] = []  # since the last answer
        keys, requests = list(missing), list(missing.values())
        with at_once(self._replies, requests, self.concurrency) as asked:
            for place, replies in tqdm(asked, total=len(requests), desc=label, leave=False, disable=None):
                key = keys[place]
                if isinstance(replies, Exception) and refusal_of(replies, self.key_env) is not None:
                    found[key] = Verdict(None, said(replies, self.key_env), "refused")
                elif isinstance(replies, _FAILED):
                    found[key] = Verdict(None, said(replies, self.key_env), "failed")
                    faults.append(said(replies, self.key_env))
                    if len(faults) >= STOP_AFTER:
                        raise self._stopped(faults) from replies
                elif isinstance(replies, openai.OpenAIError):
                    raise self._unusable(replies) from replies
                elif isinstance(replies, Exception):
                    raise replies
                else:
                    faults.clear()
                    finished.put(key, replies, 0.0)
                    found[key] = read(requests[place].kind, replies)
        return found

    def _replies(self, request: Request) -> list[str]:
        """The reply, and a second one where the first holds no verdict."""
        replies = [self._write(request.prompt)]
        if request.kind.verdict(replies[0]) is None:
            replies.append(self._write(request.prompt + REMINDER))
        return replies

    def _write(self, prompt: str) -> str:
        assert self._server is not None
        return self._server.written(self._server.render([{"role": "user", "content": prompt}]), self.max_tokens, [])

    def _key(self, request: Request) -> str:
        return key_of(["judge", *self._named, str(self.max_tokens), request.prompt, REMINDER])

    def _not_taken_key(self) -> str:
        return key_of(["judge", *self._named, "not taken"])

    @property
    def _named(self) -> list[str]:
        return [self.model, *([further(self.extra_body)] if self.extra_body else [])]

    def _stopped(self, faults: list[str]) -> OslerError:
        told = "; ".join(f"{count} × {fault}" for fault, count in collections.Counter(faults).most_common(3))
        return OslerError(
            f"the judge at {self.url} failed {len(faults)} requests one after another ({told}); its verdicts so far are kept: mend the server, or "
            "ask fewer at once with --judge-concurrency, and run the same command to go on"
        )

    def _unusable(self, error: openai.OpenAIError) -> OslerError:
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return OslerError(
                f"the judge at {self.url} refuses the key in the environment variable {self.key_env}: {said(error, self.key_env)}"
            )
        return OslerError(
            f"the judge at {self.url}: {said(error, self.key_env)}; its verdicts so far are kept: run the same command to go on"
        )

    def told(self, kinds: Sequence[str]) -> dict[str, Any]:
        """Who judged, in which words and with which agreement with people, for the results."""
        return {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "extra_body": self.extra_body,
            "not_taken": self.not_taken,
            "kinds": {
                name: {"prompt_sha256": self.kinds[name].sha256, "agreement": self.agreements.get(name)}
                for name in kinds
            },
        }


# After the client's own retries; and a body that is no answer of the protocol.
_FAILED = (
    openai.RateLimitError,
    openai.InternalServerError,
    openai.ConflictError,
    openai.APIConnectionError,
    openai.APIResponseValidationError,
    UnreadableError,
)


def read(kind: Kind, replies: Sequence[str]) -> Verdict:
    """The verdict in the last of a judge's replies."""
    value = kind.verdict(replies[-1])
    return Verdict(value, replies[-1], "" if value is not None else "unparsed")
