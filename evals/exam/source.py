"""Where the rows of a task are: the catalogued dataset below the data folder, or a file of the user's own; and how to come by them."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpora.catalog import find_dataset, load_catalog, locate
from corpora.disk import file_sha256
from corpora.errors import DataError
from corpora.files.reading import raw_rows
from corpora.files.row import RawRow
from evals.exam.tasks import Task

BUNDLED = "bundled-exam"
BUNDLED_FACTS = "bundled-prompts"


@dataclass(frozen=True)
class Source:
    """Where the rows of a task are read."""

    data_dir: Path | None = None
    file: Path | None = None
    answers: Path | None = None  # the right answers of its rows, where they are a file apart
    mapping: Mapping[str, str] = field(default_factory=dict)  # our field -> the file's
    limit: int | None = None  # the first so many items
    key_errors: Path | None = None  # a list of known errors of the user's own (``evals.exam.known_errors``)
    # What was found of right answers in a file apart, by the task's data: read once for a run (``evals.exam.answer_file``).
    joined: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Provenance:
    """What was read: the file's name, or several joined by commas, and the SHA-256 of its bytes or of their digests."""

    file: str
    sha256: str


def provenance(task: Task, source: Source) -> Provenance:
    """What the items were read from.

    Raises:
        DataError: the data are not there.
    """
    apart = answer_paths(task, source)
    if source.file is not None:
        return _of_files([source.file, *apart])
    if task.data.dataset in (BUNDLED, BUNDLED_FACTS):
        from corpora.bundled.render import source_fingerprint

        return Provenance(task.data.dataset, source_fingerprint())
    return _of_files(list(dict.fromkeys([*_paths(task, source.data_dir, task.data.read), *apart])))


def _of_files(paths: list[Path]) -> Provenance:
    digests = [file_sha256(path) for path in paths]
    joined = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return Provenance(", ".join(path.name for path in paths), joined)


def how_to_get(task: Task) -> str:
    """How a user comes by the data of a task."""
    data = task.data
    entry = load_catalog().get(data.dataset)
    if entry is not None and (entry.hub, entry.modelscope) != ("unknown", "unknown"):
        fetch = f"fetch them with `osler corpora fetch {data.dataset} --data DIR` and name DIR with --data"
    elif entry is not None and entry.files:
        fetch = f"get them from {entry.address}, and name with --data the folder that holds {', '.join(entry.files)}"
    elif data.dataset:
        address = entry.address if entry is not None else data.address
        fetch = f"get them from {address}, put them into DIR/{data.dataset} and name DIR with --data"
    else:
        fetch = f"get them from {data.address}"
    if not data.answers:
        return f"{fetch}; or bring the file yourself: `osler eval MODEL --task {task.name} --file FILE`"
    return (
        f"{fetch}. The right answers are a file apart: get {data.answers_at}, and put it into DIR/{data.dataset} or name it with --answers; or bring "
        f"both files yourself: `osler eval MODEL --task {task.name} --file QUESTIONS --answers ANSWERS`"
    )


def answer_paths(task: Task, source: Source) -> list[Path]:
    """The file of right answers, where it is one apart: the user's, or the task's below the data folder; else none.

    Raises:
        DataError: the task's is not there.
    """
    if source.answers is not None:
        return [source.answers]
    return _paths(task, source.data_dir, task.data.answers) if task.data.answers and source.file is None else []


def catalogued_rows(task: Task, data_dir: Path | None, patterns: list[str]) -> Iterator[tuple[str, RawRow]]:
    """The rows of a task's data below the data folder, each with its place.

    Raises:
        DataError: the data are not there.
    """
    for path in _paths(task, data_dir, patterns):
        for row in raw_rows(path):
            member = row.place.rpartition(", row ")[0]  # of an archive; empty for a row of the file itself
            if not member or not patterns or _matches(member, patterns):
                yield f"{path}, {row.place}", row


def _paths(task: Task, data_dir: Path | None, patterns: list[str]) -> list[Path]:
    name = task.data.dataset
    entry = load_catalog().get(name)
    if entry is not None and entry.files:
        return locate(name, data_dir)
    folder = data_dir / name if data_dir is not None and name else None
    if folder is None or not folder.is_dir():
        raise DataError(f"the data of task '{task.name}' are not here: {how_to_get(task)}")
    wanted = patterns or (find_dataset(name).patterns if entry is not None else [])
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    found = [path for path in paths if not wanted or _matches(path.relative_to(folder).as_posix(), wanted)]
    found = found or [path for path in paths if path.suffix == ".zip"]
    if not found:
        raise DataError(
            f"{folder}: no file like {' or '.join(wanted)} of task '{task.name}' is here: {how_to_get(task)}"
        )
    return found


def _matches(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"*/{pattern}") for pattern in patterns)
