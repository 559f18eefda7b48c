"""The same item asked in another way: what a plain score hides.

- ``rotated``: the options in each cyclic order. A model that knows names the same option wherever it stands (Zheng et al. 2024,
  "Large Language Models Are Not Robust Multiple Choice Selectors", ICLR).
- ``blanked``: the options without the question. What is above chance then was read off the options (Balepur et al. 2024,
  "Artifacts or Abduction", ACL).
- ``nota``: the right option replaced by "None of the other answers", which is then right (Bedi et al. 2025, "Fidelity of Medical
  Reasoning in Large Language Models", JAMA Network Open 8(8), e2526021). An item of which several options are right is not asked so: the authors
  replace the one right option of MedQA's items, and for sets with several there is no published practice. Nor is one with an option that speaks of
  the others ("all of the above", "both A and C"), which the new option would make true or false. What else may be wrong with an item only a
  reader can tell: the authors' clinician kept 68 of 100.
- ``unsure``: "I don't know" as a further option, which is never right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from corpora.records import LETTERS, ExamItem
from evals.exam.tasks import Variant


@dataclass(frozen=True)
class Kind:
    """What a task is called that is asked as a variant, and what is said of it."""

    title: str
    source: str
    revision: int = 0  # raised when items are changed or left out in another way


KINDS = {
    "nota": Kind(
        "right option replaced by none of the others",
        'The right option is replaced by "None of the other answers" (Bedi et al. 2025, JAMA Network Open 8(8), e2526021); items with several right '
        "options, or with one that speaks of the others, are left out",
        revision=1,
    ),
    "unsure": Kind(
        'with "I don\'t know" as a further option', 'A further option says "I don\'t know", and is never right'
    ),
}
NONE_OF_THE_OTHERS = {
    "en": "None of the other answers",
    "zh": "以上其他选项均不正确",
    "es": "Ninguna de las otras respuestas",
}
DO_NOT_KNOW = {"en": "I don't know", "zh": "我不知道", "es": "No lo sé"}

# Options that speak of the other ones.
_LETTERS = r"^(?:both |only |options? |respuestas? )*\(?[a-e]\)?(?:(?:\s*[,;&+、和及与]\s*| (?:and|or|y|o) )\(?[a-e]\)?)+(?: (?:only|both))?\W*$"
_WORDS = r"^(?:all|none|both|any|neither|either|todas|todos|ninguna|ninguno|ambas|ambos)\W*$"
_OF_OTHERS = {
    "en": r"\b(?:all|none|any|both|some|either|neither|two|one) (?:of )?(?:the )?above\b"
    r"|\b(?:all|none|any|both|some|either|neither) (?:of )?(?:the )?(?:other )?(?:options|answers|choices)\b"
    r"|^(?:all|none|any|both|some|either|neither) of (?:these|those|them|the (?:following|others?))\W*$"
    r"|^(?:all|both|none) (?:are |is )?(?:correct|true|false|wrong|right|incorrect)\W*$"
    r"|^both (?:options? )?\(?[a-e1-5]\)? ?(?:and|&|,)? ?\(?[a-e1-5]\)?\W*$|\boptions? [a-e]\b",
    "zh": r"^(?:以上|上述)|(?:以上|上述)(?:都|均|皆|全|各|选项|所有|答案|几)|^(?:全部|都|均|皆|全)(?:是|不|对|可|错|非|正确|有)"
    r"|^(?:无|没有)(?:以上|上述|正确)|^[A-E][\s,，、和及与+]*[A-E](?![A-Za-z])",
    "es": r"\b(?:tod[ao]s|ningun[ao]|cualquiera|amb[ao]s|las dos|las tres)\b.{0,20}\b(?:anteriores?|respuestas|opciones)\b"
    r"|^(?:tod[ao]s|amb[ao]s) son (?:correct|cierta|verdader|fals|incorrect)\w*\W*$|\b(?:respuestas?|opci[oó]n(?:es)?) [a-e1-5]\b",
}


def speaks_of_others(option: str, language: str) -> bool:
    """Whether an option says something of the other ones of its item, as "all of the above" does."""
    return any(re.search(one, option.strip(), re.IGNORECASE) for one in (_LETTERS, _WORDS, _OF_OTHERS[language]))


def can_be_varied(item: ExamItem, variant: Variant, language: str) -> bool:
    """Whether the item, asked as a ``variant``, has a right answer still."""
    if variant != "nota":
        return True
    return len(item.answers) == 1 and not any(speaks_of_others(option, language) for option in item.options)


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


def varied(item: ExamItem, variant: Variant, language: str) -> ExamItem:
    """The item as a task's ``variant`` asks it; it has to be one that ``can_be_varied``.

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
