"""Asks an engine the items of a task, chunk by chunk, and reads what it chose."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from corpora.errors import OslerError
from corpora.records import ExamItem
from evals.asking.cached_engine import CachedEngine
from evals.asking.finished import Finished
from evals.asking.normalisation import normalised
from evals.engines import Engine, Refusal
from evals.exam.prompts import Prompter
from evals.exam.tasks import Task
from evals.reading.extraction import extract_choices

Pair = tuple[str, str]


@dataclass(frozen=True)
class Given:
    """What a model gave for one item: each option's score, or its text; or why the server refused the item."""

    prompt: str  # what it was asked with
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
        return self._texts(items) if self.prompter.free else self._scores(items)

    def _texts(self, items: Sequence[ExamItem]) -> list[Given]:
        task, prompter = self.prompter.task, self.prompter
        stop = task.stop if prompter.render is None else []
        prompts = [prompter.prompt(item) for item in items]
        texts = self.engine.texts(prompts, [item.id for item in items], task.max_tokens, stop)
        return [
            Given(prompt, refused=text) if isinstance(text, Refusal) else Given(prompt, text=text)
            for prompt, text in zip(prompts, texts, strict=True)
        ]

    def _scores(self, items: Sequence[ExamItem]) -> list[Given]:
        prompts = [self.prompter.prompt(item) for item in items]
        pairs = [
            [(prompt, answer) for answer in self.prompter.continuations(item)]
            for item, prompt in zip(items, prompts, strict=True)
        ]
        names = [item.id for item, its in zip(items, pairs, strict=True) for _ in its]
        values = iter(self.engine.log_probs([pair for its in pairs for pair in its], names))
        raw = [[next(values) for _ in its] for its in pairs]
        # An item of which any option was refused has no scores.
        refused = [next((value for value in its if isinstance(value, Refusal)), None) for its in raw]
        whole = [place for place, refusal in enumerate(refused) if refusal is None]
        scores = iter(
            normalised(
                [value for place in whole for value in raw[place] if not isinstance(value, Refusal)],
                [pair for place in whole for pair in pairs[place]],
                self.prompter.task.normalise,
                self.prompter.without_question(),
                self._alone,
            )
        )
        return [
            Given(prompt, refused=refusal) if refusal is not None else Given(prompt, scores=[next(scores) for _ in its])
            for prompt, refusal, its in zip(prompts, refused, pairs, strict=True)
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
