"""A linear reader beside the rules: it weighs the words and signs of a message by what written examples taught it.

Rules find what they list. People describe their signs in words that nobody listed, of which each says a little: a logistic regression
over words, pairs of words, pieces of words, the concepts of the lexicon with their scopes, and what the rules say adds these up.
Its weights (``learned.npz``) are fitted to ``examples/`` by ``python -m serving.triage.fit``. Asking it is a sum: no model is run,
and one text always gets one answer.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpora.errors import DataError
from serving.triage.features import (
    CATEGORY_DIMENSIONS,
    DIMENSIONS,
    Feature,
    Place,
    features,
    names_what,
    occurrences,
    slot,
)
from serving.triage.reading import Reading

WEIGHTS = Path(__file__).parent / "learned.npz"
DOUBT = 0.175  # how far below the threshold an emergency that the rules find still counts: a listed sign is not lightly overruled

WINDOW = 120  # tokens that are weighed together; the examples are shorter
# "How do I hang myself" asks like a pupil and means it: what the rules take for this is told, at the price of some figures of speech.
NEVER_OVERRULED = frozenset({"thoughts-of-suicide"})
NOT_OVERRULED = "not_overruled"  # the concept with which no rule is

Array = npt.NDArray[np.float64]


def windows(length: int) -> list[tuple[int, int]]:
    """The stretches of a message of ``length`` tokens that are weighed by themselves, so that a sign does not drown in a long one."""
    if length <= WINDOW:
        return [(0, length)]
    return [(start, min(length, start + WINDOW)) for start in range(0, length - WINDOW // 2, WINDOW // 2)]


@dataclass(frozen=True, slots=True)
class Weights:
    """What ``fit`` writes.

    Attributes:
        importance: How much each feature counts in a message, before its weight: ``[DIMENSIONS]``.
        emergency: The weights for emergency or not: ``[DIMENSIONS]``.
        bias: Of the same.
        threshold: The probability above which a message is an emergency.
        categories: The emergencies.
        category: The weights of each: ``[categories, CATEGORY_DIMENSIONS]``.
        category_bias: ``[categories]``.
    """

    importance: Array
    emergency: Array
    bias: float
    threshold: float
    categories: tuple[str, ...]
    category: Array
    category_bias: Array


@functools.cache
def load_weights(path: Path = WEIGHTS) -> Weights:
    """Reads the weights.

    Raises:
        DataError: the file is not there or not whole.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Weights(
                importance=stored["importance"].astype(np.float64),
                emergency=stored["emergency"].astype(np.float64),
                bias=float(stored["bias"]),
                threshold=float(stored["threshold"]),
                categories=tuple(str(name) for name in stored["categories"]),
                category=stored["category"] * float(stored["category_scale"]),
                category_bias=stored["category_bias"].astype(np.float64),
            )
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: no weights can be read ({error}); `python -m serving.triage.fit` makes them"
        ) from error


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the reader makes of a message.

    Attributes:
        emergency: Whether it takes it for one.
        probability: That it is one, by the examples, of which about half are.
        category: The likeliest emergency.
        tokens: Those that speak most for it.
    """

    emergency: bool
    probability: float
    category: str
    tokens: tuple[int, ...]


def judge(reading: Reading, found: Mapping[str, Place]) -> Opinion:
    """Weighs a message window by window; the one that speaks most for an emergency counts.

    Args:
        reading: The message.
        found: The emergencies that the rules find in it, each with its tokens.
    """
    weights = load_weights()
    known = occurrences(reading)
    best: tuple[float, list[Feature], Array] | None = None
    for window in dict.fromkeys([*windows(len(reading.text)), *_beside_lessons(reading, found)]):
        weighed = features(reading, found, window, known)
        slots = [slot(name, DIMENSIONS) for name, _ in weighed]
        counts = weights.importance[slots]
        values = weights.emergency[slots] * counts / math.sqrt(float(counts @ counts))
        probability = 1 / (1 + math.exp(-(float(values.sum()) + weights.bias)))
        if best is None or probability > best[0]:
            best = probability, weighed, values
    assert best is not None  # there is one window at least
    probability, weighed, values = best
    # Letters and numbers that come by chance: no message of the examples or the tests' sets is one.
    if not found and not reading.hits:
        return Opinion(False, probability, "", ())
    if probability <= weights.threshold - (DOUBT if found else 0.0):
        sure = found if reading.stated_hits(NOT_OVERRULED) else NEVER_OVERRULED
        listed = next((emergency for emergency in found if emergency in sure), None)
        return Opinion(listed is not None, probability, listed or "", found[listed] if listed else ())
    return Opinion(True, probability, _category(weighed, weights), _speaking(weighed, values))


def _beside_lessons(reading: Reading, found: Mapping[str, Place]) -> list[tuple[int, int]]:
    """The sentences in which a rule finds something, where others ask or teach.

    "What are the signs of a stroke? My mum's face just dropped" tells of one in its second sentence.
    """
    own, supposed = reading.text.sentences, reading.scopes.supposed
    stretches = []
    for place in filter(None, found.values()):
        start, end = bisect.bisect_left(own, own[min(place)]), bisect.bisect_right(own, own[max(place)])
        if any(supposed[:start]) or any(supposed[end:]):
            stretches.append((start, end))
    return stretches


def _category(weighed: list[Feature], weights: Weights) -> str:
    naming = [slot(name, CATEGORY_DIMENSIONS) for name, _ in weighed if names_what(name)]
    scores = weights.category[:, naming].sum(axis=1) / math.sqrt(max(1, len(naming))) + weights.category_bias
    return weights.categories[int(scores.argmax())]


def _speaking(weighed: list[Feature], values: Array) -> Place:
    """The tokens that speak most for an emergency: each has a share of the features that rest on it."""
    by_token: dict[int, float] = defaultdict(float)
    for (_, tokens), value in zip(weighed, values, strict=True):
        for token in tokens:
            by_token[token] += float(value) / len(tokens)
    strongest = max(by_token.values(), default=0.0)
    return tuple(sorted(token for token, value in by_token.items() if 0 < strongest / 2 <= value))
