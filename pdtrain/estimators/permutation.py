"""What the plug-in information is when responses and property are independent: its law under permutation.

Shuffling the stimuli keeps both marginals of a joint histogram, so that expectation and variance follow from them, and
nothing has to be shuffled. A cell of marginals r and s of N stimuli is hypergeometric; the plug-in information is a
sum of n log n over cells, up to the marginals.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.estimators.contingency import LN2, Tables, over_properties, over_responses

_BLOCK = 2**20  # probabilities held at a time
_REACH = 10.0  # standard deviations of a cell's count that are summed over


@dataclass(frozen=True)
class PermutationLaw:
    """What joint histograms are under permutation of the stimuli.

    Attributes
    ----------
    mean_bits, deviation_bits
        Of the plug-in information, bits, shape (*batch).
    values_met
        How many property values each response bin meets on average, shape (*batch, response_bins); 0 of an empty one.
    """

    mean_bits: Float[Tensor, "*batch"]
    deviation_bits: Float[Tensor, "*batch"]
    values_met: Float[Tensor, "*batch response_bins"]

    def of(self, chosen: Tensor | tuple[Tensor, ...]) -> "PermutationLaw":
        """That of some of the batch."""
        return PermutationLaw(self.mean_bits[chosen], self.deviation_bits[chosen], self.values_met[chosen])


def permutation_law(tables: Tables) -> PermutationLaw:
    """Mean and standard deviation of the plug-in information over all orders of the stimuli, and the cells they fill.

    The mean is exact. The variance takes a cell's n log n apart: its regression on n, whose sum over cells varies as
    any linear function of a table with fixed marginals does (exact), and what is left, correlated between cells as
    squares of jointly Gaussian counts are. Against random tables the standard deviation is right to 3%, with 3 to
    all stimuli in a row and 0.1 to 1,000 expected in a cell (tested).

    Examples
    --------
    >>> import torch
    >>> law = permutation_law(torch.tensor([[1.0, 1.0], [1.0, 1.0]]))
    >>> [round(met, 3) for met in law.values_met.tolist()]  # both values, in two of three orders
    [1.667, 1.667]
    >>> law = permutation_law(torch.tensor([[5.0, 5.0], [5.0, 5.0]]))
    >>> round(float(law.mean_bits), 4), round(float(law.deviation_bits), 4)
    (0.0391, 0.0561)
    """
    rows = over_properties(tables).reshape(-1, tables.shape[-2])
    columns = over_responses(tables).reshape(-1, tables.shape[-1])
    chosen, which = _distinct_tables(torch.cat([rows, columns], 1).long())
    law = _law_of_marginals(rows[chosen].double().T.contiguous(), columns[chosen].double().T.contiguous())
    return law.of(which.view(tables.shape[:-2]))


def _distinct_tables(marginals: Int[Tensor, "tables bins"]) -> tuple[Int[Tensor, " kinds"], Int[Tensor, " tables"]]:
    """A table of each kind that has the same marginals, and the kind of each: bins of equal size leave few of them."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(2**62, (marginals.shape[1],), generator=generator).to(marginals.device)
    everyone = torch.arange(len(marginals), device=marginals.device)
    keys, which = (marginals * factors).sum(1).unique(return_inverse=True)
    chosen = torch.empty_like(keys).scatter_(0, which, everyone)
    # that marginals which differ have the same key has not been seen, and would be seen here
    return (chosen, which) if torch.equal(marginals[chosen[which]], marginals) else (everyone, everyone)


def _law_of_marginals(rows: Float[Tensor, "rows tables"], columns: Float[Tensor, "columns tables"]) -> PermutationLaw:
    """Of tables with these marginals; bins first, as sums over few of them are then sums of long rows."""
    total = rows.sum(0).clamp_min(1)
    mean, residual, slope, met = _cell_moments(total, rows, columns)
    known = _x_log_x(total) - _x_log_x(rows).sum(0) - _x_log_x(columns).sum(0)
    p, q = (rows / total)[:, None], (columns / total)[None]
    variance = _of_residuals(residual, p, q) + _of_slopes(slope, p, q, total)
    scale = total * LN2
    deviation = variance.clamp_min(0).sqrt() / scale
    return PermutationLaw((mean.sum((0, 1)) + known) / scale, deviation, met.sum(1).T)


def _x_log_x(x: Tensor) -> Tensor:
    return torch.special.xlogy(x, x)


def _of_residuals(variance: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """Variance of the sum of the cells' residuals.

    Squares of Gaussian counts with fixed marginals correlate between rows i and k by p_i p_k / ((1 - p_i)(1 - p_k)),
    and so between columns; where cells are nearly empty these are small, as they have to be.
    """
    deviation = variance.sqrt()
    across = deviation
    for share, dim in ((q, 1), (p, 0)):
        odds = share / (1 - share).clamp_min(1e-12)
        across = odds * (across * odds).sum(dim, keepdim=True) + (1 - odds.square()) * across
    return (deviation * across).sum((0, 1))


def _of_slopes(slope: Tensor, p: Tensor, q: Tensor, total: Tensor) -> Tensor:
    """Variance of the sum of slope x count over the cells: marginals are fixed, so only what is not additive counts."""
    slope = slope - (slope * p).sum(0)
    slope = slope - (slope * q).sum(1, keepdim=True)
    return total.square() / (total - 1).clamp_min(1) * (slope.square() * p * q).sum((0, 1))


def _cell_moments(total: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each cell: mean of n ln n, its variance about the regression on n, the regression's slope, and how probable
    it is that the cell is filled.

    Cells with the same marginals are computed once: equally populated bins have few.
    """
    largest = int(total.max()) + 1
    (of_total, of_row, of_column), which = _distinct_marginals(total.long(), rows.long(), columns.long(), largest)
    log_factorial = torch.lgamma(torch.arange(largest + 1, dtype=torch.float64, device=total.device) + 1)
    found = torch.zeros(4, len(of_row), dtype=torch.float64, device=total.device)
    alive = ((of_row > 0) & (of_column > 0)).nonzero()[:, 0]
    width = int(_reach(of_total, of_row, of_column)[1].max())
    for part in alive.split(max(1, _BLOCK // width)) if len(alive) else ():
        found[:, part] = _hypergeometric_moments(of_total[part], of_row[part], of_column[part], log_factorial)
    mean, residual, slope, filled = (values.index_select(0, which.flatten()).view(which.shape) for values in found)
    return mean, residual, slope, filled


def _distinct_marginals(
    total: Tensor, rows: Tensor, columns: Tensor, largest: int
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Total, row and column of cells that differ in them, float64, and which of these each cell is."""
    totals, of_total = numbered(total, largest)
    pairs, of_row = numbered(of_total * largest + rows, len(totals) * largest)
    sizes, of_column = numbered(columns, largest)
    cells, which = numbered(of_row[:, None] * len(sizes) + of_column, len(pairs) * len(sizes))
    pair, size = pairs[cells // len(sizes)], sizes[cells % len(sizes)]
    return (totals[pair // largest].double(), (pair % largest).double(), size.double()), which


def numbered(values: Int[Tensor, "*values"], below: int) -> tuple[Int[Tensor, " distinct"], Int[Tensor, "*values"]]:
    """The distinct ones of whole numbers from 0, all `below` a bound, and which of them each is: without sorting.

    Examples
    --------
    >>> import torch
    >>> distinct, which = numbered(torch.tensor([7, 2, 7]), 8)
    >>> distinct.tolist(), which.tolist()
    ([2, 7], [1, 0, 1])
    """
    flat = values.flatten()
    used = torch.bincount(flat, minlength=below) > 0
    return used.nonzero()[:, 0], (used.cumsum(0) - 1).index_select(0, flat).view(values.shape)


def _reach(total: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest count of a cell that matters, and how many do from there on."""
    mean = row * column / total.clamp_min(1)
    variance = mean * (1 - row / total.clamp_min(1)) * (1 - column / total.clamp_min(1))
    reach = _REACH * variance.clamp_min(0).sqrt()
    low = torch.maximum((row + column - total).clamp_min(0), (mean - reach - 4).floor())
    high = torch.minimum(torch.minimum(row, column), (mean + reach + 12).ceil())
    return low, high - low + 1


def _hypergeometric_moments(total: Tensor, row: Tensor, column: Tensor, log_factorial: Tensor) -> Tensor:
    """Shape (4, cells): as `_cell_moments`."""
    low, width = (values.long() for values in _reach(total, row, column))
    steps = torch.arange(int(width.max()), device=total.device)
    total, row, column = (values.long()[:, None] for values in (total, row, column))
    counts = low[:, None] + torch.minimum(steps, width[:, None] - 1)

    def log_of(number: Tensor) -> Tensor:
        return log_factorial.index_select(0, number.flatten()).view(number.shape)

    def choose(of: Tensor, taken: Tensor) -> Tensor:
        return log_of(of) - log_of(taken) - log_of(of - taken)

    log_probability = choose(row, counts) + choose(total - row, column - counts) - choose(total, column)
    probability = log_probability.exp() * (steps < width[:, None])
    count = counts.double()
    value = _x_log_x(count)
    mean = (probability * value).sum(1, keepdim=True)
    value, count = value - mean, count - (row * column).double() / total
    spread, covariance = (probability * count.square()).sum(1), (probability * count * value).sum(1)
    slope = torch.where(spread > 0, covariance / spread.clamp_min(1e-300), 0.0)
    residual = ((probability * value.square()).sum(1) - slope * covariance).clamp_min(0)
    missed = (choose(total - row, column.minimum(total - row)) - choose(total, column))[:, 0].exp()
    return torch.stack([mean[:, 0], residual, slope, torch.where((row + column > total)[:, 0], 1.0, 1 - missed)])
