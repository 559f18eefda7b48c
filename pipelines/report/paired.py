"""Two models that sat the same exam stage, item by item."""

from __future__ import annotations

from typing import Any

from evals.stats.mcnemar import discordant, mcnemar


def compare(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, float]]:
    """For each set of items that both sat: the difference of accuracy and exact McNemar's p."""
    found = {}
    for name in before["items"]:
        if name not in after["items"]:
            continue
        old = {answer["item"]: answer["right"] for answer in before["items"][name]["answers"]}
        new = {answer["item"]: answer["right"] for answer in after["items"][name]["answers"]}
        both = [item for item in old if item in new]
        if not both:
            continue
        first, second = [old[item] for item in both], [new[item] for item in both]
        gained, lost = discordant(first, second)
        found[name] = {
            "n": len(both),
            "gained": gained,
            "lost": lost,
            "difference": (sum(second) - sum(first)) / len(both),
            "p": mcnemar(first, second),
        }
    return found
