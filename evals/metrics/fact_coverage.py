"""The share of facts that an answer states, as an ``evaluate`` module."""

from __future__ import annotations

import statistics
from typing import Any

import datasets
import evaluate

from evals.text_metrics.coverage import ENOUGH, bundled_statements, coverage

DESCRIPTION = """
Share of the statements that an answer should make whose quantities are all in the answer and whose words mostly are. The statements are given, or
are what Osler's bundled knowledge holds on a topic. A rule by words: it sees neither paraphrase nor negation.
"""

USAGE = """
Args:
    predictions: the answers.
    references: for each a list of statements; with bundled=True a list of one name, as "Asthma".
    bundled: take the statements from the bundled knowledge.
    enough: share of a statement's words that make it covered; default 0.5.
Returns:
    coverage: mean over the answers, 0 to 1.
    statements: how many there were.
"""


class FactCoverage(evaluate.Metric):  # type: ignore[misc]
    """Mean share of statements that are covered."""

    def _info(self) -> Any:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="Osler, evals/text_metrics/coverage.py.",
            inputs_description=USAGE,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(
        self, predictions: list[str], references: list[list[str]], bundled: bool = False, enough: float = ENOUGH
    ) -> dict[str, float]:
        statements = [
            [phrase for topic in its for phrase in bundled_statements(topic)] if bundled else list(its)
            for its in references
        ]
        shares = [coverage(one, its, enough) for one, its in zip(predictions, statements, strict=True)]
        return {"coverage": statistics.fmean(shares), "statements": sum(len(its) for its in statements)}
