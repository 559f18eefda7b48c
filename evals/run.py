"""Runs tasks on an engine, and writes for each a folder with every item's answer.

``OUT/TASK/items.jsonl`` has an object for each item in the task's order, ``task.json`` how they were asked and by whom,
``rotations.json`` and ``blank.json`` what the same items gave in another form, and ``OUT/results.json`` a summary of all tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from corpora.disk import writing
from corpora.errors import DataError
from evals.asking import refusals
from evals.asking.asked import Asked
from evals.asking.finished import Finished
from evals.engines import Engine, Refusal, not_taken
from evals.exam.items import answers_unlike_questions, examples_of, items_of
from evals.exam.known_errors import known_errors
from evals.exam.prompts import Prompter
from evals.exam.source import Source
from evals.exam.tasks import Task
from evals.figures import notes
from evals.figures.baselines import chance
from evals.figures.described_run import described_run
from evals.figures.item_line import row_of
from evals.figures.results import Row, write_json
from evals.figures.robustness import write_blank, write_rotations
from evals.figures.summary import summarise
from evals.open.marking import Means
from evals.open.run import run_open
from evals.reading.extraction import LANGUAGES

NO_MEANS = Means()
# What an earlier run, which may have asked in another way, found of the same items in other forms.
OTHER_FORMS = ("rotations.json", "rotations.jsonl", "blank.json", "blank.jsonl", "contamination.json")


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
        steps = run_open(task, engine, source, folder, options.chat, finished, means)
        with _bar(next(steps), task.name) as bar:
            for step in steps:
                bar.update(step)
        _forget_other_forms(folder)
    else:
        _run_options(task, engine, source, folder, options, finished)
    return summarise(folder)


def _run_options(
    task: Task, engine: Engine, source: Source, folder: Path, options: Options, finished: Finished
) -> None:
    """As ``run_task``, of a task whose items have options."""
    widths, repeated = _looked_through(task, source)
    read = sum(1 for _ in items_of(task.plain, source)) if task.variant != "none" else widths.total()
    examples = examples_of(task, source, task.num_fewshot)
    prompter = Prompter(task, engine.render if options.chat else None, examples, task.scoring == "generative")
    asked = Asked(engine, prompter, finished)
    count = widths.total()
    folder.mkdir(parents=True, exist_ok=True)
    seen = _write_answers(asked, source, folder, count)
    about = {
        **described_run(task, engine, source, options.chat, seen.first_prompt, count),
        "general": task.general,
        "num_fewshot": task.num_fewshot,
        "notes": [
            *notes.unlike_published(task, source, read),
            *notes.not_varied(task, read - count, read),
            *answers_unlike_questions(task, source),
            *notes.other_widths(task, widths),
            *notes.asked_again(repeated, count),
            *notes.unmatched(source, seen.known_errors),
            *notes.undecided(count, seen.ties, seen.empty),
            *notes.one_key(seen.keys),
            *notes.without_temperature(not_taken(engine)),
            *refusals.note(count, seen.refused),
        ],
        "key_errors": [
            {"title": one.title, "source": one.source, "about": one.about}
            for one in known_errors(task.name, source.key_errors, task.plain_name).lists
        ],
        "chance": sum(number * chance(width, task.several) for width, number in widths.items()) / count,
        "seconds": asked.seconds,
    }
    write_json(folder / "task.json", about)
    _forget_other_forms(folder)
    if options.rotations:
        write_rotations(task, asked, source, folder)
    if options.blank:
        write_blank(task, engine, prompter, source, folder, finished)


def _looked_through(task: Task, source: Source) -> tuple[Counter[int], int]:
    """How many items have how many options, and how many repeat an earlier one, word for word. Holds a number for each item, and no text."""
    widths: Counter[int] = Counter()
    known: set[int] = set()
    for item in items_of(task, source):
        widths[len(item.options)] += 1
        text = json.dumps([item.context, item.question, *item.options])
        known.add(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
    return widths, widths.total() - len(known)


@dataclass
class _Seen:
    """What is counted while the items are answered."""

    first_prompt: str = ""
    known_errors: int = 0
    keys: Counter[tuple[int, ...]] = field(default_factory=Counter)
    ties: int = 0
    empty: int = 0
    refused: list[tuple[str, Refusal]] = field(default_factory=list)


def _write_answers(asked: Asked, source: Source, folder: Path, count: int) -> _Seen:
    """Asks all items and writes ``items.jsonl``."""
    seen, task = _Seen(), asked.prompter.task
    with writing(folder / "items.jsonl") as stream, _bar(count, task.name) as bar:
        for item, answer in asked.answers(items_of(task, source)):
            seen.first_prompt = seen.first_prompt or answer.prompt
            seen.keys[tuple(item.answers)] += 1
            seen.known_errors += bool(item.meta.get("key_error"))
            seen.ties += answer.scores is not None and answer.scores.count(max(answer.scores)) > 1
            seen.empty += answer.text is not None and not answer.text.strip()
            if answer.refused is not None:
                seen.refused.append((item.id, answer.refused))
            stream.write(json.dumps(row_of(item, answer, task), ensure_ascii=False) + "\n")
            bar.update()
    return seen


def _forget_other_forms(folder: Path) -> None:
    for name in OTHER_FORMS:
        (folder / name).unlink(missing_ok=True)


def _bar(total: int, label: str) -> Any:
    return tqdm(total=total, desc=label, unit="item", leave=False, disable=None)
