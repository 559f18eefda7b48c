"""Capitalised words of Latin script, what each may be by itself, and which of them stand side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from corpora.curate.identifiers import english_cues as cues
from corpora.curate.identifiers.found import words
from corpora.curate.identifiers.lists import cities, english_words, first_names, surnames

UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪĮİĶĹĻĽŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽȘȚ"
LETTER = r"[^\W\d_一-鿿]"
CAPITAL = re.compile(rf"(?<![A-Za-z0-9_'@/\\])[{UPPER}]{LETTER}*(?:(?:['](?![sS](?!{LETTER}))|-){LETTER}+)*")
PARTICLES = "van der|van den|van de|van|von der|von|de la|de las|de los|de|del|della|di|da|dos|das|do|du|des|le|la|bin|ibn|binti|bint|abu|al|el|ter|ten|y|ap"
GAP = re.compile(rf"\.? {{1,2}}(?:(?:{PARTICLES}) )?|\.")
MEDICAL = re.compile(
    r"(?:itis|osis|[aeihk]emia|[a-z]{4}oma|omas|pathy|ectomy|plasty|scopy|ology|ologist|gram|graphy|cillin|mycin|micin|cycline|azole|statin|sartan|olol|april|pril|dipine|mab|nib|ciclib|[^aeiou]vir|parin|gliptin|gliflozin|glutide|zepam|zolam"
    r"|barbital|caine|oxacin|setron|triptan|tidine|afil|lukast|profen|coxib|thiazide|semide|isone|olone|terol|tropium|phylline|azine|apine|done|amide|oxetine|ipramine|triptyline|idone|piprazole|prost|dronate|quine|kinase|toxin|globulin"
    r"|coccus|cocci|bacter|bacterium|virus|viridae|aceae|ella typh|formin|ide|ium|amine|idine|phrine|zine|tidin|psia|paresis|betes|cele|aptic|philia|plegia|algia|uria|emesis|pnea|rrhea|rrhoea|trophy|stasis|lysis|ptysis|phagia|phasia|kinesia|[a-z]{3}gen|cytes?|[a-z]{4}ase|icus|oides|tomy|genic|tropic|mectin|statins|izers|xaban|grel|platin|rubicin|taxel|mycetes|sporium|plasma|sone)$"
)
# Given names of one or two syllables in Hanyu Pinyin.
PINYIN = re.compile(
    r"(?:(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])(?:i?ang?|i?ong|[iu]?an|u?ai|i?ao|e?ng?|ing?|uo|ui|un|ua|ia|ie|iu|ei|ou|[aeiou])'?){1,2}"
)
_KNOWN: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Word:
    """A capitalised word: ``text[start:end]``, and what it may be.

    ``sort`` is one of T (title), I (initial), F (first name), L (surname), A (a name and an English word), U (neither list has it), E (a
    name that things are called after), P (a place), S (a short word in capitals that the lists have), C (another acronym), N (none of these).
    """

    start: int
    end: int
    text: str
    sort: str


def _sort(word: str) -> str:
    """What a word may be, by itself."""
    lower = word.lower()
    if lower in cues.TITLES or lower in cues.OPENINGS:
        return "T"
    if len(word) == 1:
        return "I"
    if lower in cues.MONTHS or lower in cues.COUNTRIES:
        return "A" if lower in first_names() else "N"
    if lower in cues.NEVER:
        return "N"
    if "-" in word:
        parts = {_sort(part[0].upper() + part[1:]) for part in word.split("-") if part}
        for sort in ("N", "E", "C", "T"):
            if sort in parts:
                return sort if sort != "T" else "N"
        return "F" if "F" in parts else "A" if parts == {"A"} else "U"
    shout = word.isupper()
    title = word[0] + word[1:].lower() if shout else word
    if title in words("eponyms.txt") or title in words("medicines.txt"):
        return "E"
    first, last = lower in first_names(), lower in surnames()
    if shout and len(word) <= 4:
        return "S" if first or last else "C"
    ordinary = lower in english_words()
    if ordinary and lower not in cues.SURE:
        return "A" if first or last or PINYIN.fullmatch(lower) else "N"
    if title in cities():
        return "P"
    if first:
        return "F"
    if last:
        return "L"
    if shout and (len(word) <= 6 or not any(letter in "AEIOUY" for letter in word)):
        return "C"
    if MEDICAL.search(lower) or (sum(letter.isupper() for letter in word) > 2 and not shout):
        return "N"
    return "U"


def _capitalised(text: str) -> Iterator[Word]:
    for match in CAPITAL.finditer(text):
        word = match[0]
        sort = _KNOWN.get(word)
        if sort is None:
            if len(_KNOWN) > 200_000:
                _KNOWN.clear()
            sort = _KNOWN[word] = _sort(word)
        yield Word(match.start(), match.end(), word, sort)


def runs_of(text: str) -> Iterator[list[Word]]:
    """Words that stand side by side, cut at those that are in no name."""
    run: list[Word] = []
    for word in _capitalised(text):
        if run and (not GAP.fullmatch(text, run[-1].end, word.start) or _ends_a_sentence(text, run[-1], word)):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _ends_a_sentence(text: str, last: Word, word: Word) -> bool:
    return text[last.end] == "." and last.sort not in ("I", "T") and not (len(last.text) <= 3 and last.sort == "C")


def shouts(word: Word) -> bool:
    """Whether a word is all in capitals."""
    return word.text.isupper() and len(word.text) > 1
