"""Reading and writing what an exam leaves: a folder a task with ``task.json`` and ``items.jsonl``, and ``results.json`` above them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.errors import DataError
from corpora.importing import writing

Row = dict[str, Any]

_ITEM_KEYS = ("id", "options", "gold", "chosen", "right", "score")
_TASK_KEYS = ("task", "metric", "scoring", "chance", "model")


def model_name(identifier: str) -> str:
    """What a model is called in a table or as a folder: the last part of its id; of a run's model, its run and its stage."""
    parts = Path(identifier).parts
    if len(parts) > 1 and parts[-1] == "model":
        return "-".join(part for part in parts[-3:-1] if part not in ("/", ".."))
    return (parts[-1] if parts else identifier).replace(":", "-")


def write_json(path: Path, found: Row) -> None:
    """Writes a JSON file that is there whole or not at all."""
    with writing(path) as stream:
        stream.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Row:
    """One JSON object.

    Raises:
        DataError: there is no such file, or it is not one JSON object.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such file; a results folder is written by `osler eval MODEL --task NAME --output FOLDER`"
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: a JSON object was expected, not a {type(found).__name__}")
    return found


def read_task(folder: Path) -> Row:
    """How a task was asked: its ``task.json``.

    Raises:
        DataError: the file is not there, or lacks what every task has.
    """
    task = read_json(folder / "task.json")
    missing = [key for key in _TASK_KEYS if key not in task]
    if missing:
        raise DataError(f"{folder / 'task.json'}: no {', '.join(missing)}; run the task again with `osler eval`")
    return task


def read_items(folder: Path) -> Iterator[Row]:
    """Each item with its answer, in the task's order.

    Raises:
        DataError: the file is not there, or a line of it is not an item.
    """
    path = folder / "items.jsonl"
    if not path.is_file():
        raise DataError(f"{path}: no such file; run the task again with `osler eval`")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                item = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: not valid JSON: {error}; run the task again, which goes on"
                ) from error
            missing = [key for key in _ITEM_KEYS if key not in item] if isinstance(item, dict) else list(_ITEM_KEYS)
            if missing:
                raise DataError(f"{path}, line {number}: no {', '.join(missing)} in this item")
            yield item


def task_folders(out: Path) -> dict[str, Path]:
    """The tasks of a results folder, by name.

    Raises:
        DataError: the folder has none.
    """
    found = {path.parent.name: path.parent for path in sorted(out.glob("*/items.jsonl"))}
    if not found:
        raise DataError(f"{out}: no task was found here; write one with `osler eval MODEL --task NAME --output {out}`")
    return found
