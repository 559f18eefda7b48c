"""A corpus on disk in shards: files of JSON Lines, one record a line, that tasks work on side by side."""

from __future__ import annotations

import itertools
import json
import resource
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from corpora.errors import DataError
from corpora.records import Dialogue, Document, ExamItem, Preference, Record

SPARE_FILES = 100  # that a process has open besides
DONE = "whole"  # this file lies beside shards that are all there


def record_of(line: str | bytes) -> Record:
    """The record on a line that ``model_dump_json`` wrote.

    Its type is told by its fields: trying all four, as pydantic does with a union, takes ten times as long.
    """
    value = json.loads(line)
    kind: type[Record] = Document
    for name, other in (("messages", Dialogue), ("prompt", Preference), ("options", ExamItem)):
        if name in value:
            kind = other
    return kind.model_validate(value)


def shard(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return folder / f"{number:05d}.jsonl"


def shard_lines(folder: Path, number: int) -> Iterator[str]:
    """The lines of a shard; of one that nothing was left of there is no file."""
    path = shard(folder, number)
    if path.is_file():
        with path.open(encoding="utf-8") as stream:
            yield from stream


def split(records: Iterable[Record], folder: Path, count: int) -> None:
    """Writes the records to ``count`` shards in turn, unless that was finished before.

    Raises:
        DataError: this system lets no process have so many files open.
    """
    if (folder / DONE).is_file():
        return
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if count > most - SPARE_FILES:
        raise DataError(
            f"shards: {count:,} files are written at once, and a process may have {most:,} open here; take fewer, or allow more with `ulimit -n`"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        streams = [stack.enter_context(shard(folder, number).open("w", encoding="utf-8")) for number in range(count)]
        turn = itertools.cycle(streams)
        for record in tqdm(records, desc="read", unit="record", disable=None):
            next(turn).write(record.model_dump_json() + "\n")
    (folder / DONE).touch()


def joined(folder: Path, count: int) -> Iterator[str]:
    """The lines of all shards, one shard after the other; ``record_of`` makes records of them."""
    for number in range(count):
        yield from shard_lines(folder, number)


def lines_in(folder: Path, count: int) -> int:
    """How many records the shards hold."""
    return sum(_newlines(shard(folder, number)) for number in range(count))


def _newlines(path: Path) -> int:
    if not path.is_file():
        return 0
    with path.open("rb") as stream:
        blocks: Any = iter(lambda: stream.read(1 << 20), b"")
        return sum(block.count(b"\n") for block in blocks)
