"""What stands between a person's words and the model: red flags first, and no text that can pass for the chat template."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from corpora.bundled.knowledge import Source
from serving.triage import banner, triage

# Marks that chat templates give a meaning to: ChatML and Llama 3 (<|...|>), DeepSeek (the same with wide bars), Llama 2 and Mistral
# ([INST], <<SYS>>, <s>; later ones [ARGS], [THINK] and others), Gemma (<start_of_turn>), GLM ([gMASK], <arg_key>), Baichuan (<reserved_106>), Cohere
# (<BOS_TOKEN>), Nemotron (<SPECIAL_10>), Seed (<seed:bos>), Kimi ([BOS]), and the tool calls and thoughts of several.
MARKS = re.compile(
    r"<(?=[|｜])|(?<=[|｜])>"
    r"|<(?=/?(?:s|think|tools?|tool_calls?|tool_response|function_calls?|sop|bos|eos|pad|unk|mask|image|arg_key|arg_value)>)|<(?=<?/?SYS>)"
    r"|<(?=(?:BOS|EOS)_TOKEN>|SPECIAL_\d+>|/?seed:\w+>)"
    r"|<(?=(?:start|end)_of_(?:turn|image)>|reserved_\d+>|unused\d+>|extra_id_\d+>|fim_\w+>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|g?MASK|CLS|SEP)\])"
    r"|\[(?=/?(?-i:ARGS|CALL_ID|TOOL_CONTENT|THINK|IMG(?:_BREAK|_END)?|(?:BEGIN_)?AUDIO|PREFIX|MIDDLE|SUFFIX|BOS|EOS|PAD|UNK)\])",  # not usage: cat [args]
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
    finding = triage(text)
    if finding.source is None:
        return None
    source = _source(finding.source)
    return RedFlag(category=str(finding.category), first=str(finding.first), source=source, text=banner(finding))


def _source(source: Source) -> str:
    values = source.model_dump()
    return ", ".join(str(values[key]) for key in ("body", "title", "year", "url") if values.get(key))


# Some tokenizers read compatibility characters as the plain ones (NFKC: ＜ as <) and drop those without width: marks may hide behind both.
_PLAIN = {
    code: plain
    for first, last in ((0xA0, 0x24F), (0x2000, 0x2BFF), (0xFE30, 0xFFFF), (0x1D400, 0x1D7FF), (0x1F100, 0x1F1FF))
    for code in range(first, last)
    for plain in [unicodedata.normalize("NFKC", chr(code))]
    if len(plain) == 1 and plain.isascii() and plain != " "
}
_NO_WIDTH = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)


def neutral(text: str) -> str:
    """``text`` with the marks of chat templates broken by a space, so that no tokenizer reads them as its own."""
    if text.isascii():
        return MARKS.sub(lambda mark: f"{mark.group()} " if mark.group() in "<[" else f" {mark.group()}", text)
    plain = text.translate(_PLAIN)
    places: Sequence[int] = range(len(text))
    if _NO_WIDTH.search(plain):
        places = [at for at, character in enumerate(plain) if not _NO_WIDTH.match(character)]
        plain = "".join(plain[at] for at in places)
    pieces, done = [], 0
    for mark in MARKS.finditer(plain):
        cut = places[mark.start()] + (mark.group() in "<[")
        pieces.append(text[done:cut])
        done = cut
    return " ".join([*pieces, text[done:]])
