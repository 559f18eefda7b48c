"""The items of an exam by cluster: those that share a passage are drawn, and vary, together."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Clusters = Sequence[Hashable | None]
# A standard error of scores in [0, 1] below this is rounding and not variance: a single right answer among a million gives 1e-6.
ROUNDING = 1e-9


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


def by_cluster(
    values: NDArray[np.float64], clusters: Clusters | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the values of each cluster, ``[clusters]`` each."""
    places = cluster_places(len(values), clusters)
    return np.bincount(places, values).astype(float), np.bincount(places).astype(float)


def mean_error(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> tuple[float, float]:
    """Standard error of the mean of clustered values, and its degrees of freedom.

    The variance of Bell and McCaffrey 2002 (Survey Methodology 28:169-181; "CR2"), whose bias-corrected residuals and Satterthwaite's degrees of
    freedom allow for clusters that are few, or of unlike sizes: one large cluster among small ones leaves hardly more than one degree. With
    clusters of one size these are the usual error and one degree less than clusters.

    Args:
        sums: of the values of each cluster, ``[clusters]``; two clusters at least.
        sizes: their numbers, ``[clusters]``.
    """
    n = float(sizes.sum())
    left = 1 / (1 - sizes / n)  # what is added for what each cluster has drawn the mean to itself
    error = math.sqrt(float((left * (sums - sums.sum() / n * sizes) ** 2).sum())) / n
    # Of the quadratic form in independent values: the square of its trace, n, by the trace of its square.
    weighted = left * sizes
    square = (
        float((weighted**2).sum()) - 2 / n * float((weighted**2 * sizes).sum()) + float((weighted @ sizes) ** 2) / n**2
    )
    return error, n**2 / square
