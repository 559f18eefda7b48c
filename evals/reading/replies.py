"""A model's reply made ready for reading: without its thoughts, and in one form."""

from __future__ import annotations

import re
import unicodedata

from corpora.adapters.fields import CONTROL, REASONING
from corpora.curate.units import simplified

# Where a thought ends, and where one begins: DeepSeek-R1 and Qwen3, others with other tags, Magistral, Kimi, MedGemma, gpt-oss, HuatuoGPT-o1.
_THOUGHT_ENDS = re.compile(
    r"</(?:think|thinking|thought|reasoning|seed:think)>|\[/THINK\]|◁/think▷|<unused95>|<\|END_THINKING\|>|<\|end_of_thought\|>"
    r"|<\|channel\|>final<\|message\|>|^\#\# Final Response[ \t]*$",
    re.MULTILINE,
)
_THOUGHT_BEGINS = re.compile(
    r"<(?:think|thinking|thought|reasoning|seed:think)>|\[THINK\]|◁think▷|<unused94>|<\|START_THINKING\|>|<\|begin_of_thought\|>"
    r"|<\|channel\|>analysis<\|message\|>|^\#\# Thinking[ \t]*$",
    re.MULTILINE,
)

_END_TOKENS = re.compile(r"<\|[^|<>\s]{1,40}\|>|</s>|<eos>|<end_of_turn>", re.IGNORECASE)


def after_thinking(text: str) -> str | None:
    """The reply without its thoughts; None when it ends in the middle of them.

    A chat format may itself open the thought, so that a closing mark is enough.
    """
    ends = [match.end() for match in _THOUGHT_ENDS.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return None if _THOUGHT_BEGINS.search(rest) else _END_TOKENS.sub("", rest).strip()


def strip_thinking(text: str) -> str:
    """The reply without its thoughts; empty when it ends in the middle of them."""
    return after_thinking(text) or ""


def unmarked(text: str) -> str:
    """The text with the marks of chat templates broken up, so that a tokenizer that reads it within a template takes them for plain text."""
    return REASONING.sub(_apart, CONTROL.sub(_apart, text))


def _apart(mark: re.Match[str]) -> str:
    return f"{mark[0][0]} {mark[0][1:]}"


_WRAPPED = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|mbox|rm|bf)\s?\{([^{}]{0,300})\}")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s?\{([^{}]{0,300})\}")
_TAGGED = re.compile(r"[<\[](answer|final_answer|choice)[>\]]([^<\[]{0,300})[<\[]/\1[>\]]", re.IGNORECASE)
_LIST = re.compile(r"^\s*\[(\s?[\"'][^\]\n]{1,300})\]\s*$")
_FIELD = re.compile(
    r"[\"'](?:(?:[a-z]{1,12}[_ ])?(?:answers?|choice|option|letter|response|prediction)(?:[_ ][a-z]{1,8})?|(?:正确|最终)?答案)[\"']"
    r"\s?:\s?(?:[\"']([^\"'\n]{1,300})[\"']|\[([^\]\n]{1,300})\])",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"</?(?:b|i|strong|em|u|p|br)\s?/?>|(?<![A-Za-z0-9])\*+|\*+(?![A-Za-z0-9])|(?<!\w)_+|_+(?!\w)|[`$#「」『』]|\\[()\[\]]",
    re.IGNORECASE,
)


def one_form(text: str) -> str:
    """The text in half width, simplified characters and without accents or markup; boxes, tags and JSON fields as "Answer: …"."""
    text = simplified(unicodedata.normalize("NFKC", text)).replace("’", "'").replace("‘", "'")
    text = "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
    text = unicodedata.normalize("NFC", text)
    for _ in range(3):
        text = _WRAPPED.sub(r" \1", text)
    text = re.sub(r"\\(?:rm|bf|text)\s", "", _END_TOKENS.sub("", text))
    text = re.sub(r"\\boxed\s{1,2}([A-Z])(?![A-Za-z])", r"\\boxed{\1}", text)
    text = _BOXED.sub(r"\nAnswer: \1\n", text)
    text = _TAGGED.sub(r"\nAnswer: \2\n", text)
    text = _LIST.sub(lambda found: "Answer: " + re.sub("[\"']", "", found[1]), text)
    text = _FIELD.sub(lambda found: "\nAnswer: " + re.sub("[\"']", "", found[1] or found[2]) + "\n", text)
    return _MARKUP.sub("", text.replace("【", "\n").replace("】", ":")).strip()
