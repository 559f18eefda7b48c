"""Names of people in Latin script.

Three kinds of evidence, each alone too weak: words around that speak of a person ("Dr.", "Name:", "accompanied by", ", RN", "was admitted"),
lists (first names and surnames of the United States Census), and shape (a capitalised word that is no English word). A name that a
disease, sign, test or device is called after counts as a name only where the words around speak of a person. A name found once is
found again wherever the text repeats a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpora.curate.identifiers import english_cues as cues
from corpora.curate.identifiers.english_capitals import MEDICAL, PINYIN, Word, runs_of, shouts
from corpora.curate.identifiers.english_context import is_eponym, speaks_after, speaks_before
from corpora.curate.identifiers.found import Found, words
from corpora.curate.identifiers.lists import english_words, first_names, surnames

COMMA = re.compile(r", ?")
NAMED = re.compile(r"(?:\bname\b|\bsurname\b|signed|signature)[^a-z]{0,8}$", re.IGNORECASE)
LOWER = re.compile(
    r"(?:(?i:\bmy name is|\bmy name's|\bname is|\bi am called|\bcall me|\bname ?:|\bpatient name ?:|\bi'm|\bim|\bthis is) +)(?P<n>[a-z]{2,15}(?:[ -][a-z]{2,15})?)(?![A-Za-z])"
)


def _goes_on(text: str, part: list[Word], word: Word, titled: bool, first: bool) -> bool:
    """Whether an English word or acronym is the end of a name: "Upasna Lad", "MARY KO"."""
    lower = word.text.lower()
    if lower in ("ii", "iii", "iv", "jr", "sr"):
        return True
    if word.sort == "C":
        return shouts(part[-1])
    if (
        (
            lower in cues.NEVER
            and lower not in ("long", "case", "key", "may", "will", "high", "early", "new", "hand", "low", "people")
        )
        or lower in cues.MONTHS
        or lower in cues.COUNTRIES
        or lower in cues.EPONYMIC
        or MEDICAL.search(lower)
        or shouts(word) != shouts(part[-1])
    ):
        return False
    if titled or (part[0].sort == "F" and len(part) < 3):
        return True
    if part[0].sort not in "ULFE" or len(part) > 2:
        return False
    return speaks_after(text, word.end) == "some" or (
        first and speaks_before(text, part[0].start)[0] in ("strong", "some")
    )


def _may_begin(run: list[Word], place: int) -> bool:
    """Whether an English word may be the first name of a name that ends the run: "Peace Akinwale"."""
    lower = run[place].text.lower()
    return (
        run[place + 1 :] != []
        and run[-1].sort in "UL"
        and all(word.sort == "I" for word in run[place + 1 : -1])
        and len(run[place].text) > 2
        and lower not in cues.NEVER | cues.MONTHS | cues.COUNTRIES | cues.EPONYMIC
        and not MEDICAL.search(lower)
        and not shouts(run[place])
    )


def _is_told(text: str, word: Word, titled: bool, place: int) -> bool:
    """Whether a title or label says of any word at all that it is a name: "Dr. Short", but not "Patient: Stable"."""
    if titled:
        title = re.search(r"([A-Za-z]+)\.? *$", text[max(0, word.start - 20) : word.start])
        return title is None or title[1].lower() not in cues.NOUNS
    return (
        place == 0
        and word.sort == "N"
        and speaks_before(text, word.start)[0] == "strong"
        and NAMED.search(text[max(0, word.start - 24) : word.start]) is not None
    )


def _piece(run: list[Word], text: str) -> Iterator[tuple[list[Word], bool, bool]]:
    """The parts of a run that may be names: the words, whether a title stands before them, whether the run begins there."""
    part: list[Word] = []
    titled = first = False
    for place, word in enumerate(run):
        if word.sort == "T":
            if part:
                yield part, titled, first
            part, titled, first = [], True, False
        elif word.sort in "NC" and not (
            not part and word.text.lower() not in cues.NEVER and _is_told(text, word, titled, place)
        ):
            if part and _goes_on(text, part, word, titled, first):
                part.append(word)
                continue
            if part:
                yield part, titled, first
            part, titled, first = [], False, False
            if word.sort == "N" and _may_begin(run, place):
                part, first = [Word(word.start, word.end, word.text, "A")], place == 0
        else:
            if not part:
                first = place == 0
            part.append(word)
    if part:
        yield part, titled, first


def _taken(part: list[Word], titled: bool, first: bool, text: str) -> bool:
    """Whether a part of a run is a name."""
    start, end = part[0].start, part[-1].end
    before, begins = speaks_before(text, start) if first else ("", False)
    if titled or before == "strong":
        return not (before == "strong" and not titled and all(word.sort in "IP" for word in part))
    sorts = [word.sort for word in part]
    full = [sort for sort in sorts if sort != "I"]
    if not full:
        return False
    if "S" in full and (len(full) == 1 or not any(shouts(word) and word.sort in "FLU" for word in part)):
        return before == "some" and len(full) > 1
    after = speaks_after(text, end)
    eponym = is_eponym(text, end)
    if len(full) == 1:
        sort = full[0]
        spoken = before == "some" or after == "some"
        if eponym or (sort == "U" and f" {part[-1].text.lower()}" in text):
            return False
        if len(sorts) > 1 and sorts[0] == "I" and sort in "FLUEA":
            return text[part[0].end : part[0].end + 1] == "." or spoken or before == "maybe"
        if sort == "F":
            return spoken or not (shouts(part[-1]) or len(part[-1].text) < 3)
        if sort == "A":
            listed = _is_first(part[-1].text) or (spoken and not begins)
            return listed and (before == "some" or (after == "some" and (not begins or _is_first(part[-1].text))))
        if sort == "E":
            return (before == "some" and part[-1].text not in words("medicines.txt")) or (
                after == "some" and before != "maybe"
            )
        if sort == "P":
            return after == "some"
        return spoken or (before == "maybe" and after != "" and sort in "LU")
    if eponym and before != "some" and not (sorts[0] == "F" and sorts[-1] != "E"):
        return False
    if len({word.text.lower() for word in part}) == 1 or (
        all(sort == "U" for sort in sorts) and f" {part[0].text.lower()}" in text
    ):
        return False
    if "F" in sorts:
        return True
    spoken = before in ("some", "maybe") or after != ""
    if sorts[0] == "A":
        listed = _is_first(part[0].text)
        return (
            (listed and not begins and any(sort in "LU" for sort in sorts[1:]))
            or (listed and spoken)
            or before == "some"
            or after == "some"
            or (before != "" and after != "")
        )
    if sorts[-1] == "A" and set(full) <= set("ULA"):
        return spoken
    if set(full) <= {"E"}:
        return before == "some" or after == "some"
    if set(full) <= {"P", "E"}:
        return False
    return sum(sort in "LU" for sort in full) >= 2 or before == "some" or after == "some"


def _is_first(word: str) -> bool:
    return word.lower() in first_names() or (PINYIN.fullmatch(word.lower()) is not None and len(word) > 2)


def _given_after_comma(text: str, part: list[Word], following: list[Word] | None) -> int | None:
    """The end of "John A." in "Smith, John A."; None where no such thing follows."""
    if (
        following is None
        or not COMMA.fullmatch(text, part[-1].end, following[0].start)
        or part[-1].sort not in "LUAEFC"
    ):
        return None
    if following[0].sort not in "FAULC" or following[0].text.lower() in cues.NEVER:
        return None
    end = following[0].end
    for word in following[1:]:
        if word.sort not in "IF":
            break
        end = word.end + (text[word.end : word.end + 1] == "." and word.sort == "I")
    return end


def english_names(text: str) -> Iterator[Found]:
    """Names of people in Latin script in a plain text."""
    found: list[tuple[int, int]] = []
    rest: list[Word] = []
    runs = list(runs_of(text))
    for place, run in enumerate(runs):
        following = runs[place + 1] if place + 1 < len(runs) else None
        for part, titled, first in _piece(run, text):
            taken = _taken(part, titled, first, text)
            if part[-1] is run[-1] and (following is not None) and text[part[-1].end : part[-1].end + 1] == ",":
                end = _given_after_comma(text, part, following)
                sure = following[0].sort == "F" and len(part) == 1 and part[0].sort in "LUAE"
                if end is not None and (
                    sure or (taken and len(part) == 1 and speaks_before(text, part[0].start)[0] == "strong")
                ):
                    found.append((part[0].start, end))
                    continue
            if taken:
                end = part[-1].end
                if part[-1].sort == "I" and text[end : end + 1] == ".":
                    end += 1
                found.append((part[0].start, end))
            else:
                rest += part
    for match in LOWER.finditer(text):
        end = _lower_name(match["n"])
        if end:
            found.append((match.start("n"), match.start("n") + end))
    names = {word for start, end in found for word in re.split(r"[^\w'-]+", text[start:end]) if len(word) > 2}
    for start, end in found:
        yield Found(start, end, "name")
    for word in rest:
        if word.text in names and word.sort in "FLUAEP" and not is_eponym(text, word.end):
            if word.sort == "A" and speaks_before(text, word.start)[1]:
                continue
            if word.sort == "E" and speaks_before(text, word.start)[0] == "":
                continue
            yield Found(word.start, word.end, "name")


def _lower_name(said: str) -> int:
    """How much of what follows "my name is" without capitals is a name, in letters."""
    parts = re.split(r"[ -]", said)
    listed = parts[0] in first_names() and parts[0] not in cues.NEVER
    if not listed and parts[0] in english_words():
        return 0
    if len(parts) > 1 and (parts[1] in surnames() or parts[1] not in english_words()) and parts[1] not in cues.NEVER:
        return len(said)
    return len(parts[0])
