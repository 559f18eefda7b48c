"""What one scores who knows nothing: by guessing, and by always naming the commonest key."""

from __future__ import annotations

import collections
from collections.abc import Sequence


def chance(options: int, several: bool = False) -> float:
    """The share of right answers of one who guesses: one of the options, or, where several may be right, any set of them."""
    return 1 / 2**options if several else 1 / options


def majority(golds: Sequence[Sequence[int]]) -> float:
    """The share that one gets who always names the same options: the commonest key.

    Raises:
        ValueError: there are no items.
    """
    if not golds:
        raise ValueError("a majority needs at least one item")
    return max(collections.Counter(frozenset(gold) for gold in golds).values()) / len(golds)
