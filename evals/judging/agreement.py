"""How well a judge model agrees with people, measured before its scores are believed.

The figures are over pairs of the judge's verdict and one person's label, as HealthBench has them (Arora et al. 2025; simple-evals, ``healthbench_meta_eval.py``): macro-F1 is
the mean over the classes of the F1 of each; kappa is Cohen's (1960, Educational and Psychological Measurement 20:37-46). Their intervals are 95%
percentiles of a bootstrap over whole conversations, since the labels of one conversation are not independent. A verdict that could not be read is in
no pair, and is counted.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpora.disk import file_sha256
from corpora.errors import DataError
from evals.asking.finished import Finished
from evals.figures.results import Row, read_json, write_json
from evals.judging.judge import Judge
from evals.judging.labels import Labelled
from evals.judging.prompts import Kind, Value
from evals.judging.verdicts import Verdict, further

REPLICATES = 2000
Matrix = NDArray[np.float64]


def measure(judge: Judge, kind: Kind, items: Sequence[Labelled], path: Path, finished: Finished) -> Row:
    """Asks the judge for every judgement and compares; see the module for the figures.

    Returns:
        judge, kind, prompt_sha256, extra_body (further fields of the requests), not_taken (parameters that the judge's model does not take), file with its SHA-256, n (judgements), pairs, unparsed, refused, failed, share of each class in the labels,
        ``macro_f1`` and ``kappa`` with value, low and high (None where undefined), ``f1`` of each class, ``weighted_kappa`` (squared weights) for
        grades, and ``humans``: the same macro-F1 and kappa of each person against the others, where a judgement has several labels.

    Raises:
        OslerError: the judge cannot be used.
        DataError: not one verdict could be read.
    """
    verdicts = judge.ask([one.request for one in items], finished, f"{kind.name}, {judge.model}")
    places = {value: place for place, value in enumerate(kind.values)}
    size = len(kind.values)
    table, people = _counted(items, verdicts, places)
    if not len(table):
        shown = next((one for one in verdicts if one.value is None), None)
        raise DataError(
            f"{judge.model}: no verdict on any of {len(items)} judgements could be read; the first reply was: {shown.reply[:200] if shown else ''!r}"
        )
    total = table.sum(axis=0)
    faults = [verdict.fault for verdict in verdicts]
    found: Row = {
        "judge": judge.model,
        "kind": kind.name,
        "prompt_sha256": kind.sha256,
        "extra_body": judge.extra_body,
        "not_taken": judge.not_taken,
        "file": path.name,
        "sha256": file_sha256(path),
        "n": len(items),
        "conversations": len(table),
        "pairs": int(total.sum()),
        **{name: faults.count(name) for name in ("unparsed", "refused", "failed")},
        "labels": {str(value): float(total[place].sum() / total.sum()) for value, place in places.items()},
        "macro_f1": _with_interval(table, macro_f1),
        "kappa": _with_interval(table, kappa),
        "f1": {str(value): _number(_f1(total[None])[0, place]) for value, place in places.items()},
        "humans": None,
    }
    if size > 2:
        found["weighted_kappa"] = _with_interval(table, lambda counts: kappa(counts, squared=True))
    if people.sum():
        found["humans"] = {
            "macro_f1": _number(macro_f1(people[None])[0]),
            "kappa": _number(kappa(people[None])[0]),
            "pairs": int(people.sum()),
        }
    return found


def _counted(
    items: Sequence[Labelled], verdicts: Sequence[Verdict], places: Mapping[Value, int]
) -> tuple[Matrix, Matrix]:
    """How often each label met each verdict, ``[conversations, classes, classes]``, and each label another person's, ``[classes, classes]``."""
    size = len(places)
    clusters: dict[str, Matrix] = {}
    people = np.zeros((size, size))
    for one, verdict in zip(items, verdicts, strict=True):
        for first, second in itertools.permutations(one.labels, 2):
            people[places[first], places[second]] += 1
        if verdict.value is None:
            continue
        counts = clusters.setdefault(one.cluster, np.zeros((size, size)))
        for label in one.labels:
            counts[places[label], places[verdict.value]] += 1
    return np.array(list(clusters.values())), people


def _f1(counts: Matrix) -> Matrix:
    """F1 of each class, ``[tables, classes]``, of tables of labels by verdicts, ``[tables, classes, classes]``; NaN for a class without any."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    both = counts.sum(axis=1) + counts.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * hits / both, dtype=np.float64)


def macro_f1(counts: Matrix) -> Matrix:
    """The mean F1 over the classes that occur among labels or verdicts, ``[tables]``."""
    return np.asarray(np.nanmean(_f1(counts), axis=1), dtype=np.float64)


def kappa(counts: Matrix, squared: bool = False) -> Matrix:
    """Cohen's kappa, ``[tables]``; with ``squared`` a disagreement weighs by the square of its distance. NaN where all is one class."""
    size = counts.shape[1]
    place = np.arange(size)
    weight = (place[:, None] - place[None, :]) ** 2.0 if squared else (place[:, None] != place[None, :]).astype(float)
    total = counts.sum(axis=(1, 2))
    expected = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :] / total[:, None, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            1 - (weight * counts).sum(axis=(1, 2)) / (weight * expected).sum(axis=(1, 2)), dtype=np.float64
        )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _with_interval(table: Matrix, figure: Any, seed: int = 0) -> Row | None:
    """A figure over all clusters with its bootstrap interval; None where it is undefined."""
    groups, size, _ = table.shape
    value = float(figure(table.sum(axis=0)[None])[0])
    if np.isnan(value):
        return None
    # Clusters of one table are alike: drawing how often each kind comes up is drawing the clusters.
    kinds, counts = np.unique(table.reshape(groups, -1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(groups, counts / groups, size=REPLICATES)
    values = figure((drawn @ kinds).reshape(REPLICATES, size, size))
    low, high = np.nanquantile(values, [0.025, 0.975])
    return {"value": value, "low": float(low), "high": float(high)}


def save(found: Row, folder: Path) -> Path:
    """Writes the figures where an exam with this judge looks for them, and returns the file."""
    path = _place(folder, found["judge"], found["kind"], found["prompt_sha256"], further(found["extra_body"]))
    write_json(path, found)
    return path


def known(judge: Judge, folder: Path) -> dict[str, Row]:
    """The agreements that were measured for this judge in its wordings, by kind.

    Raises:
        DataError: a file is broken.
    """
    sent = further(judge.extra_body)
    found = {name: _place(folder, judge.model, name, kind.sha256, sent) for name, kind in judge.kinds.items()}
    return {name: read_json(path) for name, path in found.items() if path.is_file()}


def _place(folder: Path, model: str, kind: str, wording: str, sent: str) -> Path:
    name = re.sub(r"[^\w.-]+", "-", model).strip("-.") or "judge"
    # Two models whose names differ in other signs alone have files of their own, and so has one that is sent further fields.
    parts = [model, wording, sent] if sent else [model, wording]
    tail = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return folder / f"{name}-{kind}-{tail}.json"
