"""Prompts with their continuations in batches: what all begin with is taken off once, and prompts of like length go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LEAST_SHARED = 32  # tokens that prompts begin with alike, from which on keeping their keys and values pays
MOST_LENGTHS = 8  # different lengths in a batch: at the end of each the output head is computed for every row
KEPT = 8  # times the tokens of a batch: as many keys and values are held at most


@dataclass(frozen=True)
class PromptRow:
    """A prompt's tokens, continuations of it, and where their scores belong."""

    head: list[int]
    tails: list[list[int]]
    places: list[int]

    def __len__(self) -> int:
        return len(self.head) + sum(len(tail) for tail in self.tails)


def prompt_rows(pairs: Sequence[tuple[list[int], list[int]]], limit: int, most: int) -> list[PromptRow]:
    """A row for each prompt with its continuations, or several where they are more than ``most`` tokens."""
    grouped: dict[tuple[int, ...], list[int]] = {}
    for place, (head, _) in enumerate(pairs):
        grouped.setdefault(tuple(head), []).append(place)
    rows: list[PromptRow] = []
    for prompt, places in grouped.items():
        longest = max(len(pairs[place][1]) for place in places)
        head = list(prompt)[-max(1, limit + 1 - longest) :]  # no position is needed for a text's last token
        row = PromptRow(head, [], [])
        for place in sorted(places, key=lambda place: len(pairs[place][1]), reverse=True):
            tail = pairs[place][1]
            if row.tails and len(row) + len(tail) > most:
                rows.append(row)
                row = PromptRow(head, [], [])
            row.tails.append(tail)
            row.places.append(place)
        rows.append(row)
    return rows


def by_beginning(rows: list[PromptRow]) -> Iterator[tuple[list[int], list[PromptRow]]]:
    """The tokens that most rows begin with, and those rows; then the others, as those whose beginning was cut away, with none."""
    middle = sorted(row.head for row in rows)[len(rows) // 2] if len(rows) > 1 else []
    shared = [row for row in rows if row.head[:LEAST_SHARED] == middle[:LEAST_SHARED]]
    if len(middle) <= LEAST_SHARED or len(shared) < 2:
        yield [], rows
        return
    first, last = min(row.head for row in shared), max(row.head for row in shared)
    length = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    length = min(length, min(len(row.head) for row in shared) - 1)  # a prompt's last token gives the first score
    yield first[:length], shared
    others = [row for row in rows if row.head[:LEAST_SHARED] != middle[:LEAST_SHARED]]
    if others:
        yield [], others


def batched(rows: list[PromptRow], shared: int, most: int) -> Iterator[list[PromptRow]]:
    """Rows with continuations of like length together, the longest first, at most ``most`` tokens in each batch, padding included."""
    batch: list[PromptRow] = []
    lengths: set[int] = set()
    width = 0
    for row in sorted(rows, key=lambda row: (max(map(len, row.tails)), len(row.head)), reverse=True):
        width = max(width, len(row.head) - shared)
        full = (len(batch) + 1) * width + sum(sum(map(len, one.tails)) for one in [*batch, row]) > most
        kept = (len(batch) + 1) * (width + shared) > KEPT * most
        if batch and (full or kept or len(lengths | {len(row.head)}) > MOST_LENGTHS):
            yield batch
            batch, lengths, width = [], set(), len(row.head) - shared
        batch.append(row)
        lengths.add(len(row.head))
    if batch:
        yield batch
