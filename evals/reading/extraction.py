"""Which options a reply names as its answer: by letter or by an option's own words, in English, Chinese and Spanish.

Nothing is guessed: a reply that states no answer gives None, never a default letter. How a reply is read:

1. Thoughts are cut off; LaTeX boxes, JSON fields and ``<answer>`` tags are rewritten as "Answer: …"; width, script and markup are made one.
2. *Statements* are looked for: what follows a cue ("the answer is", "I choose", "答案是", "故选", "so"), what has a verdict ("C is correct",
   "C项正确"), and a reply or its last line that is an answer by itself ("C", "C. Aspirin"). A letter counts only where a label can stand: "CT",
   "B cells", "E. coli", "B超", "vitamin C" and "A patient" have none.
3. One that is denied ("is not B", "B is wrong"), asked ("is it B?") or supposed ("if …, it would be B") is none.
4. The statements are weighed in order. A "final answer" outweighs a plain one, a plain one a mere "it might be". Of two that differ with equal
   weight the later counts if the reply corrects itself between them ("wait", "actually", "不对"); else the reply contradicts itself and gives None.
5. A letter beside another option's words, a letter that no option has, "B or C", or several letters where one is asked for give None.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpora.curate.units import units
from evals.reading import wording as wording
from evals.reading.replies import after_thinking, one_form, strip_thinking
from evals.reading.spanish import in_english_words

__all__ = ["extract_choices", "strip_thinking"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPOKEN_UP_TO = 4000  # characters at the reply's end that are read: a final answer stands there, or at the start


_NEXT_LISTED = re.compile(r"\s(?=[A-J][.、)])")


@functools.lru_cache(maxsize=4096)
def _phrase(option: str) -> re.Pattern[str] | None:
    words = units(option)
    if not words:
        return None
    run = r"[\W_]{0,4}".join("'?".join(map(re.escape, word)) if word.isascii() else re.escape(word) for word in words)
    percent = r"\s?\\?%" if re.search(r"\d\s?\\?[%％]\s*$", option) else ""
    negative = r"-" if re.match(r"\s*-\s*\d", option) else ""
    return re.compile(rf"[\s\"'“(\[]{{0,4}}(?:(?:an?|the)\s)?{negative}{run}{percent}(?![a-z0-9%])", re.IGNORECASE)


@dataclass(frozen=True)
class _Named:
    """Options named at a place of the text; ``places`` is None where they contradict each other or do not exist."""

    places: frozenset[int] | None
    end: int


class _Reader:
    """A reply and the options that it chooses from."""

    def __init__(self, text: str, options: Sequence[str], several: bool) -> None:
        self.text = text
        self.options = options
        self.several = several

    def words(self, start: int) -> _Named | None:
        """The option whose words stand at ``start``, the longest; no words but another option's may follow in the clause."""
        best: _Named | None = None
        for place, option in enumerate(self.options):
            phrase = _phrase(option)
            match = phrase.match(self.text, start) if phrase else None
            if match and (best is None or match.end() > best.end) and self._ended(match.end()):
                best = _Named(frozenset({place}), match.end())
        return best

    def _ended(self, end: int) -> bool:
        for _ in range(len(self.options)):
            if wording.AFTER_WORDS.match(self.text, end) or _NEXT_LISTED.match(self.text, end):
                return True
            joint = wording.JOINT.match(self.text, end)
            if joint and wording.LABEL_FOLLOWS.match(self.text, joint.end()) and self.several:
                return True
            phrases = [phrase for phrase in map(_phrase, self.options) if phrase] if joint else []
            following = [phrase.match(self.text, joint.end()) for phrase in phrases] if joint else []
            end = max((match.end() for match in following if match), default=-1)
            if end < 0:
                return False
        return False

    def label(self, start: int) -> _Named | None:
        """The label or labels that stand at ``start``."""
        text = self.text
        found = wording.LETTER.match(text, start)
        if found:
            named, end = [found[1]], found.end()
            small = named[0].islower()
            # "(B) B cells" is one label with its words.
            while not self.words(wording.CLOSING.match(text, end).end()):  # type: ignore[union-attr]
                more = wording.NEXT_LETTER.match(text, end)
                if more is None or small != bool(more[2]):
                    break
                named.append(more[1] or more[2])
                end = more.end()
        else:
            glued = wording.GLUED.match(text, start)
            if not glued:
                return None
            named, end = list(glued[0]), glued.end()
            if len(set(named)) < len(named) or (glued[0].islower() and named != sorted(named)):
                return None
            if any(_LETTERS.index(letter.upper()) >= len(self.options) for letter in named):
                return None  # "CABG" among five options is a word
        places = frozenset(_LETTERS.index(letter.upper()) for letter in named)
        beside = self.words(wording.CLOSING.match(text, end).end()) if end < len(text) else None  # type: ignore[union-attr]
        if beside is not None and len(named) == 1 and "\n" not in text[end : wording.CLOSING.match(text, end).end()]:  # type: ignore[union-attr]
            return self._listed(beside) if places == beside.places else _Named(None, beside.end)
        if not wording.AFTER_LABEL.match(text, end):
            own = _phrase(self.options[min(places)]) if max(places) < len(self.options) else None
            if own is None or not own.match(text, end):
                return None
        elif (
            text[end : end + 1] == "."
            and text[end + 1 : end + 2] != "."
            and not wording.NOT_ABBREVIATED.match(text, end)
        ):
            return None  # "E. coli"
        if max(places) >= len(self.options):
            return _Named(None, end)
        return _Named(places, end)

    def _listed(self, first: _Named) -> _Named:
        """``first``, a label with its words, and where several may be right the labels with their words that follow it."""
        joint = (
            (wording.JOINT.match(self.text, first.end) or _NEXT_LISTED.match(self.text, first.end))
            if self.several
            else None
        )
        more = self.label(joint.end()) if joint else None
        if more is None or not more.places or not first.places:
            return first
        both = first.places | more.places
        # All of them are the options said over again.
        return _Named(both if len(both) < len(self.options) else None, more.end)

    def named(self, start: int) -> _Named | None:
        """What a cue that ends at ``start`` is followed by: an option's words, or labels."""
        begin = wording.OPENING.match(self.text, start).end()  # type: ignore[union-attr]
        by_words = self.words(start) or self.words(begin)
        by_label = self.label(begin)
        # "A fracture of the hip" is no label, since words follow; "A. Aspirin" is one with its words.
        valid = by_label is not None and by_label.places and (self.several or len(by_label.places) == 1)
        if by_label is not None and valid and (by_words is None or by_words.end <= by_label.end):
            return by_label
        if by_words is not None:
            return self._joined(by_words)
        return self.everything(begin) or by_label

    def everything(self, start: int) -> _Named | None:
        """All options, where several may be right and "all of the above" is none of them."""
        found = wording.ALL.match(self.text, start) if self.several else None
        return _Named(frozenset(range(len(self.options))), found.end()) if found else None

    def worded(self, start: int) -> _Named | None:
        """The option whose words stand at ``start``, or the options where several may be right."""
        first = self.words(start)
        return self._joined(first) if first else None

    def _joined(self, first: _Named) -> _Named:
        """``first`` with the options whose words are joined to it; a contradiction where one alone is asked for, or a choice is left."""
        places, end = first.places or frozenset(), first.end
        open_choice = False
        while joint := wording.JOINT.match(self.text, end):
            more = self.words(joint.end())
            if more is None:
                break
            open_choice |= joint[0].strip() in ("or", "或", "/")
            places, end = places | (more.places or frozenset()), more.end
        return _Named(places if not open_choice and (self.several or len(places) == 1) else None, end)


# --- Statements -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Statement:
    start: int
    named: int  # where its labels or words begin
    end: int
    places: frozenset[int] | None
    weight: int
    verdict: bool = False


def _stands(text: str, start: int, named_start: int, named_end: int) -> bool:
    """Whether a statement that begins at ``start``, and its label at ``named_start``, is neither denied, asked nor supposed."""
    if wording.ASKED.match(text, named_end) or wording.UNDONE.match(text, named_end):
        return False
    before = text[max(0, start - 80) : named_start]
    sentence = wording.SENTENCE.split(text[max(0, start - 240) : start])[-1]
    if wording.SUPPOSED.match(sentence + text[start:named_end]):
        return False
    return not wording.DENIED.search(wording.NO_DENIAL.sub("", wording.CLAUSE.split(before.rstrip(": "))[-1]))


def _after_cues(reader: _Reader) -> Iterator[_Statement]:
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
            places = None if wording.OR.match(text, named.end) else named.places
            clause = wording.CLAUSE.split(text[max(0, match.start() - 40) : match.start()])[-1] + match[0]
            if weight == wording.PLAIN and wording.FINALLY.search(clause):
                heavy = wording.FINAL
            else:
                heavy = wording.WEAK if wording.HEDGED.search(clause) else weight
            yield _Statement(match.start(), match.end(), named.end, places, heavy)
    for match in wording.WORD_CUES.finditer(text):
        verb = wording.VERB.match(text, match.end())
        worded = reader.worded(match.end()) or (reader.worded(verb.end()) if verb else None)
        if worded is not None and _stands(text, match.start(), match.end(), worded.end):
            yield _Statement(match.start(), match.end(), worded.end, worded.places, wording.WEAK)


def _verdicts(reader: _Reader) -> Iterator[_Statement]:
    text = reader.text
    for match in wording.VERDICT.finditer(text):
        label = match["label"]
        letters = re.findall(r"[A-Ja-j]", re.sub(r"\band\b|\boption\b|also", "", label))
        places = frozenset(_LETTERS.index(letter.upper()) for letter in letters)
        before = wording.CLAUSE.split(text[max(0, match.start("label") - 60) : match.start("label")])[-1]
        if (
            wording.DENIED.search(before)
            or wording.ASKED.match(text, match.end())
            or wording.OR.match(text, match.end("label"))
        ):
            continue
        if re.search(r"(?:\bor|或)\s?$", before):
            continue
        yield _Statement(
            match.start("label"),
            match.start("label"),
            match.end(),
            places if max(places) < len(reader.options) else None,
            wording.WEAK if wording.SOFT.match(match[0]) else wording.PLAIN,
            verdict=True,
        )
    for place, option in enumerate(reader.options):
        phrase = _phrase(option)
        for match in phrase.finditer(text) if phrase else ():
            verdict = wording.WORDS_RIGHT.match(text, match.end())
            if not verdict or wording.ASKED.match(text, verdict.end()):
                continue
            longest = reader.words(match.start()) or _Named(frozenset({place}), match.end())
            clause = wording.CLAUSE.split(text[max(0, match.start() - 60) : match.start()])[-1].strip(" \"'(")
            label = re.match("[A-J](?![A-Za-z])", clause)
            if label and _LETTERS.index(label[0]) != place:
                continue
            if longest.places == frozenset({place}) and (not clause or wording.LEADS.fullmatch(clause)):
                yield _Statement(match.start(), match.start(), match.end(), longest.places, wording.PLAIN, verdict=True)


def _bare(reader: _Reader) -> Iterator[_Statement]:
    """The reply's first line, and its last, where they are an answer by themselves."""
    text = reader.text
    listed = wording.LABELS.findall(text)
    labels = set(listed)
    # "B. …" and then A, C and D: the others are gone through after the answer. From A on it may be the options said over again.
    answer_first = len(listed) > 1 and listed[0] > listed[1]
    last = text.rfind("\n") + 1
    for start in sorted({0, last}):
        head = wording.BARE_HEAD.match(text, start).end()  # type: ignore[union-attr]
        by_label = reader.label(head)
        small = text[head : head + 1].islower()
        if by_label is not None and small and not re.match(r"[).\]\"]{0,2}\s*(?:$|\n)|\)\s", text[by_label.end :]):
            by_label = None
        if by_label is not None and wording.ABOUT_IT.match(text, by_label.end):
            by_label = None  # a sentence about it
        if by_label is not None:
            named = {_LETTERS[place] for place in by_label.places or ()}
            first = start == 0 and answer_first and listed[0] in named
            if labels <= named or first or (by_label.places is None and len(labels) <= 1):
                places = None if wording.OR.match(text, by_label.end) else by_label.places
                if _stands(text, start, head, by_label.end):
                    yield _Statement(start, start, by_label.end, places, wording.PLAIN)
                continue
        named_words = reader.worded(start) or reader.everything(start)
        its_own = {_LETTERS[place] for place in named_words.places or ()} if named_words else set()
        if named_words is not None and labels <= its_own and _stands(text, start, start, named_words.end):
            yield _Statement(start, start, named_words.end, named_words.places, wording.WEAK)


def _weighed(statements: list[_Statement], text: str, several: bool) -> frozenset[int] | None:
    """What the statements come to, in the order of the reply."""
    current: _Statement | None = None
    for one in sorted(statements, key=lambda one: (one.start, one.end)):
        if current is None or one.places == current.places:
            current = (
                one
                if current is None
                else _Statement(
                    one.start,
                    one.named,
                    max(one.end, current.end),
                    one.places,
                    max(one.weight, current.weight),
                    one.verdict,
                )
            )
            continue
        if one.end <= current.end:  # within the other: "answer is" in "final answer is"
            if one.weight > current.weight:
                current = one
            continue
        if several and one.verdict and current.verdict and one.places and current.places:
            both = one.places | current.places
            current = _Statement(one.start, one.named, one.end, both, max(one.weight, current.weight), verdict=True)
            continue
        corrected = wording.CORRECTS.search(text, max(0, current.end - 1), max(one.named, current.end - 1))
        if one.weight > current.weight or (corrected and one.weight >= wording.PLAIN):
            current = one
        elif one.weight == current.weight:
            current = _Statement(one.start, one.named, one.end, None, one.weight)
    return current.places if current else None


def extract_choices(text: str, options: Sequence[str], several: bool = False, language: str = "en") -> list[int] | None:
    """Places of the options that a reply names as its answer, in ascending order.

    Args:
        text: what the model said, its thoughts included.
        options: the options' texts in the order of their letters; 2 to 26.
        several: whether several options may be right; else a reply that names more than one is unparsed.
        language: of the question, "en", "zh" or "es". Replies mix English and Chinese, so the rules of both are always tried.

    Returns:
        None where the reply states no answer, states one that no option has, or contradicts itself.

    Raises:
        ValueError: no rules were written for the language, or there are more options than letters.
    """
    if language not in ("en", "zh", "es"):
        raise ValueError(f"answers can be read in en, zh and es, not in {language!r}")
    if not 2 <= len(options) <= len(_LETTERS):
        raise ValueError(f"there must be 2 to {len(_LETTERS)} options, not {len(options)}")
    said = after_thinking(text)
    if not said:
        return None
    said = one_form(said)
    if language == "es":
        said = in_english_words(said)
    if len(said) > 2 * _SPOKEN_UP_TO:
        said = said[:_SPOKEN_UP_TO] + "\n" + said[-_SPOKEN_UP_TO:]
    # A base model goes on to questions of its own: what it says to the first one counts.
    own = re.search(r"\S\s*\n\s*(?:Question|Q|问题|题目)\s?\d{0,3}\s?:", said)
    for part in (said[: own.start() + 1], said) if own else (said,):
        found = _read(part, options, several)
        if found is not None:
            return sorted(found)
    return None


def _read(text: str, options: Sequence[str], several: bool) -> frozenset[int] | None:
    reader = _Reader(text, options, several)
    statements = [*_after_cues(reader), *_verdicts(reader), *_bare(reader)]
    found = _weighed(statements, text, several)
    return found if found and (several or len(found) == 1) else None
