"""ROUGE of an answer against one or several references, in any language.

The computation is that of ``rouge_score`` (Google's reimplementation of Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"),
whose own tokenizer drops all but the letters a to z and digits. It is used for English, with Porter's stemmer as MultiMedQA-style comparisons
have it; for other languages words and single Chinese characters count, as ``corpora.curate.units`` cuts them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from corpora.curate.units import units

TYPES = ("rouge1", "rouge2", "rougeL")


class Units:
    """A tokenizer for ``rouge_score``: words of any script and single Chinese characters, without case, width, accents and punctuation."""

    def tokenize(self, text: str) -> list[str]:
        """The text's units."""
        return units(text)


@functools.cache
def _scorer(language: str) -> Any:
    from rouge_score import rouge_scorer  # half a second, which most exams can do without

    if language == "en":
        return rouge_scorer.RougeScorer(list(TYPES), use_stemmer=True)
    return rouge_scorer.RougeScorer(list(TYPES), tokenizer=Units())


def _ascii(references: Sequence[str]) -> bool:
    """Whether nine of ten letters are those that rouge_score's tokenizer keeps."""
    letters = [letter for text in references for letter in text if letter.isalpha()]
    return sum(letter.isascii() for letter in letters) >= 0.9 * len(letters)


def rouge(answer: str, references: Sequence[str], language: str = "en") -> dict[str, float]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L, each by the reference that gives the most; references in another script than English has count as such.

    Raises:
        ValueError: there is no reference.
    """
    if not references:
        raise ValueError("ROUGE needs a reference")
    found = _scorer(language if _ascii(references) else "other").score_multi(list(references), answer)
    return {name: float(found[name].fmeasure) for name in TYPES}
