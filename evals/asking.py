"""Asks an engine the items of a task, chunk by chunk, and reads what it chose."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from corpora.errors import OslerError
from corpora.records import ExamItem
from evals.cached_engine import CachedEngine
from evals.engines import Engine, Refusal
from evals.finished import Finished
from evals.prompts import Prompter
from evals.reading.extraction import extract_choices
from evals.score import normalised
from evals.tasks import Task

Pair = tuple[str, str]


@dataclass(frozen=True)
class Given:
    """What a model gave for one item: each option's score, or its text; or why the server refused the item."""

    scores: list[float] | None = None
    text: str | None = None
    refused: Refusal | None = None


class Asked:
    """An engine that is asked by one prompter, chunk by chunk, and not twice for what it has finished."""

    def __init__(self, engine: Engine, prompter: Prompter, finished: Finished) -> None:
        self.prompter = prompter
        self.engine = CachedEngine(engine, prompter.task, finished)

    @property
    def seconds(self) -> float:
        """Of computing, in this and in earlier runs."""
        return self.engine.seconds

    def answers(self, items: Iterable[ExamItem]) -> Iterator[tuple[ExamItem, Given]]:
        """Each item with what was given for it; no more than a chunk of them is in memory.

        Raises:
            OslerError: the engine failed, or refuses everything.
        """
        items = iter(items)
        while chunk := list(itertools.islice(items, self.engine.engine.chunk)):
            yield from zip(chunk, self._chunk(chunk), strict=True)
        self.engine.refusals.check()

    def _chunk(self, items: Sequence[ExamItem]) -> list[Given]:
        task = self.prompter.task
        prompts = [self.prompter.prompt(item) for item in items]
        if self.prompter.free:
            stop = task.stop if self.prompter.render is None else []
            texts = self.engine.texts(prompts, [item.id for item in items], task.max_tokens, stop)
            return [Given(refused=text) if isinstance(text, Refusal) else Given(text=text) for text in texts]
        wanted = [self.prompter.continuations(item) for item in items]
        asked = [(prompt, option) for prompt, options in zip(prompts, wanted, strict=True) for option in options]
        names = [item.id for item, options in zip(items, wanted, strict=True) for _ in options]
        values = iter(self.engine.log_probs(asked, names))
        raw = [[next(values) for _ in options] for options in wanted]
        refused = [next((value for value in its if isinstance(value, Refusal)), None) for its in raw]
        whole = [place for place, refusal in enumerate(refused) if refusal is None]
        pairs = [(prompts[place], option) for place in whole for option in wanted[place]]
        scores = iter(
            normalised(
                [value for place in whole for value in raw[place] if not isinstance(value, Refusal)],
                pairs,
                task.normalise,
                self.prompter.without_question(),
                self._alone,
            )
        )
        return [
            Given(refused=refusal) if refusal is not None else Given(scores=[next(scores) for _ in options])
            for refusal, options in zip(refused, wanted, strict=True)
        ]

    def _alone(self, pairs: Sequence[Pair]) -> list[float]:
        """Log-probabilities of options without their question."""
        found = []
        for (_, option), value in zip(
            pairs, self.engine.log_probs(pairs, ["(options alone)"] * len(pairs)), strict=True
        ):
            if isinstance(value, Refusal):
                raise OslerError(
                    f"task '{self.prompter.task.name}': the server refuses the option {option[:80]!r} without its question "
                    f"({value.kind}): {value.message}"
                )
            found.append(value)
        return found


def choice_of(given: Given, item: ExamItem, task: Task) -> list[int] | None:
    """The options that the model chose; None where nothing could be read from its text, or it was not asked."""
    if given.scores is not None:
        return [max(range(len(given.scores)), key=given.scores.__getitem__)]
    return extract_choices(given.text or "", item.options, several=task.several, language=task.language)


def is_right(chosen: list[int] | None, item: ExamItem) -> bool:
    """Whether exactly the right options were chosen."""
    return chosen is not None and sorted(chosen) == sorted(item.answers)
