"""Whether an information at fixed class is more than chance: its law where stimuli are shuffled within their classes.

The information is a sum over classes, which are shuffled apart: means and variances add up. Where few classes, or units
that hardly ever fire, leave it few values, the laws of the classes are convolved.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import gammainc, gammaln, xlogy
from scipy.stats import chi2
from torch import Tensor

from pdtrain.estimators.contingency import LN2, over_properties, over_responses
from pdtrain.estimators.permutation import PermutationLaw
from pdtrain.estimators.significance import permutation_p_values

MOST = 24  # stimuli of the rare row of a class whose law is counted out
_MOST_COLUMNS = 16  # of it; any number of stimuli where there are two
_FEW_CELLS = 40  # that chance would fill beyond what the marginals ask for: with more, the matched law fits as well
_FINE = 1e-3  # nats: steps of the statistic within a class
_PER_DEVIATION = 50  # steps of the sum, at least, in its standard deviation
_LEVELS = 4096
_ACCURATE = 1e-10  # of probabilities from a Fourier transform
_LIKELY = 0.3  # matched p-value that is left as it is: counting takes a millisecond
_MANY_WAYS = 8192  # to fill columns with at most MOST stimuli: beyond, those that come to the same are merged
_COUNTED = 0.1  # share of the variance that counted laws need to have
_NEGLIGIBLE = 1e-6  # variance of a class, nats squared


def conditional_p_values(
    tables: Float[Tensor, "*batch classes response_bins property_bins"],
    plugin_bits: Float[Tensor, "*batch classes"],
    law: PermutationLaw,
) -> Float[Tensor, "*batch"]:
    """Probability of as much plug-in information at fixed class over all orders of the stimuli within their classes.

    Where a single class varies, that of `permutation_p_values` there. Elsewhere the scaled chi-squared law with the
    mean and variance of the sum; but where chance would fill few cells, and it is at most 0.3, the classes' laws
    convolved: counted out for a class of two rows or two columns one of which holds few stimuli, the matched law for
    all others together.

    Parameters
    ----------
    tables
        Joint histograms, shape (..., classes, response bins, property bins).
    plugin_bits, law
        Information within each class, and its law there, bits, shape (..., classes).

    Returns
    -------
    Tensor
        Shape (...); 1 where nothing varies within any class.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.contingency import plugin_information
    >>> from pdtrain.estimators.permutation import permutation_law
    >>> table = torch.tensor([[3.0, 0.0], [47.0, 50.0]])  # 0.242 by itself
    >>> both = torch.stack([table, table])
    >>> round(float(conditional_p_values(both, plugin_information(both), permutation_law(both))), 3)  # 0.242 squared
    0.059
    """
    flat = tables.reshape(-1, *tables.shape[-3:])
    batch, classes = flat.shape[:2]
    plugin = plugin_bits.reshape(batch, classes).nan_to_num(0.0)
    mean, deviation = law.mean_bits.reshape(batch, classes), law.deviation_bits.reshape(batch, classes)
    nats = flat.sum((-2, -1)).double() * LN2
    observed, mean, variance = nats * plugin, nats * mean, (nats * deviation).square()
    p_values = _matched(observed.sum(-1), mean.sum(-1), variance.sum(-1))

    varying = variance > _NEGLIGIBLE
    single = (varying.sum(-1) == 1).nonzero()[:, 0]
    if len(single):
        which = varying[single].int().argmax(-1)
        alone = law.of((*torch.unravel_index(single, tables.shape[:-3]), which))
        p_values[single] = permutation_p_values(flat[single, which], plugin[single, which], alone)
    places = ((varying.sum(-1) > 1) & (p_values < _LIKELY)).nonzero()[:, 0]
    if len(places):
        values_met = law.values_met.reshape(batch, classes, -1)[places]
        places = places[_cells_by_chance(flat[places], values_met, varying[places]) < _FEW_CELLS]
    arrays = [t[places].cpu().numpy() for t in (observed, mean, variance, varying)]
    rare_rows = _RareRows.of(flat[places].cpu().numpy().astype(np.int64))
    of_classes = arrays[2] * arrays[3]
    enough = ((of_classes * rare_rows.countable).sum(-1) >= _COUNTED * of_classes.sum(-1)).nonzero()[0]
    exact = torch.from_numpy(_convolved(rare_rows.of_items(enough), *(array[enough] for array in arrays)))
    chosen, exact = places[torch.from_numpy(enough).to(places.device)], exact.to(places.device)
    p_values[chosen] = torch.where(exact.isnan(), p_values[chosen], exact)
    return p_values.view(tables.shape[:-3])


def _matched(observed: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Scaled chi-squared law of the given mean and variance."""
    varies = (mean > 1e-12) & (variance > _NEGLIGIBLE)
    degrees = (2 * mean.square() / variance.clamp_min(_NEGLIGIBLE)).cpu().numpy()
    statistic = (2 * observed * mean / variance.clamp_min(_NEGLIGIBLE)).cpu().numpy()
    tail = torch.as_tensor(chi2.sf(statistic, np.maximum(degrees, 1e-12)), device=observed.device)
    return torch.where(varies, tail, 1.0)


def _cells_by_chance(tables: Tensor, values_met: Tensor, varying: Tensor) -> Tensor:
    """How many cells chance would fill beyond those that the marginals ask for, over all classes, shape (batch,)."""
    rows, columns = (over_properties(tables) > 0).sum(-1), (over_responses(tables) > 0).sum(-1)
    return (values_met.sum(-1) - rows - columns + 1).clamp_min(0).masked_fill(~varying, 0.0).sum(-1)


def _convolved(
    rare_rows: "_RareRows", observed: np.ndarray, mean: np.ndarray, variance: np.ndarray, varying: np.ndarray
) -> np.ndarray:
    """P-values of units and properties, shape (items,), from what they have in each class; NaN where too small to be
    told.
    """
    deviation = np.sqrt((variance * varying).sum(1))
    power = np.floor(np.log2(deviation / _PER_DEVIATION / _FINE)).clip(min=0).astype(np.int64)
    step = _FINE * 2.0**power
    counted, smooth = varying & rare_rows.countable, varying & ~rare_rows.countable
    observed, mean, variance = ((of * smooth).sum(1) for of in (observed, mean, variance))
    levels = np.where(counted, _coarse(rare_rows.level, power[:, None]), 0).sum(1)
    levels += np.round(observed / step).astype(np.int64)
    found = np.full(len(levels), np.nan)
    for item in (levels < _LEVELS).nonzero()[0].tolist():
        transform = np.ones(_LEVELS // 2 + 1, dtype=complex)
        for law in rare_rows.laws(item, counted[item]):
            transform *= _transform(*law, int(power[item]))
        if variance[item] > 0:
            transform *= _smooth_transform(mean[item], variance[item], step[item])
        p_value = np.fft.irfft(transform, _LEVELS)[levels[item] :].sum()
        if p_value > _ACCURATE:
            found[item] = min(p_value, 1.0)
    return found


@dataclass(frozen=True)
class _RareRows:
    """The rarer of two rows, or of two columns, of tables whose law can be counted out, by item and class.

    Its statistic in fine steps, how many stimuli it has, and the sizes of the columns they may fall in, zeros first.
    """

    countable: np.ndarray
    level: np.ndarray
    stimuli: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, tables: np.ndarray) -> "_RareRows":
        """Of tables of shape (items, classes, response bins, property bins)."""
        rows, columns = _rarer_of_two(tables), _rarer_of_two(tables.swapaxes(-1, -2))
        turned = (columns.size < rows.size) | ((columns.size == rows.size) & (columns.width < rows.width))
        countable = np.where(turned, columns.countable, rows.countable)
        level, stimuli = np.zeros((2, *countable.shape), dtype=np.int64)
        sizes = np.zeros((*countable.shape, max(tables.shape[-2:])), dtype=np.int64)
        for of, chosen in ((rows, countable & ~turned), (columns, countable & turned)):
            counts, filled = of.row[chosen], of.columns[chosen]
            level[chosen], stimuli[chosen] = _statistic(counts, filled), counts.sum(-1)
            sizes[chosen, : filled.shape[-1]] = filled
        return cls(countable, level, stimuli, np.sort(sizes, -1))

    def of_items(self, chosen: np.ndarray) -> "_RareRows":
        """Those of some items."""
        return _RareRows(self.countable[chosen], self.level[chosen], self.stimuli[chosen], self.columns[chosen])

    def laws(self, item: int, classes: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """What the law of each of some classes follows from, for `_transform`: bytes are quick to look up."""
        for stimuli, columns in zip(self.stimuli[item, classes].tolist(), self.columns[item, classes], strict=True):
            yield stimuli, columns.tobytes()


@dataclass(frozen=True)
class _Rarer:
    """The rarer of two rows of tables: how many stimuli, on how many columns, where, and the sizes of the columns."""

    size: np.ndarray
    width: np.ndarray
    row: np.ndarray
    columns: np.ndarray
    countable: np.ndarray


def _rarer_of_two(tables: np.ndarray) -> _Rarer:
    rows, columns = tables.sum(-1), tables.sum(-2)
    sizes = np.where(rows > 0, rows, np.iinfo(rows.dtype).max)
    width = (columns > 0).sum(-1)
    two = ((rows > 0).sum(-1) == 2) & (width > 1)
    fewest = np.where(two, sizes.min(-1), np.iinfo(rows.dtype).max)
    row = np.take_along_axis(tables, sizes.argmin(-1)[..., None, None], -2)[..., 0, :]
    few = (fewest <= MOST) & (width <= _MOST_COLUMNS)
    return _Rarer(fewest, width, row, columns, two & (few | (width == 2)))


def _statistic(row: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Of rare rows, given the sizes of their columns, in fine steps."""
    share = (row.sum(-1) / columns.sum(-1))[:, None]
    of_columns = _deviance(row, np.maximum(columns, 1), share)
    return np.where(columns > 0, of_columns, 0).sum(-1)


def _coarse(levels: np.ndarray, power: np.ndarray | int) -> np.ndarray:
    """Levels on a grid of 2^power fine steps."""
    return (levels + (1 << power >> 1)) >> power


def _deviance(count: np.ndarray, size: np.ndarray | int, share: np.ndarray | float) -> np.ndarray:
    """What so many stimuli of the rare row in columns of such sizes add to the statistic, in fine steps."""
    rest = size - count
    found: np.ndarray = xlogy(count, count / (size * share)) + xlogy(rest, rest / (size * (1 - share)))
    return np.round(found / _FINE).astype(np.int64)


def _law(stimuli: int, columns: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Levels, in fine steps, and probabilities of the statistic of a rare row of so many stimuli on such columns.

    A level may come several times.
    """
    left = sum(columns)
    share = stimuli / left  # any share gives the same law; this one keeps it away from underflow
    used, levels, probabilities = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.ones(1)
    for size in columns[:-1]:
        left -= size
        count = np.arange(min(stimuli, size) + 1)
        met = used[:, None] + count
        possible = (met <= stimuli) & (met + left >= stimuli)
        used = met[possible]
        levels = (levels[:, None] + _deviance(count, size, share))[possible]
        probabilities = (probabilities[:, None] * _binomial(count, size, share))[possible]
        if len(used) > _MANY_WAYS and len(columns) > 2:  # of two no ways come to the same, and any number is counted
            used, levels, probabilities = _merged(used, levels, probabilities, stimuli)
    levels = levels + _deviance(stimuli - used, columns[-1], share)
    probabilities = probabilities * _binomial(stimuli - used, columns[-1], share)
    return levels, probabilities / probabilities.sum()


def _binomial(count: np.ndarray, size: int, share: float) -> np.ndarray:
    """Probability of each count among so many."""
    ways = gammaln(size + 1) - gammaln(count + 1) - gammaln(size - count + 1)
    found: np.ndarray = np.exp(ways + count * np.log(share) + (size - count) * np.log1p(-share))
    return found


def _merged(
    used: np.ndarray, levels: np.ndarray, probabilities: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What has used as many stimuli, at most so many, and has the same level, as one."""
    lowest = levels.min()
    kind = (levels - lowest) * (most + 1) + used  # counted, not sorted: many share few of them
    together = np.bincount(kind, probabilities)
    kinds = together.nonzero()[0]
    return kinds % (most + 1), kinds // (most + 1) + lowest, together[kinds]


@lru_cache(maxsize=2048)
def _transform(stimuli: int, columns: bytes, power: int) -> np.ndarray:
    """Fourier transform of a counted law on the grid of the sum, whose steps are 2^power fine ones."""
    levels, probabilities = _law(stimuli, tuple(size for size in np.frombuffer(columns, np.int64).tolist() if size))
    return np.fft.rfft(np.bincount(_coarse(levels, power) % _LEVELS, probabilities, minlength=_LEVELS))


def _smooth_transform(mean: float, variance: float, step: float) -> np.ndarray:
    """Fourier transform of the scaled chi-squared law of the given mean and variance, on the grid of the sum."""
    shape, scale = mean**2 / variance, variance / mean
    beyond = scale * (shape + 9 * np.sqrt(shape) + 45)  # from where on the law is one to the last digit
    levels = min(_LEVELS, int(beyond / step) + 2)
    edges = (np.arange(levels + 1) - 0.5).clip(min=0) * step
    return np.fft.rfft(np.diff(gammainc(shape, edges / scale)), _LEVELS)
