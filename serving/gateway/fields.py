"""What a request may say. Whatever is not listed here does not reach vLLM.

vLLM acts on many fields beyond OpenAI's: a chat template of the caller's, token ids that pass by every check, prompts fetched from an
address, log-probabilities of the whole prompt, priorities, beams. A field that is in no list below is refused by its name.
"""

from __future__ import annotations

from typing import Any, Literal

import orjson

from serving.gateway.errors import Refused

Kind = Literal["chat", "completion"]

_SAMPLING = {
    "model",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "logit_bias",
    "logprobs",
}
PASSED: dict[Kind, set[str]] = {
    "chat": _SAMPLING
    | {
        "messages",
        "max_completion_tokens",
        "top_logprobs",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
    },
    "completion": _SAMPLING | {"prompt"},
}
# OpenAI's own fields that clients send and that change nothing here: they are taken out and not spoken of.
DROPPED = {
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "verbosity",
}
FORMATS = {"text", "json_object", "json_schema"}
MOST_STOPS = 16
DEEPEST = 100  # levels of a tool's parameters or a call's arguments: far above what a schema needs, far below what JSON's readers bear
_MOST_LOGPROBS = 20


def bad(message: str, param: str | None = None, code: str = "invalid_value") -> Refused:
    """A 400 that names the field at fault."""
    return Refused(400, message, code, param)


def parsed_json(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises Refused."""
    try:
        value = orjson.loads(body)  # strict: no NaN, no lone surrogate
    except ValueError:
        raise bad("the body is not valid JSON in UTF-8", code="invalid_json") from None
    try:
        orjson.dumps(value)
    except TypeError:  # it writes fewer levels than it reads: 254
        raise bad(f"nested deeper than {DEEPEST} levels", code="invalid_json") from None
    if not isinstance(value, dict):
        raise bad("the body must be a JSON object", code="invalid_json")
    return value


def check_whole(payload: dict[str, Any], name: str, least: int, most: int) -> None:
    """Raises Refused where the field is there and no whole number within the bounds."""
    value = payload.get(name)
    if value is None:
        payload.pop(name, None)
    elif isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise bad(f"{name} must be a whole number from {least} to {most}", name)


def check_length(payload: dict[str, Any], name: str, cap: int) -> None:
    """Raises Refused where the field is no whole number, or asks for a longer answer than ``cap`` tokens.

    A longer one is refused and not cut to the cap, as by OpenAI and vLLM: a caller who planned for more would take what was cut for whole.
    """
    value = payload.get(name)
    if isinstance(value, int) and value > cap and not isinstance(value, bool):
        raise bad(
            f"{name} is {value} and an answer here has {cap} tokens at most: ask for {cap} or fewer, or leave {name} out; whoever runs the "
            "gateway sets the most with --max-tokens",
            name,
        )
    check_whole(payload, name, 1, cap)


def check_flag(payload: dict[str, Any], name: str) -> bool:
    """Whether the field is true. Raises Refused where it is neither true nor false."""
    value = payload.get(name)
    if value is not None and not isinstance(value, bool):
        raise bad(f"{name} must be true or false", name)
    return bool(value)


def check_logprobs(payload: dict[str, Any], kind: Kind) -> None:
    """Raises Refused where log-probabilities are asked for in a wrong way."""
    if kind == "chat":
        check_flag(payload, "logprobs")
        check_whole(payload, "top_logprobs", 0, _MOST_LOGPROBS)
    else:
        check_whole(payload, "logprobs", 0, _MOST_LOGPROBS)
