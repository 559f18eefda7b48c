"""Runs a task whose answers are written freely, and writes the same folder as for a task of options: ``items.jsonl`` and ``task.json``.

A row has no options, and beside ``score`` (None where a verdict is missing) the ``parts`` it is made of, what it would be at ``worst`` and at ``best``,
and the judge's ``verdicts``. Answers and verdicts are kept as they are finished, so that a killed run goes on and ends with the same rows.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corpora.disk import writing
from corpora.errors import OslerError
from evals import refusals
from evals.cached_engine import CachedEngine
from evals.described_run import described_run, unlike_asked
from evals.engines import Engine, OneByOne, Refusal
from evals.finished import Finished
from evals.items import Source, unlike_published
from evals.open.items import open_items_of
from evals.open.marking import ASKED, BY_RULE, Mark, Means, marks, unanswered, why_not
from evals.open.shapes import OpenItem, fingerprint
from evals.prompts import Render
from evals.reading.replies import strip_thinking
from evals.results import write_json
from evals.tasks import Task

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


def run_open(
    task: Task, engine: Engine, source: Source, folder: Path, chat: bool, finished: Finished, means: Means, version: str
) -> Iterator[int]:
    """Asks every item of ``task`` and writes its folder; yields the number of items after each chunk, the first time all of them.

    All rows are read once before the first is asked, so that a bad one is told at once.

    Raises:
        DataError: the data are not there or cannot be used.
        OslerError: the task needs a judge and there is none, or the judge cannot be used.
    """
    reason = why_not(task, means)
    if reason is not None:
        raise OslerError(reason)
    count = sum(1 for _ in open_items_of(task, source))
    yield count
    judge = means.judge if task.scoring not in BY_RULE else None
    if judge is not None and task.judged != "none":
        judge.connect()
    asked = CachedEngine(engine, task, finished)
    stop = [] if chat else task.stop
    # Of a server each answer is kept as it comes, and with few items at a time it would have nothing to do at the end of each.
    size = engine.chunk if isinstance(engine, OneByOne) else min(CHUNK, engine.chunk)
    refused: list[tuple[str, Refusal]] = []
    render = engine.render if chat else None
    folder.mkdir(parents=True, exist_ok=True)
    first = ""
    items = open_items_of(task, source)
    with writing(folder / "items.jsonl") as stream:
        while chunk := list(itertools.islice(items, size)):
            prompts = [prompt_of(item, task, render) for item in chunk]
            first = first or prompts[0]
            texts = asked.texts(prompts, [item.id for item in chunk], task.max_tokens, stop)
            refused += [(one.id, text) for one, text in zip(chunk, texts, strict=True) if isinstance(text, Refusal)]
            given = [(item, text) for item, text in zip(chunk, texts, strict=True) if not isinstance(text, Refusal)]
            found = iter(
                marks(task, [item for item, _ in given], [strip_thinking(text) for _, text in given], means, finished)
            )
            for item, prompt, text in zip(chunk, prompts, texts, strict=True):
                mark = unanswered(task) if isinstance(text, Refusal) else next(found)
                stream.write(json.dumps(row_of(item, prompt, text, mark), ensure_ascii=False) + "\n")
            yield len(chunk)
        asked.refusals.check()
    kinds = ASKED.get(task.judged, ())
    judged = judge.told(kinds) if judge is not None and kinds else None
    about = {
        **described_run(task, engine, source, chat, first, count),
        "judged": task.judged,
        "num_fewshot": 0,
        "max_tokens": task.max_tokens,
        "notes": [
            *unlike_published(task, source, count),
            *unlike_asked(engine),
            *refusals.note(count, refused),
        ],
        "chance": 0.0,
        "judge": judged,
        "judged_by": judged_by(judged),
        "similarity": means.similarity.name if means.similarity is not None and task.scoring == "similarity" else None,
        "osler": version,
        "seconds": asked.seconds,
    }
    write_json(folder / "task.json", about)


def judged_by(judge: Row | None) -> str | None:
    """The judge and its wordings in one line: two results can be compared where this is the same."""
    if judge is None:
        return None
    return ", ".join(
        [judge["model"], *(f"{name} {told['prompt_sha256'][:12]}" for name, told in judge["kinds"].items())]
    )


def row_of(item: OpenItem, prompt: str, text: str | Refusal, mark: Mark) -> Row:
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
        "text": None if isinstance(text, Refusal) else text,
        "refused": asdict(text) if isinstance(text, Refusal) else None,
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
