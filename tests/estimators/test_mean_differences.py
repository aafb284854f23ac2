"""Means over few runs, compared."""

import numpy as np
import pytest
from scipy import stats

from pdtrain.estimators.mean_differences import MeanDifference, paired_difference, unpaired_difference
from pdtrain.estimators.multiple_tests import holm, holm_adjusted


def test_tests_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, 5), rng.normal(1, 3, 5)

    paired, apart = paired_difference(one, other), unpaired_difference(one[:3], other)

    for found, theirs in (
        (paired, stats.ttest_rel(other, one)),
        (apart, stats.ttest_ind(other, one[:3], equal_var=False)),
    ):
        interval = theirs.confidence_interval(0.95)
        assert found.p_value == pytest.approx(theirs.pvalue)
        assert (found.lower, found.upper) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert (paired.test, paired.runs, apart.test, apart.runs) == ("paired t", (5, 5), "Welch's t", (3, 5))


@pytest.mark.parametrize("count", [3, 5])
def test_intervals_of_effect_sizes_hold_the_true_one(count: int) -> None:
    """2,000 times: 95% within two standard errors, of pairs exactly, of unlike variances nearly."""
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 1, (2000, count)), rng.normal(2, 2, (2000, count))

    paired = [paired_difference(*pair) for pair in zip(one, other, strict=True)]
    apart = [unpaired_difference(*pair) for pair in zip(one, other, strict=True)]

    def covered(found: list[MeanDifference], truth: float) -> float:
        return float(np.mean([f.effect_lower <= truth <= f.effect_upper for f in found]))

    truth = 2 / np.sqrt(5), 2 / np.sqrt(2.5)
    assert covered(paired, truth[0]) == pytest.approx(0.95, abs=0.012)
    assert covered(apart, truth[1]) == pytest.approx(0.95, abs=0.03)
    # the point is nearly without bias where it has a mean at all
    if count == 5:
        assert np.mean([f.effect_size for f in paired]) == pytest.approx(truth[0], abs=0.05)


def test_below_three_runs_nothing_is_tested_and_it_is_said_why() -> None:
    two, three = np.array([1.0, 2.0]), np.array([3.0, 5.0, 4.0])
    gap = np.array([1.0, np.nan, 2.0])

    found = {
        "2 pairs of runs; a test needs 3": [paired_difference(two, two + 1), paired_difference(gap, three)],
        "2 and 3 runs; a test needs 3 of each": [unpaired_difference(two, three), unpaired_difference(gap, three)],
        "the difference is the same in all pairs of runs": [paired_difference(three, three + 0.1)],
        "neither varies over runs": [unpaired_difference(np.full(3, 0.1), np.full(4, 0.3))],
    }

    for reason, of_reason in found.items():
        for difference in of_reason:
            assert difference.reason == reason and difference.test == ""
            assert (
                np.isfinite(difference.difference)
                and np.isnan(
                    [difference.lower, difference.p_value, difference.effect_size, difference.effect_upper]
                ).all()
            )


def test_adjusted_values_pass_where_holm_does() -> None:
    p_values = np.random.default_rng(2).uniform(0, 0.03, 20)

    assert (holm_adjusted(p_values) <= 0.05).tolist() == holm(p_values, 0.05).tolist()
    assert 0 < (holm_adjusted(p_values) <= 0.05).sum() < 20
