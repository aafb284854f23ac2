"""Whether an information is more than chance: by its law under permutation; many tests at once; shares of units."""

from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.stats import chi2, norm
from torch import Tensor

from pdtrain.estimators.contingency import Tables
from pdtrain.estimators.permutation import PermutationLaw
from pdtrain.estimators.rare_rows import rare_row_p_values

_ENOUGH_EXCEEDED = 10  # shuffles above the observed value, from which their share is a p-value of its own


def permutation_p_values(
    tables: Tables, plugin_bits: Float[Tensor, "*batch"], law: PermutationLaw
) -> Float[Tensor, "*batch"]:
    """Probability of as much plug-in information over all orders of the stimuli, without shuffling them.

    Where one of two bins holds few stimuli the law is counted out (`rare_row_p_values`, exact). Elsewhere it is a
    scaled chi-squared law with the permutation's own mean and variance: that of the G-test, whose degrees of freedom
    are replaced by 2 mean^2 / variance, since cells that are nearly empty vary less, or more, than full ones.

    Returns
    -------
    Tensor
        1 where nothing varies.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.contingency import plugin_information
    >>> from pdtrain.estimators.permutation import permutation_law
    >>> tables = torch.tensor([[[25.0, 25.0], [25.0, 25.0]], [[32.0, 18.0], [18.0, 32.0]]])
    >>> found = permutation_p_values(tables, plugin_information(tables), permutation_law(tables))
    >>> [round(p_value, 3) for p_value in found.tolist()]  # Fisher's exact test of the second: 0.009
    [1.0, 0.009]
    """
    mean, deviation = law.mean_bits.cpu().numpy(), law.deviation_bits.cpu().numpy()
    varies = (mean > 1e-12) & (deviation > 1e-12)
    degrees = 2 * (np.where(varies, mean, 1.0) / np.where(varies, deviation, 1.0)) ** 2
    statistic = plugin_bits.cpu().numpy() * degrees / np.where(varies, mean, 1.0)
    matched = torch.as_tensor(np.where(varies, chi2.sf(statistic, degrees), 1.0), device=plugin_bits.device)
    exact = rare_row_p_values(tables)
    return torch.where(exact.isnan(), matched, exact)


def with_shuffles(
    p_values: Float[Tensor, "*batch"], exceeded: Float[Tensor, "*batch"], shuffles: int
) -> Float[Tensor, "*batch"]:
    """P-values from shuffles where enough of them exceed the observed value, else those of the law.

    (1 + exceeded) / (1 + shuffles) (Phipson and Smyth 2010) cannot go below 1 / (1 + shuffles): a hundred shuffles
    would find nothing among a thousand units after correction for as many tests. Small ones come from the law's tail,
    as Knijnenburg et al. (2009) take them from a tail fitted to the shuffles.

    Examples
    --------
    >>> import torch
    >>> found = with_shuffles(torch.tensor([0.001, 0.17]), torch.tensor([0.0, 19.0]), 99)
    >>> [round(p_value, 3) for p_value in found.tolist()]  # the second: 20 / 100
    [0.001, 0.2]
    """
    return torch.where(exceeded >= _ENOUGH_EXCEEDED, (exceeded + 1) / (shuffles + 1), p_values)


def benjamini_hochberg(p_values: Float[Tensor, " tests"], rate: float) -> Bool[Tensor, " tests"]:
    """Which tests are significant at false discovery `rate` (Benjamini and Hochberg 1995), shape (tests,).

    A test without a p-value (NaN) is none, and does not count.

    Examples
    --------
    >>> import torch
    >>> benjamini_hochberg(torch.tensor([0.01, 0.03, 0.035, 0.5]), 0.05).tolist()  # 0.035 is below 3/4 of 0.05
    [True, True, True, False]
    """
    tests = int((~p_values.isnan()).sum())
    ordered, order = p_values.sort()  # NaN comes last
    threshold = rate * torch.arange(1, len(p_values) + 1, device=p_values.device) / max(tests, 1)
    passing = (ordered <= threshold).nonzero()
    significant = torch.zeros(len(p_values), dtype=torch.bool, device=p_values.device)
    if len(passing):
        significant[order[: int(passing[-1]) + 1]] = True
    return significant


def wilson_interval(successes: int, trials: int, *, coverage: float = 0.95) -> tuple[float, float]:
    """Interval of a proportion (Wilson 1927).

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(50, 100)]
    [0.404, 0.596]
    """
    z = _normal_quantile(0.5 + coverage / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z / (1 + z**2 / trials) * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    return centre - reach, centre + reach


@cache
def _normal_quantile(share: float) -> float:
    return float(norm.ppf(share))
