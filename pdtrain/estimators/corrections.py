"""Corrections of the plug-in information for what a finite number of stimuli adds to it.

`permutation` is the default: docs/information.md holds the table that chose it.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.estimators.contingency import LN2, Tables, over_properties, over_responses, plugin_information
from pdtrain.estimators.permutation import PermutationLaw, numbered

_FEWER_THAN_CHANCE = 4.0  # standard deviations below chance; balanced designs go further, and mean nothing by it


def corrected_information(
    tables: Tables, law: PermutationLaw, *, correction: str = "permutation"
) -> Float[Tensor, "*batch"]:
    """Plug-in information less its bias, bits.

    Never above either entropy; with the default never further below zero than four standard deviations of chance.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.permutation import permutation_law
    >>> tables = torch.tensor([[[50.0, 0.0], [0.0, 50.0]], [[25.0, 25.0], [25.0, 25.0]]])
    >>> [round(bits, 3) for bits in corrected_information(tables, permutation_law(tables)).tolist()]
    [1.0, -0.007]
    """
    plugin = plugin_information(tables)
    if correction == "permutation":
        return torch.maximum(plugin - permutation_bias(tables, law), -_FEWER_THAN_CHANCE * law.deviation_bits)
    return plugin - _BIASES[correction](tables)


def permutation_bias(tables: Tables, law: PermutationLaw) -> Float[Tensor, "*batch"]:
    """Expectation under permutation, bits, times the share of the degrees of freedom that are left to chance.

    Of independent variables chance fills all cells; a unit that fires for one class only leaves most of them
    impossible, and has no bias. Which cells are possible is seen from how many property values each response bin
    meets: as many as there were m equally likely ones, m (1 - (1 - 1/m)^n) of n stimuli (so do Panzeri and Treves 1996
    count responses), over the m that shuffled stimuli would show, since values are not equally frequent. Nor are the
    possible ones equally likely, so that this comes out too low: the share f is taken as 1 - (1 - f)^2, which the
    truth grid shows to be right to a few thousandths of a bit where f leaves up to 0.027 at 30 stimuli per value.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.permutation import permutation_law
    >>> tables = torch.tensor([[[50.0, 0.0], [0.0, 50.0]], [[25.0, 25.0], [25.0, 25.0]]])
    >>> bias = permutation_bias(tables, permutation_law(tables))  # chance fills no cell of the first, all of the second
    >>> [round(bits, 3) for bits in bias.tolist()]
    [0.0, 0.007]
    """
    rows, columns = (over_properties(tables) > 0).sum(-1), (over_responses(tables) > 0).sum(-1)
    freedom = (rows - 1) * (columns - 1)
    open_cells = _possible_values(tables, columns, law.values_met).sum(-1) - rows - columns + 1
    share = (open_cells / freedom.clamp_min(1)).clamp(0, 1)
    return law.mean_bits * (1 - (1 - share).square())


def _possible_values(tables: Tables, columns: Tensor, met_by_chance: Tensor) -> Tensor:
    """For each response bin, how many property values are possible there; 0 for an empty bin."""
    stimuli, met = over_properties(tables).long(), over_properties((tables > 0).double())
    seen, by_chance = _support(stimuli.expand(2, *stimuli.shape), torch.stack([met, met_by_chance]))
    return (seen / by_chance).clamp_max(1.0).mul(columns[..., None]).masked_fill(stimuli == 0, 0.0)


_STEP = 1 / 1024  # of a number of values met: finer makes no difference
_LARGEST = 16  # logarithm of a number of values
_FAR_FROM_ALL = 0.8  # share of the stimuli that meet values of their own
_NEWTON_STEPS = 5  # to 1e-11; four leave as much


def _support(stimuli: Int[Tensor, "*bins"], met: Float[Tensor, "*bins"]) -> Float[Tensor, "*bins"]:
    """How many equally likely values there are if so many stimuli meet so many of them: m (1 - (1 - 1/m)^n)."""
    steps = (met / _STEP).round().long()
    every, of_steps = numbered(steps, int(steps.max()) + 1)
    distinct, which = numbered(stimuli * len(every) + of_steps, (int(stimuli.max()) + 1) * len(every))
    count, wanted = (distinct // len(every)).double(), every[distinct % len(every)].double() * _STEP
    return _values_met_by(count, wanted)[which]


def _values_met_by(stimuli: Float[Tensor, " cases"], met: Float[Tensor, " cases"]) -> Float[Tensor, " cases"]:
    """The m, at most e^16, of which so many are met: by Newton's method in 1/m, in which the number met is convex."""
    met = met.clamp_min(1)
    # of two starts below the solution the nearer one: the tangent, where m is large; m (1 - e^(-n/m)), where it is not
    least = (2 * (stimuli - met) / (stimuli * (stimuli - 1)).clamp_min(1)).clamp(math.exp(-_LARGEST), 1)
    share = (met / stimuli).clamp_max(1)
    rate = 2 * (1 - share)
    rate = torch.maximum(rate, -torch.expm1(-rate.clamp_min(1)) / share * (share < _FAR_FROM_ALL))
    inverse = torch.maximum(least, rate / stimuli).clamp_max(1 - 1e-12)
    for _ in range(_NEWTON_STEPS):
        missed = stimuli * torch.log1p(-inverse)
        found = -torch.expm1(missed) / inverse
        slope = (stimuli * missed.exp() / (1 - inverse) - found) / inverse
        inverse = inverse - (found - met) / slope.clamp_max(-1e-300)
        inverse = torch.maximum(inverse, least).clamp_max(1 - 1e-12)
    return torch.where(met <= 1, 1.0, 1 / inverse)


def miller_madow_bias(tables: Tables) -> Float[Tensor, "*batch"]:
    """First-order bias from the numbers of occupied cells (Miller 1955), bits.

    Examples
    --------
    >>> import torch
    >>> round(float(miller_madow_bias(torch.full((2, 2), 25.0))), 4)  # one degree of freedom: 1 / (2 * 100 ln 2)
    0.0072
    """
    cells = (tables > 0).sum((-2, -1))
    rows, columns = (tables.sum(-1) > 0).sum(-1), (tables.sum(-2) > 0).sum(-1)
    return (cells - rows - columns + 1) / (2 * tables.sum((-2, -1)).double() * LN2)


def panzeri_treves_bias(tables: Tables) -> Float[Tensor, "*batch"]:
    """Bias q = [sum_s (R_s - 1) - (R - 1)] / (2 N ln 2) of Panzeri and Treves (1996), bits.

    R_s, the number of responses possible to property value s, is the expected number of the R occupied
    response bins: the naive count is raised by the bins that a sample of N_s would leave empty by chance
    if all R were as likely as in the whole, and never exceeds R.

    Examples
    --------
    >>> import torch
    >>> round(float(panzeri_treves_bias(torch.full((2, 2), 25.0))), 4)  # [2 (2 - 1) - (2 - 1)] / (2 * 100 ln 2)
    0.0072
    """
    total = tables.sum((-2, -1)).double()
    response = tables.sum(-1).double() / total[..., None]
    possible = (response > 0).sum(-1)
    trials = tables.sum(-2).double()
    occupied = (tables > 0).sum(-2).double()
    missed = torch.where(response[..., None] > 0, (1 - response[..., None]).pow(trials[..., None, :]), 0.0).sum(-2)
    relevant = torch.minimum(occupied + missed, possible[..., None].double())
    return ((relevant - 1) * (trials > 0)).sum(-1).sub(possible - 1) / (2 * total * LN2)


def _no_bias(tables: Tables) -> Float[Tensor, "*batch"]:
    return torch.zeros(tables.shape[:-2], dtype=torch.float64, device=tables.device)


_BIASES: dict[str, Callable[[Tensor], Tensor]] = {
    "panzeri_treves": panzeri_treves_bias,
    "miller_madow": miller_madow_bias,
    "none": _no_bias,
}
CORRECTIONS = ("permutation", *_BIASES)
