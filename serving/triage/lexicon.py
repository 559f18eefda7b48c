"""The concepts that the detector knows, read from ``lexicon/*.yaml``.

A concept is a list of wordings in English (``en``) and Chinese (``zh``), of combinations of concepts (``any``), or both. In a wording
``a/b`` stands for either word, ``word?`` for a word that may be left out, and ``word*`` for every word that begins so. A combination reads

``a|b + c``  one of the first next to the other, in either order, within a sentence and within seven words
``a > b``    the first before the second, within a clause and within four words
``a & b``    both in the text, within sixty words
``a & !b``   the first where the second is not in the text

``context: true`` marks what may lie in the past and still matter today: an operation, a birth, a disease that one has.
"""

from __future__ import annotations

import bisect
import functools
import graphlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from corpora.errors import DataError
from serving.triage.spelling import english_words
from serving.triage.text import is_chinese

FOLDER = Path(__file__).parent / "lexicon"
# The same language as SafeLoader, several times as fast, where PyYAML was built with libyaml.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Term:
    """Concepts next to one another, each a choice of names; or, ``absent``, what must not be in the text."""

    parts: tuple[tuple[str, ...], ...]
    ordered: bool = False
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Expression:
    """A combination: its terms, and for each part of a term that must be in a text the concepts of which one has to be there."""

    terms: tuple[Term, ...]
    needed: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, terms: Iterable[Term]) -> Expression:
        """The combination of these terms."""
        kept = tuple(terms)
        needed = (frozenset(part) for term in kept if not term.absent for part in term.parts)
        return cls(kept, tuple(sorted(needed, key=len)))


@dataclass(frozen=True, slots=True)
class Choice:
    """Combinations of which one is enough; a text without any concept of ``first`` holds none of them."""

    expressions: tuple[Expression, ...]
    first: frozenset[str]

    @classmethod
    def of(cls, lines: Iterable[str]) -> Choice:
        """The choice of the combinations in ``lines``; see the module for their form."""
        expressions = tuple(parse(line) for line in lines)
        return cls(expressions, frozenset().union(*(one.needed[0] for one in expressions if one.needed)))

    @property
    def used(self) -> set[str]:
        """The concepts that the combinations name."""
        return {name for one in self.expressions for term in one.terms for part in term.parts for name in part}


class Choices(dict[str, Choice]):
    """Choices by name, in the order in which they are tried.

    Nearly every choice is absent from nearly every text: those that a text may hold are found by its concepts, and no other is looked at.
    """

    @functools.cached_property
    def places(self) -> dict[str, list[int]]:
        """A concept, to the places of the choices that begin with it."""
        found: dict[str, list[int]] = {}
        for place, choice in enumerate(self.values()):
            for concept in choice.first:
                found.setdefault(concept, []).append(place)
        return found

    @functools.cached_property
    def listed(self) -> list[tuple[str, Choice]]:
        """Names and choices, by place."""
        return list(self.items())


def parse(expression: str) -> Expression:
    """Reads a combination; see the module for its form."""
    terms = []
    for text in expression.split("&"):
        text = text.strip()
        absent = text.startswith("!")
        parts = tuple(
            tuple(name.strip() for name in part.split("|")) for part in re.split("[+>]", text.removeprefix("!"))
        )
        terms.append(Term(parts, ">" in text, absent))
    return Expression.of(terms)


@dataclass(slots=True)
class _Node:
    following: dict[str, _Node] = field(default_factory=dict)
    concepts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Wordings in a trie over tokens, and the combinations, each after those that it uses."""

    root: _Node
    combined: Choices
    context: frozenset[str]
    vocabulary: frozenset[str]
    names: frozenset[str]

    def find(self, tokens: list[str], start: int) -> Iterator[tuple[str, int]]:
        """Concepts whose wording begins at ``start``, each with its end."""
        node = self.root
        for end in range(start, len(tokens)):
            following = node.following.get(tokens[end])
            if following is None:
                return
            node = following
            for concept in node.concepts:
                yield concept, end + 1


@functools.cache
def _sorted_english() -> list[str]:
    return sorted(english_words())


def _with_beginning(beginning: str) -> list[str]:
    words = _sorted_english()
    first = bisect.bisect_left(words, beginning)
    found = itertools.takewhile(lambda word: word.startswith(beginning), itertools.islice(words, first, None))
    return [beginning, *(word for word in found if word.isalpha() and word != beginning)]


def wordings(pattern: str) -> Iterator[tuple[str, ...]]:
    """Every sequence of tokens that a wording stands for."""
    choices: list[list[tuple[str, ...]]] = []
    for piece in pattern.replace("'", "").lower().split():
        optional = piece.endswith("?")
        options: list[tuple[str, ...]] = []
        for word in piece.removesuffix("?").split("/"):
            if word.endswith("*"):
                options += [(full,) for full in _with_beginning(word[:-1])]
            elif any(map(is_chinese, word)):
                options.append(tuple(word))
            else:
                options.append((word,))
        choices.append([*options, ()] if optional else options)
    for combination in itertools.product(*choices):
        tokens = tuple(itertools.chain.from_iterable(combination))
        if tokens:
            yield tokens


def _add(root: _Node, tokens: tuple[str, ...], concept: str) -> None:
    node = root
    for token in tokens:
        node = node.following.setdefault(token, _Node())
    if concept not in node.concepts:
        node.concepts.append(concept)


def _in_order(combined: dict[str, Choice], known: set[str], folder: Path) -> Choices:
    graph = {}
    for name, choice in combined.items():
        if missing := choice.used - known:
            raise DataError(f"{folder}: '{name}' uses the concept '{min(missing)}', which no file defines")
        graph[name] = choice.used & combined.keys()
    try:
        return Choices((name, combined[name]) for name in graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise DataError(f"{folder}: concepts use one another in a circle: {' -> '.join(error.args[1])}") from error


@functools.cache
def load_lexicon(folder: Path = FOLDER, measured: frozenset[str] = frozenset()) -> Lexicon:
    """Reads every file of ``folder`` in the order of their names.

    Args:
        folder: Where the files lie.
        measured: Names of the concepts that are read from numbers, which combinations may use.

    Raises:
        DataError: a file does not parse, a concept occurs twice, or a combination names a concept that is not there, or itself.
    """
    root = _Node()
    combined: dict[str, Choice] = {}
    context: set[str] = set()
    vocabulary: set[str] = set()
    known: set[str] = set(measured)
    for path in sorted(folder.glob("*.yaml")):
        try:
            raw: dict[str, dict[str, Any]] = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
        except yaml.YAMLError as error:
            raise DataError(f"{path}: not valid YAML: {error}") from error
        for name, entry in raw.items():
            if name in known:
                raise DataError(f"{path}: the concept '{name}' is there already; add the wording to the first")
            for pattern in [*entry.get("en", []), *entry.get("zh", [])]:
                for tokens in wordings(str(pattern)):
                    _add(root, tokens, name)
                    vocabulary.update(token for token in tokens if token.isascii())
            if entry.get("any"):
                combined[name] = Choice.of(entry["any"])
            if entry.get("context"):
                context.add(name)
            known.add(name)
    return Lexicon(
        root, _in_order(combined, known, folder), frozenset(context), frozenset(vocabulary), frozenset(known)
    )
