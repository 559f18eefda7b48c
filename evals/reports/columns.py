"""What a report says of an exam's items themselves: known errors, and what stands in the training text; with what the cells are made by."""

from __future__ import annotations

import html
import re

from corpora.page import percent
from evals.contamination import in_words
from evals.results import Row

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>])")


def plain(text: str, most: int = 700) -> str:
    """A text of others as Markdown that shows it and does nothing else, on one line."""
    text = " ".join(text.split())
    text = text if len(text) <= most else text[: most - 1].rstrip() + "…"
    return _MARKDOWN.sub(r"\\\1", html.escape(text, quote=False))


def interval(found: Row) -> str:
    """Accuracy with its 95% interval."""
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


def contamination(found: Row) -> list[str]:
    """Where the items were looked for, and the first that were found."""
    seen = found.get("contamination")
    if seen is None:
        return []
    lines = ["### In the training text", "", f"{plain(in_words(seen), 3000)}.", ""]
    lines += [
        f"- {plain(str(one['item']))} in {plain(str(one['record']))} ({plain(str(one['corpus']))}), {percent(one['share'])}% of the question"
        for one in seen["examples"]
    ]
    more = (seen["touched"] or 0) - len(seen["examples"])
    return [*lines, *([f"- and {more:,} more"] if more > 0 else []), ""]


def error_lists(task: Row, found: Row) -> list[str]:
    """By which lists items count as known errors, with what these looked at."""
    lists = task.get("key_errors") or []
    if not lists or not found.get("key_errors"):
        return []
    return [
        f"Known errors of the key, the question or the options: {found['key_errors']:,} of {found['n']:,} items.",
        "",
        *(f"- {plain(str(one['title']))}: {plain(str(one['source']))}. {plain(str(one['about']))}" for one in lists),
        "",
    ]


def known_error(item: Row) -> str:
    """What is known to be wrong with an item, as a sentence."""
    wrong = item.get("key_error")
    if not wrong:
        return ""
    return (
        f" **Known error of this item**: {plain(wrong)}."
        if isinstance(wrong, str)
        else " The key of this item is a known error."
    )
