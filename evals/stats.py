"""Intervals and paired tests for shares of right answers."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binomtest


def wilson(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927) of the share ``right / total``.

    Raises:
        ValueError: ``total`` is not positive.
    """
    if total <= 0:
        raise ValueError("an interval needs at least one answer")
    interval = binomtest(right, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Two-sided p of the exact McNemar test (McNemar 1947) on the same items answered twice.

    Only the items on which the two differ count; without any, p is 1.

    Raises:
        ValueError: the two are not of one length.
    """
    if len(before) != len(after):
        raise ValueError(f"paired answers must be on the same items; there are {len(before)} and {len(after)}")
    gained = sum(new and not old for old, new in zip(before, after, strict=True))
    lost = sum(old and not new for old, new in zip(before, after, strict=True))
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5).pvalue)
