"""Whether an information at fixed class is more than chance: its law where stimuli are shuffled within their classes.

The information is a sum over classes, which are shuffled apart: means and variances add up. Where few classes, or units
that hardly ever fire, leave it few values, the laws of the classes are convolved.
"""

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

_RareRow = tuple[bytes, bytes]  # its counts, and the sizes of the columns they are in, int64: quicker to look up


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
    enough = (of_classes * rare_rows.countable).sum(-1) >= _COUNTED * of_classes.sum(-1)
    for item in enough.nonzero()[0].tolist():
        exact = _convolved(rare_rows.of_classes(item), *(array[item] for array in arrays))
        if exact is not None:
            p_values[places[item]] = exact
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
    rare_rows: list[_RareRow | None],
    observed: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    varying: np.ndarray,
) -> float | None:
    """P-value of one unit and property; None where it is too small to be told."""
    found = {c: rare_rows[c] for c in varying.nonzero()[0].tolist()}
    total = float(variance[varying].sum())
    power = max(0, int(np.floor(np.log2(np.sqrt(total) / _PER_DEVIATION / _FINE))))
    level, transform = 0, np.ones(_LEVELS // 2 + 1, dtype=complex)
    for rows in found.values():
        if rows is not None:
            fine_level, stimuli, columns = _counted_out(*rows)
            level += (fine_level + (1 << power >> 1)) >> power
            transform *= _transform(stimuli, columns, power)
    smooth = [c for c, rows in found.items() if rows is None]
    if smooth:
        step = _FINE * 2**power
        level += round(float(observed[smooth].sum()) / step)
        transform *= _smooth_transform(float(mean[smooth].sum()), float(variance[smooth].sum()), step)
    if level >= _LEVELS:
        return None
    p_value = float(np.fft.irfft(transform, _LEVELS)[level:].sum())
    return min(p_value, 1.0) if p_value > _ACCURATE else None


@lru_cache(maxsize=16384)
def _counted_out(row: bytes, columns: bytes) -> tuple[int, int, tuple[int, ...]]:
    """Statistic of a rare row, in fine steps; how many stimuli it has, and the sizes of columns that give its law."""
    counts, sizes = np.frombuffer(row, np.int64).tolist(), np.frombuffer(columns, np.int64).tolist()
    filled = tuple(sorted(size for size in sizes if size))
    count, size = np.array([met for met in zip(counts, sizes, strict=True) if met[1]]).T
    return int(_deviance(count, size, sum(counts) / sum(filled)).sum()), sum(counts), filled


@dataclass(frozen=True)
class _RareRows:
    """The rarer of two rows, or of two columns, of tables whose law can be counted out, by batch and class."""

    of_rows: "_Rarer"
    of_columns: "_Rarer"
    turned: np.ndarray
    countable: np.ndarray

    @classmethod
    def of(cls, tables: np.ndarray) -> "_RareRows":
        """Of tables of shape (batch, classes, response bins, property bins)."""
        rows, columns = _rarer_of_two(tables), _rarer_of_two(tables.swapaxes(-1, -2))
        turned = (columns.size < rows.size) | ((columns.size == rows.size) & (columns.width < rows.width))
        return cls(rows, columns, turned, np.where(turned, columns.countable, rows.countable))

    def of_classes(self, item: int) -> list[_RareRow | None]:
        """Of each class; None where it cannot be counted out."""
        countable = self.countable[item].tolist()
        return [self._of_class((item, place)) if known else None for place, known in enumerate(countable)]

    def _of_class(self, place: tuple[int, int]) -> _RareRow:
        of = self.of_columns if self.turned[place] else self.of_rows
        return of.row[place].tobytes(), of.columns[place].tobytes()


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


def _deviance(count: np.ndarray, size: np.ndarray | int, share: float) -> np.ndarray:
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
def _transform(stimuli: int, columns: tuple[int, ...], power: int) -> np.ndarray:
    """Fourier transform of a counted law on the grid of the sum, whose steps are 2^power fine ones."""
    levels, probabilities = _law(stimuli, columns)
    levels = (levels + (1 << power >> 1)) >> power
    return np.fft.rfft(np.bincount(levels % _LEVELS, probabilities, minlength=_LEVELS))


def _smooth_transform(mean: float, variance: float, step: float) -> np.ndarray:
    """Fourier transform of the scaled chi-squared law of the given mean and variance, on the grid of the sum."""
    shape, scale = mean**2 / variance, variance / mean
    beyond = scale * (shape + 9 * np.sqrt(shape) + 45)  # from where on the law is one to the last digit
    levels = min(_LEVELS, int(beyond / step) + 2)
    edges = (np.arange(levels + 1) - 0.5).clip(min=0) * step
    return np.fft.rfft(np.diff(gammainc(shape, edges / scale)), _LEVELS)
