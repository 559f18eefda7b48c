"""Misspelt English words, mended towards the words that the detector knows."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import metadata

from corpora.errors import DataError

_DICTIONARY = "symspellpy/frequency_dictionary_en_82_765.txt"
# A short word has too many neighbours; a long one may have two slips (weezzing, paracetomal).
SHORTEST, SHORTEST_WITH_TWO = 5, 8
# Of a trillion words of the web: what is rarer than this is more often a slip (chocking) than meant.
RARE = 20_000
_DRAWN_OUT = re.compile(r"(.)\1{2,}")


@functools.cache
def english_words() -> frozenset[str]:
    """SymSpell's list of 82,765 words, which the pinned package ``symspellpy`` holds.

    Raises:
        DataError: the package is installed without its list.
    """
    for file in metadata.files("symspellpy") or []:
        if str(file) == _DICTIONARY:
            lines = str(file.locate().read_text(encoding="utf-8-sig")).splitlines()  # type: ignore[attr-defined]
            counted = (line.split() for line in lines if line)
            return frozenset(word for word, count in counted if int(count) >= RARE or len(word) < SHORTEST)
    raise DataError(f"{_DICTIONARY}: not found; install symspellpy again")


class Speller:
    """Mends a word that is in no dictionary when a word of ``vocabulary`` is close to it."""

    def __init__(self, vocabulary: Iterable[str]) -> None:
        from symspellpy import SymSpell

        self._known = frozenset(vocabulary)
        self._english = english_words()
        self._index = SymSpell(max_dictionary_edit_distance=2, prefix_length=7)
        for word in sorted(self._known):
            if len(word) >= SHORTEST - 1 and word.isalpha():
                self._index.create_dictionary_entry(word, 1)
        self.mend = functools.lru_cache(maxsize=50_000)(self._mend)

    def _is_word(self, word: str) -> bool:
        return word in self._known or word in self._english

    def _swapped(self, word: str) -> str:
        """A known word of four letters, where two neighbours changed places (pian, nmub)."""
        if len(word) == SHORTEST - 1:
            for at in range(len(word) - 1):
                other = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
                if other in self._known:
                    return other
        return word

    def _mend(self, word: str) -> list[str]:
        from symspellpy import Verbosity

        if self._is_word(word) or len(word) > 30:
            return [word]
        for shorter in (_DRAWN_OUT.sub(r"\1\1", word), _DRAWN_OUT.sub(r"\1", word)):  # helppp, soooo
            if shorter != word and self._is_word(shorter):
                return [shorter]
        if len(word) < SHORTEST:
            return [self._swapped(word)]
        distance = 2 if len(word) >= SHORTEST_WITH_TWO else 1
        near = self._index.lookup(word, Verbosity.TOP, max_edit_distance=distance)
        if near and (near[0].distance == 1 or near[0].term[0] == word[0]):
            return [near[0].term]
        for cut in range(3, len(word) - 2):  # chestpain
            if word[:cut] in self._known and word[cut:] in self._known:
                return [word[:cut], word[cut:]]
        return [word]
