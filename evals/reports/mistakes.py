"""The wrong answers of a task that are worth reading: those that the model was surest of."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

from corpora.page import percent
from corpora.records import LETTERS
from evals.figures.results import Row, read_items
from evals.reports.cells import plain
from evals.stats.calibration import probabilities

MISTAKES = 5  # shown of each task


def mistakes(folder: Path) -> list[str]:
    """The wrong answers that the model was surest of; where it gave no likelihoods, the first ones."""
    wrong = ((_confidence(item), -place, item) for place, item in enumerate(read_items(folder)) if item["score"] < 0.5)
    worst = heapq.nlargest(MISTAKES, wrong, key=lambda one: one[:2])
    if not worst:
        return []
    sure = any(item.get("scores") for _, _, item in worst)
    lines = [f"### {'Confidently wrong' if sure else 'Wrong answers'}", ""]
    for confidence, _, item in worst:
        told = f" ({percent(confidence)}% sure)" if item.get("scores") else ""
        note = _known_error(item)
        lines += [f"**{plain(str(item['id']))}**{told}.{note} {plain(str(item.get('question', '')))}", ""]
        lines += [f"- {_option(place, option, item)}" for place, option in enumerate(item["options"])]
        if item["chosen"] is None and item.get("text") is not None:
            lines += ["", f"No choice was found in: {plain(str(item['text']), 300) or '(nothing)'}"]
        if refused := item.get("refused"):
            lines += ["", f"The server refused it, {refused['kind']}: {plain(str(refused['message']), 300)}"]
        lines += [""]
    return lines


def _known_error(item: Row) -> str:
    """What is known to be wrong with an item, as a sentence."""
    wrong = item.get("key_error")
    return f" **Known error of this item**: {plain(str(wrong))}." if wrong else ""


def _option(place: int, option: Any, item: Row) -> str:
    letter = LETTERS[place] if place < len(LETTERS) else str(place + 1)
    marks = ["✓ key"] if place in item["gold"] else []
    marks += ["✗ chosen"] if place in (item["chosen"] or []) and place not in item["gold"] else []
    text = f"{letter}\\. {plain(str(option), 200)}"
    return f"**{text}** — {', '.join(marks)}" if marks else text


def _confidence(item: Row) -> float:
    return max(probabilities(item["scores"])) if item.get("scores") else 0.0
