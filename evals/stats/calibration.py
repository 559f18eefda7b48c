"""Whether a model's confidence means anything: calibration error, Brier score, and what abstaining would gain.

The confidences are the softmax of the options' log-likelihoods, as the exam normalised them; the one of the chosen option is the model's
confidence in its answer. Items whose clusters are given are drawn again by cluster in the bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from evals.stats.clusters import ROUNDING, Clusters, cluster_places
from evals.stats.intervals import wilson

BINS = 10
REPLICATES = 1000
LARGEST = {"ece": 1.0, "brier": 2.0, "aurc": 1.0}

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Floats]  # of draws, ``[draws]``, by how often each item is drawn, ``[draws, items]``


def probabilities(scores: Sequence[float]) -> list[float]:
    """Softmax of one item's log-likelihoods (nats)."""
    return [float(value) for value in softmax(np.asarray(scores, dtype=float))]


def calibration(
    scores: Sequence[Sequence[float]],
    gold: Sequence[int],
    clusters: Clusters | None = None,
    bins: int = BINS,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Any]:
    """ECE, Brier score and AURC with 95% intervals by cluster bootstrap, and the points of the reliability plot.

    Brier and AURC have percentile intervals. Since a resample is less well calibrated than its sample, ECE has the basic (reflected) interval
    (Davison and Hinkley 1997, Bootstrap Methods and their Application, section 5.2), but that it begins at 0 where a model that is calibrated in
    every bin would often show as much, and that its upper end takes no bias off: the reflection alone misses the truth too often where this is
    small (coverage is simulated in the tests). Answers that are all right or all wrong, or one cluster, hold no variance to draw from; what is
    added on both sides then is Wilson's limit for none of so many clusters, as in ``mean_interval``.

    Args:
        scores: log-likelihoods (nats) of each item's options.
        gold: the right option of each item.
        clusters: of each item.
        bins: of equal number.
        replicates: draws of the bootstrap.
        seed: of the draws.

    Returns:
        ``{"ece", "brier", "aurc"}``, each ``{"value", "low", "high"}``, and ``"reliability"``, a list of ``{"n", "confidence", "accuracy"}``.

    Raises:
        ValueError: there are no items, or the lengths differ.
    """
    if not len(scores):
        raise ValueError("calibration needs at least one item")
    shares = [probabilities(item) for item in scores]
    confidence = np.array([max(item) for item in shares])
    chosen = np.array([int(np.argmax(item)) for item in scores])
    right = (chosen == np.asarray(gold)).astype(float)
    parts = _equal_mass(confidence, bins)
    measures = {"ece": _ece(confidence - right, parts), "brier": _brier(shares, gold), "aurc": _aurc(confidence, right)}
    calibrated = _ece(confidence - right, parts, centred=True)
    places = cluster_places(len(confidence), clusters)
    groups = int(places.max()) + 1
    drawn: dict[str, list[Floats]] = {name: [] for name in measures}
    by_chance: list[Floats] = []
    for weights in _draws(places, replicates, seed):
        for name, measure in measures.items():
            drawn[name].append(measure(weights))
        by_chance.append(calibrated(weights))
    alike = groups < 2 or right.min() == right.max()
    found: dict[str, Any] = {}
    for name, measure in measures.items():
        value = float(measure(np.ones((1, len(confidence))))[0])
        draws = np.concatenate(drawn[name])
        low, high = (float(edge) for edge in np.quantile(draws, [0.025, 0.975]))
        if name == "ece":
            low, high = 2 * value - high, value + float(draws.mean()) - low
            if value <= float(np.quantile(np.concatenate(by_chance), 0.975)):
                low = 0.0
        if alike or high - low <= ROUNDING:
            spare = LARGEST[name] * wilson(0, groups)[1]
            low, high = min(low, value - spare), max(high, value + spare)
        found[name] = {"value": value, "low": max(0.0, low), "high": min(LARGEST[name], high)}
    found["reliability"] = [
        {"n": len(part), "confidence": float(confidence[part].mean()), "accuracy": float(right[part].mean())}
        for part in parts
    ]
    return found


def _equal_mass(confidence: Floats, bins: int) -> list[NDArray[np.int64]]:
    """Places of the items in bins of equal number, by rising confidence."""
    order = np.argsort(confidence, kind="stable")
    return [part for part in np.array_split(order, min(bins, len(order))) if len(part)]


def _ece(gaps: Floats, parts: Sequence[NDArray[np.int64]], centred: bool = False) -> Measure:
    """Expected calibration error (Naeini et al. 2015) in bins of equal number (Nguyen and O'Connor 2015).

    The mean over items of | confidence - accuracy | of their bin; ``gaps`` are confidence less 1 or 0 of each item. Even a perfect model gets
    more than 0 on few items: ``centred`` on the bins' own gaps, the draws are what it would get by chance.
    """
    members = np.zeros((len(gaps), len(parts)))
    for number, part in enumerate(parts):
        members[part, number] = 1.0
    middle = gaps @ members / len(gaps) if centred else np.zeros(len(parts))

    def measure(weights: Floats) -> Floats:
        of_bins = (weights * gaps) @ members / weights.sum(axis=1, keepdims=True)
        result: Floats = np.abs(of_bins - middle).sum(axis=1)
        return result

    return measure


def _brier(shares: Sequence[Sequence[float]], gold: Sequence[int]) -> Measure:
    """Brier score over all options (Brier 1950, Monthly Weather Review 78:1-3): 0 is best, 2 is sure of what is wrong."""
    terms = np.array(
        [
            sum((p - (place == right)) ** 2 for place, p in enumerate(its))
            for its, right in zip(shares, gold, strict=True)
        ]
    )

    def measure(weights: Floats) -> Floats:
        result: Floats = (weights @ terms) / weights.sum(axis=1)
        return result

    return measure


def _aurc(confidence: Floats, right: Floats) -> Measure:
    """Area under the risk-coverage curve (Geifman, Uziel and El-Yaniv 2019, ICLR): the mean share of errors among the k most confident, over all k.

    Items of one confidence share their errors, so that their order does not matter.
    """
    order = np.argsort(-confidence, kind="stable")
    _, starts, sizes = np.unique(-confidence[order], return_index=True, return_counts=True)
    wrong = 1 - right[order]

    def measure(weights: Floats) -> Floats:
        weights = weights[:, order]
        covered = np.cumsum(weights, axis=1)
        drawn = np.add.reduceat(weights, starts, axis=1)  # of each confidence, ``[draws, confidences]``
        errors = np.add.reduceat(weights * wrong, starts, axis=1) / np.maximum(drawn, 1)
        risk = np.cumsum(weights * np.repeat(errors, sizes, axis=1), axis=1) / np.maximum(covered, 1)
        result: Floats = (weights * risk).sum(axis=1) / covered[:, -1]
        return result

    return measure


def _draws(places: NDArray[np.int64], replicates: int, seed: int) -> Iterator[Floats]:
    """How often each item is drawn, ``[draws, items]``, in parts that keep memory flat."""
    rng = np.random.default_rng(seed)
    groups = int(places.max()) + 1
    most = max(1, 100_000 // len(places))
    for start in range(0, replicates, most):
        size = min(most, replicates - start)
        yield rng.multinomial(groups, np.full(groups, 1 / groups), size=size)[:, places].astype(float)
