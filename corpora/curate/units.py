"""Text as comparable units: words of Latin script, single Chinese characters, without case, width, punctuation or script variant.

Two texts that a reader would call the same give the same units: "Crohn’s Disease" and "CROHN'S disease", full-width and half-width
letters, traditional and simplified characters (by OpenCC).
"""

from __future__ import annotations

import functools
import re
import unicodedata

from datatrove.utils.word_tokenizers import WordTokenizer

# A Chinese character, a Japanese or Korean syllable, or a run of letters and digits of other scripts.
UNIT = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿가-힯]|[^\W_㐀-䶿一-鿿぀-ヿ가-힯豈-﫿]+")
HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
APOSTROPHES = re.compile(r"['’ʼ`´]")


@functools.cache
def _converter() -> object:
    import opencc

    return opencc.OpenCC("t2s")


def simplified(text: str) -> str:
    """The text with traditional Chinese characters as simplified ones."""
    return str(_converter().convert(text)) if HAN.search(text) else text  # type: ignore[attr-defined]


def units(text: str) -> list[str]:
    """The text's units in order."""
    if text.isascii():  # then there are no other forms and no accents
        return UNIT.findall(APOSTROPHES.sub("", text.casefold()))
    text = unicodedata.normalize("NFKC", text).casefold()
    text = APOSTROPHES.sub("", text)
    # Accents apart, so that "Ménière" and "Meniere" are one word.
    text = "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
    return UNIT.findall(simplified(unicodedata.normalize("NFC", text)))


class UnitWords(WordTokenizer):  # type: ignore[misc]
    """Words for datatrove as ``units`` cuts them, so that Chinese has n-grams too and no language model is needed."""

    def word_tokenize(self, text: str) -> list[str]:
        """The units of a text."""
        return units(text)

    def sent_tokenize(self, text: str) -> list[str]:
        """The whole text: sentences are not asked for here."""
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """The whole text."""
        return [(0, len(text))]
