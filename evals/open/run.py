"""Runs a task whose answers are written freely, and writes the same folder as for a task of options: ``items.jsonl`` and ``task.json``.

A row has no options, and beside ``score`` (None where a verdict is missing) the ``parts`` it is made of, what it would be at ``worst`` and at ``best``,
and the judge's ``verdicts``. Answers and verdicts are kept as they are finished, so that a killed run goes on and ends with the same rows.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from corpora.disk import writing
from corpora.errors import OslerError
from evals.described_run import described_run
from evals.engines import Engine
from evals.finished import Finished, key_of
from evals.items import Source, unlike_published
from evals.open.items import open_items_of
from evals.open.marking import ASKED, BY_RULE, Mark, Means, marks, why_not
from evals.open.shapes import OpenItem, fingerprint
from evals.prompts import Render
from evals.reading.replies import strip_thinking
from evals.results import write_json
from evals.tasks import Task
from evals.writing import written

Row = dict[str, Any]
CHUNK = 128  # answers at most that are written and judged before the next are begun


def prompt_of(item: OpenItem, task: Task, render: Render | None) -> str:
    """What the model is given: its own chat template around the conversation, or plain text up to where the answer begins."""
    values = {"question": item.question, "context": item.context, "subject": item.subject or "", "meta": {}}
    last = task.filled("prompt", item.id, options="", letters="", **values)
    description = task.filled("description", item.id, options="", letters="", **values)
    asked = f"{last}\n\n{task.instruction}" if task.instruction else last
    *before, (role, _) = item.turns
    if render is not None:
        system = [("system", description)] if description.strip() else []
        return render([{"role": name, "content": text} for name, text in [*system, *before, (role, asked)]])
    if not before:
        return f"{description}{asked}{task.cue}"
    said = [f"{name.capitalize()}: {text}" for name, text in [*before, (role, asked)]]
    return f"{description}{chr(10).join(said)}\nAssistant:"


class Writer:
    """An engine that answers chunk by chunk, and not twice what it has finished."""

    def __init__(self, engine: Engine, task: Task, chat: bool, finished: Finished) -> None:
        self.engine, self.task, self.finished = engine, task, finished
        self.stop = [] if chat else task.stop
        self.seconds = 0.0  # of computing, in this and in earlier runs

    def answers(self, prompts: Sequence[str]) -> list[str]:
        """What the model writes on each prompt."""
        how = json.dumps([self.task.max_tokens, *self.stop])
        about = (
            self.engine.name,
            self.engine.fingerprint,
            self.engine.settings,
            self.task.name,
            str(self.task.version),
        )
        texts, seconds = written(
            self.engine,
            prompts,
            self.task.max_tokens,
            self.stop,
            lambda asked: key_of(["open", *about, how, *asked]),
            self.finished,
        )
        self.seconds += seconds
        return texts


def run_open(
    task: Task, engine: Engine, source: Source, folder: Path, chat: bool, finished: Finished, means: Means, version: str
) -> Iterator[int]:
    """Asks every item of ``task`` and writes its folder; yields the number of items after each chunk, the first time all of them.

    All rows are read once before the first is asked, so that a bad one is told at once.

    Raises:
        DataError: the data are not there or cannot be used.
        OslerError: the task needs a judge and there is none, or the judge cannot be used.
    """
    refused = why_not(task, means)
    if refused is not None:
        raise OslerError(refused)
    count = sum(1 for _ in open_items_of(task, source))
    yield count
    judge = means.judge if task.scoring not in BY_RULE else None
    if judge is not None and task.judged != "none":
        judge.connect()
    writer = Writer(engine, task, chat, finished)
    render = engine.render if chat else None
    folder.mkdir(parents=True, exist_ok=True)
    first = ""
    items = open_items_of(task, source)
    with writing(folder / "items.jsonl") as stream:
        while chunk := list(itertools.islice(items, min(CHUNK, engine.chunk))):
            prompts = [prompt_of(item, task, render) for item in chunk]
            first = first or prompts[0]
            texts = writer.answers(prompts)
            found = marks(task, chunk, [strip_thinking(text) for text in texts], means, finished)
            for item, prompt, text, mark in zip(chunk, prompts, texts, found, strict=True):
                stream.write(json.dumps(row_of(item, prompt, text, mark), ensure_ascii=False) + "\n")
            yield len(chunk)
    kinds = ASKED.get(task.judged, ())
    judged = judge.told(kinds) if judge is not None and kinds else None
    about = {
        **described_run(task, engine, source, chat, first, count),
        "judged": task.judged,
        "num_fewshot": 0,
        "max_tokens": task.max_tokens,
        "notes": unlike_published(task, source, count),
        "chance": 0.0,
        "judge": judged,
        "judged_by": judged_by(judged),
        "similarity": means.similarity.name if means.similarity is not None and task.scoring == "similarity" else None,
        "osler": version,
        "seconds": writer.seconds,
    }
    write_json(folder / "task.json", about)


def judged_by(judge: Row | None) -> str | None:
    """The judge and its wordings in one line: two results can be compared where this is the same."""
    if judge is None:
        return None
    return ", ".join(
        [judge["model"], *(f"{name} {told['prompt_sha256'][:12]}" for name, told in judge["kinds"].items())]
    )


def row_of(item: OpenItem, prompt: str, text: str, mark: Mark) -> Row:
    """The line of ``items.jsonl`` for one item."""
    return {
        "id": item.id,
        "cluster": hashlib.sha256(item.context.encode()).hexdigest()[:12] if item.context else None,
        "subject": item.subject,
        "question": "\n\n".join(f"{role}: {said}" for role, said in item.turns)
        if len(item.turns) > 1
        else item.question,
        "options": [],
        "gold": [],
        "chosen": None,
        "right": mark.score == 1.0,
        "score": mark.score,
        "scores": None,
        "text": text,
        "worst": mark.worst,
        "best": mark.best,
        "parts": mark.parts,
        "unparsed": mark.unparsed,
        "verdicts": mark.verdicts,
        "references": list(item.references[:1]),
        "marked_by": fingerprint(item),
        "key_error": False,
        "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
    }
