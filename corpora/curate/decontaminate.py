"""Finds records that hold questions of a benchmark, so that an exam does not test what was read.

A question is looked for in two steps. Where a record shares a short n-gram with it that few other questions have, its units (see
``units``) are aligned with the record's around that place, and the record holds it when most of its weight is found there in order. A
unit weighs by how few questions have it: "which of the following is" says little, "23 mEq/L" much. So a question is found in other
case, width, punctuation or script, with its options in another order, and with a few words changed, left out or put in; and a
row that only asks in the same manner is left alone.

Sources: n-gram overlap as in Brown et al. 2020 (https://arxiv.org/abs/2005.14165, appendix C), whose 13-grams miss edited and short
questions; alignment as Smith and Waterman 1981 do it; inverse document frequency after Sparck Jones 1972.
"""

from __future__ import annotations

import collections
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from corpora.catalog import named_records
from corpora.curate.units import HAN, units
from corpora.curate.waterfall import Step, counted
from corpora.errors import DataError
from corpora.records import ExamItem, Record, text_of

LONG, SHORT = 12, 5  # units; questions from LONG on are found by their 3-grams, shorter ones by their 2-grams
COMMON = 20  # an n-gram of more questions than this leads to none of them
NEAR = 0.3  # share of a question's n-grams that must stand together before it is aligned
# Share of a question's weight that must be found in order: alone, and with its answer. A Chinese character says less than a word, and
# questions that ask other things of the same disease share most of theirs.
NEEDED = {"words": (0.75, 0.72), "characters": (0.87, 0.8)}
# Weight of a question that is enough to be told without its answer; "which of the following is true?" has less.
TELLING = 1.5
REACH = 80  # units around a short question in which its answer is looked for
SLACK = 0.5  # of a question's length, by which a record may have put words in
LEAST_WEIGHT = 0.1  # of a unit that all questions have, beside 1 of one that a single question has

Gram = tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A question of a benchmark as it is looked for."""

    benchmark: str
    item: str
    words: tuple[str, ...]
    weights: tuple[float, ...]  # of each word
    answers: tuple[tuple[str, ...], ...]  # the right options: asked for where the question alone is too short to tell


@dataclass(frozen=True)
class Match:
    """A question that a record holds."""

    benchmark: str
    item: str
    share: float  # of the question's weight


@dataclass
class Contamination:
    """What was found in a corpus."""

    sizes: dict[str, int]  # items of each benchmark
    by_source: collections.Counter[tuple[str, str]] = field(
        default_factory=collections.Counter
    )  # (benchmark, source) -> records
    items: dict[str, set[str]] = field(default_factory=lambda: collections.defaultdict(set))  # touched, by benchmark

    def add(self, lines: Iterable[str]) -> None:
        """Counts what ``decontaminate`` wrote of the records of a shard."""
        for record, found in itertools.groupby(map(json.loads, lines), key=lambda line: line["record"]):
            benchmarks = set()
            for line in found:
                benchmarks.add(line["benchmark"])
                self.items[line["benchmark"]].add(line["item"])
            self.by_source.update((name, record.split("/")[0]) for name in benchmarks)

    def as_dict(self) -> dict[str, Any]:
        """For programs; ``touched`` is the list by which an exam gives its score on the clean rest."""
        return {
            "benchmarks": {
                name: {
                    "items": size,
                    "touched": len(self.items[name]),
                    "by_source": {
                        source: count for (one, source), count in self.by_source.most_common() if one == name
                    },
                }
                for name, size in self.sizes.items()
            },
            "touched": {name: sorted(self.items[name]) for name in self.sizes},
        }


def grams(words: Sequence[str], size: int) -> Iterator[Gram]:
    """The n-grams of ``words`` in order."""
    return zip(*(words[start:] for start in range(size)), strict=False)


class Benchmarks:
    """The questions of benchmarks, indexed by their n-grams. Holds the questions in memory, and no corpus."""

    def __init__(self, benchmarks: dict[str, Iterable[ExamItem]]) -> None:
        items = [(name, item, units(item.question)) for name, its in benchmarks.items() for item in its]
        self.sizes = dict.fromkeys(benchmarks, 0) | dict(collections.Counter(name for name, _, _ in items))
        frequency = collections.Counter(word for _, _, words in items for word in set(words))
        most = math.log(max(2, len(items)))
        weights = {word: max(LEAST_WEIGHT, 1 - math.log(count) / most) for word, count in frequency.items()}
        self.questions = [
            Question(
                name,
                item.id,
                tuple(words),
                tuple(weights[word] for word in words),
                tuple(tuple(units(item.options[place])) for place in item.answers),
            )
            for name, item, words in items
            if words
        ]
        found: dict[Gram, list[tuple[int, int]]] = collections.defaultdict(list)
        for number, question in enumerate(self.questions):
            for place, gram in enumerate(grams(question.words, _size(question.words))):
                found[gram].append((number, place))
        # Of each n-gram the questions that have it, and where in them. One that has only common ones is found by its rarest.
        self.index = {gram: places for gram, places in found.items() if len(places) <= COMMON}
        self.indexed = [0] * len(self.questions)  # different n-grams by which each question is found
        for number, question in enumerate(self.questions):
            its = set(grams(question.words, _size(question.words)))
            if not its & self.index.keys():
                rarest = min(its, key=lambda gram: (len(found[gram]), gram))
                self.index[rarest] = found[rarest]
            self.indexed[number] = len(its & self.index.keys())
        self.lengths = sorted({len(gram) for gram in self.index})

    def matches(self, text: str) -> list[Match]:
        """The questions that ``text`` holds."""
        words = units(text)
        starts: dict[int, list[tuple[int, int]]] = collections.defaultdict(list)
        for size in self.lengths:
            for place, gram in enumerate(grams(words, size)):
                for number, inside in self.index.get(gram, ()):
                    starts[number].append((place - inside, inside))
        found = []
        for number, places in sorted(starts.items()):
            question = self.questions[number]
            best = 0.0
            for start in _together(places, len(question.words), self.indexed[number]):
                share = self._share(question, words, start)
                if share > best and self._is_enough(share, question, words, start):
                    best = share
            if best:
                found.append(Match(question.benchmark, question.item, round(best, 3)))
        return found

    @staticmethod
    def _is_enough(share: float, question: Question, words: list[str], start: int) -> bool:
        """Whether so much of a question is the question: all of one that is not tiny, most of a long one, or of a short one with its answer."""
        length = len(question.words)
        chinese = sum(HAN.match(word) is not None for word in question.words) > length / 2
        alone, with_answer = NEEDED["characters" if chinese else "words"]
        if length >= LONG:
            return share >= alone
        if share >= 1 - 1e-9 and length >= SHORT and sum(question.weights) >= TELLING:
            return True
        near = words[max(0, start - 5) : start + length + REACH]
        return share >= (with_answer if length >= SHORT else 1 - 1e-9) and _holds(near, question.answers)

    def _share(self, question: Question, words: list[str], start: int) -> float:
        """Weight of the question's units that are found in order around ``start``, as a share of all of them."""
        slack = max(3, round(SLACK * len(question.words)))
        window = words[max(0, start - slack) : start + len(question.words) + slack]
        best = [0.0] * (len(window) + 1)  # of the question's units so far, by how much of the window is used
        for word, weight in zip(question.words, question.weights, strict=True):
            before = 0.0  # best[place - 1] of the row above
            for place, other in enumerate(window, start=1):
                above = best[place]
                best[place] = before + weight if word == other else max(above, best[place - 1])
                before = above
        return best[-1] / sum(question.weights)


def _size(words: Sequence[str]) -> int:
    """Length of the n-grams by which a question is found."""
    return 3 if len(words) >= LONG else min(2, len(words))


def _together(places: list[tuple[int, int]], length: int, indexed: int) -> list[int]:
    """Of places where a question may begin, given by its n-grams, those around which enough of its ``indexed`` n-grams stand."""
    found: list[int] = []
    reach = max(3, length // 2)
    needed = max(1.0, NEAR * indexed)
    places.sort()
    first = 0
    for last, (start, _) in enumerate(places):
        while start - places[first][0] > reach:
            first += 1
        if (not found or start - found[-1] > reach) and len(
            {inside for _, inside in places[first : last + 1]}
        ) >= needed:
            found.append(start)
    return found


def _holds(words: list[str], answers: tuple[tuple[str, ...], ...]) -> bool:
    """Whether each answer stands in ``words``."""
    text = f" {' '.join(words)} "
    return all(f" {' '.join(answer)} " in text for answer in answers)


def decontaminate(
    records: Iterable[Record], benchmarks: Benchmarks, step: Step, touched: IO[str] | None = None
) -> Iterator[Record]:
    """The records that hold no question of the benchmarks.

    Args:
        records: a stream; one record at a time is held.
        benchmarks: what is looked for.
        step: counts, changed in place.
        touched: where to write a line of JSON for each question that a record holds.
    """
    for record in counted(records, step):
        matches = benchmarks.matches(text_of(record))
        if not matches:
            step.kept += 1
            yield record
            continue
        step.dropped["holds a question of a benchmark"] += 1
        for match in matches:
            if touched is not None:
                line = {"record": record.id, "benchmark": match.benchmark, "item": match.item, "share": match.share}
                touched.write(json.dumps(line, ensure_ascii=False) + "\n")


def benchmark_items(name: str, data_dir: Path | None) -> Iterator[ExamItem]:
    """The items of a catalogued benchmark, or of a file of exam items.

    Raises:
        DataError: it is missing or cannot be read, or is no exam.
    """
    for record in named_records(name, data_dir):
        if not isinstance(record, ExamItem):
            raise DataError(f"{name}: holds {type(record).__name__} records; a benchmark holds exam items")
        yield record
