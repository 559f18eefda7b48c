"""A model's Markdown as HTML in which nothing runs and nothing is fetched.

HTML in the text is shown as text. Links and images stay as they were written: an address that a model makes up is more often wrong than
right, and fetching an image would tell its server what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

MARK = re.compile(r"\[(\d{1,2})\]")
_PARSER = (
    MarkdownIt("commonmark", {"html": False, "breaks": True})
    .enable("table")
    .disable(["html_block", "html_inline", "link", "image", "autolink", "reference"])
)


def _with_marks(children: list[Token], marks: Mapping[int, str]) -> list[Token]:
    made: list[Token] = []
    for token in children:
        if token.type != "text":
            made.append(token)
            continue
        at = 0
        for hit in MARK.finditer(token.content):
            mark = marks.get(int(hit.group(1)))
            if mark is None:
                continue
            made += [Token("text", "", 0, content=token.content[at : hit.start()])]
            made += [Token("html_inline", "", 0, content=mark)]
            at = hit.end()
        made.append(Token("text", "", 0, content=token.content[at:]))
    return made


def to_html(text: str, marks: Mapping[int, str] | None = None) -> str:
    """``text`` in HTML.

    Args:
        text: Markdown by anyone.
        marks: trusted HTML to put in place of ``[1]`` and so on, outside code.
    """
    tokens = _PARSER.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h4" if token.tag in ("h1", "h2", "h3", "h4") else "h5"  # below the page's own headings
        if token.children and marks:
            token.children = _with_marks(token.children, marks)
    return str(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def plain(text: str) -> str:
    """A person's own words: as they are, with their line breaks."""
    return "<br>".join(escape(line) for line in text.splitlines())
