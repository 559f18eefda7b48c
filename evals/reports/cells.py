"""What the cells of a report's tables are made by, and texts of others shown as text."""

from __future__ import annotations

import html
import re

from corpora.page import percent
from evals.figures.results import Row

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>])")


def plain(text: str, most: int = 700) -> str:
    """A text of others as Markdown that shows it and does nothing else, on one line."""
    text = " ".join(text.split())
    text = text if len(text) <= most else text[: most - 1].rstrip() + "…"
    return _MARKDOWN.sub(r"\\\1", html.escape(text, quote=False))


def interval(found: Row) -> str:
    """Accuracy, or the mean score of open answers, with its 95% interval; a dash where no answer has a score."""
    if found["accuracy"] is None:
        return "–"
    return f"{percent(found['accuracy'])} ({percent(found['low'])} to {percent(found['high'])})"


def unparsed(found: Row) -> str:
    """The share of unparsed answers in %, and of which items nothing was asked since the server refused them."""
    refused = sum((found.get("refused") or {}).values())
    shown = percent(found.get("unparsed") or 0)
    return f"{shown} ({percent(refused / found['n'])} refused)" if refused else shown


def touched(found: Row) -> list[str]:
    """How many items stand in the training text, and the score on the others."""
    seen = found.get("contamination")
    if seen is None:
        return ["not looked for", "–"]
    if seen["status"] == "unknown":
        return ["training data unknown", "–"]
    told = f"{seen['touched']:,} ({percent(seen['share'])}%)" + (
        "; rest of the training data unknown" if seen["unknown"] else ""
    )
    clean = seen["clean"]
    return [told, f"{interval(clean)}, n {clean['n']:,}" if seen["touched"] and clean else "–"]
