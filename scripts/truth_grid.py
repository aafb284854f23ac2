"""Units whose information about a property is known: what estimators of unit information are tried on.

The property has equally many stimuli of each value, as classes have, or the eight bins of a continuous one. Truth is
the information of a unit's response as binned at the population's quantiles, by the rule of `discretize`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.stats import norm
from torch import Tensor

from pdtrain.estimators.contingency import plugin_information

STIMULI = (300, 1000, 3000, 10_000)
VALUES = (2, 8, 10, 100)
FEWEST_PER_VALUE = 30
ACTIVE_FRACTIONS = (0.005, 0.01, 0.03, 0.1, 0.3, 1.0)
_BINS = 8


@dataclass(frozen=True)
class Unit:
    """A kind of unit.

    Attributes
    ----------
    name
        In words.
    draw
        Responses, shape (stimuli, units), from the property's value of each stimulus, a number of units, a generator.
    truth_bits
        Information as binned at the population's quantiles.
    unbinned_bits
        Information before binning; NaN where it is not computed.
    """

    name: str
    draw: Callable[[Tensor, int, torch.Generator], Tensor]
    truth_bits: float
    unbinned_bits: float = float("nan")


def values_of(stimuli: int, values: int) -> Tensor:
    """The property: equally many stimuli (but for one) of each value."""
    return torch.arange(stimuli) % values


def cells() -> Iterator[tuple[int, int]]:
    """Numbers of stimuli and of values with at least `FEWEST_PER_VALUE` stimuli per value."""
    return ((n, v) for n in STIMULI for v in VALUES if n // v >= FEWEST_PER_VALUE)


def independent(active: float) -> Unit:
    """A unit that answers to a random share of the stimuli, whatever they show."""

    def draw(values: Tensor, units: int, generator: torch.Generator) -> Tensor:
        responses = torch.randn(len(values), units, generator=generator)
        if active == 1:
            return responses
        fires = torch.rand(len(values), units, generator=generator) < active
        return torch.where(fires, responses.abs() + 0.01, 0.0)

    return Unit(f"independent, {active:.1%} active", draw, 0.0, 0.0)


def informative_units(values: int) -> list[Unit]:
    """Units that tell something about a property of so many values."""
    return [
        _selective(values),
        *(_binary(values, p, q) for p, q in ((0.9, 0.1), (0.5, 0.02), (0.3, 0.003), (0.1, 0.01))),
        *(_gaussian(values, signal) for signal in (0.3, 1.0, 3.0)),
        _saturating(values, 1.0, 0.25),
        *(_rectified(values, signal, active) for signal in (1.0, 3.0) for active in (0.06, 0.25)),
    ]


def _information(joint: np.ndarray) -> float:
    """Of joint probabilities, shape (responses, values), bits."""
    return float(plugin_information(torch.from_numpy(joint)))


def _selective(values: int) -> Unit:
    """Answers to one value, graded, and to nothing else."""

    def draw(property: Tensor, units: int, generator: torch.Generator) -> Tensor:
        return (property == 0)[:, None] * (torch.rand(len(property), units, generator=generator) + 0.1)

    share = np.eye(values)[0] / values
    truth = _information(np.stack([share, 1 / values - share]))
    return Unit("selective for one value", draw, truth, truth)


def _binary(values: int, p: float, q: float) -> Unit:
    """Fires with p on one value and with q on the others."""

    def draw(property: Tensor, units: int, generator: torch.Generator) -> Tensor:
        return (
            torch.rand(len(property), units, generator=generator) < torch.where(property == 0, p, q)[:, None]
        ).float()

    fires = np.where(np.arange(values) == 0, p, q) / values
    truth = _information(np.stack([fires, 1 / values - fires]))
    return Unit(f"fires with {p} on one value, {q} on others", draw, truth, truth)


def _means(values: int, signal: float) -> np.ndarray:
    """Mean response to each value: normal scores times `signal`, the noise being one."""
    return signal * norm.ppf((np.arange(values) + 0.5) / values)


def _quantiles(means: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return np.array([brentq(lambda x, s=s: norm.cdf(x - means).mean() - s, -30, 30) for s in shares])


def _binned(means: np.ndarray, edges: np.ndarray) -> float:
    cut = np.concatenate([[-np.inf], edges, [np.inf]])
    return _information(np.diff(norm.cdf(cut[:, None] - means), axis=0) / len(means))


def _noisy(means: np.ndarray, property: Tensor, units: int, generator: torch.Generator) -> Tensor:
    return torch.from_numpy(means).float()[property][:, None] + torch.randn(len(property), units, generator=generator)


def _unbinned(means: np.ndarray) -> float:
    """Of the response itself, cut so finely that nothing is lost."""
    return _binned(means, np.linspace(means.min() - 6, means.max() + 6, 4000))


def _gaussian(values: int, signal: float) -> Unit:
    means = _means(values, signal)
    truth = _binned(means, _quantiles(means, np.arange(1, _BINS) / _BINS))
    return Unit(f"Gaussian, signal {signal}", lambda *given: _noisy(means, *given), truth, _unbinned(means))


def _saturating(values: int, signal: float, saturated: float) -> Unit:
    """Cut off at the top, where a share of the stimuli lies."""
    means = _means(values, signal)
    parts = round((1 - saturated) * _BINS)
    edges = _quantiles(means, (1 - saturated) * np.arange(1, parts + 1) / parts)
    return Unit(
        f"saturating, {saturated:.0%} at the top, signal {signal}",
        lambda *given: _noisy(means, *given).clamp_max(float(edges[-1])),
        _binned(means, edges),
        _binned(means, np.linspace(means.min() - 6, edges[-1], 4000)),
    )


def _rectified(values: int, signal: float, active: float) -> Unit:
    """Graded above a threshold that a share of the stimuli passes, zero below."""
    means = _means(values, signal)
    parts = max(1, round(active * _BINS))
    edges = _quantiles(means, 1 - active + active * np.arange(parts) / parts)
    return Unit(
        f"rectified, {active:.0%} active, signal {signal}",
        lambda *given: (_noisy(means, *given) - float(edges[0])).relu(),
        _binned(means, edges),
        _binned(means, np.linspace(edges[0], means.max() + 6, 4000)),
    )
