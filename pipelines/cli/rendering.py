"""A model's Markdown on a terminal, as it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.padding import Padding

# As on the page (serving/ui/markdown.py): HTML, links and images stay as they were written.
_PARSER = (
    MarkdownIt("commonmark", {"html": False})
    .enable("table")
    .disable(["html_block", "html_inline", "link", "image", "autolink", "reference"])
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal acts on them
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)


def markdown(text: str) -> Markdown:
    """``text`` for a terminal, with its line breaks and without anything that the terminal would act on."""
    made = Markdown("")
    made.parsed = _PARSER.parse(_CONTROLS.sub("", text))
    for token in made.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return made


def finished(text: str) -> tuple[str, str]:
    """The blocks of ``text`` that nothing more can change, and the one that is still being written."""
    at = text.rfind("\n\n")
    while at > 0:
        rest = text[at:].lstrip("\n")
        # What is indented, or stands between fences, belongs to the block before the blank line.
        if rest and not rest[0].isspace() and len(_FENCE.findall(text[:at])) % 2 == 0:
            return text[:at], rest
        at = text.rfind("\n\n", 0, at)
    return "", text


def render(pieces: Iterable[str], console: Console) -> str:
    """Shows the pieces as they come and returns the whole. A finished block is printed for good; the last is drawn anew."""
    whole = rest = ""
    with Live(console=console, refresh_per_second=12) as live:
        for piece in pieces:
            whole += piece
            done, rest = finished(rest + piece)
            live.update(markdown(rest))
            if done:
                console.print(Padding(markdown(done), (0, 0, 1, 0)))  # above what is drawn anew
    return whole
