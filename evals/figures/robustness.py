"""What a score hides: the same items with their options in every order, and without their questions."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from corpora.disk import writing
from evals.asking.asked import Asked, choice_of, is_right
from evals.asking.finished import Finished
from evals.engines import Engine
from evals.exam.items import items_of
from evals.exam.prompts import Prompter
from evals.exam.source import Source
from evals.exam.tasks import Task
from evals.exam.variants import blanked, original_place, rotated
from evals.figures.item_line import cluster_of
from evals.figures.results import write_json
from evals.stats.intervals import mean_interval


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
    clusters = [cluster_of(item) for item in items_of(task, source)]
    chosen: list[list[list[int] | None]] = [[] for _ in clusters]
    right: list[list[bool]] = [[] for _ in clusters]
    for by in range(most):
        places = [place for place, item in enumerate(items_of(task, source)) if by < len(item.options)]
        turned = (rotated(item, by) for item in items_of(task, source) if by < len(item.options))
        for place, (item, given) in zip(places, asked.answers(turned), strict=True):
            found = choice_of(given, item, task)
            count = len(item.options)
            chosen[place].append(None if found is None else sorted(original_place(one, by, count) for one in found))
            right[place].append(is_right(found, item))
    with writing(folder / "rotations.jsonl") as stream:
        for item, its_chosen, its_right in zip(items_of(task, source), chosen, right, strict=True):
            stream.write(
                json.dumps({"id": item.id, "chosen": its_chosen, "right": its_right}, ensure_ascii=False) + "\n"
            )
    by_rotation = [[its[by] for its in right if by < len(its)] for by in range(most)]
    write_json(
        folder / "rotations.json",
        {
            "n": len(clusters),
            "rotations": most,
            "accuracy": statistics.fmean(statistics.fmean(its) for its in right),
            "by_rotation": [statistics.fmean(its) for its in by_rotation],
            "flip_rate": share([any(one != its[0] for one in its) for its in chosen], clusters),
            "worst_case": share([all(its) for its in right], clusters),
        },
    )


def write_blank(
    task: Task, engine: Engine, prompter: Prompter, source: Source, folder: Path, finished: Finished
) -> None:
    """Writes how often the right option is chosen when the question is not shown."""
    unseen = replace(prompter, examples=[blanked(one) for one in prompter.examples])
    asked = Asked(engine, unseen, finished)
    clusters = [cluster_of(item) for item in items_of(task, source)]
    right: list[bool] = []
    with writing(folder / "blank.jsonl") as stream:
        for item, given in asked.answers(blanked(item) for item in items_of(task, source)):
            chosen = choice_of(given, item, task)
            right.append(is_right(chosen, item))
            row = {"id": item.id, "chosen": chosen, "right": right[-1]}
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    write_json(folder / "blank.json", share(right, clusters))


def share(true: Sequence[bool], clusters: Sequence[str | None]) -> dict[str, Any]:
    """The share of items of which something is true, with its 95% interval."""
    found = mean_interval([float(one) for one in true], clusters)
    return {"n": len(true), "share": found.value, "low": found.low, "high": found.high}
