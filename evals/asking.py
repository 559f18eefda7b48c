"""Asks an engine the items of a task, chunk by chunk, and reads what it chose."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from corpora.records import ExamItem
from evals.engines import Engine
from evals.finished import Finished, key_of
from evals.prompts import Prompter
from evals.reading.extraction import extract_choices
from evals.score import normalised
from evals.tasks import Task


@dataclass(frozen=True)
class Given:
    """What a model gave for one item: each option's score, or its text."""

    scores: list[float] | None = None
    text: str | None = None


class Asked:
    """An engine that is asked by one prompter, chunk by chunk, and not twice for what it has finished."""

    def __init__(self, engine: Engine, prompter: Prompter, finished: Finished) -> None:
        self.engine, self.prompter, self.finished = engine, prompter, finished
        self.seconds = 0.0  # of computing, in this and in earlier runs

    def answers(self, items: Iterable[ExamItem]) -> Iterator[tuple[ExamItem, Given]]:
        """Each item with what was given for it; no more than a chunk of them is in memory."""
        items = iter(items)
        while chunk := list(itertools.islice(items, self.engine.chunk)):
            yield from zip(chunk, self._chunk(chunk), strict=True)

    def _chunk(self, items: Sequence[ExamItem]) -> list[Given]:
        task, free = self.prompter.task, self.prompter.free
        prompts = [self.prompter.prompt(item) for item in items]
        wanted = [[] if free else self.prompter.continuations(item) for item in items]
        how = (
            [task.scoring, task.normalise, str(task.max_tokens), *task.stop] if free else [task.scoring, task.normalise]
        )
        key = key_of(
            [
                self.engine.name,
                self.engine.fingerprint,
                self.engine.settings,
                task.name,
                str(task.version),
                json.dumps(how),
                *prompts,
                json.dumps(wanted),
            ]
        )
        found, seconds = self.finished.once(
            key, lambda: self._written(prompts) if free else self._scored(prompts, wanted)
        )
        self.seconds += seconds
        return [Given(text=one) if free else Given(scores=one) for one in found]

    def _written(self, prompts: list[str]) -> list[str]:
        task = self.prompter.task
        stop = task.stop if self.prompter.render is None else []
        return self.engine.generate(prompts, task.max_tokens, stop)

    def _scored(self, prompts: list[str], wanted: list[list[str]]) -> list[list[float]]:
        pairs = [(prompt, one) for prompt, options in zip(prompts, wanted, strict=True) for one in options]
        values = iter(
            normalised(
                self.engine.log_probs(pairs),
                pairs,
                self.prompter.task.normalise,
                self.prompter.without_question(),
                self.engine.log_probs,
            )
        )
        return [[next(values) for _ in options] for options in wanted]


def choice_of(given: Given, item: ExamItem, task: Task) -> list[int] | None:
    """The options that the model chose; None where nothing could be read from its text."""
    if given.scores is not None:
        return [max(range(len(given.scores)), key=given.scores.__getitem__)]
    return extract_choices(given.text or "", item.options, several=task.several, language=task.language)
