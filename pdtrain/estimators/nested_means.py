"""Means over seeds on the same stimuli: one interval that nests stimuli within seeds, and tests over seeds."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from pdtrain.estimators.halvings import SPLITS


@dataclass(frozen=True)
class NestedMean:
    """A mean over seeds.

    Attributes
    ----------
    value
        The mean.
    lower, upper
        95% interval for other seeds and other stimuli; for other stimuli alone where there is one seed. NaN where
        neither can be estimated.
    deviation
        Standard deviation over seeds; NaN for one.
    seeds
        How many.
    """

    value: float
    lower: float
    upper: float
    deviation: float
    seeds: int

    @property
    def standardised(self) -> float:
        """The mean in standard deviations over seeds (Cohen's d of paired values); NaN where these are all alike."""
        return self.value / self.deviation if self.deviation > 0 else math.nan


def nested_mean(
    values: Float[np.ndarray, " seeds"],
    half_differences: Float[np.ndarray, "seeds splits"],
    *,
    same_stimuli: bool = True,
    coverage: float = 0.95,
) -> NestedMean:
    """Mean over seeds, with one interval over seeds and stimuli.

    Half its width is the root of the sum of squares of two Student's intervals (the method of variance estimates
    recovery, Zou and Donner 2008): that of the mean over seeds, and that of the stimuli, which all seeds share and
    which more seeds do not make smaller. What stimuli do to single seeds is in both, so that it is rather too wide than
    too narrow.

    Parameters
    ----------
    values
        One for each seed.
    half_differences
        Of each value (`pdtrain.estimators.half_samples`); NaN where they are not known.
    same_stimuli
        Whether all seeds saw the same; else what stimuli do averages out over seeds.

    Examples
    --------
    >>> found = nested_mean(np.array([1.0, 1.2, 1.1, 0.9]), np.full((4, 19), 0.1))
    >>> round(found.value, 2), round(found.lower, 2), round(found.upper, 2)
    (1.05, 0.76, 1.34)
    >>> one = nested_mean(np.array([1.0]), np.full((1, 19), 0.1))  # over stimuli alone
    >>> round(one.lower, 2), round(one.upper, 2)
    (0.79, 1.21)
    """
    seeds = len(values)
    mean = float(np.mean(values))
    deviation = float(np.std(values, ddof=1)) if seeds > 1 else math.nan
    shared = half_differences.mean(0) if same_stimuli else half_differences / math.sqrt(seeds)
    end = 0.5 + coverage / 2
    over_stimuli = float(student.ppf(end, SPLITS)) * math.sqrt(np.square(shared).mean())
    over_seeds = float(student.ppf(end, seeds - 1)) * deviation / math.sqrt(seeds) if seeds > 1 else 0.0
    reach = math.hypot(over_stimuli, over_seeds)
    if not math.isfinite(reach) or reach == 0:
        return NestedMean(mean, math.nan, math.nan, deviation, seeds)
    return NestedMean(mean, mean - reach, mean + reach, deviation, seeds)


def p_above(values: Float[np.ndarray, " seeds"], than: float) -> float:
    """How likely a mean so far above `than` is by chance: Student's one-sided test over seeds.

    NaN for fewer than two seeds, and where all are alike.

    Examples
    --------
    >>> round(p_above(np.array([1.0, 1.2, 1.1, 0.9]), 1.0), 3)
    0.248
    """
    if len(values) < 2 or not np.std(values) > 0:
        return math.nan
    statistic = (values.mean() - than) / (values.std(ddof=1) / math.sqrt(len(values)))
    return float(student.sf(statistic, len(values) - 1))


def p_differs(values: Float[np.ndarray, " seeds"]) -> float:
    """How likely a mean so far from zero is by chance: Student's two-sided test over seeds; NaN as `p_above`.

    Examples
    --------
    >>> round(p_differs(np.array([1.0, 1.2, 1.1, 0.9])), 4)
    0.0005
    """
    return 2 * min(p_above(values, 0.0), p_above(-values, 0.0))
