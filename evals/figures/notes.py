"""What is unlike the published exam or makes a score say less than it seems, in sentences that stand beside the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from evals.exam.source import Source
from evals.exam.tasks import Task

FEW = 10  # items, of which nothing is said about their keys
ONE_KEY = 0.9  # share of the items from which one key for them is worth a note
MANY = 0.01  # share of the items from which equally likely options, or empty replies, are worth a note


def unlike_published(task: Task, source: Source, count: int) -> list[str]:
    """Where all of the published split was wanted, and ``count`` items are another number."""
    published = task.data.published
    if published is None or source.limit is not None or task.data.limit is not None or count == published:
        return []
    return [f"{count:,} items were read, and the published split has {published:,}"]


def not_varied(task: Task, left_out: int, read: int) -> list[str]:
    """Where ``left_out`` of the ``read`` items cannot be asked as the task's variant."""
    if not left_out:
        return []
    return [
        f"{left_out:,} of the {read:,} items are left out: several of their options are right, or one speaks of the others, so that 'none of the others' "
        "would be no right answer"
    ]


def other_widths(task: Task, widths: Counter[int]) -> list[str]:
    """Where the items read have other numbers of options than the published ones; ``widths`` counts the items by theirs."""
    expected = task.options and task.options + (task.variant == "unsure")
    if not expected or set(widths) == {expected}:
        return []
    seen = ", ".join(f"{number:,} with {width}" for width, number in sorted(widths.items()))
    return [f"the published items have {task.options} options each, and those read: {seen}"]


def asked_again(repeated: int, count: int) -> list[str]:
    """Where ``repeated`` of ``count`` items have question and options of an earlier one."""
    if not repeated:
        return []
    return [
        f"{repeated:,} of the {count:,} items repeat an earlier one word for word, and the intervals count each of them as an answer of its own"
    ]


def unmatched(source: Source, known: int) -> list[str]:
    """Where a list of known errors of the user's own names none of the items; ``known`` items are named by any list."""
    return [f"none of the items is in {source.key_errors}"] if source.key_errors is not None and not known else []


def undecided(count: int, ties: int, empty: int) -> list[str]:
    """Of options that are equally likely, and of replies in which nothing stands, where these are many of ``count`` items."""
    notes = []
    if ties and ties >= MANY * count:
        notes.append(
            f"of {ties:,} of the {count:,} items the likeliest options are equally likely, and the first of these counts as chosen"
        )
    if empty and empty >= MANY * count:
        notes.append(
            f"{empty:,} of the {count:,} replies are empty; a model that thinks first may need more room (--max-tokens)"
        )
    return notes


def one_key(keys: Counter[tuple[int, ...]]) -> list[str]:
    """Where nearly all items have the same right option, as the first ones of PubMedQA's file have; ``keys`` counts the items by theirs."""
    count, most = keys.total(), max(keys.values(), default=0)
    if count < FEW or most < ONE_KEY * count:
        return []
    return [
        f"{most:,} of the {count:,} items have the same right option, so that naming it always scores {100 * most / count:.0f}%: is the file sorted "
        "by the answer, and only its beginning asked (--limit)?"
    ]


def without_temperature(not_taken: Collection[str], who: str = "the model", what: str = "answers") -> list[str]:
    """Where a server's model was asked without temperature 0, since that is among the parameters that it does not take."""
    if "temperature" not in not_taken:
        return []
    return [f"{who} takes no temperature, so that its {what} are drawn as its server does and another run may differ"]
