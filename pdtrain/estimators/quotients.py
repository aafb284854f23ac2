"""Quotients of values measured on the same stimuli, with intervals: what indices of pruning and expansion are.

A replicate adds to all values at once what other stimuli might: a draw from Student's law with the covariance of their
half differences (`half_samples`). A largest value is sought anew in each.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_DRAWS = 2000
_LEAST_ERRORS = 2.0  # from zero, of what is divided by


@dataclass(frozen=True)
class Quotient:
    """A quotient, or what it leaves to one.

    Attributes
    ----------
    value
        NaN, with a `note`, where what is divided by is within two standard errors of zero.
    lower, upper
        95% interval over stimuli; NaN where no half differences are known.
    half_differences
        Its own, to first order, one per halving; empty where those of its parts are not known.
    note
        Why there is no value.
    """

    value: float
    lower: float = math.nan
    upper: float = math.nan
    half_differences: tuple[float, ...] = ()
    note: str = ""

    @property
    def standard_error(self) -> float:
        """Over stimuli; NaN where no half differences are known."""
        return float(np.sqrt(np.square(self.half_differences).mean())) if self.half_differences else math.nan


def replicates(values: Array, half_differences: Array, *, draws: int = _DRAWS, seed: int = 0) -> Array:
    """Values as other stimuli of the kind might give them, shape (draws, values).

    Parameters
    ----------
    values
        Shape (values,).
    half_differences
        Shape (splits, values).

    Examples
    --------
    >>> drawn = replicates(np.array([1.0, 2.0]), np.array([[0.1, 0.1], [-0.1, -0.1]]))
    >>> drawn.shape, bool(np.allclose(drawn[:, 1] - drawn[:, 0], 1.0))  # both go up and down together
    ((2000, 2), True)
    """
    normal, scale = _drawn(draws, len(half_differences), seed)
    return values + normal @ half_differences / math.sqrt(len(half_differences)) / scale


@lru_cache(maxsize=4)
def _drawn(draws: int, splits: int, seed: int) -> tuple[Array, Array]:
    """Normal numbers, shape (draws, splits), and what turns their sums into Student's, shape (draws, 1)."""
    generator = np.random.default_rng(seed)
    normal = generator.standard_normal((draws, splits))
    return normal, np.sqrt(generator.chisquare(splits, (draws, 1)) / splits)


def quotient(
    values: Array,
    half_differences: Array,
    numerator: Callable[[Array], Any],
    denominator: Callable[[Array], Any],
    *,
    complement: bool = False,
    seed: int = 0,
) -> Quotient:
    """A quotient of functions of values.

    The interval is that of the replicates about their median, moved to the value: a largest value that is chosen anew
    comes out too high on average in the replicates as it does in the value.

    Parameters
    ----------
    values, half_differences
        As of `replicates`; half differences of NaN give no interval.
    numerator, denominator
        Functions of the last axis, such as the largest, the first or the last value.
    complement
        Take one less the quotient.

    Examples
    --------
    >>> values, half_differences = np.array([10.0, 30.0, 6.0]), np.array([[0.5, 1.0, 0.1], [-0.5, 1.0, -0.1]])
    >>> found = quotient(values, half_differences, lambda v: v[..., -1], lambda v: v.max(-1))
    >>> round(found.value, 2), found.lower < 0.2 < found.upper
    (0.2, True)
    >>> quotient(values - 10, half_differences, lambda v: v[..., -1], lambda v: v[..., 0]).note
    'what it is divided by is within two standard errors of zero'
    """

    def index(of: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.asarray(numerator(of) / denominator(of))
        return np.asarray(1 - found) if complement else found

    value, divisor = float(index(values)), float(denominator(values))
    if not np.isfinite(half_differences).all():
        return Quotient(value) if divisor > 0 else Quotient(math.nan, note="what it is divided by is not above zero")
    drawn = replicates(values, half_differences, seed=seed)
    moved = (denominator(values + half_differences) - denominator(values - half_differences)) / 2
    if divisor <= _LEAST_ERRORS * math.sqrt(np.square(moved).mean()):
        return Quotient(math.nan, note="what it is divided by is within two standard errors of zero")
    low, middle, high = np.quantile(index(drawn), [0.025, 0.5, 0.975])
    halves = (index(values + half_differences) - index(values - half_differences)) / 2
    return Quotient(value, value + float(low - middle), value + float(high - middle), tuple(halves.tolist()))
