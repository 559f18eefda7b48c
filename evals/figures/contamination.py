"""Which items of an exam stand in the text that the examined model was trained on, and what it scores on the others.

Items are looked for by ``corpora.curate.decontaminate``, as they are when a corpus is freed of them before training. What is not known of a
model's training data is said as such: no item counts as clean because nobody could look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from corpora.curate.decontaminate import Benchmarks
from corpora.errors import DataError
from corpora.page import percent
from corpora.records import Record, text_of
from evals.exam.items import items_of
from evals.exam.source import Source
from evals.exam.tasks import Task
from evals.figures.results import Row, read_json, write_json

FILE = "contamination.json"
Reader = Callable[[], Iterable[Record]]


@dataclass(frozen=True)
class TrainingText:
    """What is known of the text that a model was trained on."""

    corpora: Mapping[str, Reader] = field(default_factory=dict)  # records of each corpus, by stage and name
    unknown: Sequence[str] = ()  # what is not known, or not at hand, in words


def write_contamination(tasks: Mapping[Path, Task], source: Source, training: TrainingText) -> None:
    """Writes ``contamination.json`` to each task's folder; the training text is read once for all.

    Each task's questions are held in memory, and one record of the training text.

    Args:
        tasks: by results folder.
        source: where the items were read.
        training: what the model was trained on.
    """
    # By task, so that what is found for one does not depend on which others are asked beside it. A variant's options are not the published ones.
    benchmarks = {folder: Benchmarks({task.name: items_of(task.plain, source)}) for folder, task in tasks.items()}
    touched: dict[Path, dict[str, Row]] = {folder: {} for folder in tasks}
    read: dict[str, int] = {}
    unknown = list(training.unknown)
    for name, records in training.corpora.items():
        count = 0
        try:
            for record in tqdm(records(), desc=f"training text: {name}", unit="record", leave=False, disable=None):
                count += 1
                text = text_of(record)
                for folder, questions in benchmarks.items():
                    for match in questions.matches(text):
                        touched[folder].setdefault(
                            match.item, {"item": match.item, "record": record.id, "corpus": name, "share": match.share}
                        )
        except DataError as error:
            unknown.append(f"{name}: {error}")
        if count:
            read[name] = count
    for folder, questions in benchmarks.items():
        status = "unknown" if not read else "partly" if unknown else "checked"
        found = {
            "status": status,
            "n": sum(questions.sizes.values()),
            "records": read,
            "unknown": unknown,
            "touched": [touched[folder][item] for item in sorted(touched[folder])],
        }
        write_json(folder / FILE, found)


def summarised(folder: Path, items: Sequence[Row], share: Callable[[Sequence[Row]], Row]) -> Row:
    """What ``contamination.json`` comes to: how many of ``items`` stand in the training text, and the score on the others.

    Args:
        folder: of the task's results.
        items: with id and score.
        share: accuracy with interval of some of them.

    Returns:
        ``status`` ("checked": all training data are known and were read; "partly"; "unknown": none), ``unknown``, ``records`` and ``corpora``
        read, ``touched``, ``share`` of the items, and ``clean``: n, accuracy, low, high and interval of those that were not found (None where
        none is left or nothing could be looked at).
    """
    found = read_json(folder / FILE)
    names = {one["item"] for one in found["touched"]}
    others = [item for item in items if item["id"] not in names]
    known = found["status"] != "unknown"
    summary: dict[str, Any] = {
        "status": found["status"],
        "unknown": found["unknown"],
        "corpora": len(found["records"]),
        "records": sum(found["records"].values()),
        "touched": len(items) - len(others) if known else None,
        "share": (len(items) - len(others)) / len(items) if known else None,
        "clean": share(others) if known and others else None,
        "examples": found["touched"][:10],
    }
    return summary


def in_words(found: Row) -> str:
    """The same for a reader; never that a model is clean, only what was found and where nobody could look."""
    if found["status"] == "unknown":
        return f"training data unknown: {'; '.join(found['unknown']) or 'no manifest names them'}"
    n = found["touched"] + (found["clean"]["n"] if found["clean"] else 0)
    told = f"{found['touched']:,} of {n:,} items ({percent(found['share'])}%) stand in the {found['records']:,} records of training text that were read"
    clean = found["clean"]
    if found["touched"] and clean:
        told += f"; on the other {clean['n']:,} {percent(clean['accuracy'])}% right ({percent(clean['low'])} to {percent(clean['high'])})"
    if found["unknown"]:
        told += f"; not known or not at hand: {'; '.join(found['unknown'])}"
    return told
