"""Intervals and tests against published and hand-worked values, and by simulation: what they promise is what happens."""

import numpy as np
import pytest

from evals.figures.baselines import majority
from evals.stats.clusters import mean_error
from evals.stats.intervals import mean_interval, wilson
from evals.stats.mcnemar import discordant, holm, mcnemar, minimal_difference
from evals.stats.paired import paired_difference


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
    assert discordant(before, after) == (6, 1)


def test_mcnemar_without_differences_is_one():
    assert mcnemar([True, False], [True, False]) == 1.0


def test_mcnemar_needs_the_same_items():
    with pytest.raises(ValueError, match="2 and 1"):
        mcnemar([True, False], [True])


def test_holm_by_hand():
    # 4 x 0.01, 3 x 0.013, 2 x 0.03, 1 x 0.04, each at least the one before it
    assert holm([0.03, 0.01, 0.04, 0.013]) == pytest.approx([0.06, 0.04, 0.06, 0.04])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_majority_is_the_commonest_key():
    assert majority([[0], [0], [1], [0, 1], [1, 0]]) == 2 / 5
    with pytest.raises(ValueError, match="at least one"):
        majority([])


def test_single_items_get_wilsons_interval_and_clusters_a_wider_one():
    scores = [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0]
    alone = mean_interval(scores)
    assert (alone.low, alone.high) == wilson(6, 12)
    assert mean_interval(scores, [None] * 12) == alone
    shared = mean_interval(scores, list("aabbccddeeff"))
    assert shared.kind == "clustered"
    assert shared.high - shared.low > 1.2 * (alone.high - alone.low)
    assert mean_interval([1, 1, 1, 1], ["a", "a", "b", "b"]).low < 0.5  # two answers, not four


def test_an_interval_refuses_what_it_cannot_pair():
    with pytest.raises(ValueError, match="2 items and 1 clusters"):
        mean_interval([1, 0], ["a"])
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])
    with pytest.raises(ValueError, match="2 and 1"):
        paired_difference([1, 0], [1])


def test_a_paired_difference_by_hand():
    before, after = [0.0] * 50 + [1.0] * 50, [1.0] * 20 + [0.0] * 30 + [1.0] * 45 + [0.0] * 5
    found = paired_difference(before, after)
    assert found.difference == pytest.approx(0.15)
    # Wald: sqrt((0.25 - 0.15**2) / 99) = 0.0479 -> 0.15 +- 1.98 * 0.0479
    assert found.low == pytest.approx(0.055, abs=0.012)
    assert found.high == pytest.approx(0.245, abs=0.012)
    assert 0.0005 < found.p < 0.01
    assert paired_difference(before, before).p == 1.0
    assert paired_difference(before, before).high == pytest.approx(wilson(0, 100)[1])


def test_a_gain_that_is_the_same_everywhere_is_no_proof_where_few_clusters_show_it():
    for clusters, p in ((1, 1.0), (2, 0.5), (6, 2 / 64)):
        found = paired_difference([0.0] * 12, [1.0] * 12, [place % clusters for place in range(12)])
        assert (found.difference, found.p) == (1.0, pytest.approx(p))  # the sign test's, by hand
        assert (found.low > 0) == (p < 0.05)


def clustered_answers(
    rng: np.random.Generator, runs: int, groups: int, size: int, share: float, spread: float
) -> np.ndarray:
    """``[runs, groups * size]`` answers whose clusters have beta-distributed shares; intraclass correlation 1 / (1 + spread)."""
    shares = rng.beta(share * spread, (1 - share) * spread, size=(runs, groups, 1))
    return (rng.random((runs, groups, size)) < shares).reshape(runs, -1)


@pytest.mark.parametrize(("groups", "size", "share"), [(60, 5, 0.55), (100, 3, 0.35), (250, 2, 0.7)])
def test_clustered_intervals_cover_as_often_as_they_say(groups: int, size: int, share: float):
    rng = np.random.default_rng(7)
    runs = 4000
    names = [number for number in range(groups) for _ in range(size)]
    answers = clustered_answers(rng, runs, groups, size, share, 2.0)
    intervals = [mean_interval(row, names) for row in answers]
    covered = np.mean([found.low <= share <= found.high for found in intervals])
    assert 0.94 <= covered <= 0.96
    # Wilson's, which takes the items for independent, does not.
    assert np.mean([low <= share <= high for low, high in (wilson(int(r.sum()), r.size) for r in answers[:500])]) < 0.94


def unlike(rng: np.random.Generator, groups: int) -> np.ndarray:
    """The cluster of each item, ``[items]``: their sizes vary as lognormal numbers do, about 5, the largest of 30 often above 20."""
    sizes = np.maximum(1, np.round(rng.lognormal(np.log(5) - 0.5, 1.0, groups)))
    return np.repeat(np.arange(groups), sizes.astype(int))


@pytest.mark.parametrize("groups", [5, 10, 30])
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_few_clusters_of_unlike_sizes_are_covered_too(groups: int, share: float):
    # With one degree of freedom less than clusters, and without the correction of their residuals, 91 to 92% at 10 and at 30.
    rng = np.random.default_rng(1)
    runs, covered = 2500, 0
    for _ in range(runs):
        names = unlike(rng, groups)
        shares = rng.beta(2 * share, 2 * (1 - share), groups)  # intraclass correlation 1/3
        found = mean_interval((rng.random(len(names)) < shares[names]).astype(float), names)
        covered += found.low <= share <= found.high
    assert covered / runs >= 0.935


def test_the_error_of_a_clustered_mean_by_hand():
    # Clusters of one size: the textbook's sqrt(var / groups) of their means 1, 2, 6, with 2 degrees of freedom.
    error, freedom = mean_error(np.array([2.0, 4.0, 12.0]), np.array([2.0, 2.0, 2.0]))
    assert (error, freedom) == pytest.approx(((7 / 3) ** 0.5, 2.0))
    # Sizes 3 and 1, sums 3 and 0: mean 3/4, residuals 3/4 and -3/4, divided by 1 - 3/4 and 1 - 1/4. One contrast is all there is.
    error, freedom = mean_error(np.array([3.0, 0.0]), np.array([3.0, 1.0]))
    assert (error, freedom) == pytest.approx(((9 / 16 * (4 + 4 / 3)) ** 0.5 / 4, 1.0))


@pytest.mark.parametrize(("n", "share"), [(500, 0.3), (1273, 0.6)])
def test_wilson_covers_as_often_as_it_says(n: int, share: float):
    counts = np.random.default_rng(3).binomial(n, share, size=20_000)
    inside = {int(count): wilson(int(count), n)[0] <= share <= wilson(int(count), n)[1] for count in np.unique(counts)}
    assert 0.94 <= np.mean([inside[int(count)] for count in counts]) <= 0.96


def paired_runs(rng: np.random.Generator, runs: int, groups: int, size: int, drift: float) -> np.ndarray:
    """Gains of -1, 0 or 1, ``[runs, groups * size]``, that lean one way together within a cluster; their mean is ``drift``."""
    lean = rng.normal(0, 0.1, size=(runs, groups, 1)).clip(-0.15, 0.15) + drift
    draws = rng.random((runs, groups, size))
    return ((draws < 0.15 + lean / 2).astype(int) - (draws > 0.85 + lean / 2).astype(int)).reshape(runs, -1)


@pytest.mark.parametrize(
    ("groups", "size", "runs"), [(120, 4, 2000), pytest.param(60, 10, 4000, marks=pytest.mark.slow)]
)
def test_false_alarms_and_coverage_of_the_paired_bootstrap_are_five_per_cent(groups: int, size: int, runs: int):
    rng = np.random.default_rng(11)
    names = [number for number in range(groups) for _ in range(size)]
    none = paired_runs(rng, runs, groups, size, 0.0)
    alarms = np.mean([paired_difference(np.zeros(row.size), row, names, replicates=499).p <= 0.05 for row in none])
    assert 0.04 <= alarms <= 0.06
    some = paired_runs(rng, runs, groups, size, 0.04)
    found = [paired_difference(np.zeros(row.size), row, names, replicates=499) for row in some]
    assert 0.94 <= np.mean([one.low <= 0.04 <= one.high for one in found]) <= 0.96


@pytest.mark.slow
@pytest.mark.parametrize("groups", [5, 10, 30])
@pytest.mark.parametrize("lean", [0.0, 0.3])
def test_few_clusters_of_unlike_sizes_raise_no_more_false_alarms(groups: int, lean: float):
    rng = np.random.default_rng(2)
    runs, alarms, inside = 4000, 0, 0
    for _ in range(runs):
        names = unlike(rng, groups)
        leans = rng.choice([-lean, lean], groups)[names] * 0.3  # of a cluster's items together
        draws = rng.random(len(names))
        gains = (draws < 0.2 + leans).astype(int) - (draws > 0.8 + leans)
        found = paired_difference(np.zeros(len(gains)), gains, names, replicates=499)
        alarms += found.p < 0.05
        inside += found.low <= 0 <= found.high
    print(groups, lean, alarms / runs, inside / runs)
    assert alarms / runs <= 0.07
    assert inside / runs >= 0.93
    assert alarms + inside >= runs  # 0 lies outside only where p says so


def test_the_bootstrap_of_single_answers_is_mcnemars_test():
    # 3 lost of 60 and none won: 2 / 2**3. Weights of other sizes than 1 would say 0.03, and so would an error of these few.
    for lost, gained in ((3, 0), (9, 2), (40, 25)):
        gains = [-1.0] * lost + [1.0] * gained + [0.0] * 60
        found = paired_difference([0.0] * len(gains), gains)
        exact = mcnemar([gain < 0 for gain in gains], [gain > 0 for gain in gains])
        assert found.p == pytest.approx(exact, abs=0.015)
        assert (found.low <= 0 <= found.high) == (found.p >= 0.05)


def test_mcnemars_exact_test_raises_fewer_false_alarms_than_its_level():
    # 400 items, 20% of them discordant.
    counts = np.random.default_rng(5).multinomial(400, [0.1, 0.1, 0.8], size=20_000)
    cache: dict[tuple[int, int], float] = {}
    for gained, lost in {(int(a), int(b)) for a, b, _ in counts}:
        before, after = [False] * gained + [True] * lost, [True] * gained + [False] * lost
        cache[gained, lost] = mcnemar(before, after)
    alarms = np.mean([cache[int(a), int(b)] <= 0.05 for a, b, _ in counts])
    assert 0.025 <= alarms <= 0.05


def test_the_smallest_difference_is_found_with_the_power_that_it_says():
    n, discordance = 1273, 0.2
    delta = minimal_difference(n, discordance)
    assert delta is not None
    counts = np.random.default_rng(9).multinomial(
        n, [(discordance + delta) / 2, (discordance - delta) / 2, 1 - discordance], size=20_000
    )
    chi = (counts[:, 0] - counts[:, 1]) ** 2 / (counts[:, 0] + counts[:, 1])
    assert 0.78 <= (chi > 3.841).mean() <= 0.82
    assert minimal_difference(4 * n, discordance) == pytest.approx(delta / 2, rel=0.02)
    assert minimal_difference(20, 0.05) is None  # one discordant item shows nothing
    assert minimal_difference(1000, 0.0) is None


def test_grades_that_differ_by_rounding_alone_do_not_differ():
    # 0.7 - 0.6 and 0.8 - 0.7 are not the same float, though each answer gained a tenth.
    before = [0.6, 0.7, 0.2, 0.5] * 3
    exact = paired_difference([0.0] * 12, [0.1] * 12)
    found = paired_difference(before, [one + 0.1 for one in before])
    assert (found.low, found.high, found.p) == pytest.approx((exact.low, exact.high, exact.p))
    assert found.high - found.low > 0.4


def test_equal_grades_of_few_answers_are_not_certain():
    found = mean_interval([0.5, 0.5, 0.5])
    edge = wilson(0, 3)[1]
    assert (found.low, found.high) == pytest.approx((max(0.0, 0.5 - edge), min(1.0, 0.5 + edge)))
    few, many = mean_interval([0.75] * 5), mean_interval([0.75] * 500)
    assert many.high - many.low < 0.02 < few.high - few.low


def test_a_difference_beyond_one_lies_in_its_interval():
    # HealthBench's score of an answer may be below 0, so that a difference may be above 1.
    for after in ([1.0] * 8, [1.0, 0.5] * 4):
        found = paired_difference([-1.0] * 8, after)
        assert found.low <= found.difference <= found.high <= 2.0
