"""A text as tokens that know where they stand: English words, single Chinese characters, marks."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from serving.triage.spelling import Speller

# What stands in for a word that holds no meaning of its own, by the length of the way past it: a Chinese character is about half a word.
WORD_LENGTH, CHARACTER_LENGTH, MARK_LENGTH = 1.0, 0.5, 0.5
SENTENCE_MARKS = frozenset(".!?。\n…")
CLAUSE_MARKS = frozenset(",;:()-—")
# Words after which "'s" is "is" or "has" and belongs to wordings of the lexicon ("he's having a fit").
_CONTRACTED = frozenset(
    ["he", "she", "it", "that", "what", "there", "who", "how", "where", "here", "let", "everyone", "nobody"]
)
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+\d[a-z0-9]*|[a-z]+(?:'[a-z]+)*|[\u3400-\u9fff]|\n|[^\w\s]")
_LOCATED = {"’": "'", "‘": "'", "`": "'", "，": ",", "；": ";", "：": ":", "（": "(", "）": ")", "！": "!", "？": "?"}


@functools.cache
def _simplifier() -> object:
    import opencc

    return opencc.OpenCC("t2s")


@functools.lru_cache(maxsize=20_000)
def _normal(character: str) -> str:
    """One character for one, so that places in the text stay what they were."""
    found = _LOCATED.get(character) or unicodedata.normalize("NFKC", character).lower()
    found = _LOCATED.get(found, found)
    if len(found) == 1 and "\u3400" <= found <= "\u9fff":
        found = _simplifier().convert(found)  # type: ignore[attr-defined]
    return found if len(found) == 1 else found[:1] or " "


@dataclass(frozen=True, slots=True)
class Text:
    """The tokens of a text, and for each its span (``[start, end)`` in characters), sentence, clause and position (in words)."""

    tokens: list[str]
    spans: list[tuple[int, int]]
    sentences: list[int]
    clauses: list[int]
    positions: list[float]

    def __len__(self) -> int:
        return len(self.tokens)


def is_chinese(token: str) -> bool:
    """Whether the token is a Chinese character."""
    return len(token) == 1 and "\u3400" <= token <= "\u9fff"


def _bare(word: str) -> str:
    """The word without apostrophes: "can't" as cant, "he's" as hes, but "dad's" as dad."""
    stem, _, ending = word.rpartition("'")
    return stem.replace("'", "") if ending == "s" and stem not in _CONTRACTED else word.replace("'", "")


def read(text: str, speller: Speller) -> Text:
    """Normalises (width, case, apostrophes, traditional to simplified characters), splits, and mends misspelt words."""
    plain = "".join(map(_normal, text))
    found = Text([], [], [], [], [])
    sentence = clause = 0
    position = 0.0
    for match in _TOKEN.finditer(plain):
        raw = match.group()
        if (
            raw == "-"
            and plain[match.start() - 1 : match.start()].isalnum()
            and plain[match.end() : match.end() + 1].isalnum()
        ):
            continue  # "one-sided" is two words
        words = [raw]
        if len(raw) > 1 and raw[0].isascii() and raw[0].isalpha():
            words = speller.mend(_bare(raw))
        for word in words:
            found.tokens.append(word)
            found.spans.append(match.span())
            found.sentences.append(sentence)
            found.clauses.append(clause)
            found.positions.append(position)
            if word in SENTENCE_MARKS:
                sentence, clause, position = sentence + 1, clause + 1, position + MARK_LENGTH
            elif word in CLAUSE_MARKS:
                clause, position = clause + 1, position + MARK_LENGTH
            else:
                position += CHARACTER_LENGTH if is_chinese(word) else WORD_LENGTH
    return found
