"""Means over seeds on the same stimuli: one interval, and one test, that nest stimuli within seeds."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import stdtrit

from pdtrain.estimators.halvings import SPLITS

_LEAST = 1e-12  # of the p-values that are told apart


@dataclass(frozen=True)
class NestedMean:
    """A mean over seeds.

    Attributes
    ----------
    value
        The mean.
    seeds
        How many.
    deviation
        Standard deviation over seeds; NaN for one.
    error_of_stimuli
        Standard error over stimuli; NaN where it is not known.
    """

    value: float
    seeds: int
    deviation: float
    error_of_stimuli: float

    @property
    def lower(self) -> float:
        """Lower end of the 95% interval for other seeds and stimuli; where there is one seed, for other stimuli."""
        return self.value - self._reach(0.025)

    @property
    def upper(self) -> float:
        """Upper end."""
        return self.value + self._reach(0.025)

    @property
    def standardised(self) -> float:
        """The mean in standard deviations over seeds (Cohen's d of paired values); NaN where these are all alike."""
        return self.value / self.deviation if self.deviation > 0 else math.nan

    def p_above(self, than: float) -> float:
        """How likely a mean so far above `than` is by chance, one-sided: the interval of that level ends there.

        NaN for one seed, where all seeds are alike, and where the error over stimuli is not known.

        Examples
        --------
        >>> mean = nested_mean(np.array([1.0, 1.2, 1.1, 0.9]), np.zeros((4, 19)))
        >>> round(mean.p_above(1.0), 3), round(mean.p_below(1.0), 3)
        (0.248, 0.752)
        """
        if not self.deviation > 0 or math.isnan(self._reach(0.025)):
            return math.nan
        distance = self.value - than
        if abs(distance) >= self._reach(_LEAST):
            return _LEAST if distance > 0 else 1 - _LEAST
        tail = float(brentq(lambda p: self._reach(p) - abs(distance), _LEAST, 0.5, xtol=_LEAST))
        return tail if distance > 0 else 1 - tail

    def p_below(self, than: float) -> float:
        """How likely a mean so far below `than` is by chance, one-sided; NaN as `p_above`."""
        return 1 - self.p_above(than)

    def p_differs(self) -> float:
        """How likely a mean so far from zero is by chance, two-sided; NaN as `p_above`."""
        above = self.p_above(0.0)
        return 2 * min(above, 1 - above)

    def _reach(self, tail: float) -> float:
        """Half the width of the interval that leaves so much out on either side."""
        over_seeds = 0.0
        if self.seeds > 1:
            over_seeds = -float(stdtrit(self.seeds - 1, tail)) * self.deviation / math.sqrt(self.seeds)
        reach = math.hypot(over_seeds, float(stdtrit(SPLITS, tail)) * self.error_of_stimuli)
        return reach if reach > 0 or tail == 0.5 else math.nan


def nested_mean(
    values: Float[np.ndarray, " seeds"],
    half_differences: Float[np.ndarray, "seeds splits"],
    *,
    same_stimuli: bool = True,
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
        Of each value (`pdtrain.estimators.half_samples`); NaN where they are not known, zero where stimuli do nothing.
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
    shared = half_differences.mean(0) if same_stimuli else half_differences / math.sqrt(len(values))
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return NestedMean(float(np.mean(values)), len(values), deviation, math.sqrt(np.square(shared).mean()))
