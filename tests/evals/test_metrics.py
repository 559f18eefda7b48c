"""The ``evaluate`` modules: loaded as a user loads them, checked against published figures and ``evaluate``'s rules."""

from pathlib import Path

import evaluate
import pytest

import evals.metrics

MODULE = Path(evals.metrics.__file__).parent / "interval_accuracy.py"


def test_interval_accuracy_gives_the_published_interval(tmp_path: Path):
    metric = evaluate.load(str(MODULE), cache_dir=str(tmp_path))
    # Newcombe 1998, Statistics in Medicine 17:857-872, table I: 81 of 263 has the score interval 0.2553 to 0.3662.
    found = metric.compute(predictions=[1] * 81 + [0] * 182, references=[1] * 263)
    assert found["accuracy"] == pytest.approx(81 / 263)
    assert found["low"] == pytest.approx(0.2553, abs=5e-5)
    assert found["high"] == pytest.approx(0.3662, abs=5e-5)
    assert found["n"] == 263


def test_interval_accuracy_takes_batches(tmp_path: Path):
    metric = evaluate.load(str(MODULE), cache_dir=str(tmp_path))
    metric.add_batch(predictions=[0, 1], references=[0, 2])
    metric.add_batch(predictions=[3], references=[3])
    assert metric.compute()["accuracy"] == pytest.approx(2 / 3)
