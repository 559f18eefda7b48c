"""What a place of a reply names: labels of options ("B", "(A) and C", "ACD"), or an option's own words."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase as ALPHABET  # a reply may name letters that no option has

from corpora.curate.units import units
from evals.reading import label_wording as labels

_NEXT_LISTED = re.compile(r"\s(?=[A-J][.、)])")


@functools.lru_cache(maxsize=4096)
def phrase_of(option: str) -> re.Pattern[str] | None:
    """A pattern of the option's words, however they are spaced and punctuated; None where it has none."""
    words = units(option)
    if not words:
        return None
    run = r"[\W_]{0,4}".join("'?".join(map(re.escape, word)) if word.isascii() else re.escape(word) for word in words)
    percent = r"\s?\\?%" if re.search(r"\d\s?\\?[%％]\s*$", option) else ""
    negative = r"-" if re.match(r"\s*-\s*\d", option) else ""
    return re.compile(rf"[\s\"'“(\[]{{0,4}}(?:(?:an?|the)\s)?{negative}{run}{percent}(?![a-z0-9%])", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """Options named at a place of the text; ``places`` is None where they contradict each other or do not exist."""

    places: frozenset[int] | None
    end: int


class Reader:
    """A reply and the options that it chooses from."""

    def __init__(self, text: str, options: Sequence[str], several: bool) -> None:
        self.text = text
        self.options = options
        self.several = several

    def words(self, start: int) -> Named | None:
        """The option whose words stand at ``start``, the longest; no words but another option's may follow in the clause."""
        best: Named | None = None
        for place, option in enumerate(self.options):
            phrase = phrase_of(option)
            match = phrase.match(self.text, start) if phrase else None
            if match and (best is None or match.end() > best.end) and self._ended(match.end()):
                best = Named(frozenset({place}), match.end())
        behind = labels.LABEL_BEHIND.match(self.text, best.end) if best else None
        if best is None or behind is None or not best.places:
            return best
        return Named(self.lettered(min(best.places), behind[1]), behind.end())

    def lettered(self, place: int, letter: str) -> frozenset[int] | None:
        """The option at ``place`` where ``letter``, behind its words, is its own, or no option's and the symbol of its name; else None."""
        symbol = ALPHABET.index(letter) >= len(self.options) and self.options[place][:1].upper() == letter
        return frozenset({place}) if symbol or ALPHABET[place] == letter else None

    def _ended(self, end: int) -> bool:
        for _ in range(len(self.options)):
            if labels.AFTER_WORDS.match(self.text, end) or _NEXT_LISTED.match(self.text, end):
                return True
            joint = labels.JOINT.match(self.text, end)
            if joint and labels.LABEL_FOLLOWS.match(self.text, joint.end()) and self.several:
                return True
            phrases = [phrase for phrase in map(phrase_of, self.options) if phrase] if joint else []
            following = [phrase.match(self.text, joint.end()) for phrase in phrases] if joint else []
            end = max((match.end() for match in following if match), default=-1)
            if end < 0:
                return False
        return False

    def label(self, start: int) -> Named | None:
        """The label or labels that stand at ``start``."""
        text = self.text
        found = labels.LETTER.match(text, start)
        if found:
            named, end = [found[1]], found.end()
            small = named[0].islower()
            # "(B) B cells" is one label with its words.
            while not self.words(labels.CLOSING.match(text, end).end()):  # type: ignore[union-attr]
                more = labels.NEXT_LETTER.match(text, end)
                if more is None or small != bool(more[2]):
                    break
                named.append(more[1] or more[2])
                end = more.end()
        else:
            glued = labels.GLUED.match(text, start)
            if not glued:
                return None
            named, end = list(glued[0]), glued.end()
            if len(set(named)) < len(named) or (glued[0].islower() and named != sorted(named)):
                return None
            if any(ALPHABET.index(letter.upper()) >= len(self.options) for letter in named):
                return None  # "CABG" among five options is a word
        places = frozenset(ALPHABET.index(letter.upper()) for letter in named)
        beside = self.words(labels.CLOSING.match(text, end).end()) if end < len(text) else None  # type: ignore[union-attr]
        if beside is not None and len(named) == 1 and "\n" not in text[end : labels.CLOSING.match(text, end).end()]:  # type: ignore[union-attr]
            return self._listed(beside) if places == beside.places else Named(None, beside.end)
        if not labels.AFTER_LABEL.match(text, end):
            own = phrase_of(self.options[min(places)]) if max(places) < len(self.options) else None
            if own is None or not own.match(text, end):
                return None
        elif (
            text[end : end + 1] == "."
            and text[end + 1 : end + 2] != "."
            and not labels.NOT_ABBREVIATED.match(text, end)
        ):
            return None  # "E. coli"
        if max(places) >= len(self.options):
            return Named(None, end)
        return Named(places, end)

    def _listed(self, first: Named) -> Named:
        """``first``, a label with its words, and where several may be right the labels with their words that follow it."""
        joint = (
            (labels.JOINT.match(self.text, first.end) or _NEXT_LISTED.match(self.text, first.end))
            if self.several
            else None
        )
        more = self.label(joint.end()) if joint else None
        if more is None or not more.places or not first.places:
            return first
        both = first.places | more.places
        # All of them are the options said over again.
        return Named(both if len(both) < len(self.options) else None, more.end)

    def named(self, start: int) -> Named | None:
        """What a cue that ends at ``start`` is followed by: an option's words, or labels."""
        begin = labels.OPENING.match(self.text, start).end()  # type: ignore[union-attr]
        by_words = self.words(start) or self.words(begin)
        by_label = self.label(begin)
        # "A fracture of the hip" is no label, since words follow; "A. Aspirin" is one with its words.
        valid = by_label is not None and by_label.places and (self.several or len(by_label.places) == 1)
        if by_label is not None and valid and (by_words is None or by_words.end <= by_label.end):
            return by_label
        if by_words is not None:
            return self._joined(by_words)
        return self.everything(begin) or by_label

    def everything(self, start: int) -> Named | None:
        """All options, where several may be right and "all of the above" is none of them."""
        found = labels.ALL.match(self.text, start) if self.several else None
        return Named(frozenset(range(len(self.options))), found.end()) if found else None

    def worded(self, start: int) -> Named | None:
        """The option whose words stand at ``start``, or the options where several may be right."""
        first = self.words(start)
        return self._joined(first) if first else None

    def _joined(self, first: Named) -> Named:
        """``first`` with the options whose words are joined to it; a contradiction where one alone is asked for, or a choice is left."""
        places, end = first.places or frozenset(), first.end
        open_choice = False
        while joint := labels.JOINT.match(self.text, end):
            more = self.words(joint.end())
            if more is None:
                break
            open_choice |= joint[0].strip() in ("or", "或", "/")
            places, end = places | (more.places or frozenset()), more.end
        return Named(places if not open_choice and (self.several or len(places) == 1) else None, end)
