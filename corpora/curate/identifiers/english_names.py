"""Names of people in Latin script.

Three kinds of evidence, each alone too weak: words around that speak of a person ("Dr.", "Name:", "accompanied by", ", RN", "was admitted"),
lists (first names and surnames of the United States Census), and shape (a capitalised word that is no English word). A name that a
disease, sign, test or device is called after counts as a name only where the words around speak of a person. A name found once is
found again wherever the text repeats a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from corpora.curate.identifiers import english_cues as cues
from corpora.curate.identifiers.found import Found, words
from corpora.curate.identifiers.lists import cities, english_words, first_names, surnames

UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪĮİĶĹĻĽŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽȘȚ"
LETTER = r"[^\W\d_一-鿿]"
CAPITAL = re.compile(rf"(?<![A-Za-z0-9_'@/\\])[{UPPER}]{LETTER}*(?:(?:['](?![sS](?!{LETTER}))|-){LETTER}+)*")
PARTICLES = "van der|van den|van de|van|von der|von|de la|de las|de los|de|del|della|di|da|dos|das|do|du|des|le|la|bin|ibn|binti|bint|abu|al|el|ter|ten|y|ap"
GAP = re.compile(rf"\.? {{1,2}}(?:(?:{PARTICLES}) )?|\.")
COMMA = re.compile(r", ?")
CREDENTIALS = re.compile(
    r",? (?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|MBBS|MBChB|FRCPC?|FRCS|DDS|DMD|PharmD|LPN|LVN|CNA|LCSW|DPT|CRNA|APRN|DNP|MSN|BSN|FACS|FACC|FACP|CNM|RPh|Psy\.?D|MSW|MPH|EMT|FNP(?:-BC|-C)?|ARNP|RDN?|CCRN|MSc|Esq)\b"
)
AGED = re.compile(
    r",? ?(?:\(?(?:age[d]?:? ?)?\d{1,3} ?(?:,|\)|y|M\b|F\b|m\b|f\b|岁|-year)|\(?(?:DOB|D\.O\.B|MRN|born|b\.|NHS|SSN|ID\b|M/|F/)|(?:an?|the|our|my|is an?|was an?) (?:\w+ ){0,2}\d{1,3}[- ]?(?:year|y/?o|month|week|day))"
)
RELATED = re.compile(
    r"'s? (?:mother|father|wife|husband|daughter|son|brother|sister|family|mom|dad|chart|record|room|appointment|parents?|caregiver|partner|care|medications?|blood pressure|condition|history|symptoms|phone|number|email|house|home|insurance|nurse|doctor|sibling|friend|child|children|spouse|aunt|uncle|case|test|results?|labs?|surgery|file|visit|temperature|pain|birthday|last|next|first)\b"
)
MEDICAL = re.compile(
    r"(?:itis|osis|[aeihk]emia|[a-z]{4}oma|omas|pathy|ectomy|plasty|scopy|ology|ologist|gram|graphy|cillin|mycin|micin|cycline|azole|statin|sartan|olol|april|pril|dipine|mab|nib|ciclib|[^aeiou]vir|parin|gliptin|gliflozin|glutide|zepam|zolam"
    r"|barbital|caine|oxacin|setron|triptan|tidine|afil|lukast|profen|coxib|thiazide|semide|isone|olone|terol|tropium|phylline|azine|apine|done|amide|oxetine|ipramine|triptyline|idone|piprazole|prost|dronate|quine|kinase|toxin|globulin"
    r"|coccus|cocci|bacter|bacterium|virus|viridae|aceae|ella typh|formin|ide|ium|amine|idine|phrine|zine|tidin|psia|paresis|betes|cele|aptic|philia|plegia|algia|uria|emesis|pnea|rrhea|rrhoea|trophy|stasis|lysis|ptysis|phagia|phasia|kinesia|[a-z]{3}gen|cytes?|[a-z]{4}ase|icus|oides|tomy|genic|tropic|mectin|statins|izers|xaban|grel|platin|rubicin|taxel|mycetes|sporium|plasma|sone)$"
)
NAMED = re.compile(r"(?:\bname\b|\bsurname\b|signed|signature)[^a-z]{0,8}$", re.IGNORECASE)
LOWER = re.compile(
    r"(?:(?i:\bmy name is|\bmy name's|\bname is|\bi am called|\bcall me|\bname ?:|\bpatient name ?:|\bi'm|\bim|\bthis is) +)(?P<n>[a-z]{2,15}(?:[ -][a-z]{2,15})?)(?![A-Za-z])"
)
# Given names of one or two syllables in Hanyu Pinyin.
PINYIN = re.compile(
    r"(?:(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])(?:i?ang?|i?ong|[iu]?an|u?ai|i?ao|e?ng?|ing?|uo|ui|un|ua|ia|ie|iu|ei|ou|[aeiou])'?){1,2}"
)

_known: dict[str, str] = {}


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


def _words(text: str) -> Iterator[Word]:
    for match in CAPITAL.finditer(text):
        word = match[0]
        sort = _known.get(word)
        if sort is None:
            if len(_known) > 200_000:
                _known.clear()
            sort = _known[word] = _sort(word)
        yield Word(match.start(), match.end(), word, sort)


def _runs(text: str) -> Iterator[list[Word]]:
    """Words that stand side by side, cut at those that are in no name."""
    run: list[Word] = []
    for word in _words(text):
        if run and (not GAP.fullmatch(text, run[-1].end, word.start) or _ends_a_sentence(text, run[-1], word)):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _ends_a_sentence(text: str, last: Word, word: Word) -> bool:
    return text[last.end] == "." and last.sort not in ("I", "T") and not (len(last.text) <= 3 and last.sort == "C")


def _before(text: str, start: int) -> tuple[str, bool]:
    """How strongly the words before a place speak of a person ("strong", "some", "maybe", ""), and whether a sentence begins there."""
    left = text[max(0, start - 60) : start]
    bare = left.rstrip(" \t*_\"'([<>“”「【")
    if not bare:
        return "", True
    ends = bare[-1]
    if ends in ":=|" or (ends == "\n" and bare.rstrip().endswith((":", ","))):
        label = re.findall(r"[A-Za-z][A-Za-z/'.]*", bare[:-1].replace("-", " ")[-40:])
        last = label[-1].lower().rstrip(".") if label else ""
        if ends == "\n" and bare.rstrip().endswith(","):
            return ("strong", True) if last in cues.GREETINGS or last in cues.LABELS else ("", True)
        if last == "by":
            last = last if len(label) > 1 and label[-2].lower() in cues.DONE_BY else ""
            return ("strong" if last and "\n" not in left[len(bare) :] else "", True)
        if last in cues.PEOPLE and last not in ("called", "named"):
            return "strong", True
        return ("strong", True) if last in cues.LABELS else ("", True)
    if ends == "-" and left[-1] == " " and bare[-2:-1] == " ":
        last = (re.findall(r"[A-Za-z]+", bare) or [""])[-1].lower()
        return (
            ("strong", True)
            if last in cues.LABELS or last in cues.PEOPLE or last in cues.GREETINGS
            else ("maybe", True)
        )
    if ends in ".!?\n;":
        return ("some", True) if ends == "\n" and re.search(r"\n\s*[-~]\s*$", left) else ("", True)
    if ends in ",-~/&" or ends == "，":
        last = re.findall(r"[A-Za-z'-]+", bare[:-1])
        word = last[-1].lower() if last else ""
        if word in cues.GREETINGS or word in cues.PEOPLE:
            return "strong", False
        return ("maybe" if ends in ",&" else ""), False
    if not ends.isascii():
        return "", True
    said = re.findall(r"[a-z.'é-]+", left.lower()[-45:])
    if not said:
        return "", False
    one = said[-1].rstrip(".")
    if one in ("the", "her", "his", "my", "our", "their", "your") and len(said) > 1:
        one, said = said[-2], said[:-1]
    two, three = " ".join(said[-2:]), " ".join(said[-3:])
    if one in cues.GREETINGS or one in cues.TITLES:
        return "strong", False
    if one in cues.PEOPLE or two in cues.BEFORE or three in cues.BEFORE or one in cues.BEFORE:
        return "some", False
    if one == "by" and len(said) > 1 and said[-2] in cues.DONE_BY:
        return "some", False
    if one in cues.MAYBE_BEFORE or two in cues.MAYBE_BEFORE:
        return "maybe", False
    return "", False


def _after(text: str, end: int) -> str:
    """How strongly the words after a place speak of a person ("some", "maybe", "")."""
    right = text[end : end + 40]
    if CREDENTIALS.match(right) or AGED.match(right) or RELATED.match(right):
        return "some"
    said = re.match(r"(?:,? ?\([^)]{1,12}\))?,? ([a-z']+)(?: ([a-z]+))?(?: ([a-z]+))?", right)
    if not said:
        return ""
    one, two, three = said[1], said[2] or "", said[3] or ""
    if one in ("was", "is", "has", "were", "had", "will", "be", "been", "being", "got"):
        if two in (
            "been",
            "be",
            "then",
            "later",
            "also",
            "first",
            "recently",
            "initially",
            "not",
            "now",
            "subsequently",
            "again",
        ):
            two = three
        if two in ("diagnosed", "treated"):
            return "some" if re.search(rf"{two} with\b", right) else "maybe"
        return "some" if two in cues.VERBS else "maybe"
    if one in cues.VERBS:
        return "some"
    return "maybe" if one in cues.MAYBE_VERBS else ""


def _is_eponym(text: str, end: int) -> bool:
    """Whether what follows is something that is called after a person."""
    right = text[end : end + 48]
    said = re.match(r"(?:'s?|s'|’s)?[ -]{0,2}((?:[\w'/-]+ ){0,2}[\w'/-]+)", right)
    if not said:
        return False
    following = re.split(r"[ /-]", said[1].lower())[:3]
    if not following or following[0] in cues.VERBS or following[0] in cues.MAYBE_VERBS:
        return False
    for place, word in enumerate(following):
        if word.rstrip("'s") in cues.EPONYMIC or word in cues.EPONYMIC:
            return all(
                between not in cues.MAYBE_BEFORE and between not in ("in", "of", "on", "to")
                for between in following[:place]
                if between != "and"
            )
    return False


def _shouts(word: Word) -> bool:
    return word.text.isupper() and len(word.text) > 1


def _goes_on(text: str, part: list[Word], word: Word, titled: bool, first: bool) -> bool:
    """Whether an English word or acronym is the end of a name: "Upasna Lad", "MARY KO"."""
    lower = word.text.lower()
    if lower in ("ii", "iii", "iv", "jr", "sr"):
        return True
    if word.sort == "C":
        return _shouts(part[-1])
    if (
        (
            lower in cues.NEVER
            and lower not in ("long", "case", "key", "may", "will", "high", "early", "new", "hand", "low", "people")
        )
        or lower in cues.MONTHS
        or lower in cues.COUNTRIES
        or lower in cues.EPONYMIC
        or MEDICAL.search(lower)
        or _shouts(word) != _shouts(part[-1])
    ):
        return False
    if titled or (part[0].sort == "F" and len(part) < 3):
        return True
    if part[0].sort not in "ULFE" or len(part) > 2:
        return False
    return _after(text, word.end) == "some" or (first and _before(text, part[0].start)[0] in ("strong", "some"))


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
        and not _shouts(run[place])
    )


def _is_told(text: str, word: Word, titled: bool, place: int) -> bool:
    """Whether a title or label says of any word at all that it is a name: "Dr. Short", but not "Patient: Stable"."""
    if titled:
        title = re.search(r"([A-Za-z]+)\.? *$", text[max(0, word.start - 20) : word.start])
        return title is None or title[1].lower() not in cues.NOUNS
    return (
        place == 0
        and word.sort == "N"
        and _before(text, word.start)[0] == "strong"
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
    before, begins = _before(text, start) if first else ("", False)
    if titled or before == "strong":
        return not (before == "strong" and not titled and all(word.sort in "IP" for word in part))
    sorts = [word.sort for word in part]
    full = [sort for sort in sorts if sort != "I"]
    if not full:
        return False
    if "S" in full and (len(full) == 1 or not any(_shouts(word) and word.sort in "FLU" for word in part)):
        return before == "some" and len(full) > 1
    after = _after(text, end)
    eponym = _is_eponym(text, end)
    if len(full) == 1:
        sort = full[0]
        spoken = before == "some" or after == "some"
        if eponym or (sort == "U" and f" {part[-1].text.lower()}" in text):
            return False
        if len(sorts) > 1 and sorts[0] == "I" and sort in "FLUEA":
            return text[part[0].end : part[0].end + 1] == "." or spoken or before == "maybe"
        if sort == "F":
            return spoken or not (_shouts(part[-1]) or len(part[-1].text) < 3)
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
    runs = list(_runs(text))
    for place, run in enumerate(runs):
        following = runs[place + 1] if place + 1 < len(runs) else None
        for part, titled, first in _piece(run, text):
            taken = _taken(part, titled, first, text)
            if part[-1] is run[-1] and (following is not None) and text[part[-1].end : part[-1].end + 1] == ",":
                end = _given_after_comma(text, part, following)
                sure = following[0].sort == "F" and len(part) == 1 and part[0].sort in "LUAE"
                if end is not None and (
                    sure or (taken and len(part) == 1 and _before(text, part[0].start)[0] == "strong")
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
        if word.text in names and word.sort in "FLUAEP" and not _is_eponym(text, word.end):
            if word.sort == "A" and _before(text, word.start)[1]:
                continue
            if word.sort == "E" and _before(text, word.start)[0] == "":
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
