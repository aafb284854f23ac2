"""Many tests at once, where none may be wrong."""

import numpy as np
from jaxtyping import Bool, Float


def holm(p_values: Float[np.ndarray, " tests"], level: float) -> Bool[np.ndarray, " tests"]:
    """Which tests are significant with a probability of at most `level` of one wrong among all (Holm 1979).

    Examples
    --------
    >>> holm(np.array([0.01, 0.03, 0.02, 0.5]), 0.05).tolist()  # 0.02 is above 0.05 / 3
    [True, False, False, False]
    """
    order = p_values.argsort()
    passing = np.logical_and.accumulate(p_values[order] <= level / np.arange(len(order), 0, -1))
    significant = np.zeros(len(order), dtype=bool)
    significant[order] = passing
    return significant


def holm_adjusted(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """The level at which each test would just be significant among all (Holm 1979); NaN, no test, stays and counts not.

    Examples
    --------
    >>> holm_adjusted(np.array([0.01, np.nan, 0.03, 0.02, 0.5])).round(3).tolist()
    [0.04, nan, 0.06, 0.06, 0.5]
    """
    adjusted = np.full(len(p_values), np.nan)
    made = np.flatnonzero(np.isfinite(p_values))
    order = made[p_values[made].argsort(kind="stable")]
    times = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(times * p_values[order]))
    return adjusted
