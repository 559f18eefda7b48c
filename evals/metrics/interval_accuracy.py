"""Accuracy with its 95% interval (Wilson), as an ``evaluate`` module."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from evals.stats.intervals import wilson

DESCRIPTION = """
Share of predictions that equal their reference, with Wilson's 95% score interval (Wilson 1927), which stays inside 0 and 1
and is right for small samples and for shares near the ends, where the usual normal interval is not.
"""

USAGE = """
Args:
    predictions: the option chosen for each item, as an integer.
    references: the right option of each item.
Returns:
    accuracy: share of right answers, 0 to 1.
    low, high: ends of its 95% interval.
    n: number of items.
"""


class IntervalAccuracy(evaluate.Metric):  # type: ignore[misc]
    """Accuracy with its 95% interval."""

    def _info(self) -> Any:
        feature = datasets.Value("int64")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="Wilson EB. Probable inference, the law of succession, and statistical inference. JASA 1927;22:209-212.",
            inputs_description=USAGE,
            features=datasets.Features({"predictions": feature, "references": feature}),
        )

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, float]:
        right = sum(int(one) == int(other) for one, other in zip(predictions, references, strict=True))
        low, high = wilson(right, len(references))
        return {"accuracy": right / len(references), "low": low, "high": high, "n": len(references)}
