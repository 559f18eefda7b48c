"""The statements of a reply on which options are right, each with its weight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase as ALPHABET

from evals.reading import label_wording as labels
from evals.reading import statement_wording as wording
from evals.reading.named import Named, Reader, phrase_of


@dataclass(frozen=True)
class Statement:
    """A place where the reply says which options are right; ``places`` is None where it contradicts itself there."""

    start: int
    named: int  # where its labels or words begin
    end: int
    places: frozenset[int] | None
    weight: int
    verdict: bool = False


def _stands(text: str, start: int, named_start: int, named_end: int) -> bool:
    """Whether a statement that begins at ``start``, and its label at ``named_start``, is neither denied, asked nor supposed."""
    if labels.ASKED.match(text, named_end) or wording.UNDONE.match(text, named_end):
        return False
    before = text[max(0, start - 80) : named_start]
    sentence = wording.SENTENCE.split(text[max(0, start - 240) : start])[-1]
    if wording.SUPPOSED.match(sentence + text[start:named_end]):
        return False
    return not wording.DENIED.search(wording.NO_DENIAL.sub("", wording.CLAUSE.split(before.rstrip(": "))[-1]))


def after_cues(reader: Reader) -> Iterator[Statement]:
    """What follows a cue: "the answer is", "I choose", "答案是", "so"."""
    text = reader.text
    cues = [(weight, cue, False) for weight, cue in wording.CUES]
    cues += [(wording.PLAIN, cue, True) for cue in wording.LOOSE_CUES]
    for weight, cue, loose in cues:
        for match in cue.finditer(text):
            named = reader.named(match.end())
            if named is None or not _stands(text, match.start(), match.end(), named.end):
                continue
            if loose and not wording.LABEL_ENDS.match(text, named.end):
                continue
            if wording.KIND.search(match[0]) and not reader.words(match.end()):
                continue
            places = None if labels.OR.match(text, named.end) else named.places
            clause = wording.CLAUSE.split(text[max(0, match.start() - 40) : match.start()])[-1] + match[0]
            if weight == wording.PLAIN and wording.FINALLY.search(clause):
                heavy = wording.FINAL
            else:
                heavy = wording.WEAK if wording.HEDGED.search(clause) else weight
            yield Statement(match.start(), match.end(), named.end, places, heavy)
    for match in wording.WORD_CUES.finditer(text):
        verb = wording.VERB.match(text, match.end())
        worded = reader.worded(match.end()) or (reader.worded(verb.end()) if verb else None)
        if worded is not None and _stands(text, match.start(), match.end(), worded.end):
            yield Statement(match.start(), match.end(), worded.end, worded.places, wording.WEAK)


def _with_letters(reader: Reader) -> dict[int, frozenset[int] | None]:
    """Options' words with a letter behind them, "aspirin (A) and codeine (D)": what all that are joined come to, by the place of the last letter."""
    found: dict[
        int, tuple[int, int, frozenset[int] | None]
    ] = {}  # where the words begin, where the letter ends, the options
    for place, phrase in enumerate(map(phrase_of, reader.options)):
        for match in phrase.finditer(reader.text) if phrase else ():
            letter = labels.LABEL_BEHIND.match(reader.text, match.end())
            start = match.end() - len(match[0].lstrip(" \n\"'“(["))
            if letter and (letter.start(1) not in found or start < found[letter.start(1)][0]):  # the longest words
                found[letter.start(1)] = (start, letter.end(), reader.lettered(place, letter[1]))
    joined: dict[int, frozenset[int] | None] = {}
    last: tuple[int, frozenset[int] | None] | None = None  # where the letter before ends, and what it comes to
    for at, (start, end, places) in sorted(found.items()):
        joint = labels.JOINT.fullmatch(reader.text, last[0], start) if last and last[0] <= start else None
        if joint and last:
            either = joint[0].strip() in ("or", "或", "/")
            places = None if either or places is None or last[1] is None else places | last[1]
        joined[at], last = places, (end, places)
    return joined


def verdicts(reader: Reader) -> Iterator[Statement]:
    """What has a verdict behind it: "C is correct", "C项正确"."""
    text = reader.text
    lettered = _with_letters(reader)
    for match in wording.VERDICT.finditer(text):
        label = match["label"]
        letters = re.findall(r"[A-Ja-j]", re.sub(r"\band\b|\boption\b|also", "", label))
        places = frozenset(ALPHABET.index(letter.upper()) for letter in letters)
        before = wording.CLAUSE.split(text[max(0, match.start("label") - 60) : match.start("label")])[-1]
        if (
            wording.DENIED.search(before)
            or labels.ASKED.match(text, match.end())
            or labels.OR.match(text, match.end("label"))
        ):
            continue
        if re.search(r"(?:\bor|或)\s?$", before):
            continue
        yield Statement(
            match.start("label"),
            match.start("label"),
            match.end(),
            lettered.get(match.start("label"), places if max(places) < len(reader.options) else None),
            wording.WEAK if wording.SOFT.match(match[0]) else wording.PLAIN,
            verdict=True,
        )
    for place, option in enumerate(reader.options):
        phrase = phrase_of(option)
        for match in phrase.finditer(text) if phrase else ():
            verdict = wording.WORDS_RIGHT.match(text, match.end())
            if not verdict or labels.ASKED.match(text, verdict.end()):
                continue
            longest = reader.words(match.start()) or Named(frozenset({place}), match.end())
            clause = wording.CLAUSE.split(text[max(0, match.start() - 60) : match.start()])[-1].strip(" \"'(")
            label = re.match("[A-J](?![A-Za-z])", clause)
            if label and ALPHABET.index(label[0]) != place:
                continue
            if longest.places == frozenset({place}) and (not clause or wording.LEADS.fullmatch(clause)):
                yield Statement(match.start(), match.start(), match.end(), longest.places, wording.PLAIN, verdict=True)


def bare(reader: Reader) -> Iterator[Statement]:
    """The reply's first line, and its last, where they are an answer by themselves."""
    text = reader.text
    listed = labels.LABELS.findall(text)
    shown = set(listed)
    # "B. …" and then A, C and D: the others are gone through after the answer. From A on it may be the options said over again.
    answer_first = len(listed) > 1 and listed[0] > listed[1]
    last = text.rfind("\n") + 1
    for start in sorted({0, last}):
        head = labels.BARE_HEAD.match(text, start).end()  # type: ignore[union-attr]
        by_label = reader.label(head)
        small = text[head : head + 1].islower()
        if by_label is not None and small and not re.match(r"[).\]\"]{0,2}\s*(?:$|\n)|\)\s", text[by_label.end :]):
            by_label = None
        if by_label is not None and labels.ABOUT_IT.match(text, by_label.end):
            by_label = None  # a sentence about it
        if by_label is not None:
            named = {ALPHABET[place] for place in by_label.places or ()}
            first = start == 0 and answer_first and listed[0] in named
            if shown <= named or first or (by_label.places is None and len(shown) <= 1):
                places = None if labels.OR.match(text, by_label.end) else by_label.places
                if _stands(text, start, head, by_label.end):
                    yield Statement(start, start, by_label.end, places, wording.PLAIN)
                continue
        named_words = reader.worded(start) or reader.everything(start)
        its_own = {ALPHABET[place] for place in named_words.places or ()} if named_words else set()
        if named_words is not None and shown <= its_own and _stands(text, start, start, named_words.end):
            yield Statement(start, start, named_words.end, named_words.places, wording.WEAK)
