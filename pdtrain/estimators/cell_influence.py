"""How much a stimulus moves the information of a joint histogram, by the cell that it falls in.

Where values are cut at ranks, stimuli cannot change how full the bins of a stretch are, only which bins meet: of the
influence of cells (Hampel 1974; Davison and Hinkley 1997, 2.7) is left what margins within a stretch do not explain.
How many stimuli have a shared value, such as a ReLU's zero, does depend on them.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pdtrain.estimators.contingency import LN2, Planes

MOVED = ("average", "edge")  # who crosses the edges of bins (`_EFFECTS`); the wider interval counts
_RIDGE = 1e-9  # of the number of stimuli: makes margins that stand for the same thing share it
_SMOOTHING = 0.5  # stimuli in each cell of filled rows and columns, so that an empty one can be moved into


def pointwise_information(planes: Planes) -> Planes:
    """Information of each cell of joint histograms, bins first, in their precision, bits; 0 where it is empty.

    Examples
    --------
    >>> import torch
    >>> pointwise_information(torch.tensor([[3.0, 1.0], [0.0, 2.0]]))[1].tolist()  # of 2/6 over 2/6 times 3/6
    [0.0, 1.0]
    """
    rows, columns = planes.sum(1), planes.sum(0)
    ratio = (planes * rows.sum(0)).div_((rows[:, None] * columns).clamp_min_(1))
    return ratio.add_(planes <= 0).log_().div_(LN2)  # an empty cell's ratio of zero is made one


def influence_of_cells(
    planes: Planes,
    same_rows: Bool[Tensor, "row_edges *#batch"],
    same_columns: Bool[Tensor, "column_edges *#batch"],
    *,
    moved: Sequence[str] = MOVED[:1],
) -> Float[Tensor, "ways rows columns *batch"]:
    """Influence of a stimulus in each cell on the information, bits; its mean over the stimuli is zero.

    Parameters
    ----------
    planes
        Joint histograms, bins first; what is found has their precision.
    same_rows, same_columns
        Whether a bin and the next share a stretch, whose share does not change (`stretches`).
    moved
        Who crosses the edges of bins when those move to keep their shares: of each bin's "average", or those at its
        "edge"; one way or both. The first is right for few and coarse bins, the other for fine ones.

    Raises
    ------
    ValueError
        If `moved` has another name.

    Examples
    --------
    >>> import torch
    >>> table, apart, together = torch.tensor([[6.0, 0.0], [0.0, 2.0]]), torch.tensor([False]), torch.tensor([True])
    >>> # log2 of 8/6 and 8/2, less their mean
    >>> [round(float(cell), 4) for cell in influence_of_cells(table, apart, apart)[0].diag()]
    [-0.3962, 1.1887]
    >>> bool(influence_of_cells(table, together, together)[0].diag().abs().max() < 1e-6)
    True
    """
    if unknown := set(moved) - set(MOVED):
        raise ValueError(f"moved={', '.join(sorted(unknown))}: choose from {', '.join(MOVED)}")
    values, rows, columns = pointwise_information(planes), planes.sum(1), planes.sum(0)
    effects = [_EFFECTS[way](values, planes, rows, columns) for way in moved]
    row_effect, column_effect = (torch.stack(of_ways) for of_ways in zip(*effects, strict=True))
    influence = values - _within(row_effect, rows, same_rows)[:, :, None]
    influence -= _within(column_effect, columns, same_columns)[:, None]
    mean = (influence * planes).sum((1, 2)) / rows.sum(0).clamp_min(1)
    return influence.sub_(mean[:, None, None])


def _within(
    effect: Float[Tensor, "ways bins *batch"], weight: Float[Tensor, "bins *batch"], same: Bool[Tensor, "edges *#batch"]
) -> Float[Tensor, "ways bins *batch"]:
    """An effect of bins, less its mean over those of the same stretch."""
    same = same.to(effect)
    goes_on = list(zip(pairwise(range(len(weight))), same, strict=True))
    mass, mean = weight.clone(), effect * weight
    for (before, after), also in goes_on:  # at its last bin, a stretch has it all
        mass[after].addcmul_(mass[before], also)
        mean[:, after].addcmul_(mean[:, before], also)
    mean /= mass.clamp_min_(1)
    for (before, after), also in reversed(goes_on):
        mean[:, before] += (mean[:, after] - mean[:, before]).mul_(also)
    return effect - mean


def _edges(values: Planes, weights: Planes, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Effects of rows and columns on a table: what moving their edges adds up to."""
    # bins that other units, classes or properties alone have are none of this table
    possible = (rows > 0)[:, None] & (columns > 0)
    smooth = pointwise_information(weights + _SMOOTHING * possible)
    return _potential(smooth, weights, rows), _potential(smooth.transpose(0, 1), weights.transpose(0, 1), columns)


def _potential(values: Planes, weights: Planes, rows: Float[Tensor, "rows *batch"]) -> Float[Tensor, "rows *batch"]:
    """What moving the edges between rows adds up to: a stimulus too many in a row pushes others over its edges.

    Those that are pushed over an edge are of either side's columns in equal parts.
    """
    share = weights / rows.clamp_min(1)[:, None]
    steps = (values.diff(dim=0) * (share[1:] + share[:-1])).sum(1) / 2
    return torch.cat([torch.zeros_like(rows[:1]), steps.cumsum(0)])


def _margins(values: Planes, weights: Planes, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Effects of rows and columns on a table's values, by weighted least squares: of so small a ridge in float64."""
    precision, weights, rows, columns = values.dtype, weights.double(), rows.double(), columns.double()
    weighted = weights * values
    of_rows, of_columns = weighted.sum(1), weighted.sum(0)
    shares = weights / columns.clamp_min(1)
    ridge = _RIDGE * rows.sum(0).clamp_min(1)
    normal = -shares[:, None, 0] * weights[:, 0]
    for column in range(1, len(columns)):
        normal.addcmul_(shares[:, None, column], weights[:, column], value=-1)
    for row in range(len(rows)):
        normal[row, row] += rows[row] + ridge
    row_effect = _solved(normal, of_rows - (shares * of_columns).sum(1))
    column_effect = (of_columns - (weights * row_effect[:, None]).sum(0)) / columns.clamp_min(1)
    return row_effect.to(precision), column_effect.to(precision)


def _solved(
    matrices: Float[Tensor, "rows rows *batch"], right: Float[Tensor, "rows *batch"]
) -> Float[Tensor, "rows *batch"]:
    """Solve many small systems of positive definite matrices, in place, as they lie: a matrix for each of the batch.

    By Gauss's elimination, whose pivots need no choice there; `torch.linalg.solve` would want each matrix by itself.
    """
    for row in range(len(right)):
        factor = matrices[row + 1 :, row] / matrices[row, row]
        matrices[row + 1 :, row + 1 :].addcmul_(factor[:, None], matrices[row, row + 1 :], value=-1)
        right[row + 1 :].addcmul_(factor, right[row], value=-1)
    for row in reversed(range(len(right))):
        right[row] /= matrices[row, row]
        right[:row].addcmul_(matrices[:row, row], right[row], value=-1)
    return right


_EFFECTS = dict(zip(MOVED, (_margins, _edges), strict=True))
