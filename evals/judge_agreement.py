"""How well a judge model agrees with people, measured before its scores are believed.

Labelled judgements are HealthBench's meta-evaluation (a row: ``prompt``, ``completion``, ``rubric``, ``binary_labels`` of two or more physicians), K-QA's
annotated statements (``Question``, ``answer``, ``claim``, ``label_0`` … or ``majority_label``), or rows of one's own with ``question``, ``answer``, a
``criterion`` or ``statement`` where there is one, and ``label`` or ``labels``.

The figures are over pairs of the judge's verdict and one person's label, as HealthBench has them (Arora et al. 2025, section 8): macro-F1 is
the mean over the classes of the F1 of each; kappa is Cohen's (1960, Educational and Psychological Measurement 20:37-46). Their intervals are 95%
percentiles of a bootstrap over whole conversations, since the labels of one conversation are not independent. A verdict that could not be read is in
no pair, and is counted.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpora.errors import DataError
from corpora.fetch import file_sha256
from corpora.files import raw_rows
from evals.finished import Finished
from evals.judge import Judge, Request
from evals.judge_prompts import KINDS, Kind, Value, transcript
from evals.open_items import role_of
from evals.results import read_json, write_json

Row = dict[str, Any]
REPLICATES = 2000
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """One judgement that people made too."""

    request: Request
    labels: tuple[Value, ...]
    cluster: str


def labelled(
    path: Path, kind: str | None = None, limit: int | None = None, kinds: Mapping[str, Kind] = KINDS
) -> dict[str, list[Labelled]]:
    """The judgements of a file, by kind; K-QA's statements are both entailed or not and contradicted or not.

    Args:
        path: JSON Lines, JSON, CSV or Parquet.
        kind: of rows of one's own; None: criterion, or harm where the labels are numbers.
        limit: the first so many rows.
        kinds: the wordings.

    Raises:
        DataError: a row is of no known form, or a label is none of its kind.
    """
    found: dict[str, list[Labelled]] = {}
    for row in itertools.islice(raw_rows(path), limit):
        try:
            if row.fault:
                raise ValueError(row.fault)
            for name, one in _read(row.value, kind, kinds):
                found.setdefault(name, []).append(one)
        except KeyError as error:
            raise DataError(f"{path}, {row.place}: the field '{error.args[0]}' is missing; {FORMS}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{path}, {row.place}: {error}; {FORMS}") from error
    if not found:
        raise DataError(f"{path}: no labelled judgement is in this file")
    return found


FORMS = (
    "labelled judgements are HealthBench's meta-evaluation (prompt, completion, rubric, binary_labels), K-QA's annotated statements (Question, "
    "answer, claim, majority_label), or rows with question, answer, criterion or statement, and label or labels"
)


def _read(row: Row, kind: str | None, kinds: Mapping[str, Kind]) -> Iterator[tuple[str, Labelled]]:
    if "binary_labels" in row and "rubric" in row:
        turns = _turns(row["prompt"])
        yield "criterion", _made(kinds, "criterion", turns, row["completion"], row["rubric"], row["binary_labels"])
        return
    if "claim" in row and "answer" in row:
        said = [row[name] for name in sorted(row) if re.fullmatch(r"label_\d+", name) and row[name]] or [
            row["majority_label"]
        ]
        said = [str(one).strip().lower() for one in said]
        if unknown := set(said) - {"entailment", "neutral", "contradiction"}:
            raise ValueError(f"'{unknown.pop()}' is not Entailment, Neutral or Contradiction")
        turns = _turns(row["Question"])
        yield (
            "entails",
            _made(kinds, "entails", turns, row["answer"], row["claim"], [one == "entailment" for one in said]),
        )
        yield (
            "contradicts",
            _made(kinds, "contradicts", turns, row["answer"], row["claim"], [one == "contradiction" for one in said]),
        )
        return
    question = row.get("question") or row.get("prompt") or row.get("request") or row["question"]
    answer = next((row[name] for name in ("answer", "completion", "response", "reply") if name in row), None)
    if answer is None:
        raise KeyError("answer")
    labels = row["labels"] if "labels" in row else [row["label"]]
    labels = json.loads(labels) if isinstance(labels, str) else labels
    numbers = not any(str(one).strip().lower() in ("true", "false") for one in labels)
    name = kind or ("harm" if numbers else "criterion")
    criterion = next((row[one] for one in ("criterion", "rubric", "statement", "claim", "reference") if one in row), "")
    if not criterion and name != "harm":
        raise KeyError("criterion")
    yield name, _made(kinds, name, _turns(question), answer, criterion, labels)


def _turns(said: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(said, str) and said.lstrip().startswith('[{"'):
        said = json.loads(said)
    if isinstance(said, str):
        return (("user", said),)
    return tuple((role_of(turn), str(turn["content"])) for turn in said)


def _made(
    kinds: Mapping[str, Kind],
    name: str,
    turns: tuple[tuple[str, str], ...],
    answer: Any,
    criterion: Any,
    labels: Sequence[Any],
) -> Labelled:
    kind = kinds.get(name)
    if kind is None:
        raise ValueError(f"no kind of judgement is called '{name}'; there are {', '.join(KINDS)}")
    read = [kind.verdict(json.dumps({kind.key: one})) for one in labels]
    if not read or None in read:
        raise ValueError(f"a label of {list(labels)!r:.80} is none of {', '.join(map(str, kind.values))}")
    prompt = kind.prompt(transcript(turns, str(answer)), str(criterion))
    cluster = hashlib.sha256(repr(turns).encode()).hexdigest()[:16]
    return Labelled(Request(kind, prompt), tuple(one for one in read if one is not None), cluster)


def measure(judge: Judge, kind: Kind, items: Sequence[Labelled], path: Path, finished: Finished) -> Row:
    """Asks the judge for every judgement and compares; see the module for the figures.

    Returns:
        judge, kind, prompt_sha256, file with its SHA-256, n (judgements), pairs, unparsed, refused, failed, share of each class in the labels,
        ``macro_f1`` and ``kappa`` with value, low and high (None where undefined), ``f1`` of each class, ``weighted_kappa`` (squared weights) for
        grades, and ``humans``: the same macro-F1 and kappa of each person against the others, where a judgement has several labels.

    Raises:
        OslerError: the judge cannot be used.
        DataError: not one verdict could be read.
    """
    verdicts = judge.ask([one.request for one in items], finished, f"{kind.name}, {judge.model}")
    places = {value: place for place, value in enumerate(kind.values)}
    size = len(kind.values)
    clusters: dict[str, Matrix] = {}
    people = np.zeros((size, size))
    for one, verdict in zip(items, verdicts, strict=True):
        for first, second in itertools.permutations(range(len(one.labels)), 2):
            people[places[one.labels[first]], places[one.labels[second]]] += 1
        if verdict.value is None:
            continue
        counts = clusters.setdefault(one.cluster, np.zeros((size, size)))
        for label in one.labels:
            counts[places[label], places[verdict.value]] += 1
    if not clusters:
        shown = next((one for one in verdicts if one.value is None), None)
        raise DataError(
            f"{judge.model}: no verdict on any of {len(items)} judgements could be read; the first reply was: {shown.reply[:200] if shown else ''!r}"
        )
    table = np.stack(list(clusters.values()))
    total = table.sum(axis=0)
    faults = [verdict.fault for verdict in verdicts]
    found: Row = {
        "judge": judge.model,
        "kind": kind.name,
        "prompt_sha256": kind.sha256,
        "file": path.name,
        "sha256": file_sha256(path),
        "n": len(items),
        "conversations": len(clusters),
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
    path = _place(folder, found["judge"], found["kind"], found["prompt_sha256"])
    write_json(path, found)
    return path


def known(judge: Judge, folder: Path) -> dict[str, Row]:
    """The agreements that were measured for this judge in its wordings, by kind.

    Raises:
        DataError: a file is broken.
    """
    found = {name: _place(folder, judge.model, name, kind.sha256) for name, kind in judge.kinds.items()}
    return {name: read_json(path) for name, path in found.items() if path.is_file()}


def _place(folder: Path, model: str, kind: str, wording: str) -> Path:
    name = re.sub(r"[^\w.-]+", "-", model).strip("-.") or "judge"
    # Two models whose names differ in other signs alone have files of their own.
    tail = hashlib.sha256(f"{model}\n{wording}".encode()).hexdigest()[:12]
    return folder / f"{name}-{kind}-{tail}.json"
