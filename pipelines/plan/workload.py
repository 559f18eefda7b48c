"""How much data a stage reads, in rows and tokens: counted where it is at hand, else from the catalogue, else assumed; each says which.

Bundled corpora, files and datasets below the data folder are read and tokenized: the whole, or the first ``SAMPLE`` records of a larger
corpus, whose number of records is then taken from the catalogue or from the size of its files. Data that an earlier stage will make is
counted as that stage's own sources, or as the most that it may sample.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from corpora.catalog import load_catalog, locate
from corpora.errors import DataError
from corpora.records import Dialogue, Document, ExamItem, Message, Preference, Record
from pipelines.config import Corpus, Recipe
from pipelines.data import Sources, filtered
from pipelines.synthesis.token_counts import rough_tokens

SAMPLE = 5000  # records of a corpus that are read
KEPT = 1024  # of the longest rows, for the largest batch
TURN = 6  # tokens that a chat format puts around a message: its role and its marks
# Of a dataset of which nothing is known; tokens of a row that cannot be read.
ASSUMED_ROWS, ASSUMED_TOKENS = 10_000, 400


@dataclass(frozen=True)
class Work:
    """The rows of one pass over a stage's data."""

    rows: float = 0.0
    tokens: float = 0.0  # padding not counted; both answers of a preference pair
    longest: list[tuple[int, int]] = field(
        default_factory=list
    )  # (tokens, labelled tokens) of the longest rows, longest first
    notes: tuple[str, ...] = ()  # how it was counted
    # Of dialogues that are asked: how many have a last answer, and its tokens in all; they are not among the tokens above.
    references: float = 0.0
    reference_tokens: float = 0.0

    def __add__(self, other: Work) -> Work:
        longest = sorted([*self.longest, *other.longest], reverse=True)[:KEPT]
        notes = tuple(dict.fromkeys([*self.notes, *other.notes]))
        return Work(
            self.rows + other.rows,
            self.tokens + other.tokens,
            longest,
            notes,
            self.references + other.references,
            self.reference_tokens + other.reference_tokens,
        )

    def times(self, factor: float) -> Work:
        """As many times the rows, of the same lengths."""
        return replace(
            self,
            rows=self.rows * factor,
            tokens=self.tokens * factor,
            references=self.references * factor,
            reference_tokens=self.reference_tokens * factor,
        )

    def batch(self, rows: int, cap: int | None) -> tuple[int, int]:
        """Tokens of the longest row of the largest batch, cut at ``cap``, and the labelled positions of that batch."""
        largest = self.longest[:rows] or [(cap or ASSUMED_TOKENS, (cap or ASSUMED_TOKENS) // 2)]
        length = min(largest[0][0], cap or largest[0][0])
        labelled = sum(min(of_row, length) for _, of_row in largest)
        return length, round(labelled * rows / len(largest))


class Counter:
    """Counts the tokens of records as the stages lay them out."""

    def __init__(self, tokenizer: Any | None) -> None:
        self.tokenizer = tokenizer
        self.how = "4 characters a token" if tokenizer is None else "the base model's tokenizer"

    def texts(self, texts: list[str]) -> list[int]:
        """Tokens of each text."""
        if self.tokenizer is None:
            return [rough_tokens(text) for text in texts]
        if not texts:
            return []
        return [len(ids) for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]

    def rows(self, batch: list[Record], asked: bool = False) -> list[tuple[int, int]]:
        """(tokens, labelled tokens) of the rows that the records become: of a pair two, of an exam item one for each option that is scored.

        Where they are ``asked``, an item is one, the question with its options, and a dialogue ends before its last answer, whose tokens
        stand in the place of the labelled ones.
        """
        pieces: list[list[tuple[str, bool]]] = []  # of each row: its texts, and whether they have a label
        begun = TURN // 2 if asked else 0  # the marks with which an answer begins
        for record in batch:
            if isinstance(record, Document):
                pieces.append([(record.text, True)])
            elif isinstance(record, Dialogue):
                pieces.append(_turns(record.messages))
            elif isinstance(record, Preference):
                prompt = [(text, False) for text, _ in _turns(record.prompt)]
                pieces += [[*prompt, (answer, True)] for answer in (record.chosen, record.rejected) if answer]
            elif isinstance(record, ExamItem):
                question = f"{record.context} {record.question} "
                if asked:
                    pieces.append([(question + "\n".join(record.options), False)])
                else:
                    pieces += [[(question, False), (option, True)] for option in record.options]
        counts = iter(self.texts([text for row in pieces for text, _ in row]))
        found = []
        for row in pieces:
            around = TURN if len(row) > 1 or asked else 1  # a document ends with one token
            sizes = [(next(counts) + around, labelled) for _, labelled in row]
            # Of an answer that is to be written, its end alone is a mark.
            answer = sizes.pop()[0] - around + 1 if asked and len(sizes) > 1 and sizes[-1][1] else 0
            of_labelled = answer or sum(size for size, labelled in sizes if labelled)
            found.append((sum(size for size, _ in sizes) + begun, of_labelled))
        return found


def _turns(messages: Iterable[Message]) -> list[tuple[str, bool]]:
    return [(message.content, message.role == "assistant") for message in messages]


def _stated_rows(name: str) -> float | None:
    """The number of rows that the catalogue states of a dataset, if its words begin with one."""
    found = re.match(r"(?:about |over )?([\d,.]+)\s*(k|K|million|M|billion)?\b", load_catalog()[name].rows)
    if found is None:
        return None
    scale = {"k": 1e3, "K": 1e3, "million": 1e6, "M": 1e6, "billion": 1e9, None: 1.0}[found[2]]
    return float(found[1].replace(",", "").rstrip(".")) * scale


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(itertools.islice(records, 1000)):
        yield batch


def _whole(corpus: Corpus, sources: Sources, read: int, characters: int) -> tuple[float, str]:
    """The number of records of a corpus of which ``read`` were read, and where it is from."""
    if corpus.name in load_catalog():
        stated = _stated_rows(corpus.name)
        if stated is not None and stated > read:
            return stated, f"{corpus.name}: the first {read:,} records counted, {stated:,.0f} rows in the catalogue"
        size = sum(path.stat().st_size for path in locate(corpus.name, sources.data_dir))
    else:
        size = Path(corpus.name).stat().st_size
    rows = max(read, size / max(1.0, characters / read))
    return rows, f"{corpus.name}: the first {read:,} records counted, the rest by the size of its files"


def count_corpus(corpus: Corpus, sources: Sources, counter: Counter, sample: int = SAMPLE, asked: bool = False) -> Work:
    """The work of one corpus that is at hand, or of one of the catalogue that is not; ``asked`` as ``Counter.rows`` has it."""
    try:
        stream = filtered(corpus, sources)
        read = list(itertools.islice(stream, sample + 1))
    except DataError:
        if corpus.name not in load_catalog():
            raise
        stated = _stated_rows(corpus.name)
        rows = min(stated or ASSUMED_ROWS, corpus.limit or float("inf")) * corpus.repeat
        known = f"{stated:,.0f} rows in the catalogue" if stated else f"{ASSUMED_ROWS:,} rows assumed"
        return Work(
            rows,
            rows * ASSUMED_TOKENS,
            [],
            (f"{corpus.name}: not at hand; {known}, {ASSUMED_TOKENS} tokens a row assumed",),
        )
    whole = len(read) <= sample
    read = read[:sample]
    if not read:
        return Work(notes=(f"{corpus.name}: empty after its filters",))
    found = [row for batch in _batches(iter(read)) for row in counter.rows(batch, asked)]
    note = f"{corpus.name}: counted with {counter.how}"
    rows = float(len(read))
    if not whole:
        characters = sum(len(record.model_dump_json(exclude_defaults=True)) for record in read)
        rows, note = (
            (float(sum(1 for _ in stream) + sample + 1), note)
            if corpus.name.startswith("bundled-")
            else _whole(corpus, sources, sample, characters)
        )
    work = Work(
        float(len(read)),
        float(sum(tokens for tokens, _ in found)),
        sorted(found, reverse=True)[:KEPT],
        (note,),
        float(sum(1 for _, answer in found if answer)) if asked else 0.0,
        float(sum(answer for _, answer in found)) if asked else 0.0,
    )
    wanted = min(rows, corpus.limit or rows) * corpus.repeat
    return work.times(wanted / len(read))


def sources_of(stage: Any) -> list[Corpus]:
    """What a stage that makes a corpus makes it from; the benchmarks that it takes out are not among it."""
    if stage.kind == "mix":
        return [corpus for source in stage.sources.values() for corpus in source.corpora]
    if stage.kind == "synthesise":
        return [corpus for task in stage.tasks for corpus in task.corpora]
    return list(stage.corpora)


class Workload:
    """The work of the stages of a recipe; each corpus is read once."""

    def __init__(self, recipe: Recipe, sources: Sources, tokenizer: Any | None, sample: int = SAMPLE) -> None:
        self.recipe, self.sources, self.sample = recipe, sources, sample
        self.counter = Counter(tokenizer)
        self._counted: dict[str, Work] = {}

    def of(self, corpora: Iterable[Corpus], asked: bool = False) -> Work:
        """The work of corpora, those that an earlier stage makes among them; ``asked`` as ``Counter.rows`` has it."""
        return sum((self._corpus(corpus, asked) for corpus in corpora), Work())

    def _corpus(self, corpus: Corpus, asked: bool) -> Work:
        key = f"{asked} {corpus.model_dump_json()}"
        if key not in self._counted:
            made = corpus.name in self.recipe.stages
            self._counted[key] = (
                self.made(corpus, asked)
                if made
                else count_corpus(corpus, self.sources, self.counter, self.sample, asked)
            )
        return self._counted[key]

    def made(self, corpus: Corpus, asked: bool = False) -> Work:
        """The most that an earlier stage of the recipe leaves."""
        name = corpus.name
        stage: Any = self.recipe.stages[name]
        if stage.kind == "replay":
            rows, length = float(stage.documents), stage.max_tokens
            work = Work(
                rows,
                rows * length,
                [(length, length)] * min(stage.documents, KEPT),
                (f"{name}: at most, all of max_tokens",),
            )
        elif stage.kind == "preferences":
            prompts, length = self.of([stage.prompts or stage.items], asked=True), stage.max_tokens
            longest = [(tokens + length, length) for tokens, _ in prompts.longest]
            tokens = 2 * (prompts.tokens + prompts.rows * length)
            work = Work(
                prompts.rows, tokens, longest, (f"{name}: at most, a pair for each prompt and all of max_tokens",)
            )
        else:
            work = self.of(sources_of(stage), asked)
            work = replace(work, notes=(*work.notes, f"{name}: as its own sources"))
            if stage.kind == "mix" and stage.tokens is not None:
                work = work.times(stage.tokens / max(1.0, work.tokens))
        limit = min(work.rows, corpus.limit or work.rows)
        return work.times(limit * corpus.repeat / max(1.0, work.rows))
