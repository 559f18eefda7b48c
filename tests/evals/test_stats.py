"""Intervals and tests against published and hand-worked values."""

import pytest

from evals.stats import mcnemar, wilson


def test_wilson_agrees_with_a_published_table():
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for right, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = wilson(right, total)
        assert found == pytest.approx((low, high), abs=5e-5)


def test_wilson_needs_an_answer():
    with pytest.raises(ValueError, match="at least one"):
        wilson(0, 0)


def test_mcnemar_by_hand():
    # 6 won, 1 lost: 2 * (C(7,0) + C(7,1)) / 2**7 = 16 / 128
    before = [False] * 6 + [True] * 1 + [True] * 5
    after = [True] * 6 + [False] * 1 + [True] * 5
    assert mcnemar(before, after) == pytest.approx(16 / 128)


def test_mcnemar_without_differences_is_one():
    assert mcnemar([True, False], [True, False]) == 1.0


def test_mcnemar_needs_the_same_items():
    with pytest.raises(ValueError, match="2 and 1"):
        mcnemar([True, False], [True])
