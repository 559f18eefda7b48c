"""What a request says to the model, made neutral: its messages, tool calls, tools and prompts."""

from __future__ import annotations

import json
import re
from typing import Any

from serving.gateway.fields import DEEPEST, bad
from serving.gateway.schemas import check_schema
from serving.guard import neutral

_MESSAGE = {"role", "content", "name", "tool_calls", "tool_call_id"}
_MESSAGE_DROPPED = {
    *("refusal", "annotations", "audio", "function_call"),
    *("reasoning", "reasoning_content", "reasoning_details", "reasoning_items"),
}
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def neutral_tree(value: Any, param: str, depth: int = 0) -> Any:
    """``value`` with each string in it made neutral. A key that holds a template's mark is refused, and so is what is nested deeper than DEEPEST."""
    if isinstance(value, str):
        return neutral(value)
    if depth > DEEPEST:
        raise bad(f"nested deeper than {DEEPEST} levels", param)
    if isinstance(value, list):
        return [neutral_tree(one, param, depth + 1) for one in value]
    if isinstance(value, dict):
        if any(neutral(key) != key for key in value):
            raise bad("a key holds a mark of chat templates", param)
        return {key: neutral_tree(one, param, depth + 1) for key, one in value.items()}
    return value


def _content(value: Any, param: str) -> str | None:
    """A message's text. Parts other than text, images by address among them, are refused: vLLM would fetch them."""
    if value is None or isinstance(value, str):
        return value
    texts = []
    if not isinstance(value, list):
        raise bad("content must be a string or a list of text parts", param)
    for part in value:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise bad("only text parts are taken: {'type': 'text', 'text': ...}", param, "unsupported_content")
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
            written = json.dumps(parsed, ensure_ascii=False)
            written.encode()  # a lone surrogate, which an escape can stand for, is no text
            function = {"name": name, "arguments": written}
            calls.append({"id": neutral(call["id"]), "type": "function", "function": function})
    except (KeyError, TypeError, ValueError, RecursionError):
        raise bad("each tool call needs an id and a function with a name and arguments in JSON", param) from None
    return calls


def messages_of(value: Any) -> tuple[list[dict[str, Any]], str]:
    """The messages to send, and the person's words since the last answer."""
    if not isinstance(value, list) or not value:
        raise bad("messages must be a list of at least one message", "messages")
    sent: list[dict[str, Any]] = []
    words: list[str] = []
    for at, message in enumerate(value):
        param = f"messages[{at}]"
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise bad(f"role must be one of {', '.join(_ROLES)}", f"{param}.role")
        unknown = sorted(set(message) - _MESSAGE - _MESSAGE_DROPPED)
        if unknown:
            raise bad(f"unknown field '{unknown[0][:64]}' in a message", param, "unknown_field")
        role = _ROLES[role]
        text = _content(message.get("content"), f"{param}.content")
        kept: dict[str, Any] = {"role": role}
        calls = message.get("tool_calls")
        if calls:
            if role != "assistant":
                raise bad("only the assistant calls tools", f"{param}.tool_calls")
            kept["tool_calls"] = _tool_calls(calls, f"{param}.tool_calls")
        if text is None and not calls:
            raise bad("content is missing", f"{param}.content")
        kept["content"] = neutral(text) if text is not None else ""
        for name in ("name", "tool_call_id"):
            if message.get(name) is not None:
                if not isinstance(message[name], str):
                    raise bad(f"{name} must be a string", f"{param}.{name}")
                kept[name] = neutral(message[name])
        if role == "user":
            words.append(text or "")
        elif role == "assistant" and not calls and kept["content"].strip():
            words.clear()  # what came before has had its answer; an empty one is none
        sent.append(kept)
    return sent, "\n".join(words)


def prompts_of(value: Any) -> list[str]:
    """The prompts of a completion, made neutral. Raises Refused."""
    prompts = [value] if isinstance(value, str) else value
    if not isinstance(prompts, list) or not prompts or not all(isinstance(one, str) for one in prompts):
        raise bad("prompt must be a text or a list of texts; token ids are not taken", "prompt")
    return [neutral(one) for one in prompts]


def check_tools(payload: dict[str, Any]) -> None:
    """Makes the tools' words neutral. Raises Refused where one is no function."""
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
            check_schema(tool, "tools")
        if payload.get("tool_choice") == "required" or any(tool["function"].get("strict") for tool in tools):
            check_schema(tools, "tools")  # one grammar of them all
        payload["tools"] = neutral_tree(tools, "tools")
    except (KeyError, TypeError, ValueError):
        raise bad("each tool must be a function with a name of letters, digits, _ and -", "tools") from None


def leave_out_tools(payload: dict[str, Any]) -> None:
    """Takes the offered tools out: the model answers in words, as it may. Raises Refused where a call is demanded."""
    if payload.pop("tool_choice", None) not in (None, "auto", "none"):
        raise bad("this key's requests go without tools, so no call can be demanded", "tool_choice")
    for name in ("tools", "parallel_tool_calls"):
        payload.pop(name, None)
