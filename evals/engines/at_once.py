"""Many requests to a server at once, in threads for which nobody who stops the program has to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def at_once(
    ask: Callable[[T], R], given: Sequence[T], threads: int, stop: threading.Event | None = None
) -> Iterator[Iterator[tuple[int, R | Exception]]]:
    """What ``ask`` gives or raises for each of ``given``, with its place, as it comes; when the block is left no further one is asked.

    The threads of ``concurrent.futures`` are waited for when the program ends, so that Ctrl-C would last as long as a server is silent.
    These are not, unless it goes on with an error.

    Args:
        ask: for one of them.
        given: what is asked.
        threads: as many are asked at once.
        stop: once it is set no further one is asked; those on their way still come.
    """
    todo: SimpleQueue[tuple[int, T]] = SimpleQueue()
    done: SimpleQueue[tuple[int, R | Exception]] = SimpleQueue()
    for place, one in enumerate(given):
        todo.put((place, one))

    def work() -> None:
        while True:
            try:
                place, one = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((place, ask(one)))
            except Exception as error:
                done.put((place, error))

    def answers() -> Iterator[tuple[int, R | Exception]]:
        left = len(given)
        while left:
            yield done.get()
            left -= 1
            if stop is not None and stop.is_set():
                left -= _emptied(todo)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(given)))]
    for worker in workers:
        worker.start()
    try:
        yield answers()
    except Exception:
        _emptied(todo)
        for worker in workers:  # so that nothing is on its way when the same is asked again
            worker.join()
        raise
    finally:
        _emptied(todo)


def _emptied(queue: SimpleQueue[T]) -> int:
    """Takes all out of a queue, and returns how many these were."""
    count = 0
    while True:
        try:
            queue.get_nowait()
        except Empty:
            return count
        count += 1
