"""What one text holds: the concepts in it, where they stand, and whether they are said of here and now."""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from serving.triage.lexicon import Choice, Choices, Expression, Lexicon, Term
from serving.triage.numbers import measure
from serving.triage.scope import Scopes, Span, scopes
from serving.triage.text import Text, is_chinese

NEAR = 7.0  # words between two parts of one sign: "pain that I've had in the middle of my chest"
TIGHT = 4.0  # words between two parts of one phrase: "can't really get her to wake"
TOGETHER = 60.0  # words between two signs of one emergency
AROUND = 12.0  # words around a sign in which its excuse may stand
ENOUGH = 200  # occurrences of one sign: a longer text holds more only where it repeats itself
NEIGHBOURS = 4  # of each occurrence that are tried, so that a text of one word said a thousand times stays quick


@dataclass(frozen=True, slots=True)
class Hit:
    """A concept at a place: ``tokens`` carry the sign, ``context`` what may lie in the past."""

    concept: str
    tokens: tuple[int, ...]
    context: tuple[int, ...]

    @property
    def first(self) -> int:
        """Its first token."""
        return min([*self.tokens, *self.context])

    @property
    def end(self) -> int:
        """Past its last token."""
        return max([*self.tokens, *self.context]) + 1


class Reading:
    """What one text holds."""

    def __init__(self, text: Text, lexicon: Lexicon) -> None:
        self.text = text
        self.hits: dict[str, list[Hit]] = {}
        self._kept: dict[str, list[Hit]] = {}
        spans: dict[str, list[Span]] = {}
        for start in range(len(text)):
            for concept, end in lexicon.find(text.tokens, start):
                spans.setdefault(concept, []).append((start, end))
        turned = bytearray(len(text))
        for start, end in spans.pop("_idiom", []):
            turned[start:end] = b"\1" * (end - start)
        for concept, start, end in measure(text):
            spans.setdefault(concept, []).append((start, end))
        cues = {name: found for name, found in spans.items() if name.startswith("_")}
        signs = {name: found for name, found in spans.items() if not name.startswith("_")}
        denials = dict(cues.get("_no", []))
        longest: dict[int, int] = {}
        for start, end in itertools.chain.from_iterable(signs.values()):
            longest[start] = max(longest.get(start, 0), end)
        # In "no breathing difficulty" the words "no breathing" are no sign: a longer one begins after the "no".
        signs = {
            concept: [
                (start, end)
                for start, end in found
                if not (
                    denials.get(start, end) < end < longest.get(denials.get(start, end), 0)
                    and (text.tokens[start] == "no" or is_chinese(text.tokens[start]))
                )
            ]
            for concept, found in signs.items()
        }
        covering = [span for found in signs.values() for span in found if span[1] - span[0] > 1]
        self.scopes: Scopes = scopes(text, cues, covering)
        for concept, found in signs.items():
            kept = [
                Hit(concept, (), tuple(range(start, end)))
                if concept in lexicon.context
                else Hit(concept, tuple(range(start, end)), ())
                for start, end in found
                if not any(turned[start:end])
            ]
            if kept:
                self.hits[concept] = kept
        for concept, choice in self.possible(lexicon.combined):
            if more := list(self.matches(choice, concept, stated=False)):
                if concept in lexicon.context:
                    more = [Hit(concept, (), tuple(sorted({*hit.tokens, *hit.context}))) for hit in more]
                self.hits[concept] = [*self.hits.get(concept, []), *more]

    def stated(self, hit: Hit) -> bool:
        """Whether the text says it of here and now."""
        denied, past, supposed = self.scopes.denied, self.scopes.past, self.scopes.supposed
        own = {*hit.tokens, *hit.context}
        if any(start not in own for token in own for start in denied[token]):
            return False
        return not any(past[token] or supposed[token] for token in hit.tokens) and not (
            not hit.tokens and all(supposed[token] for token in hit.context)
        )

    def stated_hits(self, name: str) -> list[Hit]:
        """Where the text says the concept of here and now."""
        if name not in self._kept:
            self._kept[name] = [hit for hit in self.hits.get(name, []) if self.stated(hit)]
        return self._kept[name]

    def _near(self, one: list[Hit], other: list[Hit], concept: str, ordered: bool) -> list[Hit]:
        positions, sentences = self.text.positions, self.text.sentences
        other = sorted(other, key=lambda hit: hit.first)
        starts = [hit.first for hit in other]
        found = []
        for hit in one:
            at = bisect.bisect_left(starts, hit.first)
            for neighbour in other[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]:
                left, right = sorted((hit, neighbour), key=lambda item: item.first)
                if ordered and (left is not hit or self._apart(left, right)):
                    continue
                if sentences[left.first] != sentences[right.first]:
                    continue
                if positions[right.first] - positions[left.end - 1] > NEAR:
                    continue
                tokens = tuple(sorted({*hit.tokens, *neighbour.tokens}))
                context = tuple(sorted({*hit.context, *neighbour.context} - set(tokens)))
                found.append(Hit(concept, tokens, context))
            if len(found) >= ENOUGH:
                break
        return found

    def _apart(self, left: Hit, right: Hit) -> bool:
        """Whether two parts of a phrase overlap, stand in two clauses, or are too far from one another."""
        text = self.text
        gap = text.positions[right.first] - text.positions[left.end - 1]
        return right.first < left.end or text.clauses[left.end - 1] != text.clauses[right.first] or gap > TIGHT

    def _term(self, term: Term, concept: str, stated: bool) -> list[Hit]:
        if stated and len(term.parts) == 1:
            return [hit for name in term.parts[0] for hit in self.stated_hits(name)]
        found: list[Hit] | None = None
        for part in term.parts:
            hits = [hit for name in part for hit in self.hits.get(name, [])]
            if not hits:
                return []
            found = hits if found is None else self._near(found, hits, concept, term.ordered)
        found = found or []
        return [hit for hit in found if self.stated(hit)] if stated else found

    def possible(self, choices: Choices) -> Iterator[tuple[str, Choice]]:
        """Those of which the text may hold one, in order; what is found on the way counts for those that come later."""
        place, known, waiting = -1, set[str](), list[int]()
        while True:
            if len(self.hits) > len(known):
                for concept in self.hits.keys() - known:
                    known.add(concept)
                    for later in choices.places.get(concept, ()):
                        heapq.heappush(waiting, later)
            while waiting and waiting[0] <= place:  # tried already, or passed over before the concept was found
                heapq.heappop(waiting)
            if not waiting:
                return
            place = heapq.heappop(waiting)
            yield choices.listed[place]

    def matches(self, choice: Choice, concept: str, stated: bool = True) -> Iterator[Hit]:
        """The places where one of the combinations holds, in their order."""
        for expression in choice.expressions:
            yield from self._match(expression, concept, stated)

    def _match(self, expression: Expression, concept: str, stated: bool) -> list[Hit]:
        for names in expression.needed:
            if self.hits.keys().isdisjoint(names):
                return []
        found: list[Hit] | None = None
        for term in expression.terms:
            if term.absent:
                continue
            hits = self._term(term, concept, stated)
            if not hits:
                return []
            if found is None:
                found = [Hit(concept, hit.tokens, hit.context) for hit in hits[:ENOUGH]]
                continue
            positions = self.text.positions
            starts = sorted(hits, key=lambda hit: hit.first)
            keys = [positions[hit.first] for hit in starts]
            joined = []
            for hit in found[:ENOUGH]:
                here = positions[hit.first]
                for at in range(bisect.bisect_left(keys, here - TOGETHER), bisect.bisect_right(keys, here + TOGETHER)):
                    tokens = tuple(sorted({*hit.tokens, *starts[at].tokens}))
                    context = tuple(sorted({*hit.context, *starts[at].context} - set(tokens)))
                    joined.append(Hit(concept, tokens, context))
                    break
            found = joined
            if not found:
                return []
        for term in expression.terms:
            if term.absent and found:
                found = self._without(found, self._term(term, concept, True))
        return found or []

    def _without(self, found: list[Hit], excuses: list[Hit]) -> list[Hit]:
        """Those of ``found`` with no excuse in their sentences or close by; one in another part of a long message excuses nothing."""
        positions, sentences = self.text.positions, self.text.sentences
        kept = []
        for hit in found[:ENOUGH]:
            own = {sentences[token] for token in (*hit.tokens, *hit.context)}
            start, end = positions[hit.first], positions[hit.end - 1]
            if not any(
                sentences[excuse.first] in own or start - AROUND < positions[excuse.first] < end + AROUND
                for excuse in excuses
            ):
                kept.append(hit)
        return kept
