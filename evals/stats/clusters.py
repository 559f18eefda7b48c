"""The items of an exam by cluster: those that share a passage are drawn, and vary, together."""

from __future__ import annotations

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
