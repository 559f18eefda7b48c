"""Items that a server refuses for good: they count as wrong and are told with the reason, unless the server refuses everything."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

from corpora.errors import OslerError
from evals.engines import Refusal

STOP_AFTER = 8  # items refused one after another

REMEDIES = {
    "context too long": "serve the model with a longer context, or ask for less: --num-fewshot 0, a smaller --max-tokens",
    "content filter": "the server's filter keeps these from the model; ask where there is none",
    "other": "mend the server or the way it is asked (--chat, --no-chat)",
}


class RefusedError(OslerError):
    """A server that refuses so many items that there is nothing to score."""


class Refusals:
    """What became of the items of one task so far."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.answered = 0
        self._since: dict[str, Refusal] = {}  # by item: those since the last answer

    def answer(self, count: int = 1) -> None:
        """Counts answers, those that were kept by an earlier run too."""
        self.answered += count
        if count:
            self._since.clear()

    def refusal(self, item: str, refusal: Refusal) -> None:
        """Counts the refusal of an item.

        Raises:
            RefusedError: the first ``STOP_AFTER`` items were all refused, or so many together for a reason that is not the item's own.
        """
        self._since.setdefault(item, refusal)
        lasting = not self.answered or all(one.kind == "other" for one in self._since.values())
        if len(self._since) >= STOP_AFTER and lasting:
            self.stop()

    def check(self) -> None:
        """Raises RefusedError where no item was answered at all."""
        if self._since and not self.answered:
            self.stop()

    def stop(self) -> None:
        """Raises RefusedError."""
        item, first = next(iter(self._since.items()))
        before = "one after another" if self.answered else "and answered none"
        raise RefusedError(
            f"task '{self.task}': the server refused {len(self._since)} items {before}, so that there is no score. The first is {item}, "
            f"{first.kind}: {first.message}. {REMEDIES[first.kind].capitalize()}"
        )


def counted(items: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many of the rows of ``items.jsonl`` were refused, by kind of refusal."""
    kinds = collections.Counter(item["refused"]["kind"] for item in items if item.get("refused"))
    return dict(kinds.most_common())


def note(count: int, refused: Sequence[tuple[str, Refusal]], scored: bool = True) -> list[str]:
    """A sentence on the items that were refused; none where there are none.

    Args:
        count: items of the task.
        refused: names of those refused, with the reason.
        scored: whether they count as wrong; of a harmful request nobody knows what the model would have said, and it has no score.
    """
    if not refused:
        return []
    kinds = collections.Counter(one.kind for _, one in refused)
    shown = "; ".join(f"{number:,} {kind} ({REMEDIES[kind]})" for kind, number in kinds.most_common())
    item, first = refused[0]
    worth = "count as unparsed" if scored else "have no score"
    return [
        f"{len(refused):,} of the {count:,} items were refused by the server and {worth}: {shown}. The first is {item}: "
        f"{first.message}. The same command asks for these again, and for no others"
    ]
