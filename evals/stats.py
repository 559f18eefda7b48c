"""Intervals, paired tests and baselines for the scores of an exam's items.

Items that share a passage are not independent: they are a cluster, and every interval takes ``clusters``, the name of each item's cluster
(None for an item that stands alone). A score is 0 or 1 for a choice, or a grade between.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm, t

Clusters = Sequence[Hashable | None]
REPLICATES = 9999  # of a bootstrap: its smallest p, 0.0001, stays significant after Holm over some hundred tests


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


def majority(golds: Sequence[Sequence[int]]) -> float:
    """The share that one gets who always names the same options: the commonest key.

    Raises:
        ValueError: there are no items.
    """
    if not golds:
        raise ValueError("a majority needs at least one item")
    return max(collections.Counter(frozenset(gold) for gold in golds).values()) / len(golds)


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval, and how it was made: "wilson", "clustered" or "t"."""

    value: float
    low: float
    high: float
    kind: str


def mean_interval(scores: Sequence[float], clusters: Clusters | None = None, confidence: float = 0.95) -> Interval:
    """The mean score with its interval.

    Wilson's for single items that are right or wrong. Where items share a cluster, Wilson's with the effective number of items, that which would
    give a simple sample the cluster-robust variance, lessened by (z / t)² for the few clusters that the variance is estimated from (Korn and
    Graubard 1998, Survey Methodology 24:193-201, who do so with the exact interval); its coverage is simulated in the tests. For grades,
    Student's t with the (cluster-robust) standard error, cut at 0 and 1.

    Args:
        scores: of each item, in [0, 1].
        clusters: of each item; None where all stand alone.
        confidence: the level.

    Raises:
        ValueError: there are no scores, or as many clusters as scores are not given.
    """
    if not len(scores):
        raise ValueError("an interval needs at least one answer")
    values = np.asarray(scores, dtype=float)
    sums, sizes = _by_cluster(values, clusters)
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    share, n, groups = float(values.mean()), len(values), len(sizes)
    if binary and groups == n:
        return Interval(share, *wilson(int(values.sum()), n, confidence), "wilson")
    if groups < 2:
        return Interval(share, 0.0, 1.0, "clustered" if n > 1 else "t")
    variance = groups / (groups - 1) * float(((sums - share * sizes) ** 2).sum()) / n**2
    z, student = norm.ppf(0.5 + confidence / 2), t.ppf(0.5 + confidence / 2, groups - 1)
    if not binary:
        half = student * math.sqrt(variance)
        return Interval(share, max(0.0, share - half), min(1.0, share + half), "t" if groups == n else "clustered")
    # Without any variance each cluster counts as one answer, the fewest that they can stand for.
    effective = min(n, share * (1 - share) / variance) if variance > 0 else groups
    effective *= (z / student) ** 2
    centre = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * math.sqrt(share * (1 - share) / effective + z**2 / (4 * effective**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), "clustered")


def _by_cluster(
    values: NDArray[np.float64], clusters: Clusters | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the values of each cluster."""
    places = cluster_places(len(values), clusters)
    return np.bincount(places, values).astype(float), np.bincount(places).astype(float)


def cluster_places(n: int, clusters: Clusters | None) -> NDArray[np.int64]:
    """The number of each item's cluster, ``[n]``; an item whose cluster is None is one of its own.

    Raises:
        ValueError: there are not ``n`` clusters.
    """
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise ValueError(f"each item needs its cluster; there are {n} items and {len(clusters)} clusters")
    numbers: dict[Hashable, int] = {}
    keys = [("alone", place) if name is None else ("of", name) for place, name in enumerate(clusters)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


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

    Where every cluster has the same mean difference there is no error to divide by. The interval is then Wilson's for none of so many clusters, on
    both sides of the difference, and p that of the sign test over the clusters (1 without any difference); the interval holds 0 unless p is
    below 1 - confidence.

    Raises:
        ValueError: the two are not of one length, or there are no items.
    """
    if len(before) != len(after):
        raise ValueError(f"paired answers must be on the same items; there are {len(before)} and {len(after)}")
    if not len(before):
        raise ValueError("a difference needs at least one item")
    gains = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    n, difference = len(gains), float(gains.mean())
    sums, sizes = _by_cluster(gains, clusters)
    groups = len(sizes)
    error = float(_errors(difference, sums, sizes, np.ones((1, groups)))[0])
    simple = float(gains.var()) / n
    deff = error**2 / simple if simple > 0 else 1.0
    if error == 0:
        edge = wilson(0, groups, confidence)[1]
        p = 1.0 if difference == 0 else float(binomtest(groups, groups, 0.5).pvalue)
        low, high = difference - edge, difference + edge
        if p >= 1 - confidence:
            low, high = min(low, 0.0), max(high, 0.0)
        return Paired(difference, max(-1.0, low), min(1.0, high), p, 1.0)
    # Clusters of one sum and size are alike: drawing how often each kind comes up is drawing the clusters.
    kinds, counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    rng = np.random.default_rng(seed)
    most = max(1, 2_000_000 // kinds.shape[1])  # draws at a time, so that memory stays flat
    ratios = np.concatenate(
        [
            _ratios(difference, kinds, rng.multinomial(groups, counts / groups, size=min(most, replicates - start)))
            for start in range(0, replicates, most)
        ]
    )
    critical = float(np.quantile(ratios, confidence, method="higher"))
    half = min(2.0, critical * error)
    p = (1 + int((ratios >= abs(difference) / error - 1e-12).sum())) / (1 + replicates)
    return Paired(difference, max(-1.0, difference - half), min(1.0, difference + half), p, deff)


def _ratios(difference: float, kinds: NDArray[np.float64], drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many standard errors each draw's mean is from ``difference``, ``[draws]``; ``drawn`` counts the clusters of each kind."""
    weights = drawn.astype(float)
    means = (weights @ kinds[0]) / (weights @ kinds[1])
    errors = _errors(means[:, None], kinds[0], kinds[1], weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: NDArray[np.float64] = np.abs(np.where(means == difference, 0.0, (means - difference) / errors))
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
