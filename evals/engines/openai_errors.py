"""What a server's error means for an exam: a request that it refuses for good, a parameter that its model does not take, or a fault."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import openai

from evals.engines import Refusal, RefusalKind

# Too long for the context: vLLM, OpenAI, llama.cpp and text-generation-inference have words of their own for it.
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|size|window)|max(?:imum|_model)[ _](?:model )?len|too (?:long|large|many tokens)|exceed\w*[^.]{0,60}(?:tokens|context|length)"
    r"|`inputs` tokens",
    re.IGNORECASE,
)
# Azure and OpenAI; OpenRouter; Alibaba, DeepSeek.
_FILTERED = re.compile(
    r"content[ _-]?(?:filter|management|policy)|flagged|moderation|safety system|invalid_prompt|data_inspection_failed|inappropriate content"
    r"|content exists risk",
    re.IGNORECASE,
)
LONGEST_PAUSE = 120.0  # seconds of Retry-After, as OpenAI's client has it
_UNPAID = ("billing_hard_limit_reached", "insufficient_quota")  # codes that come with every further request too


class UnreadableError(openai.OpenAIError):
    """A reply that is no answer of OpenAI's protocol."""


class FilteredError(openai.OpenAIError):
    """A reply with code 200 that a content filter has emptied."""


def said(error: Exception, key_env: str) -> str:
    """The server's own message in one short line, without the key should the server repeat it."""
    body = getattr(error, "body", None)
    told = body.get("message") if isinstance(body, dict) else None
    text = " ".join(str(told or error).split())
    key = os.environ.get(key_env)
    return (text.replace(key, "[key]") if key else text)[:300]


def refusal_of(error: Exception, key_env: str) -> Refusal | None:
    """Why a server will not answer one request, whatever it does with others; None for a fault of another kind."""
    if isinstance(error, FilteredError):
        return Refusal("content filter", said(error, key_env))
    if not isinstance(error, openai.APIStatusError) or error.code in _UNPAID:
        return None
    told = f"{error.code} {error}"
    filtered = _FILTERED.search(told) is not None
    if error.status_code == 403 and filtered:  # OpenRouter
        return Refusal("content filter", said(error, key_env))
    if error.status_code not in (400, 413, 422):
        return None
    kind: RefusalKind = (
        "context too long"
        if error.status_code == 413 or _TOO_LONG.search(told)
        else "content filter"
        if filtered
        else "other"
    )
    return Refusal(kind, said(error, key_env))


def not_taken(error: openai.APIStatusError, sent: Mapping[str, Any]) -> str | None:
    """The parameter that the error says the model does not take, of those that can be left out or have another name; None for any other error."""
    if "max_tokens" in sent and "max_completion_tokens" in str(error):  # OpenAI's reasoning models
        return "max_tokens"
    if "temperature" in sent and "temperature" in str(error).lower():
        return "temperature"
    return None


def passes_soon(error: openai.RateLimitError) -> bool:
    """Whether to wait for a quota helps: the account is not empty, and the server asks for no longer pause than OpenAI's client keeps."""
    try:
        pause = float(error.response.headers.get("retry-after", 0))
    except ValueError:  # a date
        pause = 0.0
    return error.code not in _UNPAID and pause <= LONGEST_PAUSE


def remedy(error: openai.OpenAIError, timeout: float, key_env: str) -> str:
    """What a user of the exam can do about a fault."""
    again = "what was finished is kept: run the same command to go on"
    if isinstance(error, openai.AuthenticationError):
        return f"it takes its key from the environment variable {key_env} (--key-env names another)"
    if isinstance(error, openai.APITimeoutError):
        return (
            f"no answer came within {timeout:g} s; give it longer with --timeout, or ask fewer at once with --concurrency; "
            f"{again}"
        )
    if isinstance(error, openai.RateLimitError):
        return (
            f"the account has nothing left; {again}"
            if error.code in _UNPAID
            else f"ask fewer at once with --concurrency, or go on later; {again}"
        )
    if isinstance(error, openai.NotFoundError):
        return f"it may answer in one way alone: try --chat or --no-chat; {again}"
    return again
