"""What the stages that learn from preferences share: their corpus as the rows that TRL takes, and their rewards by step."""

from __future__ import annotations

import random
from typing import Any

from corpora.errors import DataError
from corpora.records import Preference
from pipelines.config import Corpus
from pipelines.data import Sources, records


def _turn(answer: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": answer}]


def check_pairs(found: list[Preference], corpus: Corpus, kind: str) -> None:
    """Raises DataError when a record has one answer only, where a stage of this kind compares two."""
    single = sum(pair.chosen is None or pair.rejected is None for pair in found)
    if single:
        raise DataError(
            f"corpus '{corpus.name}': {single} of {len(found)} rows have one answer only, and {kind} compares two; use pairs of "
            "a chosen and a rejected answer, or a stage of kind kto, which learns from single ones"
        )


def check_singles(found: list[Preference], corpus: Corpus) -> None:
    """Raises DataError when no answer, or every answer, is good: KTO weighs the one against the other."""
    for side, remedy in (
        ("chosen", "add good answers"),
        ("rejected", "add bad answers, or use a stage of kind sft"),
    ):
        if all(getattr(one, side) is None for one in found):
            raise DataError(
                f"corpus '{corpus.name}': none of {len(found)} rows has a {side} answer, and kto learns from both; {remedy}"
            )


def pair_rows(corpus: Corpus, sources: Sources, kind: str) -> list[dict[str, Any]]:
    """The corpus as conversations with two endings: ``prompt``, ``chosen`` and ``rejected``, each a list of messages.

    Raises:
        DataError: as ``records``, or a record has one answer only.
    """
    found = records([corpus], sources, Preference)
    check_pairs(found, corpus, kind)
    return [
        {
            "prompt": [message.as_dict() for message in pair.prompt],
            "chosen": _turn(pair.chosen or ""),
            "rejected": _turn(pair.rejected or ""),
        }
        for pair in found
    ]


def single_rows(corpus: Corpus, sources: Sources, seed: int) -> list[dict[str, Any]]:
    """The corpus as conversations with one ending: ``prompt``, ``completion`` and ``label``, true where it is good.

    A pair gives two rows. They are shuffled by ``seed``: TRL reads them in this order, and takes as the mismatched answer of a
    prompt, by which KTO estimates how far the model has moved, its neighbour's, which must not be an answer to the same one.

    Raises:
        DataError: as ``records``, or all answers are good, or all bad.
    """
    found = records([corpus], sources, Preference)
    check_singles(found, corpus)
    rows = [
        {
            "prompt": [message.as_dict() for message in one.prompt],
            "completion": _turn(answer),
            "label": label,
        }
        for one in found
        for answer, label in ((one.chosen, True), (one.rejected, False))
        if answer is not None
    ]
    random.Random(seed).shuffle(rows)
    return rows


def rewards(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """By step, how far apart the trainer's log saw the rewards of good and bad answers, and how often the good one's was higher.

    KTO's has no ``accuracy``: its answers are in no pairs.
    """
    names = {
        "rewards/margins": "margin",
        "rewards/accuracies": "accuracy",
        "margin": "margin",
        "accuracy": "accuracy",
        "kl": "kl",
    }
    found = [
        {names[key]: value for key, value in entry.items() if key in names} | {"step": entry["step"]}
        for entry in history
    ]
    return [entry for entry in found if "margin" in entry]
