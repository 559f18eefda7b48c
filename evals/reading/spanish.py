"""How answers are worded in Spanish: brought to the English words by which ``evals.reading.extraction`` reads them.

Only words around an answer are rewritten, and no others, so that the options' own words stay as they are. The text is in one form: no accents,
no markup.
"""

from __future__ import annotations

import re

_RIGHT = r"(?:correct|adecuad|acertad|indicad|valid)[oa]"
_LETTER = r"[(\[]?(?-i:[A-J])[)\]]?(?![A-Za-z])"  # a small "a" is a word
_PATTERNS = [
    (r"\b(?:la\s|mi\s)?respuesta(?:\sa\s(?:la|esta)\spregunta)?(?:\s(?:final|mas))?(?:\s(?:correcta|adecuada|final|probable))?\s(?:es|seria|debe ser)\b", "the answer is"),
    (r"\b(?:la\s|mi\s)?respuesta(?:\s(?:final|correcta|adecuada))?\sno\s(?:es|seria)\b", "the answer is not"),
    (rf"\b(?:la\s)?(?:opcion|alternativa)\s(?:mas\s)?{_RIGHT}\s(?:es|seria)\b", "the correct option is"),
    (rf"\b(?:la|lo)\s{_RIGHT}\ses\b(?=\s(?:la\s)?(?:opcion\s|letra\s)?{_LETTER})", "the correct option is"),
    (r"\brespuesta(?:\s(?:final|correcta))?(?=\s?:)", "answer"),
    (r"\b(?:elijo|escojo|selecciono|marco|elegiria|me quedo con)\b", "I choose"),
    (rf"(?:\bla\s)?\b(?:opcion|alternativa|letra|respuesta)\s(?={_LETTER})", "option "),
    (rf"(?<=(?-i:[A-J)\]]))\s(?:es|seria)\s(?:la\s)?(?:(?:opcion|respuesta)\s)?{_RIGHT}\b", " is correct"),
    (r"(?<=(?-i:[A-J)\]]))\s(?:(?:es|seria)\s(?:la\s)?)?(?:opcion\s)?(?:incorrect|errone|fals)[oa]\b", " is wrong"),
    (rf"(?<=(?-i:[A-J)\]]))\sno\ses\s(?:la\s)?{_RIGHT}\b", " is not correct"),
    (rf"\b(?:es|seria)\sla\s(?:option\s)?(?={_LETTER})", "is "),
    (rf"(?<=(?-i:[A-J)\]]))\s[ou]\s(?:la\s)?(?={_LETTER})", " or "),
    (rf"(?<=(?-i:[A-J)\]]))\s[ye]\s(?:la\s)?(?={_LETTER})", " and "),
    (r"\b(?:por lo tanto|por tanto|asi que|en conclusion|por consiguiente)\b", "therefore"),
]  # fmt: skip
_REWRITTEN = [(re.compile(pattern, re.IGNORECASE), english) for pattern, english in _PATTERNS]


def in_english_words(text: str) -> str:
    """The text with the Spanish words around its answer in English."""
    for pattern, english in _REWRITTEN:
        text = pattern.sub(english, text)
    return re.sub(r"\b(the (?:answer|correct option) is(?: not)?)\sla\s(?=option\b|[(\[]?[A-J]\b)", r"\1 ", text)
