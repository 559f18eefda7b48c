"""Items whose published key, question or options are known to be wrong: lists with their sources, and how an item is found in them.

A list is a YAML file of ``evals/key_errors`` or of the user's own (``--key-errors FILE``):

    title: MMLU-Redux
    source: where a reader can check the errors
    licence: of the annotations
    about: how they were found, and which items were looked at
    tasks: ["mmlu-*"]        # names of tasks, with * for any letters; left out, the list is for every task
    errors:
      - {item: 3f1c0b5e2a9d4c77, wrong: wrong key, right: C}

``item`` is an id as ``items.jsonl`` has it, or the item's content hash, by which a list says which item it means without repeating its text.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpora.errors import DataError
from corpora.files.yaml_file import read_yaml
from corpora.records import ExamItem

LISTS = Path(__file__).parents[1] / "key_errors"


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemError(_Block):
    """One item of a list."""

    item: str = Field(min_length=1)  # its id or its content hash
    wrong: str = Field(min_length=1)  # what is wrong
    right: str = ""  # the letter or letters that are right, where the source says


class ErrorList(_Block):
    """A list of errors that a reader can check."""

    title: str
    source: str = Field(min_length=1)
    licence: str = "unknown"
    about: str = ""
    tasks: list[str] = []
    errors: list[ItemError] = Field(min_length=1)

    def is_for(self, task: str) -> bool:
        """Whether the list is for the task of this name."""
        return not self.tasks or any(fnmatch.fnmatch(task, pattern) for pattern in self.tasks)


@dataclass(frozen=True)
class KnownErrors:
    """What is known to be wrong with the items of one task, by id or content hash."""

    lists: Sequence[ErrorList] = ()
    _by_item: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for one in self.lists:
            for error in one.errors:
                right = f"; right is {error.right}" if error.right else ""
                self._by_item.setdefault(error.item, f"{error.wrong}{right} ({one.title})")

    def of(self, item: ExamItem) -> str:
        """What is wrong with the item; empty where nothing is known."""
        if not self._by_item:
            return ""
        return self._by_item.get(item.id) or self._by_item.get(content_hash(item), "")


def content_hash(item: ExamItem) -> str:
    """The first 16 digits of the SHA-256 of an item's question and options, by letters and digits alone, so that layout does not change it."""
    parts = (
        "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
        for text in (item.question, *item.options)
    )
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


@functools.cache
def load_list(path: Path) -> ErrorList:
    """A list of known errors.

    Raises:
        DataError: the file is not there, or is no such list.
    """
    raw, _ = read_yaml(path)
    try:
        return ErrorList.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(
            f"{path}: {place}: {first['msg']}; a list has title, source and errors, each with item and wrong (see evals/exam/known_errors.py)"
        ) from error


def known_errors(task: str, own: Path | None = None, plain: str | None = None) -> KnownErrors:
    """What is known to be wrong with the items of a task: by the bundled lists, and by the user's ``own``, which comes first.

    Where the task is a variant of another, ``plain``, the lists for that one are for it too.

    Raises:
        DataError: a list cannot be read.
    """
    bundled = [load_list(path) for path in sorted(LISTS.glob("*.yaml"))]
    lists = ([load_list(own)] if own is not None else []) + bundled
    return KnownErrors([one for one in lists if one.is_for(task) or (plain is not None and one.is_for(plain))])
