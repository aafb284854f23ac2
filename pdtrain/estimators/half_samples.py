"""How much a value depends on which stimuli were shown: 19 balanced halvings of them, the same for all values.

The stimuli are dealt to 20 groups, and each row of a Hadamard matrix says which groups make one half: half the
difference between a value on one half and on the other varies as the value on all stimuli does (balanced repeated
replication, McCarthy 1969). Layers, networks and probes share the halvings, and so do their differences and quotients.
"""

from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import t as student
from torch import Tensor

from pdtrain.estimators.halvings import GROUPS, SPLITS

_PRIME = GROUPS - 1


def half_samples(labels: Int[Tensor, " stimuli"], *, seed: int = 0) -> Bool[Tensor, "splits stimuli"]:
    """Halve the stimuli in 19 ways, any two of which cross; True is one half, False the other.

    Parameters
    ----------
    labels
        Object of each stimulus: its views are shared out evenly, as a set of stimuli has a number of each by design.
    seed
        Of the groups.

    Examples
    --------
    >>> import torch
    >>> halves = half_samples(torch.zeros(100, dtype=torch.long))
    >>> halves.shape, halves.sum(1).unique().tolist()
    (torch.Size([19, 100]), [50])
    """
    return (_hadamard()[1:] > 0)[:, _groups(labels.cpu(), torch.Generator().manual_seed(seed))]


def _groups(labels: Int[Tensor, " stimuli"], generator: torch.Generator) -> Int[Tensor, " stimuli"]:
    """Share the views of each object out to all groups; those that are left over go to the smallest ones, at random."""
    groups, sizes = torch.empty_like(labels), torch.zeros(GROUPS)
    for label in labels.unique():
        views = (labels == label).nonzero()[:, 0]
        smallest_first = (sizes + torch.rand(GROUPS, generator=generator)).argsort()
        dealt = smallest_first[torch.arange(len(views)) % GROUPS]
        groups[views[torch.randperm(len(views), generator=generator)]] = dealt
        sizes += dealt.bincount(minlength=GROUPS)
    return groups


@cache
def _hadamard() -> Int[Tensor, "groups groups"]:
    """Paley's matrix of order 20: rows of 1 and -1, orthogonal to each other and, but for the first, balanced."""
    squares = {place * place % _PRIME for place in range(1, _PRIME)}
    residue = [0, *(1 if place in squares else -1 for place in range(1, _PRIME))]
    matrix = torch.ones(GROUPS, GROUPS, dtype=torch.int64)
    matrix[1:, 0] = -1
    for row in range(_PRIME):
        for column in range(_PRIME):
            matrix[1 + row, 1 + column] = 1 if row == column else residue[(column - row) % _PRIME]
    return matrix


def half_differences_of_mean(
    influence: Float[Tensor, "stimuli *values"], halves: Bool[Tensor, "splits stimuli"]
) -> Float[Tensor, "splits *values"]:
    """Half the difference between the means over either half, for a value that is a mean over stimuli.

    Examples
    --------
    >>> import torch
    >>> halves = torch.tensor([[True, False, False, True]])
    >>> half_differences_of_mean(torch.tensor([1.0, 2.0, 3.0, 6.0]), halves).tolist()
    [0.5]
    """
    inside, flat = halves.to(influence), influence.view(len(influence), -1)
    of_inside, of_all = inside @ flat, flat.sum(0)
    size = inside.sum(1, keepdim=True)
    difference = of_inside / size - (of_all - of_inside) / (len(flat) - size)
    return (difference / 2).view(len(halves), *influence.shape[1:])


def standard_error(half_differences: Float[Tensor, "splits *values"]) -> Float[Tensor, "*values"]:
    """Their root mean square: the standard error of the value on all stimuli; NaN where there are none.

    Examples
    --------
    >>> import torch
    >>> round(float(standard_error(torch.tensor([3.0, -4.0, 0.0, 5.0]))), 4)
    3.5355
    """
    return half_differences.double().square().mean(0).sqrt()


def interval(value: float, error: float, *, coverage: float = 0.95) -> tuple[float, float]:
    """Student's interval of a value whose standard error comes from the halvings.

    Examples
    --------
    >>> [round(end, 3) for end in interval(1.0, 0.1)]
    [0.791, 1.209]
    """
    reach = _quantile(0.5 + coverage / 2) * error
    return value - reach, value + reach


@cache
def _quantile(share: float) -> float:
    """Of Student's law with a degree of freedom for each halving."""
    return float(student.ppf(share, SPLITS))
