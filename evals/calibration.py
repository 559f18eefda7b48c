"""Whether a model's confidence means anything: calibration error, Brier score, and what abstaining would gain.

The confidences are the softmax of the options' log-likelihoods, as the exam normalised them; the one of the chosen option is the model's
confidence in its answer. Items whose clusters are given are drawn again by cluster in the bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from evals.stats import Clusters, cluster_places

BINS = 10
REPLICATES = 1000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Items of like confidence: how many, the mean confidence, and the share that is right."""

    n: int
    confidence: float
    accuracy: float


def probabilities(scores: Sequence[float]) -> list[float]:
    """Softmax of one item's log-likelihoods (nats)."""
    return [float(value) for value in softmax(np.asarray(scores, dtype=float))]


def _equal_mass(confidence: Floats, bins: int) -> list[NDArray[np.int64]]:
    """Places of the items in bins of equal number, by rising confidence."""
    order = np.argsort(confidence, kind="stable")
    return [part for part in np.array_split(order, min(bins, len(order))) if len(part)]


def reliability(confidence: Sequence[float], right: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """Points of a reliability plot, in bins of equal number."""
    values, hits = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    return [Bin(len(part), float(values[part].mean()), float(hits[part].mean())) for part in _equal_mass(values, bins)]


def ece(confidence: Sequence[float], right: Sequence[bool], bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al. 2015) in bins of equal number (Nguyen and O'Connor 2015).

    The mean over items of | accuracy - confidence | of their bin. Even a perfect model gets more than 0 on few items.
    """
    points = reliability(confidence, right, bins)
    return sum(point.n * abs(point.accuracy - point.confidence) for point in points) / len(confidence)


def brier(probability: Sequence[Sequence[float]], gold: Sequence[int]) -> float:
    """Brier score over all options (Brier 1950, Monthly Weather Review 78:1-3): 0 is best, 2 is sure of what is wrong."""
    return float(np.mean(_brier_terms(probability, gold)))


def _brier_terms(probability: Sequence[Sequence[float]], gold: Sequence[int]) -> Floats:
    return np.array(
        [
            sum((p - (place == right)) ** 2 for place, p in enumerate(its))
            for its, right in zip(probability, gold, strict=True)
        ]
    )


def aurc(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """Area under the risk-coverage curve (Geifman, Uziel and El-Yaniv 2019, ICLR): the mean share of errors among the k most confident, over all k.

    Items of one confidence share their errors, so that their order does not matter.
    """
    values, wrong = np.asarray(confidence, dtype=float), 1 - np.asarray(right, dtype=float)
    order = np.argsort(-values, kind="stable")
    return float(_aurc(_shared(values[order], wrong[order]), np.ones((1, len(order))))[0])


def _shared(confidence: Floats, wrong: Floats) -> Floats:
    """Errors of sorted items, the mean of those with the same confidence."""
    _, groups = np.unique(-confidence, return_inverse=True)
    means: Floats = (np.bincount(groups, wrong) / np.bincount(groups))[groups]
    return means


def _aurc(wrong: Floats, weights: Floats) -> Floats:
    """AURC of draws, ``[draws]``; ``wrong`` is ``[items]`` by falling confidence and ``weights`` ``[draws, items]``."""
    covered = np.cumsum(weights, axis=1)
    risk = np.cumsum(weights * wrong, axis=1) / np.maximum(covered, 1)
    result: Floats = (weights * risk).sum(axis=1) / covered[:, -1]
    return result


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
    (Davison and Hinkley 1997, Bootstrap Methods and their Application, section 5.2), cut at 0, in the bins of the whole sample.

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
    hits = (chosen == np.asarray(gold)).astype(float)
    terms = _brier_terms(shares, gold)
    parts = _equal_mass(confidence, bins)
    members = np.zeros((len(confidence), len(parts)))
    for number, part in enumerate(parts):
        members[part, number] = 1.0
    order = np.argsort(-confidence, kind="stable")
    wrong = _shared(confidence[order], 1 - hits[order])

    def ece_of(weights: Floats) -> Floats:
        gaps: Floats = np.abs((weights * (confidence - hits)) @ members).sum(axis=1) / weights.sum(axis=1)
        return gaps

    def brier_of(weights: Floats) -> Floats:
        means: Floats = (weights @ terms) / weights.sum(axis=1)
        return means

    measures: dict[str, Callable[[Floats], Floats]] = {
        "ece": ece_of,
        "brier": brier_of,
        "aurc": lambda weights: _aurc(wrong, weights[:, order]),
    }
    whole = np.ones((1, len(confidence)))
    parts_drawn: dict[str, list[Floats]] = {name: [] for name in measures}
    for weights in _draws(cluster_places(len(confidence), clusters), replicates, seed):
        for name, measure in measures.items():
            parts_drawn[name].append(measure(weights))
    found: dict[str, Any] = {}
    for name, measure in measures.items():
        value = float(measure(whole)[0])
        low, high = (float(edge) for edge in np.quantile(np.concatenate(parts_drawn[name]), [0.025, 0.975]))
        if name == "ece":
            low, high = max(0.0, 2 * value - high), max(0.0, 2 * value - low)
        found[name] = {"value": value, "low": low, "high": high}
    found["reliability"] = [
        {"n": len(part), "confidence": float(confidence[part].mean()), "accuracy": float(hits[part].mean())}
        for part in parts
    ]
    return found


def _draws(places: NDArray[np.int64], replicates: int, seed: int) -> Iterator[Floats]:
    """How often each item is drawn, ``[draws, items]``, in parts that keep memory flat."""
    rng = np.random.default_rng(seed)
    groups = int(places.max()) + 1
    most = max(1, 100_000 // len(places))
    for start in range(0, replicates, most):
        size = min(most, replicates - start)
        yield rng.multinomial(groups, np.full(groups, 1 / groups), size=size)[:, places].astype(float)
