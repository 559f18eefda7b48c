"""BERTScore's formula with a local model, as an ``evaluate`` module."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import datasets
import evaluate

from evals.text_metrics.similarity import Similarity

DESCRIPTION = """
Greedy matching of tokens by the cosine of their hidden states (BERTScore, Zhang et al. 2020), with a model from a local folder; nothing is fetched.
Values are not rescaled, and those of two models or layers are not on one scale.
"""

USAGE = """
Args:
    predictions: the answers.
    references: a list of reference texts for each; that with the highest F1 counts.
    model: folder of a local model.
    layer: whose hidden states are compared; default the last.
Returns:
    precision, recall, f1: means over the answers.
    model: what was compared by.
"""


class TokenSimilarity(evaluate.Metric):  # type: ignore[misc]
    """Mean precision, recall and F1 of greedily matched tokens."""

    def _info(self) -> Any:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="Zhang T, Kishore V, Wu F, Weinberger KQ, Artzi Y. BERTScore: evaluating text generation with BERT. ICLR 2020.",
            inputs_description=USAGE,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(
        self, predictions: list[str], references: list[list[str]], model: str, layer: int = -1
    ) -> dict[str, float | str]:
        similarity = Similarity(Path(model), layer)
        found = similarity.matches(predictions, references)
        return {
            "precision": statistics.fmean(one.precision for one in found),
            "recall": statistics.fmean(one.recall for one in found),
            "f1": statistics.fmean(one.f1 for one in found),
            "model": similarity.name,
        }
