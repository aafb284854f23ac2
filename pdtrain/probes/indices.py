"""Pruning, distillation, expansion and contraction: single numbers that sum up a profile over layers.

Operational definitions of this project: see the README. The profiles are rows of the other probes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pdtrain.estimators.significance import wilson_interval
from pdtrain.results.measures import (
    ACTIVE_PRUNING,
    CONTRACTION,
    DIMENSION,
    DISTILLATION,
    EXPANSION,
    INFORMATION,
    PEAK_DEPTH,
    PRUNED_FRACTION,
    UNIT,
    Measure,
)
from pdtrain.results.rows import Row, UnitRow

DEFAULT_PROPERTY = "luminance"
MEASURES = (EXPANSION, CONTRACTION, PEAK_DEPTH, DISTILLATION, ACTIVE_PRUNING, PRUNED_FRACTION)


def indices(
    rows: Sequence[Row],
    untrained: Sequence[Row],
    *,
    property: str = DEFAULT_PROPERTY,
    of_dimension: Measure = DIMENSION,
    draws: int = 1000,
    seed: int = 0,
) -> list[Row]:
    """Compute the indices of one probe point against the untrained network.

    They are taken over the input and the hidden layers among `rows`; the output (depth 1) has no part in them.
    Expansion and contraction need the input among the probed layers.

    Intervals propagate each layer's own standard deviation (subsamples for dimension, units for information)
    by `draws` normal draws, with the peak layer held fixed.

    Parameters
    ----------
    rows, untrained
        Rows of this probe point and of epoch 0 on the same stimuli and units.
    property
        Property of the distillation and pruning indices, scope included.
    of_dimension
        Estimate of the expansion and contraction indices.
    """
    generator = np.random.default_rng(seed)
    found: list[Row] = []
    dimension = _Profile.of(rows, of_dimension, "", draws, generator)
    if dimension is not None and dimension.depths[0] == 0:
        of, made_by = of_dimension.quantity, dimension.made_by
        found += [
            _row(EXPANSION, *dimension.quotient(dimension.peak, 0), of, made_by),
            _row(CONTRACTION, *dimension.quotient(-1, dimension.peak), of, made_by),
            _row(PEAK_DEPTH, dimension.depths[dimension.peak], np.array([]), of, made_by),
        ]
    information = _Profile.of(rows, INFORMATION, property, draws, generator)
    if information is not None:
        remaining, sample = information.quotient(-1, information.peak)
        found.append(_row(DISTILLATION, 1 - remaining, 1 - sample, property, information.made_by))
        before = _Profile.of(untrained, INFORMATION, property, draws, generator)
        if before is not None and len(before.values) == len(information.values):
            with np.errstate(divide="ignore", invalid="ignore"):
                remaining = float(information.values[-1] / before.values[-1])
                sample = information.draws[:, -1] / before.draws[:, -1]
            if before.made_by != information.made_by:
                remaining = float("nan")
            found.append(_row(ACTIVE_PRUNING, 1 - remaining, 1 - sample, property, information.made_by))
    return found


@dataclass(frozen=True)
class _Profile:
    """One quantity over the input and hidden layers that have a value, in order, with draws of its uncertainty."""

    depths: np.ndarray
    values: np.ndarray
    draws: np.ndarray
    made_by: str

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        measure: Measure,
        property: str,
        draws: int,
        generator: np.random.Generator,
    ) -> "_Profile | None":
        chosen = [row for row in rows if measure.fits(row) and row.property == property and row.depth < 1]
        chosen.sort(key=lambda row: row.layer_index)
        # a layer without a number says why in its own row; the ends of the profile cannot be replaced by others
        if len(chosen) < 2 or not (math.isfinite(chosen[0].value) and math.isfinite(chosen[-1].value)):
            return None
        chosen = [row for row in chosen if math.isfinite(row.value)]
        values = np.array([row.value for row in chosen])
        spread = np.nan_to_num([row.standard_deviation for row in chosen])
        noise = spread * generator.standard_normal((draws, len(values)))
        return cls(np.array([row.depth for row in chosen]), values, values + noise, chosen[0].estimator)

    @property
    def peak(self) -> int:
        """Place of the largest value."""
        return int(np.argmax(self.values))

    def quotient(self, of: int, by: int) -> tuple[float, np.ndarray]:
        """One place's value over another's, and its draws."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(self.values[of] / self.values[by]), self.draws[:, of] / self.draws[:, by]


def pruned_fraction(
    unit_rows: Sequence[UnitRow],
    untrained: Sequence[UnitRow],
    layers: Sequence[str],
    *,
    property: str = DEFAULT_PROPERTY,
) -> list[Row]:
    """Share of all units of each layer that were informative about `property` untrained and are not now.

    With the 95% interval (Wilson 1927) over units. Units that another estimator measured before have no part in it.
    """

    def informative(rows: Sequence[UnitRow]) -> dict[tuple[str, int, str], bool]:
        known = (row for row in rows if UNIT.fits(row) and row.property == property and not math.isnan(row.value))
        return {(row.layer, row.unit, row.estimator): row.informative for row in known}

    now, before = informative(unit_rows), informative(untrained)
    found = []
    for index, layer in enumerate(layers):
        lost = [was and not now[unit] for unit, was in before.items() if unit[0] == layer and unit in now]
        if lost:
            interval = wilson_interval(sum(lost), len(lost))
            share = sum(lost) / len(lost)
            of_layer = (row for row in unit_rows if UNIT.fits(row) and (row.layer, row.property) == (layer, property))
            found.append(
                _index(
                    PRUNED_FRACTION, share, property, layer=layer, layer_index=index, lower=interval[0],
                    upper=interval[1], n=len(lost), estimator=next(of_layer).estimator,
                )
            )  # fmt: skip
    return found


def _row(measure: Measure, value: float, sample: np.ndarray, about: str, made_by: str) -> Row:
    row = _index(measure, float(value), about, estimator=made_by)
    if not math.isfinite(value):
        reason = "the quantity it is divided by is zero, or was measured by another estimator"
        return replace(row, value=float("nan"), note=reason)
    if len(sample) == 0:
        return row
    lower, upper = np.quantile(sample, [0.025, 0.975])
    return replace(row, standard_deviation=float(sample.std(ddof=1)), lower=float(lower), upper=float(upper))


def _index(
    measure: Measure, value: float, about: str, *, layer: str = "", layer_index: int = -1, **options: Any
) -> Row:
    """A row of the network as a whole, or of a layer whose depth the rows it was made from say."""
    return Row(
        layer=layer, layer_index=layer_index, depth=float("nan"), probe=measure.probe, quantity=measure.quantity,
        property=about, value=value, **options,
    )  # fmt: skip
