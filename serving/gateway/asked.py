"""A request for text, read and checked, as it may go on to vLLM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from serving.gateway.fields import (
    DROPPED,
    FORMATS,
    MOST_STOPS,
    PASSED,
    Kind,
    bad,
    check_flag,
    check_length,
    check_logprobs,
    check_whole,
    parsed_json,
)
from serving.gateway.messages import check_tools, leave_out_tools, messages_of, prompts_of
from serving.gateway.schemas import check_schema
from serving.gateway.settings import Settings

_TEMPLATE_TOKENS = 16  # what a chat template adds to one message, at most


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may go on.

    Attributes:
        kind: Chat or completion.
        payload: What vLLM is sent.
        question: The person's words that are looked through for emergencies.
        stream: Whether the answer comes piece by piece.
        wants_usage: Whether a stream ends with its token counts.
        structured: Whether the answer must be JSON, so that nothing can stand above it.
        n: Answers to each prompt.
        prompt_bytes: Size of the prompt in UTF-8, no fewer than its tokens.
        messages: How many messages or prompts it holds.
    """

    kind: Kind
    payload: dict[str, Any]
    question: str
    stream: bool
    wants_usage: bool
    structured: bool
    n: int
    prompt_bytes: int
    messages: int

    @property
    def model(self) -> str:
        """The served model's name."""
        return str(self.payload["model"])

    @property
    def answers(self) -> int:
        """How many choices the answer has."""
        prompts = self.payload.get("prompt")
        return self.n * (len(prompts) if isinstance(prompts, list) else 1)

    @property
    def held(self) -> bool:
        """Whether vLLM makes a grammar for the answer: of a schema, or of tools of which a call is demanded or one is strict."""
        tools = self.payload.get("tools") or ()
        demanded = self.payload.get("tool_choice", "auto") not in ("auto", "none")
        return self.structured or (bool(tools) and (demanded or any(one["function"].get("strict") for one in tools)))

    @property
    def given(self) -> str:
        """What the model was told by others than itself."""
        told = [one for one in self.payload.get("messages", []) if one["role"] != "assistant"]
        return "\n".join(str(one["content"]) for one in told)

    @property
    def most_prompt_tokens(self) -> int:
        """An upper bound of the prompt's tokens: no byte-level tokenizer makes more of them than bytes."""
        return self.prompt_bytes + _TEMPLATE_TOKENS * self.messages

    @property
    def likely_prompt_tokens(self) -> int:
        """A guess of the prompt's tokens, four bytes each, that is charged until the true count is known."""
        return self.prompt_bytes // 4 + _TEMPLATE_TOKENS * self.messages


def read(body: bytes, kind: Kind, settings: Settings, tools: bool = True) -> Asked:
    """The request in ``body``, checked. Without ``tools`` those that it offers are left out.

    Raises:
        Refused: 400 with the field at fault.
    """
    payload = parsed_json(body)
    unknown = sorted(set(payload) - PASSED[kind] - DROPPED)
    if unknown:
        raise bad(f"unknown field '{unknown[0][:64]}'", unknown[0][:64], "unknown_field")
    payload = {name: value for name, value in payload.items() if name not in DROPPED and value is not None}
    if not isinstance(payload.get("model"), str) or not payload["model"]:
        raise bad("model is missing; /v1/models lists the names", "model")
    if not tools:
        leave_out_tools(payload)
    _check_sampling(payload, kind, settings)
    stream, wants_usage = _take_streaming(payload)
    if kind == "chat":
        payload["messages"], question = messages_of(payload.get("messages"))
        check_tools(payload)
        structured = _is_structured(payload)
        prompt: Any = [payload["messages"], payload.get("tools", [])]
        count = len(payload["messages"])
    else:
        prompts = prompts_of(payload.get("prompt"))
        payload["prompt"] = prompts if isinstance(payload["prompt"], list) else prompts[0]
        question, structured, prompt, count = "\n".join(prompts), False, prompts, len(prompts)
        if count > settings.max_prompts:
            raise bad(f"prompt may hold {settings.max_prompts} texts at most", "prompt")
    return Asked(
        kind=kind,
        payload=payload,
        question=question,
        stream=stream,
        wants_usage=wants_usage,
        structured=structured,
        n=payload.get("n", 1),
        prompt_bytes=len(orjson.dumps(prompt)),
        messages=count,
    )


def _check_sampling(payload: dict[str, Any], kind: Kind, settings: Settings) -> None:
    """How many answers, how long, and how they are drawn. Raises Refused."""
    check_whole(payload, "n", 1, settings.max_n)
    for name in ("max_tokens", "max_completion_tokens"):
        check_length(payload, name, settings.max_tokens)
    check_whole(payload, "seed", -(2**63), 2**63 - 1)
    check_logprobs(payload, kind)
    stops = payload.get("stop")
    if isinstance(stops, list) and len(stops) > MOST_STOPS:
        raise bad(f"stop may hold {MOST_STOPS} texts at most", "stop")


def _take_streaming(payload: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the answer is streamed, and whether the caller wants its counts of tokens; vLLM is always asked for them. Raises Refused."""
    stream = check_flag(payload, "stream")
    options = payload.pop("stream_options", None) or {}
    if not isinstance(options, dict) or set(options) - {"include_usage", "include_obfuscation"}:
        raise bad("stream_options may hold include_usage alone", "stream_options")
    if stream:
        payload["stream_options"] = {"include_usage": True}  # the limits and the audit count tokens
    return stream, bool(options.get("include_usage"))


def _is_structured(payload: dict[str, Any]) -> bool:
    """Whether the answer must be JSON. Raises Refused."""
    form = payload.get("response_format")
    if form is not None and (not isinstance(form, dict) or str(form.get("type")) not in FORMATS):
        raise bad(f"response_format must be one of {', '.join(sorted(FORMATS))}", "response_format")
    check_schema(form, "response_format")
    return form is not None and form["type"] != "text"
