"""Whether two means over few independent runs differ: Student's t, paired or Welch's, with the size of the effect.

With three to ten runs ranks and permutations cannot decide (the signs of three pairs can come in eight ways, so that no
p-value is below 1/4), and the bootstrap's intervals are far too short; t is exact where values are normal over runs.
"""

from dataclasses import dataclass
from math import exp, lgamma, log, nan, sqrt

import numpy as np
from jaxtyping import Float
from scipy.special import nctdtrinc, stdtr, stdtrit

FEWEST_RUNS = 3
_LEVEL = 0.05
_ROUNDING = 1e-12  # share of the values below which what they vary by is none


@dataclass(frozen=True)
class MeanDifference:
    """The other mean less the one, and what is known of it; NaN where nothing is.

    Attributes
    ----------
    difference, lower, upper
        In the unit of the values, with its 95% interval.
    p_value
        Two-sided.
    effect_size, effect_lower, effect_upper
        Hedges' g: the difference over the standard deviation, corrected for small samples, with a 95% interval of the
        true one. Of pairs the deviation is that of their differences; else the root of the mean of both variances.
    runs
        How many values of each went in.
    test
        "paired t", "Welch's t", or "" where none could be made.
    reason
        Why not; "" where one was.
    """

    difference: float
    lower: float = nan
    upper: float = nan
    p_value: float = nan
    effect_size: float = nan
    effect_lower: float = nan
    effect_upper: float = nan
    runs: tuple[int, int] = (0, 0)
    test: str = ""
    reason: str = ""


def paired_difference(one: Float[np.ndarray, " runs"], other: Float[np.ndarray, " runs"]) -> MeanDifference:
    """Compare two means of the same runs, by Student's t of the differences; pairs of which one is NaN are left out.

    The interval of the effect size is exact for normal differences, from the noncentral t (Cumming and Finch 2001).

    Parameters
    ----------
    one, other
        Values of the same runs, such as those of one seed.

    Examples
    --------
    >>> found = paired_difference(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.5, 4.0]))
    >>> round(found.difference, 3), round(found.p_value, 3), found.test
    (1.167, 0.02, 'paired t')
    >>> paired_difference(np.array([1.0, 2.0]), np.array([2.0, 3.5])).reason
    '2 pairs of runs; a test needs 3'
    """
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    moved, count = other - one, len(one)
    known = MeanDifference(float(moved.mean()) if count else nan, runs=(count, count))
    if count < FEWEST_RUNS:
        return _untested(known, f"{count} {'pair' if count == 1 else 'pairs'} of runs; a test needs {FEWEST_RUNS}")
    deviation = float(moved.std(ddof=1))
    if deviation <= _ROUNDING * _size(one, other):
        return _untested(known, "the difference is the same in all pairs of runs")
    return _tested(known, deviation / sqrt(count), float(count - 1), deviation, "paired t")


def unpaired_difference(one: Float[np.ndarray, " runs"], other: Float[np.ndarray, " others"]) -> MeanDifference:
    """Compare the means of two sets of runs, by Welch's t; NaN are left out.

    The effect size is that of Delacre et al. (2021), with the interval from the noncentral t.

    Parameters
    ----------
    one, other
        Values of runs that have nothing to do with each other.

    Examples
    --------
    >>> found = unpaired_difference(np.array([1.0, 2.0, 3.0]), np.array([4.0, 6.0, 5.0, 5.0]))
    >>> found.difference, round(found.p_value, 3), found.test
    (3.0, 0.014, "Welch's t")
    """
    one, other = one[np.isfinite(one)], other[np.isfinite(other)]
    counts = (len(one), len(other))
    known = MeanDifference(float(other.mean() - one.mean()) if min(counts) else nan, runs=counts)
    if min(counts) < FEWEST_RUNS:
        return _untested(known, f"{counts[0]} and {counts[1]} runs; a test needs {FEWEST_RUNS} of each")
    variances = one.var(ddof=1), other.var(ddof=1)
    if sqrt(max(variances)) <= _ROUNDING * _size(one, other):
        return _untested(known, "neither varies over runs")
    squared = [variance / count for variance, count in zip(variances, counts, strict=True)]
    freedom = sum(squared) ** 2 / sum(square**2 / (count - 1) for square, count in zip(squared, counts, strict=True))
    return _tested(known, sqrt(sum(squared)), freedom, sqrt(sum(variances) / 2), "Welch's t")


def _size(one: np.ndarray, other: np.ndarray) -> float:
    return float(max(np.abs(one).max(), np.abs(other).max()))


def _untested(known: MeanDifference, reason: str) -> MeanDifference:
    return MeanDifference(known.difference, runs=known.runs, reason=reason)


def _tested(known: MeanDifference, error: float, freedom: float, deviation: float, test: str) -> MeanDifference:
    statistic, reach = known.difference / error, float(stdtrit(freedom, 1 - _LEVEL / 2)) * error
    scale = error / deviation
    return MeanDifference(
        known.difference,
        known.difference - reach,
        known.difference + reach,
        2 * float(stdtr(freedom, -abs(statistic))),
        _without_bias(freedom) * scale * statistic,
        # the least and the largest noncentrality that such a t is not too far out for
        scale * float(nctdtrinc(freedom, 1 - _LEVEL / 2, statistic)),
        scale * float(nctdtrinc(freedom, _LEVEL / 2, statistic)),
        known.runs,
        test,
    )


def _without_bias(freedom: float) -> float:
    """What a standardized difference is multiplied by (Hedges 1981)."""
    return exp(lgamma(freedom / 2) - log(sqrt(freedom / 2)) - lgamma((freedom - 1) / 2))
