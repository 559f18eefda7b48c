"""The same item asked in another way: what a plain score hides.

- ``rotated``: the options in each cyclic order. A model that knows names the same option wherever it stands (Zheng et al. 2024,
  "Large Language Models Are Not Robust Multiple Choice Selectors", ICLR).
- ``blanked``: the options without the question. What is above chance then was read off the options (Balepur et al. 2024,
  "Artifacts or Abduction", ACL).
- ``nota``: the right option replaced by "None of the other answers", which is then right (Bedi et al. 2025, "Fidelity of Medical
  Reasoning in Large Language Models", JAMA Network Open).
- ``unsure``: "I don't know" as a further option, which is never right.
"""

from __future__ import annotations

from typing import Literal

from corpora.records import LETTERS, ExamItem

NONE_OF_THE_OTHERS = {
    "en": "None of the other answers",
    "zh": "以上其他选项均不正确",
    "es": "Ninguna de las otras respuestas",
}
DO_NOT_KNOW = {"en": "I don't know", "zh": "我不知道", "es": "No lo sé"}


def rotated(item: ExamItem, by: int) -> ExamItem:
    """The item with its options moved up by ``by`` places: the option at place ``p`` comes to ``(p - by) mod n``."""
    count = len(item.options)
    by %= count
    options = item.options[by:] + item.options[:by]
    return item.model_copy(
        update={"options": options, "answers": sorted((place - by) % count for place in item.answers)}
    )


def original_place(place: int, by: int, count: int) -> int:
    """Where an option that stands at ``place`` of an item rotated ``by`` was before."""
    return (place + by) % count


def blanked(item: ExamItem) -> ExamItem:
    """The item without question and passage."""
    return item.model_copy(update={"question": "", "context": ""})


def varied(item: ExamItem, variant: Literal["none", "nota", "unsure"], language: str) -> ExamItem:
    """The item as a task's ``variant`` asks it.

    Raises:
        ValueError: it has no room for one more option.
    """
    if variant == "nota":
        options = [
            NONE_OF_THE_OTHERS[language] if place == item.answer else text for place, text in enumerate(item.options)
        ]
        return item.model_copy(update={"options": options})
    if variant == "unsure":
        if len(item.options) >= len(LETTERS):
            raise ValueError(f"the item has {len(item.options)} options, and no letter is left for one more")
        return item.model_copy(update={"options": [*item.options, DO_NOT_KNOW[language]]})
    return item
