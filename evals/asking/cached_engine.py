"""An engine that is not asked twice for what it has finished: kept with what it was computed together with, or alone where neighbours change nothing."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from tqdm import tqdm

from corpora.errors import OslerError
from evals.asking.finished import Finished, key_of
from evals.asking.refusals import Refusals
from evals.engines import AsTheyCome, Engine, InBatches, OneByOne, Refusal, Unanswered
from evals.exam.tasks import Task

T = TypeVar("T")
R = TypeVar("R", str, float)


def recall_not_taken(not_taken: set[str], finished: Finished, key: str) -> None:
    """Adds the parameters that an earlier run found a model not to take: where all answers are kept, nothing would tell them."""
    kept = finished.get(key, counted=False)
    not_taken.update(kept[0] if kept is not None else ())


def keep_not_taken(not_taken: set[str], finished: Finished, key: str) -> None:
    """Keeps for the next run which parameters a model turned out not to take."""
    if not_taken:
        finished.put(key, sorted(not_taken), 0.0)


class CachedEngine:
    """An engine that is asked the items of one task."""

    def __init__(self, engine: Engine, task: Task, finished: Finished) -> None:
        self.engine, self.task, self.finished = engine, task, finished
        self.seconds = 0.0  # of computing, in this and in earlier runs
        self.refusals = Refusals(task.name)
        if isinstance(engine, OneByOne):
            recall_not_taken(engine.not_taken, finished, self._key("not taken"))

    def texts(
        self, prompts: Sequence[str], items: Sequence[str], max_tokens: int, stop: Sequence[str]
    ) -> list[str | Refusal]:
        """The likeliest continuation of each prompt, or why the server refused it.

        Args:
            prompts: what is continued.
            items: the id of each prompt's item.
            max_tokens: of each text.
            stop: what ends a text.

        Raises:
            OslerError: the engine failed, or refuses everything; the message names the item.
        """
        how = json.dumps([max_tokens, *stop])
        engine = self.engine
        if isinstance(engine, AsTheyCome):
            writer = engine
            return self._one_by_one(
                prompts, items, lambda asked: writer.answered(asked, max_tokens, stop), lambda one: ["text", how, one]
            )
        together = engine.batches(prompts, max_tokens) if isinstance(engine, InBatches) else [[*range(len(prompts))]]
        found: list[str | Refusal] = [""] * len(prompts)
        for places in tqdm(together, desc="answers", leave=False, disable=True if len(together) == 1 else None):
            batch = [prompts[place] for place in places]
            texts = self._once(["texts", how, *batch], partial(engine.generate, batch, max_tokens, stop))
            for place, text in zip(places, texts, strict=True):
                found[place] = text
        return found

    def log_probs(self, pairs: Sequence[tuple[str, str]], items: Sequence[str]) -> list[float | Refusal]:
        """Log-probability in nats of each continuation given the text before it, or why the server refused it.

        Args:
            pairs: texts and continuations.
            items: the id of each pair's item.

        Raises:
            OslerError: as ``texts``; or a log-probability is no number.
        """
        engine = self.engine
        if isinstance(engine, OneByOne):
            return self._one_by_one(pairs, items, engine.scored, lambda pair: ["log-probability", *pair])

        def computed() -> list[float]:
            found = engine.log_probs(pairs)
            for pair, item, value in zip(pairs, items, found, strict=True):
                self._check(pair, item, value)
            return found

        return list(self._once(["log-probabilities", *(text for pair in pairs for text in pair)], computed))

    def _once(self, parts: Sequence[str], compute: Callable[[], Any]) -> Any:
        found, seconds = self.finished.once(self._key(*parts), compute)
        self.seconds += seconds
        return found

    def _one_by_one(
        self,
        given: Sequence[T],
        items: Sequence[str],
        ask: Callable[[Sequence[T]], Iterator[tuple[int, R | Refusal]]],
        parts: Callable[[T], Sequence[str]],
    ) -> list[R | Refusal]:
        """Asks for what is not kept, and keeps each answer as it comes; what is refused is asked again by the next run."""
        keys = [self._key(*parts(one)) for one in given]
        found: dict[int, R | Refusal] = {}
        for place, key in enumerate(keys):
            kept = self.finished.get(key)
            if kept is not None:
                found[place] = kept[0]
                self.seconds += kept[1]
        self.refusals.answer(len(found))
        missing = [place for place in range(len(given)) if place not in found]
        last = time.perf_counter()
        try:
            answers = ask([given[place] for place in missing]) if missing else iter(())
            for number, answer in tqdm(answers, total=len(missing), desc="answers", leave=False, disable=None):
                place = missing[number]
                found[place] = answer
                if isinstance(answer, Refusal):
                    self.refusals.refusal(items[place], answer)
                    continue
                if isinstance(answer, float):
                    self._check(given[place], items[place], answer)
                now = time.perf_counter()
                self.finished.put(keys[place], answer, now - last)
                self.seconds, last = self.seconds + now - last, now
                self.refusals.answer()
        except Unanswered as error:
            raise OslerError(
                f"task '{self.task.name}', item {items[missing[error.place]]}: {error}"
            ) from error.__cause__
        finally:
            if missing and isinstance(self.engine, OneByOne):
                keep_not_taken(self.engine.not_taken, self.finished, self._key("not taken"))
        return [found[place] for place in range(len(given))]

    def _key(self, *parts: str) -> str:
        engine, task = self.engine, self.task
        return key_of([engine.name, engine.fingerprint, engine.settings, task.name, str(task.version), *parts])

    def _check(self, asked: Any, item: str, value: float) -> None:
        """Raises OslerError where a log-probability is no number."""
        if not math.isfinite(value):
            raise OslerError(
                f"{self.engine.id}: a log-probability of task '{self.task.name}', item {item}, is no number ({value}), so that no option is the "
                f"likeliest: the model's weights, or its number format, are broken. The prompt ends in: …{asked[0][-200:]!r}"
            )
