"""Judgements that people made too, from the published files and from one's own.

HealthBench's meta-evaluation (a row: ``prompt``, ``completion``, ``rubric``, ``binary_labels`` of two or more physicians), K-QA's annotated statements
(``Question``, ``answer``, ``claim``, ``label_0`` … or ``majority_label``), or rows with ``question``, ``answer``, a ``criterion`` or ``statement`` where there is
one, and ``label`` or ``labels``.
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

from corpora.errors import DataError
from corpora.files.reading import raw_rows
from corpora.files.row import Row
from evals.judging.prompts import KINDS, Kind, Value, transcript
from evals.judging.verdicts import Request
from evals.open.shapes import role_of


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
