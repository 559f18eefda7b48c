"""What a request may say. Whatever is not listed here does not reach vLLM.

vLLM acts on many fields beyond OpenAI's: a chat template of the caller's, token ids that pass by every check, prompts fetched from an
address, log-probabilities of the whole prompt, priorities, beams. A field that is in no list below is refused by its name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from serving.gateway.errors import Refused
from serving.gateway.settings import Settings
from serving.guard import neutral

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
_MESSAGE = {"role", "content", "name", "tool_calls", "tool_call_id"}
_MESSAGE_DROPPED = {
    *("refusal", "annotations", "audio", "function_call"),
    *("reasoning", "reasoning_content", "reasoning_details", "reasoning_items"),
}
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FORMATS = {"text", "json_object", "json_schema"}
_MOST_STOPS = 16
_MOST_LOGPROBS = 20
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


def _bad(message: str, param: str | None = None, code: str = "invalid_value") -> Refused:
    return Refused(400, message, code, param)


def _json(body: bytes) -> dict[str, Any]:
    def refuse(_: str) -> None:
        raise ValueError

    try:
        value = json.loads(body, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        raise _bad("the body is not valid JSON in UTF-8", code="invalid_json") from None
    if not isinstance(value, dict):
        raise _bad("the body must be a JSON object", code="invalid_json")
    return value


def neutral_tree(value: Any, param: str) -> Any:
    """``value`` with each string, at any depth, made neutral. A key that holds a template's mark is refused."""
    if isinstance(value, str):
        return neutral(value)
    if isinstance(value, list):
        return [neutral_tree(one, param) for one in value]
    if isinstance(value, dict):
        if any(neutral(key) != key for key in value):
            raise _bad("a key holds a mark of chat templates", param)
        return {key: neutral_tree(one, param) for key, one in value.items()}
    return value


def _content(value: Any, param: str) -> str | None:
    """A message's text. Parts other than text, images by address among them, are refused: vLLM would fetch them."""
    if value is None or isinstance(value, str):
        return value
    texts = []
    if not isinstance(value, list):
        raise _bad("content must be a string or a list of text parts", param)
    for part in value:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise _bad("only text parts are taken: {'type': 'text', 'text': ...}", param, "unsupported_content")
        texts.append(part["text"])
    return "\n".join(texts)


def _tool_calls(value: Any, param: str) -> list[dict[str, Any]]:
    calls = []
    try:
        for call in value:
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            if not _TOOL_NAME.fullmatch(name) or not isinstance(call["id"], str):
                raise ValueError
            # The template is given the arguments parsed: a mark may hide behind JSON's escapes.
            parsed = neutral_tree(json.loads(arguments or "{}"), param)
            function = {"name": name, "arguments": json.dumps(parsed, ensure_ascii=False)}
            calls.append({"id": neutral(call["id"]), "type": "function", "function": function})
    except (KeyError, TypeError, ValueError, RecursionError):
        raise _bad("each tool call needs an id and a function with a name and arguments in JSON", param) from None
    return calls


def _messages(value: Any) -> tuple[list[dict[str, Any]], str]:
    """The messages to send, and the person's words since the last answer."""
    if not isinstance(value, list) or not value:
        raise _bad("messages must be a list of at least one message", "messages")
    sent: list[dict[str, Any]] = []
    words: list[str] = []
    for at, message in enumerate(value):
        param = f"messages[{at}]"
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise _bad(f"role must be one of {', '.join(_ROLES)}", f"{param}.role")
        unknown = sorted(set(message) - _MESSAGE - _MESSAGE_DROPPED)
        if unknown:
            raise _bad(f"unknown field '{unknown[0][:64]}' in a message", param, "unknown_field")
        role = _ROLES[role]
        text = _content(message.get("content"), f"{param}.content")
        kept: dict[str, Any] = {"role": role}
        calls = message.get("tool_calls")
        if calls:
            if role != "assistant":
                raise _bad("only the assistant calls tools", f"{param}.tool_calls")
            kept["tool_calls"] = _tool_calls(calls, f"{param}.tool_calls")
        if text is None and not calls:
            raise _bad("content is missing", f"{param}.content")
        kept["content"] = neutral(text) if text is not None else ""
        for name in ("name", "tool_call_id"):
            if message.get(name) is not None:
                if not isinstance(message[name], str):
                    raise _bad(f"{name} must be a string", f"{param}.{name}")
                kept[name] = neutral(message[name])
        if role == "user":
            words.append(text or "")
        elif role == "assistant" and not calls:
            words.clear()  # what came before has had its answer
        sent.append(kept)
    return sent, "\n".join(words)


def _prompts(value: Any) -> list[str]:
    prompts = [value] if isinstance(value, str) else value
    if not isinstance(prompts, list) or not prompts or not all(isinstance(one, str) for one in prompts):
        raise _bad("prompt must be a text or a list of texts; token ids are not taken", "prompt")
    return [neutral(one) for one in prompts]


def _whole(payload: dict[str, Any], name: str, least: int, most: int) -> None:
    value = payload.get(name)
    if value is None:
        payload.pop(name, None)
    elif isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _bad(f"{name} must be a whole number from {least} to {most}", name)


def _flag(payload: dict[str, Any], name: str) -> bool:
    value = payload.get(name)
    if value is not None and not isinstance(value, bool):
        raise _bad(f"{name} must be true or false", name)
    return bool(value)


def _check_tools(payload: dict[str, Any]) -> None:
    tools = payload.get("tools")
    if tools is None:
        payload.pop("tools", None)
        return
    try:
        for tool in tools:
            extra = (set(tool) - {"type", "function"}) | (
                set(tool["function"]) - {"name", "description", "parameters", "strict"}
            )
            if extra or tool["type"] != "function" or not _TOOL_NAME.fullmatch(tool["function"]["name"]):
                raise ValueError
    except (KeyError, TypeError, ValueError):
        raise _bad("each tool must be a function with a name of letters, digits, _ and -", "tools") from None
    payload["tools"] = neutral_tree(tools, "tools")


def _check_logprobs(payload: dict[str, Any], kind: Kind) -> None:
    if kind == "chat":
        _flag(payload, "logprobs")
        _whole(payload, "top_logprobs", 0, _MOST_LOGPROBS)
    else:
        _whole(payload, "logprobs", 0, _MOST_LOGPROBS)


def read(body: bytes, kind: Kind, settings: Settings) -> Asked:
    """The request in ``body``, checked.

    Raises:
        Refused: 400 with the field at fault.
    """
    payload = _json(body)
    unknown = sorted(set(payload) - PASSED[kind] - DROPPED)
    if unknown:
        raise _bad(f"unknown field '{unknown[0][:64]}'", unknown[0][:64], "unknown_field")
    payload = {name: value for name, value in payload.items() if name not in DROPPED and value is not None}
    if not isinstance(payload.get("model"), str) or not payload["model"]:
        raise _bad("model is missing; /v1/models lists the names", "model")
    _whole(payload, "n", 1, settings.max_n)
    _whole(payload, "max_tokens", 1, settings.max_tokens)
    _whole(payload, "max_completion_tokens", 1, settings.max_tokens)
    _whole(payload, "seed", -(2**63), 2**63 - 1)
    _check_logprobs(payload, kind)
    stops = payload.get("stop")
    if isinstance(stops, list) and len(stops) > _MOST_STOPS:
        raise _bad(f"stop may hold {_MOST_STOPS} texts at most", "stop")
    stream = _flag(payload, "stream")
    options = payload.pop("stream_options", None) or {}
    if not isinstance(options, dict) or set(options) - {"include_usage", "include_obfuscation"}:
        raise _bad("stream_options may hold include_usage alone", "stream_options")
    if stream:
        payload["stream_options"] = {"include_usage": True}  # the limits and the audit count tokens
    if kind == "chat":
        payload["messages"], question = _messages(payload.get("messages"))
        _check_tools(payload)
        form = payload.get("response_format")
        if form is not None and (not isinstance(form, dict) or str(form.get("type")) not in _FORMATS):
            raise _bad(f"response_format must be one of {', '.join(sorted(_FORMATS))}", "response_format")
        structured = form is not None and form["type"] != "text"
        prompt: Any = [payload["messages"], payload.get("tools", [])]
        count = len(payload["messages"])
    else:
        prompts = _prompts(payload.get("prompt"))
        payload["prompt"] = prompts if isinstance(payload["prompt"], list) else prompts[0]
        question, structured, prompt, count = "\n".join(prompts), False, prompts, len(prompts)
        if count > settings.max_prompts:
            raise _bad(f"prompt may hold {settings.max_prompts} texts at most", "prompt")
    return Asked(
        kind=kind,
        payload=payload,
        question=question,
        stream=stream,
        wants_usage=bool(options.get("include_usage")),
        structured=structured,
        n=payload.get("n", 1),
        prompt_bytes=len(json.dumps(prompt, ensure_ascii=False).encode()),
        messages=count,
    )
