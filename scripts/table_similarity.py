"""Print the tables of docs/similarity.md, estimates against known truth: `python scripts/table_similarity.py`.

Pairs of representations are drawn whose units are functions of correlated Gaussian variables, so that linear CKA is
known for infinitely many stimuli: the squared length of the covariances between units over the lengths of their own.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from pdtrain.estimators.dissimilarity import correlation, squared_euclidean
from pdtrain.estimators.half_samples import half_samples, interval, standard_error
from pdtrain.estimators.similarity import similarities

_SHARED = 0.5  # correlation of the variables behind two units that go together
_ROUNDING = 1e-5
_GRID = np.linspace(-8, 8, 2001)
_ACTIVE, _DEAD, _TWICE = 0.1, 0.9, 0.1
_SIZES = ((10, 1000), (30, 1000), (100, 2), (100, 100), (100, 5000), (300, 50_000), (500, 20), (500, 5000))
_FEW_SIZES = ((30, 1000), (100, 100), (500, 5000))  # of the other kinds
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Kind:
    """A kind of pair of representations: how it is drawn, and its linear CKA by number of units; None where unknown."""

    name: str
    draw: Callable[[int, int, torch.Generator], Pair]
    truth: Callable[[int], float | None]


def main() -> None:
    """Print each kind of pair at several sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="pairs of a line of the table")
    parser.add_argument("--most", type=float, default=3e7, help="numbers drawn for a line, which limits its repeats")
    given = parser.parse_args()
    print(
        "| representations | stimuli | units | true CKA | biased CKA | CKA | spread | in the interval | RSA | spread |"
    )
    print("|---" * 10 + "|")
    for kind in KINDS:
        for stimuli, units in _SIZES if kind.name in _AT_ALL_SIZES else _FEW_SIZES:
            repeats = max(4, min(given.repeats, int(given.most / (2 * stimuli * units))))
            print(_line(kind, stimuli, units, repeats), flush=True)


def _line(kind: Kind, stimuli: int, units: int, repeats: int) -> str:
    generator = torch.Generator().manual_seed(0)
    pairs = [_estimates(*kind.draw(stimuli, units, generator)) for _ in range(repeats)]
    biased, unbiased, error, ranked = (np.array(values) for values in zip(*pairs, strict=True))
    truth, covered = kind.truth(units), "–"
    if truth is not None and np.isfinite(error).all():  # halves of few stimuli are too few
        ends = [interval(value, sigma) for value, sigma in zip(unbiased, error, strict=True)]
        covered = f"{np.mean([low - _ROUNDING <= truth <= high + _ROUNDING for low, high in ends]):.0%}"
    shown = "–" if truth is None else f"{truth:.3f}"
    cells = [f"{biased.mean():.3f}", f"{unbiased.mean():.3f}", f"{unbiased.std(ddof=1):.3f}", covered]
    cells += ["–", "–"] if np.isnan(ranked).any() else [f"{ranked.mean():.3f}", f"{ranked.std(ddof=1):.3f}"]
    return f"| {kind.name} | {stimuli} | {units:,} | {shown} | " + " | ".join(cells) + " |"


def _estimates(first: Tensor, second: Tensor) -> tuple[float, float, float, float]:
    """Biased CKA, CKA and its standard error, RSA."""
    halves = half_samples(torch.zeros(len(first), dtype=torch.long))
    one, other = squared_euclidean(first), squared_euclidean(second)
    biased = similarities([one], [other], comparison="whitened_cosine").values.item()
    found = similarities([one], [other], comparison="cka", halves=halves)
    ranked = similarities([correlation(first)], [correlation(second)], comparison="spearman").values.item()
    return biased, found.values.item(), float(standard_error(found.half_differences[:, 0, 0])), ranked


def _units(unit: Callable[[Tensor], Tensor], shared: float) -> Callable[[int, int, torch.Generator], Pair]:
    """Units one by one in pairs, of variables with a correlation."""

    def draw(stimuli: int, units: int, generator: torch.Generator) -> Pair:
        common, one, other = (torch.randn(stimuli, units, generator=generator) for _ in range(3))
        mixed = [shared**0.5 * common + (1 - shared) ** 0.5 * own for own in (one, other)]
        return unit(mixed[0]), unit(mixed[1])

    return draw


def _squared_correlation(unit: Callable[[Tensor], Tensor], shared: float) -> float:
    """Of two units of variables with a correlation, by numerical integration: the CKA of many such pairs."""
    weights = norm.pdf(_GRID) / norm.pdf(_GRID).sum()
    values = unit(torch.from_numpy(shared**0.5 * _GRID[:, None] + (1 - shared) ** 0.5 * _GRID)).double().numpy()
    alone = unit(torch.from_numpy(_GRID)).double().numpy()
    mean = weights @ alone
    covariance = weights @ np.square(values @ weights) - mean**2
    return float(covariance / (weights @ np.square(alone) - mean**2)) ** 2


def _of_units(name: str, unit: Callable[[Tensor], Tensor], shared: float) -> Kind:
    truth = _squared_correlation(unit, shared)
    return Kind(name, _units(unit, shared), lambda units: truth)


def _same(values: Tensor) -> Tensor:
    return values


def _rectified(values: Tensor) -> Tensor:
    return (values - float(norm.ppf(1 - _ACTIVE))).relu()


def _saturated(values: Tensor) -> Tensor:
    return values.clamp(-0.5, 0.5)


def _half_precision(values: Tensor) -> Tensor:
    return values.half()


def _rotated(stimuli: int, units: int, generator: torch.Generator) -> Pair:
    first = torch.randn(stimuli, units, generator=generator)
    if units > 1000:  # a rotation as large is no matter of a table; signs and order are one too
        signs = torch.randint(2, (units,), generator=generator) * 2 - 1
        return first, 3 * (first * signs)[:, torch.randperm(units, generator=generator)]
    return first, 3 * first @ torch.linalg.qr(torch.randn(units, units, generator=generator)).Q


def _subspace(stimuli: int, units: int, generator: torch.Generator) -> Pair:
    first = torch.randn(stimuli, units, generator=generator)
    return first, first[:, : max(1, units // 4)]


def _mostly_dead(stimuli: int, units: int, generator: torch.Generator) -> Pair:
    first, second = _units(_same, _SHARED)(stimuli, units, generator)
    alive = max(1, round(units * (1 - _DEAD)))
    second[:, alive:] = 0
    return first, second


def _twice(stimuli: int, units: int, generator: torch.Generator) -> Pair:
    first, second = _units(_same, 0.0)(stimuli, units, generator)
    again = max(1, round(stimuli * _TWICE))
    for values in (first, second):
        values[-again:] = values[:again]
    return first, second


_AT_ALL_SIZES = ("unrelated", "half shared")
KINDS = (
    _of_units("unrelated", _same, 0.0),
    Kind("rotated and scaled", _rotated, lambda units: 1.0),
    Kind("a quarter of the units", _subspace, lambda units: (max(1, units // 4) / units) ** 0.5),
    _of_units("half shared", _same, _SHARED),
    _of_units("half shared, 10% active", _rectified, _SHARED),
    _of_units("half shared, saturated", _saturated, _SHARED),
    _of_units("half shared, float16", _half_precision, _SHARED),
    Kind(
        "half shared, 90% of one dead",
        _mostly_dead,
        lambda units: _SHARED**2 * (max(1, round(units * (1 - _DEAD))) / units) ** 0.5,
    ),
    Kind("unrelated, a tenth of the stimuli shown twice", _twice, lambda units: None),
)

if __name__ == "__main__":
    main()
