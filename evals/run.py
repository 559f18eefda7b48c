"""Runs tasks on an engine, and writes for each a folder with every item's answer.

``OUT/TASK/items.jsonl`` has an object for each item in the task's order, ``task.json`` how they were asked and by whom,
``rotations.json`` and ``blank.json`` what the same items gave in another form, and ``OUT/results.json`` a summary of all tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from corpora.disk import writing
from corpora.errors import DataError
from corpora.records import ExamItem
from evals import refusals
from evals.asking import Asked, Given, choice_of
from evals.described_run import described_run, unlike_asked
from evals.engines import Engine, Refusal
from evals.finished import Finished
from evals.items import Source, examples_of, items_of, unlike_published
from evals.known_errors import known_errors
from evals.open.marking import Means
from evals.open.run import run_open
from evals.prompts import Prompter
from evals.reading.extraction import LANGUAGES
from evals.results import read_json, write_json
from evals.robustness import write_blank, write_rotations
from evals.summary import summarise
from evals.tasks import Task

Row = dict[str, Any]
NO_MEANS = Means()
MANY = 0.01  # share of the items from which equally likely options, or empty replies, are worth a note


@dataclass(frozen=True)
class Options:
    """How the tasks of a run are asked."""

    chat: bool = False
    num_fewshot: int | None = None  # None: the task's own
    scoring: str | None = None  # likelihood or generative; None: the task's own
    max_tokens: int | None = None  # of a freely written answer; None: the task's own
    rotations: bool = False
    blank: bool = False
    contamination: bool = False  # look for the items in the model's training text


def adjusted(task: Task, options: Options) -> Task:
    """The task as the command line asks it.

    Raises:
        DataError: the task cannot be asked so.
    """
    changed: dict[str, Any] = {}
    if options.num_fewshot is not None and not task.open_ended:
        changed["num_fewshot"] = options.num_fewshot
    if options.max_tokens is not None:
        changed["max_tokens"] = options.max_tokens
    if options.scoring is not None and not task.open_ended:
        if options.scoring == "likelihood" and task.several:
            raise DataError(
                f"task '{task.name}': several options may be right at once, which the likelihoods of single letters cannot tell; "
                "it is scored generative"
            )
        changed["scoring"] = options.scoring
    found = task.model_copy(update=changed)
    if found.scoring == "generative" and found.language not in LANGUAGES:
        raise DataError(
            f"task '{task.name}': answers in words can be read in {', '.join(LANGUAGES)}, and its language is {found.language}; score it by "
            "likelihood"
        )
    return found


def run_task(
    task: Task,
    engine: Engine,
    source: Source,
    folder: Path,
    options: Options,
    finished: Finished,
    means: Means = NO_MEANS,
) -> Row:
    """Asks every item of ``task``, writes its folder, and returns the task's summary.

    All rows are read once before the first is asked, so that a bad one is told at once.

    Raises:
        DataError: the data are not there or cannot be used.
        OslerError: the task cannot be scored here.
    """
    if task.open_ended:
        return _run_open(task, engine, source, folder, options, finished, means)
    free = task.scoring == "generative"
    widths = Counter(len(item.options) for item in items_of(task, source))
    count = widths.total()
    examples = examples_of(task, source, task.num_fewshot)
    prompter = Prompter(task, engine.render if options.chat else None, examples, free)
    asked = Asked(engine, prompter, finished)
    folder.mkdir(parents=True, exist_ok=True)
    chance, first, wrong, ties, empty = 0.0, "", 0, 0, 0
    refused: list[tuple[str, Refusal]] = []
    with writing(folder / "items.jsonl") as stream, _bar(count, task.name) as bar:
        for item, answer in asked.answers(items_of(task, source)):
            prompt = prompter.prompt(item)
            first = first or prompt
            chance += _chance(item, task)
            wrong += bool(item.meta.get("key_error"))
            ties += answer.scores is not None and answer.scores.count(max(answer.scores)) > 1
            empty += answer.text is not None and not answer.text.strip()
            if answer.refused is not None:
                refused.append((item.id, answer.refused))
            stream.write(json.dumps(row_of(item, answer, task, prompt), ensure_ascii=False) + "\n")
            bar.update()
    about = {
        **described_run(task, engine, source, options.chat, first, count),
        "general": task.general,
        "num_fewshot": task.num_fewshot,
        "notes": [
            *_notes(task, source, widths),
            *_unmatched(source, wrong),
            *_unanswered(count, ties, empty),
            *unlike_asked(engine),
            *refusals.note(count, refused),
        ],
        "key_errors": [
            {"title": one.title, "source": one.source, "about": one.about}
            for one in known_errors(task.name, source.key_errors).lists
        ],
        "chance": chance / count,
        "osler": _osler_version(),
        "seconds": asked.seconds,
    }
    write_json(folder / "task.json", about)
    _forget_other_forms(folder)
    if options.rotations:
        write_rotations(task, asked, source, folder)
    if options.blank:
        write_blank(task, engine, prompter, source, folder, finished)
    return summary_of(folder)


def _run_open(
    task: Task, engine: Engine, source: Source, folder: Path, options: Options, finished: Finished, means: Means
) -> Row:
    """As ``run_task``, for answers in the model's own words."""
    steps = run_open(task, engine, source, folder, options.chat, finished, means, _osler_version())
    with _bar(next(steps), task.name) as bar:
        for step in steps:
            bar.update(step)
    _forget_other_forms(folder)
    return summary_of(folder)


def _forget_other_forms(folder: Path) -> None:
    """Removes what an earlier run, which may have asked in another way, found of the same items in other forms."""
    for name in ("rotations.json", "rotations.jsonl", "blank.json", "blank.jsonl", "contamination.json"):
        (folder / name).unlink(missing_ok=True)


def _notes(task: Task, source: Source, widths: Counter[int]) -> list[str]:
    """What is unlike the published form of the task."""
    notes = unlike_published(task, source, widths.total())
    expected = task.options and task.options + (task.variant == "unsure")
    if expected and set(widths) != {expected}:
        seen = ", ".join(f"{number:,} with {width}" for width, number in sorted(widths.items()))
        notes.append(f"the published items have {task.options} options each, and those read: {seen}")
    return notes


def _unmatched(source: Source, wrong: int) -> list[str]:
    return [f"none of the items is in {source.key_errors}"] if source.key_errors is not None and not wrong else []


def _unanswered(count: int, ties: int, empty: int) -> list[str]:
    """What makes a score say less than it seems: options that are equally likely, and replies in which nothing stands."""
    notes = []
    if ties and ties >= MANY * count:
        notes.append(
            f"of {ties:,} of the {count:,} items the likeliest options are equally likely, and the first of these counts as chosen"
        )
    if empty and empty >= MANY * count:
        notes.append(
            f"{empty:,} of the {count:,} replies are empty; a model that thinks first may need more room (--max-tokens)"
        )
    return notes


def summary_of(folder: Path) -> Row:
    """The summary of a task's folder, with what its rotations and its blanked questions gave and what is unlike the published task."""
    found = summarise(folder)
    found["notes"] = read_json(folder / "task.json")["notes"]
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


def row_of(item: ExamItem, given: Given, task: Task, prompt: str) -> Row:
    """The line of ``items.jsonl`` for one item; the prompt's SHA-256 tells whether two runs, or lm-eval, asked in the same words."""
    chosen = choice_of(given, item, task)
    right = chosen is not None and sorted(chosen) == sorted(item.answers)
    return {
        "id": item.id,
        "cluster": _cluster(item),
        "subject": str(item.meta["subject"]) if item.meta.get("subject") else None,
        "question": f"{item.context}\n\n{item.question}" if item.context else item.question,
        "options": item.options,
        "gold": sorted(item.answers),
        "chosen": chosen,
        "right": right,
        "score": 1.0 if right else 0.0,
        "scores": given.scores,
        "text": given.text,
        "refused": asdict(given.refused) if given.refused is not None else None,
        "key_error": item.meta.get("key_error", ""),
        "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
    }


def _cluster(item: ExamItem) -> str | None:
    """A name that items on the same passage share."""
    if item.context:
        return hashlib.sha256(item.context.encode()).hexdigest()[:12]
    return str(item.meta["cluster"]) if item.meta.get("cluster") else None


def _chance(item: ExamItem, task: Task) -> float:
    """The share of right answers of one who guesses: one of the options, or, where several may be right, any set of them."""
    return 1 / 2 ** len(item.options) if task.several else 1 / len(item.options)


def _osler_version() -> str:
    try:
        return version("osler")
    except PackageNotFoundError:
        return "unknown"


def _bar(total: int, label: str) -> Any:
    return tqdm(total=total, desc=label, unit="item", leave=False, disable=None)
