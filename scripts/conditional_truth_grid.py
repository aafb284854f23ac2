"""Units whose information about a property at fixed class is known: what `conditional_information` is tried on.

Within each class the property has a normal law, or takes four values; where it is correlated with class its mean, or
the shares of its values, differ between classes. Truth is the information of a unit's response as binned within each
class at the population's quantiles, by the rule of `discretize`, on average over the classes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from pdtrain.estimators.conditional_information import BINS, codes_within
from pdtrain.estimators.contingency import plugin_information

STIMULI = (300, 1000, 3000, 10_000)
CLASSES = (2, 10, 100)
FEW = ((400, 10), (600, 10), (800, 10), (5000, 100))  # 10, 15, 20 and 12.5 stimuli per class and bin
FEWEST = 20  # stimuli per class and bin
ACTIVE_FRACTIONS = (0.005, 0.01, 0.03, 0.1, 0.3, 1.0)
_SHARES = np.array([0.4, 0.3, 0.2, 0.1])  # of the values of a discrete property, in the first class


@dataclass(frozen=True)
class Stimuli:
    """Stimuli of known class and property.

    Attributes
    ----------
    labels
        Class of each stimulus, shape (stimuli,).
    scores
        What units see of the property: its normal scores within class, or its value, shape (stimuli,).
    codes
        Bins of the property within class, shape (stimuli, 1).
    """

    labels: Tensor
    scores: Tensor
    codes: Tensor


@dataclass(frozen=True)
class Unit:
    """A kind of unit.

    Attributes
    ----------
    name
        In words.
    draw
        Responses, shape (stimuli, units), from stimuli, a number of units, a generator.
    truth_bits
        Information about the property at fixed class.
    property
        "shifted" (a normal law whose mean depends on the class), "alike" (the same in all classes) or "values" (four
        values, whose shares depend on the class).
    """

    name: str
    draw: Callable[[Stimuli, int, torch.Generator], Tensor]
    truth_bits: float
    property: str = "shifted"


def cells() -> Iterator[tuple[int, int]]:
    """Numbers of stimuli and of classes with at least `FEWEST` stimuli per class and bin."""
    return ((n, k) for n in STIMULI for k in CLASSES if n / (k * BINS) >= FEWEST)


def stimuli_of(stimuli: int, classes: int, property: str) -> Stimuli:
    """Equally many stimuli (but for one) of each class; the property's law within class is that of the population."""
    labels = torch.arange(stimuli) % classes
    ranks = torch.empty(stimuli, dtype=torch.float64)
    for c in range(classes):
        members = (labels == c).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(c))
        ranks[members] = (order.double() + 0.5) / len(members)
    if property == "values":
        edges = torch.from_numpy(np.cumsum(_shares(classes), axis=1))
        values = (ranks[:, None] > edges[labels]).sum(1)
        return Stimuli(labels, values.double(), codes_within(values[:, None], labels, kind="discrete"))
    scores = torch.special.ndtri(ranks)
    shift = 2 * class_scores(classes)[labels] if property == "shifted" else 0
    return Stimuli(labels, scores, codes_within((scores + shift)[:, None], labels))


def class_scores(classes: int) -> Tensor:
    """Normal scores of the classes: what a unit that carries the class answers to each, shape (classes,)."""
    return torch.special.ndtri((torch.arange(classes, dtype=torch.float64) + 0.5) / classes)


def units_that_carry_nothing(classes: int) -> list[Unit]:
    """Units that tell nothing about the property at fixed class: of neither, and of the class alone."""
    return [
        *(_independent(active) for active in ACTIVE_FRACTIONS),
        Unit("class, saturating", lambda s, n, g: (_mean_of(s) + _noise(s, n, g)).clamp_max(1.0), 0.0),
        Unit("class, rectified", lambda s, n, g: (_mean_of(s) + _noise(s, n, g) - 2).relu(), 0.0),
        Unit("class, graded for one and zero for others", _graded_for_one, 0.0),
        Unit("class, fires with 0.5 in every other, 0.02 in others", _fires_by_class, 0.0),
        Unit("neither, fires with 0.3, four values", lambda s, n, g: _fires(0.3, s, n, g), 0.0, "values"),
        Unit("neither, Gaussian, four values", _noise, 0.0, "values"),
        Unit(
            "class, rectified, four values", lambda s, n, g: (_mean_of(s) + _noise(s, n, g) - 2).relu(), 0.0, "values"
        ),
    ]


def informative_units(classes: int) -> list[Unit]:
    """Units that tell something about the property at fixed class, and some of them about the class as well."""
    return [
        *(_gaussian(signal, by_class) for signal, by_class in ((0.3, 0), (1.0, 0), (1.0, 2.0), (3.0, 2.0))),
        _gaussian(1.0, 0, property="alike"),
        *(_rectified(signal, (active, active)) for signal in (1.0, 3.0) for active in (0.06, 0.25, 0.5)),
        *(_rectified(3.0, (active, active)) for active in (0.01, 0.03)),
        *(_rectified(signal, (0.25, 0.06)) for signal in (1.0, 3.0)),
        _rectified(1.0, (0.02, 0.005)),
        _saturating(1.0, 0.5),
        *(_binary((p, p), (q, q)) for p, q in ((0.9, 0.1), (0.5, 0.02), (0.3, 0.003), (0.1, 0.01))),
        _binary((0.9, 0.3), (0.1, 0.02)),
        _selective(),
        _selective("values", classes),
        *(_gaussian_of_values(signal, classes) for signal in (0.3, 1.0)),
        _in_one_class(1.0, classes),
    ]


def _shares(classes: int) -> np.ndarray:
    """Of the four values in each class, shape (classes, values)."""
    return np.stack([np.roll(_SHARES, c) for c in range(classes)])


def _noise(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
    return torch.randn(len(stimuli.labels), units, generator=generator)


def _mean_of(stimuli: Stimuli) -> Tensor:
    """What the class adds to a response, shape (stimuli, 1)."""
    return 2 * class_scores(int(stimuli.labels.max()) + 1)[stimuli.labels][:, None].float()


def _independent(active: float) -> Unit:
    def draw(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
        noise = _noise(stimuli, units, generator)
        return noise if active == 1 else (noise.abs() + 0.01) * _fires(active, stimuli, units, generator)

    return Unit(f"neither, {active:.1%} active", draw, 0.0)


def _fires(probability: Tensor | float, stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
    return (torch.rand(len(stimuli.labels), units, generator=generator) < probability).float()


def _fires_by_class(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
    return _fires(torch.where(stimuli.labels % 2 == 0, 0.5, 0.02)[:, None], stimuli, units, generator)


def _graded_for_one(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
    return (stimuli.labels == 0)[:, None] * (torch.rand(len(stimuli.labels), units, generator=generator) + 0.1)


def _information(joint: np.ndarray) -> float:
    """Of joint probabilities, shape (responses, values), bits."""
    return float(plugin_information(torch.from_numpy(joint)))


_FINE = 4000  # points of the property's law in each bin


def _binned(signal: float, edges: np.ndarray) -> float:
    """Of a response signal x score + noise that is cut at `edges` of its standardised value."""
    scores = signal * norm.ppf((np.arange(BINS * _FINE) + 0.5) / (BINS * _FINE))
    cut = np.concatenate([[-np.inf], edges * np.hypot(1, signal), [np.inf]])
    below = norm.cdf(cut[:, None] - scores).reshape(len(cut), BINS, _FINE).mean(2)
    return _information(np.diff(below, axis=0) / BINS)


def _noisy(signal: float, stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
    """Response of unit variance within each class."""
    noisy = signal * stimuli.scores.float()[:, None] + _noise(stimuli, units, generator)
    return noisy / float(np.hypot(1, signal))


def _gaussian(signal: float, by_class: float, property: str = "shifted") -> Unit:
    def draw(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
        return _noisy(signal, stimuli, units, generator) + by_class / 2 * _mean_of(stimuli)

    what = "both" if by_class else "property"
    truth = _binned(signal, norm.ppf(np.arange(1, BINS) / BINS))
    note = ", which is alike in all classes" if property == "alike" else ""
    return Unit(f"{what}, Gaussian, signal {signal}{note}", draw, truth, property)


def _rectified(signal: float, active: tuple[float, float]) -> Unit:
    """Graded above a threshold that a share of the stimuli passes, zero below; the share alternates between classes."""
    thresholds = norm.isf(np.array(active))

    def draw(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
        above = torch.from_numpy(thresholds).float()[stimuli.labels % 2][:, None]
        return (_noisy(signal, stimuli, units, generator) - above).relu()

    truths = []
    for share in active:
        parts = max(1, round(share * BINS))
        truths.append(_binned(signal, norm.ppf(1 - share + share * np.arange(parts) / parts)))
    what, shares = (
        ("property", f"{active[0]:.0%}") if active[0] == active[1] else ("both", f"{active[0]:.0%} or {active[1]:.1%}")
    )
    return Unit(f"{what}, rectified, {shares} active, signal {signal}", draw, float(np.mean(truths)))


def _saturating(signal: float, saturated: float) -> Unit:
    """Cut off at the top, where a share of the stimuli lies."""
    parts = round((1 - saturated) * BINS)
    edges = norm.ppf((1 - saturated) * np.arange(1, parts + 1) / parts)
    return Unit(
        f"property, saturating, {saturated:.0%} at the top, signal {signal}",
        lambda *given: _noisy(signal, *given).clamp_max(float(edges[-1])),
        _binned(signal, edges),
    )


def _top(stimuli: Stimuli) -> Tensor:
    """Which stimuli have the highest value in their class: the top bin, or the last value, shape (stimuli, 1)."""
    return stimuli.codes == int(stimuli.codes.max())


def _fires_on_top(share: float, p: float, q: float) -> float:
    fires = np.array([p * share, q * (1 - share)])
    return _information(np.stack([fires, np.array([share, 1 - share]) - fires]))


def _binary(p: tuple[float, float], q: tuple[float, float]) -> Unit:
    """Fires with p on the property's top bin and with q on the others; they alternate between classes."""

    def draw(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
        odd = stimuli.labels[:, None] % 2 == 1
        on_top, below = torch.where(odd, p[1], p[0]), torch.where(odd, q[1], q[0])
        return _fires(torch.where(_top(stimuli), on_top, below), stimuli, units, generator)

    truth = (_fires_on_top(1 / BINS, p[0], q[0]) + _fires_on_top(1 / BINS, p[1], q[1])) / 2
    what, name = ("property", f"{p[0]}") if p[0] == p[1] else ("both", f"{p[0]} or {p[1]}")
    others = f"{q[0]}" if q[0] == q[1] else f"{q[0]} or {q[1]}"
    return Unit(f"{what}, fires with {name} on the top bin, {others} elsewhere", draw, truth)


def _selective(property: str = "shifted", classes: int = 1) -> Unit:
    """Graded for the property's top bin, or last value, zero elsewhere."""

    def draw(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
        return _top(stimuli) * (torch.rand(len(stimuli.labels), units, generator=generator) + 0.1)

    if property == "shifted":
        return Unit("property, selective for the top bin", draw, _fires_on_top(1 / BINS, 1.0, 0.0))
    # a value that more than 1/BINS of a class show is graded in more bins than one, which tells nothing more
    truth = float(np.mean([_fires_on_top(share, 1.0, 0.0) for share in _shares(classes)[:, -1]]))
    return Unit("property, selective for one of four values", draw, truth, "values")


def _gaussian_of_values(signal: float, classes: int) -> Unit:
    """Answers to each of four values with a mean of its own."""
    means = signal * norm.ppf((np.arange(len(_SHARES)) + 0.5) / len(_SHARES))

    def draw(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
        return torch.from_numpy(means).float()[stimuli.codes.long()] + _noise(stimuli, units, generator)

    truths = []
    for shares in _shares(min(classes, len(_SHARES))):
        fine = np.linspace(-8, 8, 200_001)
        edges = np.interp(np.arange(1, BINS) / BINS, norm.cdf(fine[:, None] - means) @ shares, fine)
        cut = np.concatenate([[-np.inf], edges, [np.inf]])
        truths.append(_information(np.diff(norm.cdf(cut[:, None] - means), axis=0) * shares))
    weights = np.bincount(np.arange(classes) % len(truths)) / classes
    return Unit(f"property of four values, Gaussian, signal {signal}", draw, float(weights @ truths), "values")


def _in_one_class(signal: float, classes: int) -> Unit:
    """Carries class and property: graded in one class by the property, zero in all others."""

    def draw(stimuli: Stimuli, units: int, generator: torch.Generator) -> Tensor:
        return (_noisy(signal, stimuli, units, generator) + 10) * (stimuli.labels == 0)[:, None]

    truth = _binned(signal, norm.ppf(np.arange(1, BINS) / BINS)) / classes
    return Unit(f"both, graded in one class and zero in others, signal {signal}", draw, truth)
