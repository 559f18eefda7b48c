"""The mean difference of two models on the same items, with interval and p from a bootstrap over whole clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from evals.stats.clusters import ROUNDING, Clusters, by_cluster
from evals.stats.intervals import wilson

REPLICATES = 9999  # of a bootstrap: its smallest p, 0.0001, stays significant after Holm over some hundred tests


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
    """The mean difference on the same items, with interval and p of the symmetric cluster bootstrap-t.

    Whole clusters are drawn again with all their items (pairs cluster bootstrap), and the difference is divided by its cluster-robust standard
    error in each draw (Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90:414-427; Hall 1988, Journal of the Royal
    Statistical Society B 50:35-45, for the symmetric form). Interval and p agree: 0 lies outside just when p is below 1 - confidence, but for
    ties of the draws. Coverage and rate of false alarms are simulated in the tests.

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
    groups = len(sizes)
    error = float(_errors(difference, sums, sizes, np.ones((1, groups)))[0])
    if error <= ROUNDING:
        return _of_alike_clusters(difference, groups, most, confidence)
    ratios = _drawn_ratios(difference, sums, sizes, replicates, seed)
    half = float(np.quantile(ratios, confidence, method="higher")) * error
    p = (1 + int((ratios >= abs(difference) / error - 1e-12).sum())) / (1 + replicates)
    alone = float(gains.std(ddof=1)) / math.sqrt(len(gains))  # the standard error if no items shared a cluster
    deff = (error / alone) ** 2 if alone > ROUNDING else 1.0
    return Paired(difference, max(-most, difference - half), min(most, difference + half), p, deff)


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


def _drawn_ratios(
    difference: float, sums: NDArray[np.float64], sizes: NDArray[np.float64], replicates: int, seed: int
) -> NDArray[np.float64]:
    """How many standard errors the mean of each of ``replicates`` draws of the clusters is from ``difference``, ``[replicates]``."""
    # Clusters of one sum and size are alike: drawing how often each kind comes up is drawing the clusters.
    kinds, counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    groups = len(sizes)
    rng = np.random.default_rng(seed)
    at_once = max(1, 2_000_000 // kinds.shape[1])  # draws, so that memory stays flat
    return np.concatenate(
        [
            _ratios(difference, kinds, rng.multinomial(groups, counts / groups, size=min(at_once, replicates - start)))
            for start in range(0, replicates, at_once)
        ]
    )


def _ratios(difference: float, kinds: NDArray[np.float64], drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many standard errors each draw's mean is from ``difference``, ``[draws]``; ``drawn`` counts the clusters of each kind."""
    weights = drawn.astype(float)
    means = (weights @ kinds[0]) / (weights @ kinds[1])
    errors = _errors(means[:, None], kinds[0], kinds[1], weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: NDArray[np.float64] = np.abs(
            np.where(np.abs(means - difference) <= ROUNDING, 0.0, (means - difference) / errors)
        )
    return ratios


def _errors(
    mean: NDArray[np.float64] | float,
    sums: NDArray[np.float64],
    sizes: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cluster-robust standard errors of means, ``[draws]``, where cluster ``c`` was drawn ``weights[draw, c]`` times."""
    groups = weights.sum(axis=1)
    squares = (weights * (sums - mean * sizes) ** 2).sum(axis=1)
    result: NDArray[np.float64] = np.sqrt(groups / np.maximum(groups - 1, 1) * squares) / (weights @ sizes)
    return result
