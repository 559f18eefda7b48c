"""Which of a prompt's scored answers become preference pairs, with length control."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pipelines.config import Pairing

NO_SCORE = "fewer than two answers with a score"
ALIKE = "all answers score alike"
NEAR = "scores differ by less than min_margin"
TOO_LONG = "the chosen would be too long (max_length_ratio)"
EMPTY = "an empty answer"
ROUNDING = 1e-9  # 0.3 - 0.1 is less than 0.2 in floating point


def paired(
    texts: Sequence[str],
    scores: Sequence[float | None],
    lengths: Sequence[int],
    pairing: Pairing,
    min_margin: float,
    rng: random.Random,
) -> tuple[list[tuple[int, int]], str]:
    """Places of (chosen, rejected) answers, or why there are none.

    Answers that are empty, and a pair of texts that was there before, are left out. ``best_worst`` takes the pair of the widest margin that the
    length control lets pass, ``best_random`` a rejected answer at random among those that are far enough below the best, ``all`` every pair.

    Args:
        texts: the answers.
        scores: of each; None where there is none.
        lengths: of each, in tokens.
        pairing: what the recipe says.
        min_margin: least difference of score.
        rng: draws the rejected answer of ``best_random``.
    """
    known = {place: value for place, value in enumerate(scores) if value is not None}
    if len(known) < 2:
        return [], NO_SCORE
    best = max(known.values())
    if best == min(known.values()):
        return [], ALIKE
    apart = [
        (a, b)
        for a in known
        for b in known
        if known[a] - known[b] >= min_margin - ROUNDING and a != b and texts[a] != texts[b]
    ]
    if not apart:
        return [], NEAR
    fit = [
        (a, b)
        for a, b in apart
        if pairing.max_length_ratio is None or lengths[a] <= pairing.max_length_ratio * lengths[b]
    ]
    if not fit:
        return [], TOO_LONG
    fit = [(a, b) for a, b in fit if texts[a] and texts[b]]
    if not fit:
        return [], EMPTY
    # The widest margin first; the scores themselves tell apart what rounding made equal; then the answers' own order.
    fit.sort(key=lambda pair: (known[pair[1]] - known[pair[0]], -known[pair[0]], known[pair[1]]))
    if pairing.take == "all":
        once: dict[tuple[str, str], tuple[int, int]] = {}
        for a, b in fit:
            once.setdefault((texts[a], texts[b]), (a, b))  # the first of those that are alike
        return list(once.values())[: pairing.max_pairs], ""
    top = max(known[a] for a, _ in fit)
    rejected = fit[0][1]
    if pairing.take == "best_random":
        rejected = rng.choice(sorted({b for a, b in fit if known[a] == top}))
    able = [a for a, b in fit if b == rejected]
    top = max(known[a] for a in able)
    chosen = min(
        (a for a in able if top - known[a] <= pairing.near),
        key=lambda a: (abs(lengths[a] - lengths[rejected]) if pairing.near else 0, -known[a]),
    )
    return [(chosen, rejected)], ""
