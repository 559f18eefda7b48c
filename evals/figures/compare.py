"""Paired comparison of models that sat the same tasks, the first of them the base.

The word "better" or "worse" is said only of a difference that is significant at 5% after Holm's adjustment over all comparisons of the table. Where both
scores are below that of one who always names the commonest key, this is said beside it: of two models that know less than that, one may still be "better".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpora.errors import OslerError
from corpora.page import percent
from evals.figures.baselines import majority
from evals.figures.results import Row, model_name, read_items, read_results, read_task, strangers, task_folders
from evals.figures.summary import clusters_of
from evals.stats.clusters import cluster_places
from evals.stats.mcnemar import holm, mcnemar, minimal_difference
from evals.stats.paired import paired_difference

SIGNIFICANT = 0.05

# What must be alike for two results to be of one exam.
_ASKED_ALIKE = ("version", "language", "metric", "scoring", "normalise", "num_fewshot", "chat_template", "judged_by")


def labels_of(folders: Sequence[Path]) -> list[str]:
    """A name for each results folder: its model's, or its own where two have the same."""
    names = []
    for folder in folders:
        results = folder / "results.json"
        model = (
            read_results(folder)["model"]
            if results.is_file()
            else read_task(next(iter(task_folders(folder).values())))["model"]
        )
        names.append(model_name(str(model["id"])))
    return [
        name if names.count(name) == 1 else f"{name} ({folder.name})"
        for name, folder in zip(names, folders, strict=True)
    ]


def compare(folders: Sequence[Path], own_prompts: bool = False) -> dict[str, Any]:
    """Each model against the first on every task that both sat.

    Args:
        folders: results folders of `osler eval`; the first is the base.
        own_prompts: allow models that were asked in different ways (with and without a chat template, other shots).

    Returns:
        ``{"base", "models", "comparisons", "left_out"}``. A comparison has task, model, n, ungraded (left out, without a score in one of them), clusters, base_accuracy, accuracy, difference with
        low and high (95%, paired cluster bootstrap), gained, lost, mcnemar (exact p), bootstrap (p), test (which of the two decides: McNemar's,
        unless answers are graded or share passages), p, holm, smallest (the smallest difference that so many items with so much disagreement
        show in 4 of 5 tries; None where none could), general (whether the task is a general set, see ``evals.figures.forgetting``), asked_differently (in
        what, with ``own_prompts``), majority (what naming the commonest key scores on these items; None for graded answers), below_majority (whether
        both models score less), and verdict: "better", "worse" or "no difference shown".

    Raises:
        OslerError: fewer than two folders, no task in common, or results of different items or prompts.
        DataError: a file is missing or broken.
    """
    if len(folders) < 2:
        raise OslerError("a comparison needs at least two results folders; the first is the base")
    labels = labels_of(folders)
    tasks = [task_folders(folder) for folder in folders]
    found: list[Row] = []
    left_out = [
        f"{name}: another model than {label} answered it into {folder}"
        for label, folder in zip(labels, folders, strict=True)
        for name in strangers(folder)
    ]
    for label, others in zip(labels[1:], tasks[1:], strict=True):
        for name in sorted(tasks[0].keys() | others.keys()):
            if name not in tasks[0] or name not in others:
                left_out.append(f"{name}: only {labels[0] if name in tasks[0] else label} sat it")
                continue
            found.append({"task": name, "model": label, **_pair(tasks[0][name], others[name], own_prompts)})
    if not found:
        raise OslerError(f"{', '.join(map(str, folders))}: no task in common")
    for one, adjusted in zip(found, holm([one["p"] for one in found]), strict=True):
        one["holm"] = adjusted
        direction = "better" if one["difference"] > 0 else "worse"
        one["verdict"] = direction if adjusted < SIGNIFICANT else "no difference shown"
    return {"base": labels[0], "models": labels[1:], "comparisons": found, "left_out": left_out}


def told(one: Row) -> str:
    """The verdict of a comparison as a table shows it."""
    return f"{one['verdict']}, both below majority" if one["below_majority"] else str(one["verdict"])


def beneath(found: dict[str, Any]) -> list[str]:
    """A sentence for each comparison of ``compare`` in which both models score less than the commonest key."""
    return [
        f"{one['task']}, {one['model']}: both are below the majority baseline: who always names the commonest key scores {percent(one['majority'])}% here, "
        f"and the two {percent(one['base_accuracy'])}% and {percent(one['accuracy'])}%"
        for one in found["comparisons"]
        if one["below_majority"]
    ]


def _pair(base: Path, other: Path, own_prompts: bool) -> Row:
    before, after = list(read_items(base)), list(read_items(other))
    differ = _check(base, other, before, after, own_prompts)
    by_id = {item["id"]: item for item in after}
    # An open answer of which a judge's verdict is missing has no score.
    ungraded = sum(item["score"] is None or by_id[item["id"]]["score"] is None for item in before)
    before = [item for item in before if item["score"] is not None and by_id[item["id"]]["score"] is not None]
    if not before:
        raise OslerError(f"{base} and {other}: no item has a score in both")
    after = [by_id[item["id"]] for item in before]
    olds, news = [float(item["score"]) for item in before], [float(item["score"]) for item in after]
    clusters, n = clusters_of(before), len(before)
    groups = len(set(cluster_places(n, clusters).tolist()))
    paired = paired_difference(olds, news, clusters)
    gained = sum(new > old for old, new in zip(olds, news, strict=True))
    lost = sum(new < old for old, new in zip(olds, news, strict=True))
    binary = {*olds, *news} <= {0.0, 1.0}
    exact = mcnemar([old == 1 for old in olds], [new == 1 for new in news]) if binary else None
    by_mcnemar = exact is not None and groups == n
    keyed = binary and all(item["gold"] for item in before)
    commonest = majority([item["gold"] for item in before]) if keyed else None
    return {
        "n": n,
        "ungraded": ungraded,
        "clusters": groups,
        "base_accuracy": sum(olds) / n,
        "accuracy": sum(news) / n,
        "difference": paired.difference,
        "low": paired.low,
        "high": paired.high,
        "gained": gained,
        "lost": lost,
        "mcnemar": exact,
        "bootstrap": paired.p,
        "test": "exact McNemar" if by_mcnemar else "paired cluster bootstrap",
        "p": exact if by_mcnemar else paired.p,
        "smallest": minimal_difference(n / max(1.0, paired.deff), (gained + lost) / n) if binary else None,
        "majority": commonest,
        "below_majority": commonest is not None and max(sum(olds), sum(news)) / n < commonest,
        "general": bool(read_task(base).get("general")),
        "asked_differently": differ,
    }


def _check(base: Path, other: Path, before: list[Row], after: list[Row], own_prompts: bool) -> list[str]:
    """In what they were asked differently; raises OslerError, which names what differs, unless both answered the same items.

    To be asked in different ways is an error too, but with ``own_prompts``.
    """
    olds, news = read_task(base), read_task(other)
    differ = [f"{key} ({olds.get(key)} and {news.get(key)})" for key in _ASKED_ALIKE if olds.get(key) != news.get(key)]
    # With a chat template each model's own is around the question.
    if not differ and not olds.get("chat_template") and olds.get("prompt_example") != news.get("prompt_example"):
        differ = ["prompt_example, the first prompt"]
    if differ and not own_prompts:
        again = " with --chat or --no-chat" if olds.get("chat_template") != news.get("chat_template") else ""
        raise OslerError(
            f"{base} and {other} were asked in different ways: {'; '.join(differ)}; run one of them again{again}, or compare all the same "
            "with --own-prompts"
        )
    first, second = ({item["id"]: item for item in items} for items in (before, after))
    for folder, items, by_id in ((base, before, first), (other, after, second)):
        if len(by_id) < len(items):
            raise OslerError(f"{folder / 'items.jsonl'}: {len(items) - len(by_id)} items have an id that another has")
    if first.keys() != second.keys():
        missing, more = sorted(first.keys() - second.keys()), sorted(second.keys() - first.keys())
        example = (missing or more)[0]
        raise OslerError(
            f"{base} and {other} are not of the same items: {len(missing)} are only in the first, {len(more)} only in the second "
            f"(as {example}); run both with the same --file and --limit"
        )
    for name, item in first.items():
        for key in ("question", "options", "gold", "marked_by"):
            if item.get(key) != second[name].get(key):
                raise OslerError(f"{base} and {other}: item {name} differs in its {key}; both must be of the same data")
    return differ
