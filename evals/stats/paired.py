"""The mean difference of two models on the same items, with interval and p from a bootstrap over whole clusters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from evals.stats.clusters import ROUNDING, Clusters, by_cluster
from evals.stats.intervals import wilson

REPLICATES = 9999  # of a bootstrap: its smallest p, 0.0001, stays significant after Holm over some hundred tests
ALIKE = 8  # clusters of one sum and size, from which on they are drawn together
HALVINGS = 24  # of the way to the end of an interval, whose places are exact to six digits

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """How much higher the second scored than the first, with interval and p; ``deff`` is the design effect of the clusters."""

    difference: float
    low: float
    high: float
    p: float
    deff: float


def paired_difference(
    before: Sequence[float],
    after: Sequence[float],
    clusters: Clusters | None = None,
    confidence: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Paired:
    """The mean difference on the same items, with interval and p of the wild cluster bootstrap-t.

    If the true difference is d, what a cluster has beyond d per item might as well have had the other sign: whole clusters are drawn again with random
    signs, each draw's mean is divided by its cluster-robust standard error, and p is the share of draws that are as many errors away from d as the
    answers are (Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90:414-427, with the null hypothesis imposed). Of single items
    that are right or wrong this is McNemar's test. The interval holds each d that is not rejected, so that 0 lies outside just when p is below
    1 - confidence. Where clusters are few and of unlike sizes, drawing them with replacement rejects too often (9.7% instead of 5% with 10 of them)
    and this does not: coverage and rate of false alarms are simulated in the tests. Five clusters show nothing at 5%, whatever their answers: there
    are 32 ways to draw their signs.

    Where every cluster has the same mean difference there is no error to divide by; see ``_of_alike_clusters``.

    Args:
        before: the first model's score of each item.
        after: the second's of the same items.
        clusters: of each item; None where all stand alone.
        confidence: the level.
        replicates: draws of the bootstrap.
        seed: of the draws.

    Raises:
        ValueError: the two are not of one length, or there are no items.
    """
    if len(before) != len(after):
        raise ValueError(f"paired answers must be on the same items; there are {len(before)} and {len(after)}")
    if not len(before):
        raise ValueError("a difference needs at least one item")
    gains = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    difference, most = float(gains.mean()), max(1.0, float(np.abs(gains).max()))
    sums, sizes = by_cluster(gains, clusters)
    groups, n = len(sizes), len(gains)
    error = math.sqrt(groups / max(1, groups - 1) * float(((sums - difference * sizes) ** 2).sum())) / n
    if error <= ROUNDING:
        return _of_alike_clusters(difference, groups, most, confidence)
    p_of = _p_of(sums, sizes, replicates, seed)
    p = p_of(0.0)
    alpha = 1 - confidence - ROUNDING  # 1 - 0.95 is a little above 0.05 in floats, and p may be 0.05 to the digit
    low, high = (_edge(p_of, difference, end, alpha) for end in (-most, most))
    if p >= alpha:  # of few clusters 0 may be held although its neighbours are rejected
        low, high = min(low, 0.0), max(high, 0.0)
    alone = float(gains.std(ddof=1)) / math.sqrt(n)  # the standard error if no items shared a cluster
    deff = (error / alone) ** 2 if alone > ROUNDING else 1.0
    return Paired(difference, low, high, p, deff)


def _of_alike_clusters(difference: float, groups: int, most: float, confidence: float) -> Paired:
    """The difference where all clusters have the same.

    The interval is Wilson's for none of so many clusters, on both sides of the difference, and p that of the sign test over the clusters (1 without
    any difference); the interval holds 0 unless p is below 1 - confidence.
    """
    edge = most * wilson(0, groups, confidence)[1]
    p = 1.0 if abs(difference) <= ROUNDING else float(binomtest(groups, groups, 0.5).pvalue)
    low, high = difference - edge, difference + edge
    if p >= 1 - confidence:
        low, high = min(low, 0.0), max(high, 0.0)
    return Paired(difference, max(-most, low), min(most, high), p, 1.0)


def _p_of(sums: Floats, sizes: Floats, replicates: int, seed: int) -> Callable[[float], float]:
    """The p of any supposed difference, on the same draws.

    What a cluster has beyond the supposed difference d is its sum less d times its size. The mean of a draw and its squared error are polynomials in
    d, whose coefficients are sums over the clusters: they are taken once.
    """
    n = float(sizes.sum())
    counts, sums, sizes = _kinds(sums, sizes)
    squares = float(counts @ sizes**2)
    columns = np.stack([sums, sizes, sums * sizes, sizes**2], axis=1)
    rng = np.random.default_rng(seed)
    at_once = max(1, 2_000_000 // len(sizes))  # draws, so that memory stays flat
    parts = [_signs(counts, min(at_once, replicates - start), rng) @ columns for start in range(0, replicates, at_once)]
    total, size, total_size, size_size = np.concatenate(parts).T

    def p(supposed: float) -> float:
        beyond = sums - supposed * sizes
        mean = float(counts @ beyond) / n
        found = mean**2 / float(counts @ (beyond - mean * sizes) ** 2)
        means = (total - supposed * size) / n
        spread = float(counts @ beyond**2) + means * (means * squares - 2 * (total_size - supposed * size_size))
        # Compared without a division: the clusters of a draw may all have one mean, and so no error.
        return float(1 + (means**2 >= (found - ROUNDING) * spread).sum()) / (1 + replicates)

    return p


def _kinds(sums: Floats, sizes: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Clusters that are drawn together: their number, the sum that each has, and its size; first those of which there are several."""
    kinds, counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    many = counts >= ALIKE
    singly = np.repeat(kinds[:, ~many], counts[~many], axis=1)
    ones = np.ones(singly.shape[1], dtype=np.int64)
    together = np.concatenate([kinds[:, many], singly], axis=1)
    return np.concatenate([counts[many], ones]), together[0], together[1]


def _signs(counts: NDArray[np.int64], draws: int, rng: np.random.Generator) -> Floats:
    """Sum of the random signs of each kind's clusters, ``[draws, kinds]``."""
    several = counts[counts > 1]
    found = np.empty((draws, len(counts)))
    found[:, : len(several)] = 2.0 * rng.binomial(several, 0.5, size=(draws, len(several))) - several
    found[:, len(several) :] = 2.0 * rng.integers(0, 2, size=(draws, len(counts) - len(several)), dtype=np.int8) - 1
    return found


def _edge(p_of: Callable[[float], float], difference: float, end: float, alpha: float) -> float:
    """The first rejected place between ``difference``, which never is, and ``end``, beyond which no difference can be."""
    if p_of(end) >= alpha:
        return end
    inside, outside = difference, end
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_of(middle) >= alpha else (inside, middle)
    return outside
