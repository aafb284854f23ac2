"""Pruning, distillation, expansion and contraction: single numbers that sum up a profile over layers.

Operational definitions of this project: see the README. The profiles are rows of the other probes. Intervals are over
stimuli, those of the trained and the untrained network being the same, and the peak is sought anew in each replicate.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np

from pdtrain.estimators.quotients import Array, Quotient, quotient
from pdtrain.estimators.significance import wilson_interval
from pdtrain.probes.depth_profile import DepthProfile, low_level_rows
from pdtrain.results.caveats import is_dead
from pdtrain.results.measures import (
    ACTIVE_PRUNING,
    CONTRACTION,
    DIMENSION,
    DISTILLATION,
    DISTILLATION_AT_FIXED_IDENTITY,
    EXPANSION,
    INFORMATION,
    INFORMATION_AT_FIXED_IDENTITY,
    NORMALIZED_AT_FIXED_IDENTITY,
    NORMALIZED_INFORMATION,
    PEAK_DEPTH,
    PRUNED_FRACTION,
    PRUNING_AT_FIXED_IDENTITY,
    RECEPTIVE_FIELD,
    SILENT_UNITS,
    UNIT,
    Measure,
)
from pdtrain.results.rows import Row, UnitRow
from pdtrain.stimuli.identity import IDENTITY

DEFAULT_PROPERTY = f"luminance{RECEPTIVE_FIELD}"
FEWEST_FEATURES = 10  # of a layer that vary; with fewer its dimension says nothing
MEASURES = (
    EXPANSION, CONTRACTION, PEAK_DEPTH, DISTILLATION, ACTIVE_PRUNING, DISTILLATION_AT_FIXED_IDENTITY,
    PRUNING_AT_FIXED_IDENTITY, PRUNED_FRACTION,
)  # fmt: skip
_OF_UNITS = attrgetter("probe", "quantity", "layer", "property", "estimator")
_OF_INFORMATION = (
    (INFORMATION, NORMALIZED_INFORMATION, DISTILLATION, ACTIVE_PRUNING),
    (
        INFORMATION_AT_FIXED_IDENTITY, NORMALIZED_AT_FIXED_IDENTITY, DISTILLATION_AT_FIXED_IDENTITY,
        PRUNING_AT_FIXED_IDENTITY,
    ),
)  # fmt: skip


def indices(
    rows: Sequence[Row],
    untrained: Sequence[Row],
    *,
    property: str = DEFAULT_PROPERTY,
    of_dimension: Measure = DIMENSION,
    seed: int = 0,
) -> list[Row]:
    """Compute the indices of one probe point against the untrained network.

    They are taken over the input and the hidden layers among `rows`; the output (depth 1) has no part in them.
    Expansion and contraction need the input among the probed layers. Distillation and active pruning are of every
    property but identity, and of the low-level ones together (`low_level_rows`). Of a property within the field the
    input has no part: a pixel tells all about itself.

    Parameters
    ----------
    rows, untrained
        Rows of this probe point and of epoch 0 on the same stimuli and units.
    property
        The one whose indices come first, as figures and terminal show them; then come those within the field.
    of_dimension
        Estimate of the expansion and contraction indices.
    seed
        Of the replicates.

    Returns
    -------
    list of Row
        NaN, with a note, where an end of the profile has no value, 90% of its units are silent or fewer than 10 of its
        features vary, and where what is divided by is within two standard errors of zero.
    """
    found = _of_dimension(DepthProfile.of([row for row in rows if of_dimension.fits(row)], _flat_layers(rows)), seed)
    dead, dead_before = _dead_layers(rows), _dead_layers(untrained)
    for measure, normalized, distillation, pruning in _OF_INFORMATION:
        now, before = _informations(rows, measure, normalized), _informations(untrained, measure, normalized)
        for about in sorted(now, key=lambda name: (name != property, RECEPTIVE_FIELD not in name)):
            profile = DepthProfile.of(now[about], dead)
            found.append(_distillation(distillation, about, profile, seed))
            found.append(_pruning(pruning, about, profile, DepthProfile.of(before.get(about, []), dead_before), seed))
    return found


def _informations(rows: Sequence[Row], measure: Measure, normalized: Measure) -> dict[str, list[Row]]:
    """Rows of information by property."""
    of_measure = [row for row in rows if measure.fits(row) and row.property != IDENTITY]
    found: dict[str, list[Row]] = {}
    for row in [*of_measure, *low_level_rows(rows, normalized)]:
        if row.depth > 0 or RECEPTIVE_FIELD not in row.property:
            found.setdefault(row.property, []).append(row)
    return found


def _dead_layers(rows: Sequence[Row]) -> dict[str, str]:
    return {row.layer: f"{row.value:.0%} of its units are silent" for row in rows if is_dead(row)}


def _flat_layers(rows: Sequence[Row]) -> dict[str, str]:
    """Layers whose sampled units hardly vary."""
    varying = {row.layer: round((1 - row.value) * row.n) for row in rows if SILENT_UNITS.fits(row)}
    return {
        layer: f"{number} of its sampled features vary, fewer than {FEWEST_FEATURES}"
        for layer, number in varying.items()
        if number < FEWEST_FEATURES
    }


def _first(values: Array) -> Any:
    return values[..., 0]


def _last(values: Array) -> Any:
    return values[..., -1]


def _largest(values: Array) -> Any:
    return values.max(-1)


def _of_dimension(profile: DepthProfile, seed: int) -> list[Row]:
    rows = profile.rows
    if len(rows) < 2 or not (rows[0].depth == 0 or profile.first_missing):
        return []
    about, given = rows[0].quantity, (profile.values, profile.half_differences)
    peak, depths, shares = profile.peak(seed=seed)
    expansion = quotient(*given, _largest, _first, seed=seed)
    contraction = quotient(*given, _last, _largest, seed=seed)
    lower, upper = np.quantile(depths, [0.025, 0.975]) if len(depths) else (math.nan, math.nan)
    return [
        _row(EXPANSION, about, expansion, rows[0].estimator, missing=profile.first_missing, note=shares),
        _row(CONTRACTION, about, contraction, rows[0].estimator, missing=profile.last_missing, note=shares),
        _index(
            PEAK_DEPTH,
            peak.depth,
            about,
            estimator=rows[0].estimator,
            note=shares,
            lower=float(lower),
            upper=float(upper),
        ),
    ]


def _distillation(measure: Measure, about: str, profile: DepthProfile, seed: int) -> Row:
    if profile.last_missing or len(profile.rows) < 2:
        return _row(measure, about, None, "", missing=profile.last_missing or "fewer than two layers have a value")
    given = (profile.values, profile.half_differences)
    found = quotient(*given, _last, _largest, complement=True, seed=seed)
    return _row(measure, about, found, profile.rows[0].estimator, note=profile.peak(seed=seed)[2])


def _pruning(measure: Measure, about: str, profile: DepthProfile, origin: DepthProfile, seed: int) -> Row:
    missing = profile.last_missing or (f"untrained, {origin.last_missing}" if origin.last_missing else "")
    if missing or not profile.rows or not origin.rows:
        return _row(measure, about, None, "", missing=missing or "untrained, epoch 0, it was not measured")
    now, before = profile.rows[-1], origin.rows[-1]
    if (now.layer, now.estimator) != (before.layer, before.estimator):
        return _row(measure, about, None, "", missing="the untrained network was measured otherwise")
    values = np.array([now.value, before.value], dtype=float)
    halves = np.stack([profile.half_differences[:, -1], origin.half_differences[:, -1]], 1)
    return _row(measure, about, quotient(values, halves, _first, _last, complement=True, seed=seed), now.estimator)


def pruned_fraction(unit_rows: Sequence[UnitRow], untrained: Sequence[UnitRow], layers: Sequence[str]) -> list[Row]:
    """Share of all units of each layer that were informative about a property untrained and are not now.

    With the 95% interval (Wilson 1927) over units, for each property but identity. Units that another estimator
    measured before have no part in it.
    """

    def informative(rows: Sequence[UnitRow]) -> dict[tuple[str, str, str], dict[int, bool]]:
        found: dict[tuple[str, str, str], dict[int, bool]] = {}
        # units stand together: one question for all of a layer and property
        for (probe, quantity, *of), units in groupby(rows, _OF_UNITS):
            layer, about, estimator = of
            if (probe, quantity) == (UNIT.probe, UNIT.quantity) and about != IDENTITY:
                told = {row.unit: row.informative for row in units if not math.isnan(row.value)}
                found.setdefault((layer, about, estimator), {}).update(told)
        return found

    now, before = informative(unit_rows), informative(untrained)
    lost: dict[tuple[str, str], list[bool]] = {}
    made_by: dict[tuple[str, str], str] = {}
    for (layer, about, estimator), units_now in now.items():
        units_before = before.get((layer, about, estimator), {})
        both = [units_before[unit] and not told for unit, told in units_now.items() if unit in units_before]
        if both:
            lost.setdefault((layer, about), []).extend(both)
            made_by[layer, about] = estimator
    found = []
    for (layer, about), units in lost.items():
        lower, upper = wilson_interval(sum(units), len(units))
        found.append(
            _index(
                PRUNED_FRACTION, sum(units) / len(units), about, layer=layer, layer_index=layers.index(layer),
                units_lower=lower, units_upper=upper, n=len(units), estimator=made_by[layer, about],
            )
        )  # fmt: skip
    return found


def _row(
    measure: Measure, about: str, found: Quotient | None, estimator: str, *, missing: str = "", note: str = ""
) -> Row:
    """A quotient as a row, or why there is none."""
    if missing or found is None:
        return _index(measure, math.nan, about, estimator=estimator, note=missing)
    if found.note:
        return _index(measure, math.nan, about, estimator=estimator, note=found.note)
    if not found.half_differences:
        note = "; ".join(filter(None, [note, "no interval: its parts have none over stimuli"]))
    return _index(
        measure, found.value, about, standard_deviation=found.standard_error, lower=found.lower, upper=found.upper,
        half_differences=found.half_differences, estimator=estimator, note=note,
    )  # fmt: skip


def _index(
    measure: Measure, value: float, about: str, *, layer: str = "", layer_index: int = -1, **options: Any
) -> Row:
    """A row of the network as a whole, or of a layer whose depth the rows it was made from say."""
    return Row(
        layer=layer, layer_index=layer_index, depth=float("nan"), probe=measure.probe, quantity=measure.quantity,
        property=about, value=value, **options,
    )  # fmt: skip
