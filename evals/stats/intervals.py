"""The interval of a mean score: Wilson's for right and wrong answers, Student's t for grades, and both for clustered items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, norm, t

from evals.stats.clusters import ROUNDING, Clusters, by_cluster, mean_error


def wilson(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927) of the share ``right / total``.

    Raises:
        ValueError: ``total`` is not positive.
    """
    if total <= 0:
        raise ValueError("an interval needs at least one answer")
    interval = binomtest(right, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


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
    Student's t with the (cluster-robust) standard error, cut at 0 and 1. Error and degrees of freedom are those of ``clusters.mean_error``. Grades
    without any variance have no such error; theirs is, on both sides, Wilson's for none of so many clusters.

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
    sums, sizes = by_cluster(values, clusters)
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    share, n, groups = float(values.mean()), len(values), len(sizes)
    if binary and groups == n:
        return Interval(share, *wilson(int(values.sum()), n, confidence), "wilson")
    if groups < 2:
        return Interval(share, 0.0, 1.0, "clustered" if n > 1 else "t")
    error, freedom = mean_error(sums, sizes)
    z, student = float(norm.ppf(0.5 + confidence / 2)), float(t.ppf(0.5 + confidence / 2, freedom))
    if not binary:
        half = student * error if error > ROUNDING else wilson(0, groups, confidence)[1]
        return Interval(share, max(0.0, share - half), min(1.0, share + half), "t" if groups == n else "clustered")
    # Without any variance each cluster counts as one answer, the fewest that they can stand for.
    effective = min(n, share * (1 - share) / error**2) if error > ROUNDING else groups
    effective *= (z / student) ** 2
    centre = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * math.sqrt(share * (1 - share) / effective + z**2 / (4 * effective**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), "clustered")
