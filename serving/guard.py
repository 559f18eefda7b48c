"""What stands between a person's words and the model: red flags first, and no text that can pass for the chat template."""

from __future__ import annotations

import importlib
import re
import warnings
from typing import Any

from pydantic import BaseModel, ConfigDict

TRIAGE = "serving.triage"
# Marks that chat templates give a meaning to: ChatML and Llama 3 (<|...|>), DeepSeek (the same with wide bars), Llama 2 and Mistral
# ([INST], <<SYS>>, <s>), Gemma (<start_of_turn>), GLM ([gMASK]), Baichuan (<reserved_106>), and the tool calls and thoughts of several.
MARKS = re.compile(
    r"<(?=[|｜])|(?<=[|｜])>"
    r"|<(?=/?(?:s|think|tools?|tool_calls?|tool_response|function_calls?|sop|bos|eos|pad|unk|mask|image)>)|<(?=<?/?SYS>)"
    r"|<(?=(?:start|end)_of_(?:turn|image)>|reserved_\d+>|unused\d+>|extra_id_\d+>|fim_\w+>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|g?MASK|CLS|SEP)\])",
    re.IGNORECASE,
)


class RedFlag(BaseModel):
    """An emergency that the triage saw, and the words to say first."""

    model_config = ConfigDict(frozen=True)

    category: str
    first: str
    source: str
    text: str  # what stands above the model's answer


def red_flags(text: str) -> RedFlag | None:
    """What the deterministic triage finds in ``text``; None where it finds nothing."""
    try:
        module = importlib.import_module(TRIAGE)  # its lexicons load only when the first text comes
    except ModuleNotFoundError as error:
        if error.name != TRIAGE:
            raise
        warnings.warn("red-flag triage is not installed: emergencies are not looked for", stacklevel=2)
        return None
    finding = module.triage(text)
    if not finding.emergency:
        return None
    source = _source(finding.source)
    banner = getattr(module, "banner", None)
    shown = str(banner(finding)) if banner is not None else f"{finding.first}\nSource: {source}"
    return RedFlag(category=str(finding.category), first=str(finding.first), source=source, text=shown)


def _source(source: Any) -> str:
    values = source if isinstance(source, dict) else getattr(source, "model_dump", lambda: None)()
    if not values:
        return str(source)
    return ", ".join(str(values[key]) for key in ("body", "title", "year", "url") if values.get(key))


def neutral(text: str) -> str:
    """``text`` with the marks of chat templates broken by a space, so that no tokenizer reads them as its own."""
    return MARKS.sub(lambda mark: f"{mark.group()} " if mark.group() in "<[" else f" {mark.group()}", text)
