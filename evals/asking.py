"""Asks an engine the items of a task, chunk by chunk, and reads what it chose."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from corpora.errors import OslerError
from corpora.records import ExamItem
from evals.engines import Engine
from evals.finished import Finished, key_of
from evals.prompts import Prompter
from evals.reading.extraction import extract_choices
from evals.score import normalised
from evals.tasks import Task
from evals.writing import written


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
        task = self.prompter.task
        prompts = [self.prompter.prompt(item) for item in items]
        if self.prompter.free:
            how = [task.scoring, task.normalise, str(task.max_tokens), *task.stop]
            stop = task.stop if self.prompter.render is None else []
            texts, seconds = written(
                self.engine,
                prompts,
                task.max_tokens,
                stop,
                lambda asked: self._key(how, asked, [[] for _ in asked]),
                self.finished,
            )
            self.seconds += seconds
            return [Given(text=text) for text in texts]
        wanted = [self.prompter.continuations(item) for item in items]
        key = self._key([task.scoring, task.normalise], prompts, wanted)
        found, seconds = self.finished.once(key, lambda: self._scored(prompts, wanted))
        self.seconds += seconds
        return [Given(scores=one) for one in found]

    def _key(self, how: Sequence[str], prompts: Sequence[str], wanted: Sequence[Sequence[str]]) -> str:
        task, engine = self.prompter.task, self.engine
        about = (engine.name, engine.fingerprint, engine.settings, task.name, str(task.version))
        return key_of([*about, json.dumps(how), *prompts, json.dumps(wanted)])

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
        found = [[next(values) for _ in options] for options in wanted]
        for prompt, scores in zip(prompts, found, strict=True):
            if not all(map(math.isfinite, scores)):
                raise OslerError(
                    f"{self.engine.id}: the log-probabilities of the options are no numbers ({', '.join(map(str, scores))}), so that none is the "
                    f"likeliest: the model's weights, or its number format, are broken. The prompt ends in: …{prompt[-200:]!r}"
                )
        return found


def choice_of(given: Given, item: ExamItem, task: Task) -> list[int] | None:
    """The options that the model chose; None where nothing could be read from its text."""
    if given.scores is not None:
        return [max(range(len(given.scores)), key=given.scores.__getitem__)]
    return extract_choices(given.text or "", item.options, several=task.several, language=task.language)
