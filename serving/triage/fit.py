"""Fits the linear reader to the written examples: ``python -m serving.triage.fit``.

Prints how well it does on examples that it was not fitted to (five parts in turn), then fits to all and writes ``learned.npz``. Needs scikit-learn, which
``osler triage`` itself does not. The vignettes of the tests are no part of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import StratifiedKFold  # type: ignore[import-untyped]
from tqdm import tqdm

from corpora.bundled.render import render
from corpora.errors import DataError
from corpora.records import Document
from serving.triage.catalogue import advice
from serving.triage.detector import load_rules, pieces, read_piece
from serving.triage.features import CATEGORY_DIMENSIONS, DIMENSIONS, features, names_what, slot
from serving.triage.learned import DOUBT, WEIGHTS

EXAMPLES = Path(__file__).parent / "examples"
NONE = "none"
PARTS = 5
TEXT_WORDS = 80  # of each bundled text
STRENGTH = 30.0  # the inverse of the penalty; by validation, 10 found fewer and 100 no more
SILENT = 0.96  # of the harmless messages, held out from the fit, stay below the threshold
BY_RULES = ("R:found", "R:silent")
RULES_COUNT = 2.0  # of a usual feature; 0 and 5 did worse on the tests' older vignettes
FLOOR = 0.3  # of what a feature counts, though it says nothing by itself

Example = tuple[str, str, str]
Array = np.ndarray[Any, Any]
Rows = Any  # scipy's sparse rows, which have no types


def read_examples(folder: Path = EXAMPLES) -> list[Example]:
    """Category, kind and text of every line of ``folder/*.tsv``; the category of a harmless one is ``none``.

    Raises:
        DataError: a line has other columns, or a category that no rule has.
    """
    known = {NONE, *load_rules()}
    found: list[Example] = []
    for path in sorted(folder.glob("*.tsv")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            columns = line.split("\t")
            if len(columns) != 3 or columns[0] not in known:
                raise DataError(
                    f"{path}, line {number}: want category, kind and text, with a category of rules.yaml or 'none'"
                )
            found.append((columns[0], columns[1], columns[2]))
    if not found:
        raise DataError(f"{folder}: no examples (*.tsv)")
    return found


def bundled_signs() -> list[Example]:
    """The signs of each emergency, as the knowledge lists them."""
    return [(known.entry.id, "sign", sign) for known in advice().values() for sign in known.entry.signs]


def bundled_text() -> list[Example]:
    """The beginnings of the bundled texts, medical and general, which speak of everything and tell of nobody."""
    found: list[Example] = []
    for name in ("bundled-documents", "bundled-general"):
        texts = [record.text for record in render(name, seed=0) if isinstance(record, Document)]
        found += [(NONE, name, " ".join(text.split()[:TEXT_WORDS])) for text in texts]
    return found


def table(names: list[list[str]], dimensions: int) -> Rows:
    """A row for each message with a 1 at the place of each of its features."""
    rows: list[int] = []
    columns: list[int] = []
    for row, own in enumerate(names):
        places = {slot(name, dimensions) for name in own}
        rows += [row] * len(places)
        columns += places
    return scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(names), dimensions))


def importance(rows: Rows, emergency: Array) -> Array:
    """How much each feature counts: by how unevenly it falls on the two kinds of message, and by how rare it is.

    The first factor is the log-count ratio of Wang and Manning (ACL 2012, "Baselines and Bigrams"), the second the root of the inverse document frequency.
    What the rules say is given a fixed share, as it holds for wordings too that no example has.
    """
    messages = np.asarray(rows.sum(axis=0)).ravel()
    inverse_frequency = np.log((1 + rows.shape[0]) / (1 + messages)) + FLOOR
    among = [(np.asarray(rows[kind].sum(axis=0)).ravel() + 1) / kind.sum() for kind in (emergency, ~emergency)]
    found: Array = (np.abs(np.log(among[0] / among[1])) + FLOOR) * np.sqrt(inverse_frequency)
    usual = np.sqrt(np.square(found[messages > 0]).mean())
    found[[slot(name, DIMENSIONS) for name in BY_RULES]] = RULES_COUNT * usual
    return found


def scaled(rows: Rows, counts: Array) -> Rows:
    """Each feature by how much it counts, and each row of length 1."""
    rows = rows @ scipy.sparse.diags(counts)
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return scipy.sparse.diags(1 / np.maximum(lengths, 1e-9)) @ rows


def binary(rows: Rows, emergency: Array) -> LogisticRegression:
    """The regression of emergency or not."""
    return LogisticRegression(C=STRENGTH, solver="liblinear", max_iter=500).fit(rows, emergency)


def by_category(rows: Rows, categories: Array) -> LogisticRegression:
    """The regression of which emergency, fitted to emergencies."""
    return LogisticRegression(C=STRENGTH, max_iter=200).fit(rows, categories)


def main() -> None:
    """Validates, fits and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="where the weights go")
    output = parser.parse_args().output
    examples = [*read_examples(), *bundled_signs(), *bundled_text()]
    names: list[list[str]] = []
    by_rules = []
    for _, _, text in tqdm(examples, desc="reading"):
        reading, found = read_piece(pieces(text)[0][1])
        names.append([name for name, _ in features(reading, found)])
        by_rules.append(next(iter(found), NONE))
    categories = np.array([category for category, _, _ in examples])
    emergency = categories != NONE
    rows = table(names, DIMENSIONS)
    ones = np.ones(CATEGORY_DIMENSIONS)
    naming = scaled(table([[name for name in own if names_what(name)] for own in names], CATEGORY_DIMENSIONS), ones)

    probability = np.zeros(len(examples))
    named = np.full(len(examples), NONE, dtype=object)
    parts = list(StratifiedKFold(PARTS, shuffle=True, random_state=0).split(rows, categories))
    for fitted, held in tqdm(parts, desc="validating"):
        counts = importance(rows[fitted], emergency[fitted])
        regression = binary(scaled(rows[fitted], counts), emergency[fitted])
        probability[held] = regression.predict_proba(scaled(rows[held], counts))[:, 1]
        part = fitted[emergency[fitted]]
        named[held] = by_category(naming[part], categories[part]).predict(naming[held])
    rules = np.array([name != NONE for name in by_rules])
    sure = probability + DOUBT * rules
    threshold = float(np.quantile(sure[~emergency], SILENT))
    told = sure > threshold
    both = emergency & rules
    theirs = np.array([one == two for one, two in zip(by_rules, categories, strict=True)])
    print(f"{len(examples)} examples, {int(emergency.sum())} emergencies of {len(set(categories)) - 1} kinds")
    print(f"rules alone: found {rules[emergency].mean():.1%}, silent {1 - rules[~emergency].mean():.1%}")
    print(
        f"held out:    found {told[emergency].mean():.1%}, silent {1 - told[~emergency].mean():.1%} (threshold {threshold:.3f})"
    )
    print(
        f"category right: {(named == categories)[emergency].mean():.1%}; where the rules found one, theirs {theirs[both].mean():.1%}, "
        f"the reader's {(named == categories)[both].mean():.1%}"
    )

    counts = importance(rows, emergency)
    whole, kinds = binary(scaled(rows, counts), emergency), by_category(naming[emergency], categories[emergency])
    scale = float(np.abs(kinds.coef_).max()) / 127
    np.savez_compressed(
        output,
        importance=counts.astype(np.float16),
        emergency=whole.coef_[0].astype(np.float16),
        bias=whole.intercept_[0],
        threshold=threshold,
        categories=np.array(kinds.classes_, dtype=str),
        category=np.round(kinds.coef_ / scale).astype(np.int8),
        category_scale=scale,
        category_bias=kinds.intercept_,
    )
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
