"""Reading and writing what an exam leaves: a folder a task with ``task.json`` and ``items.jsonl``, and ``results.json`` above them."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.disk import writing
from corpora.errors import DataError
from evals.engines import Engine

Row = dict[str, Any]

_ITEM_KEYS = ("id", "options", "gold", "chosen", "right", "score")
_TASK_KEYS = ("task", "metric", "scoring", "chance", "model")


def model_name(identifier: str) -> str:
    """What a model is called in a table or as a folder: the last part of its id; of a run's model, its run and its stage."""
    parts = Path(identifier).parts
    if len(parts) > 1 and parts[-1] == "model":
        return "-".join(part for part in parts[-3:-1] if part not in ("/", ".."))
    return (parts[-1] if parts else identifier).replace(":", "-")


def check_writable(folder: Path) -> None:
    """Raises DataError where a folder cannot be made or written to."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise DataError(f"{folder}: {there} is a file, and results need a folder; name another with --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataError(
            f"{folder}: nothing can be written there ({(error.strerror or '').lower()}); name another folder with --output"
        ) from error


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
    if not isinstance(task["model"], dict) or "id" not in task["model"] or not isinstance(task["chance"], int | float):
        raise DataError(
            f"{folder / 'task.json'}: its model or its chance is broken; run the task again with `osler eval`"
        )
    return task


def read_results(out: Path) -> Row:
    """The summary of a results folder: its ``results.json``.

    Raises:
        DataError: the file is not there, or does not say which model sat which tasks.
    """
    found = read_json(out / "results.json")
    model = found.get("model")
    if not isinstance(model, dict) or "id" not in model or not isinstance(found.get("tasks"), dict):
        raise DataError(f"{out / 'results.json'}: no model or no tasks in it; run the tasks again with `osler eval`")
    return found


def write_results(out: Path, engine: Engine, suite: str | None, tasks: Row, skipped: dict[str, str]) -> Row:
    """Writes ``results.json`` and returns what is in it; what an earlier run found there on other tasks of the same model is kept.

    Raises:
        DataError: there is one that cannot be read.
    """
    model = {"id": engine.id, "fingerprint": engine.fingerprint, "engine": engine.name}
    path = out / "results.json"
    earlier = read_json(path) if path.is_file() else {}
    kept = earlier.get("tasks", {}) if earlier.get("model") == model else {}
    found: Row = {"model": model, "suite": suite, "tasks": {**kept, **tasks}, "skipped": skipped}
    write_json(path, found)
    return found


def read_items(folder: Path) -> Iterator[Row]:
    """Each item with its answer, in the task's order.

    Raises:
        DataError: the file is not there, or a line of it is not an item.
    """
    path = folder / "items.jsonl"
    if not path.is_file():
        raise DataError(f"{path}: no such file; run the task again with `osler eval`")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                item = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise DataError(
                    f"{path}, line {number}: not valid JSON: {error}; run the task again, which goes on"
                ) from error
            missing = [key for key in _ITEM_KEYS if key not in item] if isinstance(item, dict) else list(_ITEM_KEYS)
            if missing:
                raise DataError(f"{path}, line {number}: no {', '.join(missing)} in this item")
            if fault := _fault(item):
                raise DataError(f"{path}, line {number}: {fault}; run the task again with `osler eval`")
            yield item


def _fault(item: Row) -> str:
    """What in an item is no answer that an exam writes; empty where nothing is."""
    score, chosen, options, scores = item["score"], item["chosen"], item["options"], item.get("scores")
    if not isinstance(item["id"], str) or not isinstance(item.get("cluster"), str | None):
        return "its id or its cluster is no text"
    if not isinstance(options, list) or not all(
        isinstance(places, list) and all(place in range(len(options)) for place in places)
        for places in (item["gold"], [] if chosen is None else chosen)
    ):
        return "its options, its gold or what was chosen is broken"
    if score is not None and not _is_number(score):
        return "its score is no number"
    if scores is not None and not (
        isinstance(scores, list) and len(scores) == len(options) and all(map(_is_number, scores))
    ):
        return "the scores of its options are no numbers, or not as many as options"
    refused = item.get("refused")
    if refused is not None and not (isinstance(refused, dict) and {"kind", "message"} <= refused.keys()):
        return "why it was refused is broken"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def task_folders(out: Path) -> dict[str, Path]:
    """The tasks of a results folder, by name: those of the model of ``results.json``, not what another left there before.

    Raises:
        DataError: the folder has none, or a file is broken.
    """
    found = _by_name(out)
    if not found:
        what = "no task was found here" if out.is_dir() else "no such folder"
        raise DataError(f"{out}: {what}; write one with `osler eval MODEL --task NAME --output {out}`")
    strange = strangers(out)
    return {name: folder for name, folder in found.items() if name not in strange} or found


def strangers(out: Path) -> list[str]:
    """Tasks of a results folder that another model answered than that of its ``results.json``.

    Raises:
        DataError: a file is broken.
    """
    if not (out / "results.json").is_file():
        return []
    model = read_results(out)["model"]
    return [
        name
        for name, folder in _by_name(out).items()
        if (folder / "task.json").is_file() and read_task(folder)["model"] != model
    ]


def _by_name(out: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in sorted(out.glob("*/items.jsonl"))}
