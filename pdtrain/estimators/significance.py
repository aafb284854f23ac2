"""Whether an information is more than chance: G-test, permutation, false discoveries; shares of units."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import chi2, norm
from torch import Tensor


def williams_factor(counts: Float[Tensor, "*batch response_bins property_bins"]) -> Float[Tensor, "*batch"]:
    """By how much the plug-in information of independent variables exceeds its first-order expectation.

    q = 1 + (N sum 1/r - 1)(N sum 1/s - 1) / (6 N (R-1)(S-1)) over the marginal counts r and s (Williams 1976).
    """
    total = counts.sum((-2, -1)).double()
    rows, columns = counts.sum(-1).double(), counts.sum(-2).double()
    excess = [total * torch.where(m > 0, 1 / m, 0.0).sum(-1) - 1 for m in (rows, columns)]
    return 1 + excess[0] * excess[1] / (6 * total * degrees_of_freedom(counts).clamp_min(1))


def degrees_of_freedom(counts: Float[Tensor, "*batch response_bins property_bins"]) -> Int[Tensor, "*batch"]:
    """(R-1)(S-1) over the bins that occur."""
    return ((counts.sum(-1) > 0).sum(-1) - 1) * ((counts.sum(-2) > 0).sum(-1) - 1)


def g_test_p_values(
    counts: Float[Tensor, "*batch response_bins property_bins"], plugin_bits: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Probability of as much plug-in information under independence, by the G-test with Williams' correction.

    2 N ln(2) I / q is nearly chi-squared with (R-1)(S-1) degrees of freedom (`williams_factor`).
    """
    total = counts.sum((-2, -1)).double()
    statistic = (2 * total * np.log(2) * plugin_bits / williams_factor(counts)).cpu().numpy()
    degrees = degrees_of_freedom(counts).cpu().numpy()
    p_values = np.where(degrees > 0, chi2.sf(statistic, np.maximum(degrees, 1)), 1.0)
    return torch.as_tensor(p_values, device=counts.device)


def permutation_p_values(exceeded: Float[Tensor, "*batch"], shuffles: int) -> Float[Tensor, "*batch"]:
    """(1 + shuffles with at least as much information) / (1 + shuffles) (Phipson and Smyth 2010)."""
    return (exceeded + 1) / (shuffles + 1)


def benjamini_hochberg(p_values: Float[Tensor, " tests"], rate: float) -> Bool[Tensor, " tests"]:
    """Which tests are significant at false discovery `rate` (Benjamini and Hochberg 1995), shape (tests,)."""
    ordered, order = p_values.sort()
    threshold = rate * torch.arange(1, len(p_values) + 1, device=p_values.device) / len(p_values)
    passing = (ordered <= threshold).nonzero()
    significant = torch.zeros(len(p_values), dtype=torch.bool, device=p_values.device)
    if len(passing):
        significant[order[: int(passing[-1]) + 1]] = True
    return significant


def wilson_interval(successes: int, trials: int, *, coverage: float = 0.95) -> tuple[float, float]:
    """Interval of a proportion (Wilson 1927)."""
    z = float(norm.ppf(0.5 + coverage / 2))
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z / (1 + z**2 / trials) * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    return centre - reach, centre + reach
