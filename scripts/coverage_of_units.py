"""Simulated units and points whose values are known over many sets of stimuli, for `table_coverage.py`."""

from collections.abc import Callable

import torch
from torch import Tensor

from pdtrain.estimators.conditional_information import codes_within
from pdtrain.estimators.dimension import intrinsic_dimension
from pdtrain.estimators.discretization import discretize, property_codes
from pdtrain.estimators.half_samples import half_samples, standard_error
from pdtrain.estimators.influence import half_differences_of_information, stretches_of
from pdtrain.estimators.information import information_about
from pdtrain.estimators.invariance import object_information

_UNITS = 20
_OBJECTS = 5

Found = tuple[float, float]  # a mean over units, or a dimension, and its standard error over stimuli


def _of_units(units: Tensor, values: Tensor, *, given: Tensor | None = None, kind: str = "continuous") -> Found:
    found = information_about(units, values, kind=kind, given=given)
    column = values[:, None]
    if given is not None:
        codes = codes_within(units, given), codes_within(column.double(), given)
    else:
        codes = discretize(units), property_codes(column.double(), kind=kind)
    halves = half_samples(torch.zeros(len(units), dtype=torch.int64) if given is None else given)
    stretched = stretches_of(*codes, given, units, column if kind == "continuous" else codes[1].float())
    halved = half_differences_of_information(
        *codes, torch.full((_UNITS, 1, 1), 1 / _UNITS), halves, given, stretched=stretched
    )
    return float(found.information_bits.mean()), float(standard_error(halved[0]))


def _noise(count: int, generator: torch.Generator) -> Tensor:
    """Of units that share a part of it."""
    return torch.randn(count, _UNITS, generator=generator) + 0.5 * torch.randn(count, 1, generator=generator)


def _dense(count: int, generator: torch.Generator) -> Found:
    values = torch.rand(count, generator=generator)
    return _of_units(values[:, None] + _noise(count, generator), values)


def _sparse(count: int, generator: torch.Generator) -> Found:
    values = torch.rand(count, generator=generator)
    return _of_units((values[:, None] + _noise(count, generator) - 2.4).relu(), values)


def _graded(count: int, generator: torch.Generator) -> Found:
    """Thresholds on one shared signal, with a graded answer above."""
    values = torch.rand(count, generator=generator)
    thresholds = torch.linspace(0.1, 0.9, _UNITS)
    return _of_units((values[:, None] - thresholds + 0.05 * _noise(count, generator)).relu(), values)


def _of_classes(count: int, generator: torch.Generator) -> Found:
    labels = torch.randint(_OBJECTS, (count,), generator=generator)
    return _of_units(labels[:, None] + _noise(count, generator), labels, kind="discrete")


def _within_classes(count: int, generator: torch.Generator) -> Found:
    labels = torch.arange(count) % 2
    values = labels + torch.rand(count, generator=generator)
    return _of_units(values[:, None] + 0.5 * _noise(count, generator), values, given=labels)


def _of_objects(count: int, generator: torch.Generator) -> Found:
    objects = torch.arange(count) % _OBJECTS
    of_objects = torch.randn(_OBJECTS, _UNITS, generator=torch.Generator().manual_seed(1))
    found = object_information(of_objects[objects] + _noise(count, generator), objects, halves=half_samples(objects))
    assert found.half_differences is not None
    return float(found.view_invariant_bits.mean()), float(standard_error(found.half_differences[:, 1, 0]))


def _of_points(count: int, generator: torch.Generator, *, twice: int = 0) -> Found:
    points = torch.randn(count, 8, generator=generator).cumsum(1)
    points[:twice] = points[twice : 2 * twice]
    found = intrinsic_dimension(points, resamplings=0).estimates["two_nn"]
    return found.dimension, found.spread.standard_error


def _of_duplicates(count: int, generator: torch.Generator) -> Found:
    return _of_points(count, generator, twice=count // 5)


CASES: dict[str, Callable[[int, torch.Generator], Found]] = {
    "units that fire on all stimuli": _dense,
    "units that fire on 5%": _sparse,
    "rectified units of one shared signal": _graded,
    "units about classes": _of_classes,
    "units at fixed class": _within_classes,
    "view-invariant object information": _of_objects,
    "two nn": _of_points,
    "two nn, two fifths of the points twice": _of_duplicates,
}
