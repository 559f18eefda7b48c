"""ROUGE in any language, as an ``evaluate`` module."""

from __future__ import annotations

import statistics
from typing import Any

import datasets
import evaluate

from evals.text_metrics.rouge import TYPES, rouge

DESCRIPTION = """
F1 of ROUGE-1, ROUGE-2 and ROUGE-L by rouge_score, each by the reference that gives the most. English is stemmed; in other languages words and
single Chinese characters count, which rouge_score's own tokenizer would drop.
"""

USAGE = """
Args:
    predictions: the answers.
    references: a list of reference texts for each.
    language: "en" (default) or another.
Returns:
    rouge1, rouge2, rougeL: means over the answers, 0 to 1.
"""


class Rouge(evaluate.Metric):  # type: ignore[misc]
    """Mean ROUGE F1."""

    def _info(self) -> Any:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="Lin CY. ROUGE: a package for automatic evaluation of summaries. ACL workshop 2004:74-81.",
            inputs_description=USAGE,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(self, predictions: list[str], references: list[list[str]], language: str = "en") -> dict[str, float]:
        scores = [rouge(one, its, language) for one, its in zip(predictions, references, strict=True)]
        return {name: statistics.fmean(score[name] for score in scores) for name in TYPES}
