"""What an engine writes on prompts, kept as it is finished: chunk by chunk, or one by one where neighbours change nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from evals.engines import Engine, OneByOne
from evals.finished import Finished


def written(
    engine: Engine,
    prompts: Sequence[str],
    max_tokens: int,
    stop: Sequence[str],
    key: Callable[[Sequence[str]], str],
    finished: Finished,
) -> tuple[list[str], float]:
    """The texts, and the seconds that they took in this and in earlier runs.

    Args:
        engine: who writes.
        prompts: on what.
        max_tokens: of each text.
        stop: what ends a text.
        key: under which what was written on such prompts is kept.
        finished: where it is kept.
    """
    if isinstance(engine, OneByOne):
        return _one_by_one(engine, prompts, max_tokens, stop, key, finished)
    texts, seconds = finished.once(key(prompts), lambda: engine.generate(prompts, max_tokens, stop))
    return list(texts), seconds


def _one_by_one(
    engine: OneByOne,
    prompts: Sequence[str],
    max_tokens: int,
    stop: Sequence[str],
    key: Callable[[Sequence[str]], str],
    finished: Finished,
) -> tuple[list[str], float]:
    kept = [finished.get(key([prompt])) for prompt in prompts]
    texts = [one[0][0] if one is not None else "" for one in kept]
    seconds = sum(one[1] for one in kept if one is not None)
    missing = [place for place, one in enumerate(kept) if one is None]
    last = time.perf_counter()
    for number, text in engine.answered([prompts[place] for place in missing], max_tokens, stop):
        now = time.perf_counter()
        finished.put(key([prompts[missing[number]]]), [text], now - last)
        seconds, last = seconds + now - last, now
        texts[missing[number]] = text
    return texts, seconds
