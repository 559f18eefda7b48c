"""Calibration by hand, and against scikit-learn where it is installed."""

import math

import numpy as np
import pytest

from evals.calibration import aurc, brier, calibration, ece, probabilities, reliability


def test_probabilities_are_the_softmax():
    assert probabilities([math.log(0.2), math.log(0.7), math.log(0.1)]) == pytest.approx([0.2, 0.7, 0.1])
    assert probabilities([-1000.0, -1000.0]) == pytest.approx([0.5, 0.5])


def test_the_calibration_error_by_hand():
    confidence = [0.5, 0.6, 0.9, 1.0]
    right = [True, False, True, True]
    # two bins of two: |0.5 - 0.55| and |1 - 0.95|
    assert ece(confidence, right, bins=2) == pytest.approx(0.05)
    # one bin: |0.75 - 0.75|
    assert ece(confidence, right, bins=1) == pytest.approx(0.0)
    points = reliability(confidence, right, bins=2)
    assert [(point.n, point.confidence, point.accuracy) for point in points] == [
        (2, pytest.approx(0.55), 0.5),
        (2, pytest.approx(0.95), 1.0),
    ]


def test_bins_hold_equal_numbers():
    confidence = np.random.default_rng(0).beta(8, 1, size=1003).tolist()
    assert {point.n for point in reliability(confidence, [True] * 1003)} == {100, 101}


def test_the_brier_score_by_hand():
    # (0.3² + 0.2² + 0.1²) and (1² + 1²)
    assert brier([[0.2, 0.7, 0.1]], [1]) == pytest.approx(0.14)
    assert brier([[0.2, 0.7, 0.1], [1.0, 0.0, 0.0]], [1, 2]) == pytest.approx((0.14 + 2) / 2)


def test_the_risk_coverage_area_by_hand():
    # by falling confidence right, wrong, right: risks 0, 1/2, 1/3
    assert aurc([0.9, 0.8, 0.7], [True, False, True]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    # ties share their errors: risks 1/2, 1/2
    assert aurc([0.5, 0.5], [True, False]) == aurc([0.5, 0.5], [False, True]) == pytest.approx(0.5)
    assert aurc([0.9, 0.8], [True, True]) == 0.0


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


def test_it_agrees_with_the_single_measures_and_is_the_same_each_time():
    scores, gold = items(300)
    found = calibration(scores, gold, replicates=50)
    shares = [probabilities(row) for row in scores]
    right = [int(np.argmax(row)) == place for row, place in zip(scores, gold, strict=True)]
    confidence = [max(row) for row in shares]
    assert found["ece"]["value"] == pytest.approx(ece(confidence, right))
    assert found["brier"]["value"] == pytest.approx(brier(shares, gold))
    assert found["aurc"]["value"] == pytest.approx(aurc(confidence, right))
    assert calibration(scores, gold, replicates=50) == found


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
    assert brier(shares, gold) == pytest.approx(theirs)


def test_the_reliability_points_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.calibration")
    scores, gold = items(1000)
    confidence = [max(probabilities(row)) for row in scores]
    right = [int(np.argmax(row)) == place for row, place in zip(scores, gold, strict=True)]
    accuracy, mean = sklearn.calibration_curve(right, confidence, n_bins=10, strategy="quantile")
    ours = reliability(confidence, right)
    assert [point.accuracy for point in ours] == pytest.approx(
        accuracy.tolist(), abs=0.011
    )  # an item may fall on the other side
    assert [point.confidence for point in ours] == pytest.approx(mean.tolist(), abs=0.005)
