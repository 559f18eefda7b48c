"""What a score hides: the same items with their options in every order, and without their questions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from corpora.disk import writing
from evals.asking import Asked, choice_of
from evals.engines import Engine
from evals.finished import Finished
from evals.items import Source, items_of
from evals.prompts import Prompter
from evals.results import write_json
from evals.stats import wilson
from evals.tasks import Task
from evals.variants import blanked, original_place, rotated


def write_rotations(task: Task, asked: Asked, source: Source, folder: Path) -> None:
    """Writes how the answers change when the options change places.

    An item counts in each of its own rotations. ``flip_rate`` is the share of items for which not every rotation has the same answer,
    ``worst_case`` the share that is right in all of them.
    """
    if not asked.prompter.lists_options:
        write_json(
            folder / "rotations.json",
            {"skipped": "the prompt does not list the options, so their order cannot change"},
        )
        return
    most = max(len(item.options) for item in items_of(task, source))
    chosen: list[list[list[int] | None]] = []
    right: list[list[bool]] = []
    for by in range(most):
        places = [place for place, item in enumerate(items_of(task, source)) if by < len(item.options)]
        turned = (rotated(item, by) for item in items_of(task, source) if by < len(item.options))
        for place, (item, given) in zip(places, asked.answers(turned), strict=True):
            if by == 0:
                chosen.append([])
                right.append([])
            found = choice_of(given, item, task)
            count = len(item.options)
            chosen[place].append(None if found is None else sorted(original_place(one, by, count) for one in found))
            right[place].append(found is not None and sorted(found) == sorted(item.answers))
    with writing(folder / "rotations.jsonl") as stream:
        for item, its_chosen, its_right in zip(items_of(task, source), chosen, right, strict=True):
            stream.write(
                json.dumps({"id": item.id, "chosen": its_chosen, "right": its_right}, ensure_ascii=False) + "\n"
            )
    n = len(chosen)
    flips = sum(any(one != its[0] for one in its) for its in chosen)
    worst = sum(all(its) for its in right)
    by_rotation = [[its[by] for its in right if by < len(its)] for by in range(most)]
    write_json(
        folder / "rotations.json",
        {
            "n": n,
            "rotations": most,
            "accuracy": sum(sum(its) / len(its) for its in right) / n,
            "by_rotation": [sum(its) / len(its) for its in by_rotation],
            "flip_rate": share(flips, n),
            "worst_case": share(worst, n),
        },
    )


def write_blank(
    task: Task, engine: Engine, prompter: Prompter, source: Source, folder: Path, finished: Finished
) -> None:
    """Writes how often the right option is chosen when the question is not shown."""
    unseen = replace(prompter, examples=[blanked(one) for one in prompter.examples])
    asked = Asked(engine, unseen, finished)
    n = right = 0
    with writing(folder / "blank.jsonl") as stream:
        for item, given in asked.answers(blanked(item) for item in items_of(task, source)):
            chosen = choice_of(given, item, task)
            is_right = chosen is not None and sorted(chosen) == sorted(item.answers)
            n, right = n + 1, right + is_right
            stream.write(json.dumps({"id": item.id, "chosen": chosen, "right": is_right}, ensure_ascii=False) + "\n")
    write_json(folder / "blank.json", share(right, n))


def share(count: int, n: int) -> dict[str, Any]:
    """A share with its 95% interval (Wilson)."""
    low, high = wilson(count, n)
    return {"n": n, "share": count / n, "low": low, "high": high}
