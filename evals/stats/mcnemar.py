"""McNemar's test of two models on the same items, what difference it could have shown, and p-values adjusted for their number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.optimize import brentq
from scipy.stats import binomtest, norm


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Two-sided p of the exact McNemar test (McNemar 1947) on the same items answered twice.

    Only the items on which the two differ count; without any, p is 1. The test is conservative: since p takes few values, fewer than 5 of 100
    true null hypotheses are rejected at 5%.

    Raises:
        ValueError: the two are not of one length.
    """
    gained, lost = discordant(before, after)
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5).pvalue)


def discordant(before: Sequence[bool], after: Sequence[bool]) -> tuple[int, int]:
    """How many items only the second got right, and how many only the first.

    Raises:
        ValueError: the two are not of one length.
    """
    if len(before) != len(after):
        raise ValueError(f"paired answers must be on the same items; there are {len(before)} and {len(after)}")
    gained = sum(bool(new) and not old for old, new in zip(before, after, strict=True))
    lost = sum(bool(old) and not new for old, new in zip(before, after, strict=True))
    return gained, lost


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, in the order given, so that one that is below 5% is significant (Holm 1979).

    Holm, Scandinavian Journal of Statistics 6:65-70; it needs no independence of the tests.
    """
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted


def minimal_difference(n: float, discordance: float, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """The smallest difference of accuracy that McNemar's two-sided test would have found on ``n`` items with this power.

    Solves n = (z_α √ψ + z_β √(ψ - δ²))² / δ² for δ (Connor 1987, Biometrics 43:207-211), ψ the share of items on which the two differ.

    Args:
        n: items, or their effective number where they are clustered.
        discordance: ψ.
        power: of the test.
        alpha: its level.

    Returns:
        None where even a difference on all of the discordant items (δ = ψ) would have been missed.
    """
    z_alpha, z_beta = norm.ppf(1 - alpha / 2), norm.ppf(power)

    def lacking(delta: float) -> float:
        return float(
            z_alpha * math.sqrt(discordance)
            + z_beta * math.sqrt(max(0.0, discordance - delta**2))
            - delta * math.sqrt(n)
        )

    if discordance <= 0 or n <= 0 or lacking(discordance) > 0:
        return None
    return float(brentq(lacking, 0.0, discordance))
