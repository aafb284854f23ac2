"""Exact law of the plug-in information where one of two bins holds few stimuli: a unit that hardly ever fires.

Its values are then so few that no smooth law fits. Given the sizes of the property's bins, how the rare row's stimuli
fall on them is counted out, column after column, on a fine grid of the statistic.
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import gammaln, xlogy
from torch import Tensor

from pdtrain.estimators.contingency import Tables

MOST = 64  # stimuli in the rare row, and
_EXPECTED = 5  # of them in the smallest column: beyond either, the matched law fits as well (docs: the truth grid)
_LEVELS, _MANY_LEVELS = 512, 2048  # of the statistic; its steps are finer, beside its range, where columns are many
_MANY_COLUMNS = 16
_ALIKE = 1e-12  # share by which equal statistics may differ
_NEGLIGIBLE = -45.0  # log probability of a column's count that is left out


@dataclass(frozen=True)
class _Law:
    """Probability of each level of the statistic, or more, by the size of the rare row; and each count's level."""

    at_least: np.ndarray  # by size of the rare row, and level
    level_of: dict[int, np.ndarray]  # by the column's size: level of each count


def rare_row_p_values(tables: Tables) -> Float[Tensor, "*batch"]:
    """Exact p-values under permutation of tables with two rows or two columns, one of which holds few stimuli.

    At most 64, of which fewer than five are expected in the smallest column; any number where there are two rows and
    two columns, since the law of those is coarse however many stimuli there are. NaN for all other tables, and where
    the information lies beyond the grid (far beyond chance).

    Examples
    --------
    >>> import torch
    >>> table = torch.tensor([[3.0, 0.0], [47.0, 50.0]])
    >>> round(float(rare_row_p_values(table)), 3)  # all three in either half: 2 (50 * 49 * 48) / (100 * 99 * 98)
    0.242
    """
    flat = tables.reshape(-1, *tables.shape[-2:])
    p_values = torch.full((len(flat),), torch.nan, dtype=torch.float64)
    for turned in (flat, flat.transpose(-1, -2)):
        sizes = turned.sum(-1)
        fewest = sizes.masked_fill(sizes == 0, torch.inf).amin(-1)
        columns = turned.sum(-2)
        smallest = columns.masked_fill(columns == 0, torch.inf).amin(-1)
        few = (fewest <= MOST) & (fewest * smallest <= _EXPECTED * columns.sum(-1))
        fourfold = (columns > 0).sum(-1) == 2
        chosen = ((sizes > 0).sum(-1) == 2) & (few | fourfold) & p_values.isnan().to(flat.device)
        rare = torch.where(sizes > 0, sizes, torch.inf)[chosen].argmin(-1)
        rows = turned[chosen].gather(1, rare[:, None, None].expand(-1, 1, turned.shape[-1]))[:, 0]
        found = _p_values(rows.long().cpu().numpy(), columns[chosen].long().cpu().numpy())
        p_values[chosen.cpu()] = torch.from_numpy(found)
    return p_values.view(tables.shape[:-2]).to(tables.device)


def _p_values(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Of rare rows, given the sizes of the columns that each falls on: those of the same law together."""
    stimuli, found = rows.sum(1), np.empty(len(rows))
    laws = np.column_stack([columns, [_round_up(number) for number in stimuli.tolist()]])
    distinct, which, counts = np.unique(laws, axis=0, return_inverse=True, return_counts=True)
    members, last = which.argsort(kind="stable"), counts.cumsum()
    for (*sizes, most), number, end in zip(distinct.tolist(), counts, last, strict=True):
        alike = members[end - number : end]
        of = _p_values_by_two if sum(size > 0 for size in sizes) == 2 else _p_values_by_many
        found[alike] = of(rows[alike], stimuli[alike], tuple(sizes), most)
    return found


def _p_values_by_two(rows: np.ndarray, stimuli: np.ndarray, sizes: tuple[int, ...], most: int) -> np.ndarray:
    first = next(place for place, size in enumerate(sizes) if size)
    laws = [_fourfold_law(sum(sizes), number, sizes[first]) for number in stimuli.tolist()]
    return np.array(
        [p_values[count - fewest] for count, (fewest, p_values) in zip(rows[:, first].tolist(), laws, strict=True)]
    )


def _p_values_by_many(rows: np.ndarray, stimuli: np.ndarray, sizes: tuple[int, ...], most: int) -> np.ndarray:
    law = _law(_sizes(sizes), most)
    level = sum(law.level_of[size][rows[:, place]] for place, size in enumerate(sizes) if size)
    beyond = law.at_least.shape[1] - 1
    return np.where(level < beyond, law.at_least[stimuli, np.minimum(level, beyond)], np.nan)


@lru_cache(maxsize=4096)
def _fourfold_law(stimuli: int, row: int, column: int) -> tuple[int, np.ndarray]:
    """The smallest count that the cell of a row and a column can have, and the p-value of each count from it on."""
    counts = np.arange(max(0, row + column - stimuli), min(row, column) + 1)
    cells = np.stack([counts, row - counts, column - counts, stimuli - row - column + counts])
    statistic, logarithm = xlogy(cells, cells).sum(0), -gammaln(cells + 1).sum(0)
    probability = np.exp(logarithm - logarithm.max())  # `hypergeom.pmf` takes half a second of 30,000 stimuli
    probability /= probability.sum()
    falling = np.argsort(-statistic, kind="stable")
    as_large = np.searchsorted(-statistic[falling], -statistic + _ALIKE * abs(statistic), side="right")
    return int(counts[0]), np.cumsum(probability[falling])[as_large - 1].clip(max=1.0)


@lru_cache(maxsize=4096)
def _sizes(columns: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Sizes of the columns that have stimuli, and how many columns have each."""
    return tuple(sorted((size, number) for size, number in Counter(columns).items() if size))


def _round_up(stimuli: int) -> int:
    """The next power of two: few laws serve all sizes."""
    return min(1 << (stimuli - 1).bit_length(), MOST)


@lru_cache(maxsize=512)
def _law(columns: tuple[tuple[int, int], ...], most: int) -> _Law:
    """Law for every size of the rare row up to `most`; `columns` gives (size, how many columns have it)."""
    total = sum(size * number for size, number in columns)
    share = min(most / total, 0.5)  # any share gives the same law; this one keeps what matters away from underflow
    statistic, weight = {}, {}
    for size, _ in columns:
        count = np.arange(min(most, size) + 1)
        rest = size - count
        statistic[size] = xlogy(count, count / (size * share)) + xlogy(rest, rest / (size * (1 - share)))
        weight[size] = gammaln(size + 1) - gammaln(count + 1) - gammaln(rest + 1)
        weight[size] += count * np.log(share) + rest * np.log1p(-share)
    levels = _LEVELS if sum(number for _, number in columns) <= _MANY_COLUMNS else _MANY_LEVELS
    mean = sum(number * float(np.exp(weight[size]) @ statistic[size]) for size, number in columns)
    step = (3 * mean + 30) / levels
    level_of = {size: np.minimum(np.round(statistic[size] / step).astype(int), levels) for size, _ in columns}
    joint = np.zeros((most + 1, levels + 1))
    joint[0, 0] = 1
    for size, number in columns:
        likely = [(n, np.exp(w)) for n, w in enumerate(weight[size]) if w > _NEGLIGIBLE]
        for _ in range(number):
            joint = _with_column(joint, likely, level_of[size])
    at_least = joint[:, ::-1].cumsum(1)[:, ::-1]
    at_least = np.minimum(at_least / np.maximum(at_least[:, :1], 1e-300), 1.0)
    return _Law(at_least, level_of)


def _with_column(joint: np.ndarray, likely: list[tuple[int, float]], level_of: np.ndarray) -> np.ndarray:
    """Convolve with one more column, in the number of stimuli and the level; levels beyond the grid stay at its end."""
    added = np.zeros_like(joint)
    rows, levels = joint.shape[0], joint.shape[1] - 1
    for count, weight in likely:
        level = level_of[count]
        part = weight * joint[: rows - count]
        added[count:, level:levels] += part[:, : levels - level]
        added[count:, levels] += part[:, levels - level :].sum(1)
    return added
