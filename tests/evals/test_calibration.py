"""Calibration by hand, and against scikit-learn where it is installed."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from evals.stats.calibration import calibration, probabilities
from evals.stats.intervals import wilson


def test_probabilities_are_the_softmax():
    assert probabilities([math.log(0.2), math.log(0.7), math.log(0.1)]) == pytest.approx([0.2, 0.7, 0.1])
    assert probabilities([-1000.0, -1000.0]) == pytest.approx([0.5, 0.5])


def figures(shares: Sequence[Sequence[float]], gold: Sequence[int], bins: int = 10) -> dict[str, Any]:
    """What is found where these are the probabilities of the options."""
    return calibration(np.log(np.maximum(shares, 1e-300)).tolist(), gold, bins=bins, replicates=1)


def of_two(confidence: Sequence[float]) -> list[list[float]]:
    """Probabilities of items of two options, the first of which is chosen."""
    return [[one, 1 - one] for one in confidence]


def test_the_calibration_error_by_hand():
    shares, gold = of_two([0.51, 0.6, 0.9, 1.0]), [0, 1, 0, 0]
    # two bins of two: |0.5 - 0.555| and |1 - 0.95|
    found = figures(shares, gold, bins=2)
    assert found["ece"]["value"] == pytest.approx((0.055 + 0.05) / 2)
    # one bin: |0.75 - 0.7525|
    assert figures(shares, gold, bins=1)["ece"]["value"] == pytest.approx(0.0025)
    assert [(point["n"], point["confidence"], point["accuracy"]) for point in found["reliability"]] == [
        (2, pytest.approx(0.555), 0.5),
        (2, pytest.approx(0.95), 1.0),
    ]


def test_bins_hold_equal_numbers():
    confidence = np.random.default_rng(0).uniform(0.5, 1, size=1003).tolist()
    assert {point["n"] for point in figures(of_two(confidence), [0] * 1003)["reliability"]} == {100, 101}


def test_the_brier_score_by_hand():
    # (0.3² + 0.2² + 0.1²) and (1² + 1²)
    assert figures([[0.2, 0.7, 0.1]], [1])["brier"]["value"] == pytest.approx(0.14)
    both = figures([[0.2, 0.7, 0.1], [1.0, 0.0, 0.0]], [1, 2])
    assert both["brier"]["value"] == pytest.approx((0.14 + 2) / 2)


def test_the_risk_coverage_area_by_hand():
    # by falling confidence right, wrong, right: risks 0, 1/2, 1/3
    assert figures(of_two([0.9, 0.8, 0.7]), [0, 1, 0])["aurc"]["value"] == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    # ties share their errors: risks 1/2, 1/2
    for gold in ([0, 1], [1, 0]):
        assert figures(of_two([0.6, 0.6]), gold)["aurc"]["value"] == pytest.approx(0.5)
    assert figures(of_two([0.9, 0.8]), [0, 0])["aurc"]["value"] == 0.0


def items(n: int, sharpness: float = 1.0) -> tuple[list[list[float]], list[int]]:
    """Items whose right option is drawn from the model's own probabilities, then made over- or underconfident."""
    rng = np.random.default_rng(2)
    scores = rng.normal(0, 1.5, size=(n, 4))
    gold = [int(rng.choice(4, p=probabilities(row))) for row in scores]
    return (sharpness * scores).tolist(), gold


def test_a_calibrated_model_is_told_from_an_overconfident_one():
    good = calibration(*items(2000))
    sure = calibration(*items(2000, sharpness=3.0))
    assert good["ece"]["low"] < 0.02
    assert sure["ece"]["low"] > 0.1
    assert sure["brier"]["low"] > good["brier"]["high"]
    for found in (good, sure):
        for name in ("ece", "brier", "aurc"):
            assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert sum(point["n"] for point in good["reliability"]) == 2000
    # AURC looks at the order alone, which the chosen options' softmax nearly keeps.
    assert sure["aurc"]["value"] == pytest.approx(good["aurc"]["value"], abs=0.03)


def test_it_is_the_same_each_time():
    scores, gold = items(300)
    assert calibration(scores, gold, replicates=50) == calibration(scores, gold, replicates=50)


def test_items_of_a_cluster_are_drawn_together():
    scores, gold = items(60)
    alone = calibration(scores * 5, gold * 5)
    shared = calibration(scores * 5, gold * 5, clusters=list(range(60)) * 5)
    width = {
        name: found["brier"]["high"] - found["brier"]["low"] for name, found in (("alone", alone), ("shared", shared))
    }
    assert width["shared"] > 1.7 * width["alone"]  # sqrt(5) = 2.2


def test_no_items_are_refused():
    with pytest.raises(ValueError, match="at least one item"):
        calibration([], [])


def test_the_brier_score_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, gold = items(200)
    shares = [probabilities(row) for row in scores]
    theirs = metrics.brier_score_loss(gold, shares, labels=[0, 1, 2, 3], scale_by_half=False)
    assert calibration(scores, gold, replicates=1)["brier"]["value"] == pytest.approx(theirs)


def test_the_reliability_points_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.calibration")
    scores, gold = items(1000)
    confidence = [max(probabilities(row)) for row in scores]
    right = [int(np.argmax(row)) == place for row, place in zip(scores, gold, strict=True)]
    accuracy, mean = sklearn.calibration_curve(right, confidence, n_bins=10, strategy="quantile")
    ours = calibration(scores, gold, replicates=1)["reliability"]
    # An item may fall on the other side.
    assert [point["accuracy"] for point in ours] == pytest.approx(accuracy.tolist(), abs=0.011)
    assert [point["confidence"] for point in ours] == pytest.approx(mean.tolist(), abs=0.005)


def test_confidences_that_are_all_alike_do_not_make_the_area_certain():
    # 64 nats apart: every confidence is 1.0, and the area is the share of errors.
    gold = [0] * 70 + [1] * 30
    found = calibration([[64.0, 0.0]] * 100, gold)["aurc"]
    low, high = wilson(30, 100)
    assert found["value"] == pytest.approx(0.3)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.02)


def test_a_few_answers_that_are_all_right_are_not_certain():
    found = calibration([[2.0 + place / 10, 0.0] for place in range(5)], [0] * 5)
    edge = wilson(0, 5)[1]
    assert (found["aurc"]["low"], found["aurc"]["high"]) == (0.0, pytest.approx(edge))
    assert found["ece"]["high"] >= edge
    assert found["brier"]["high"] >= 2 * edge
    assert calibration([[1.0, 0.0]], [0])["brier"]["high"] > 1  # one answer


@pytest.mark.parametrize(("sharpness", "truth"), [(1.0, 0.0), (1.5, 0.098), (3.0, 0.230)])
def test_the_interval_of_the_calibration_error_covers_as_often_as_it_says(sharpness: float, truth: float):
    # The truth is the gap of confidence and accuracy in ten bins of 200,000 items.
    rng = np.random.default_rng(4)
    inside = []
    for _ in range(150):
        scores = rng.normal(0, 1.5, size=(200, 4))
        gold = [int(rng.choice(4, p=row)) for row in softmax(scores, axis=1)]
        found = calibration((sharpness * scores).tolist(), gold, replicates=200)["ece"]
        assert found["low"] <= found["value"] <= found["high"]
        inside.append(found["low"] <= truth <= found["high"])
    assert np.mean(inside) >= 0.9
