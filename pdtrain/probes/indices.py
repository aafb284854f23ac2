"""Pruning, distillation, expansion and contraction: single numbers that sum up a profile over layers.

Operational definitions of this project: see the README. The profiles are rows of the other probes.
"""

from collections.abc import Sequence

import numpy as np

from pdtrain.probes.rows import Row, UnitRow


def indices(
    rows: Sequence[Row],
    untrained: Sequence[Row],
    *,
    property: str = "luminance",
    estimator: str = "two_nn",
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
    """
    generator = np.random.default_rng(seed)
    found: list[Row] = []
    dimension = _profile(rows, "intrinsic_dimension", estimator, "")
    if len(dimension) >= 2 and dimension[0].depth == 0:
        value, spread = _columns(dimension)
        peak = int(np.argmax(value))
        sample = value + spread * generator.standard_normal((draws, len(value)))
        found.append(_row("expansion", value[peak] / value[0], sample[:, peak] / sample[:, 0], estimator))
        found.append(_row("contraction", value[-1] / value[peak], sample[:, -1] / sample[:, peak], estimator))
        found.append(_row("peak_depth", dimension[peak].depth, np.array([]), estimator))
    information = _profile(rows, "unit_information", "mean", property)
    before = _profile(untrained, "unit_information", "mean", property)
    if len(information) >= 2:
        value, spread = _columns(information)
        last = len(value) - 1
        peak = int(np.argmax(value))
        sample = value + spread * generator.standard_normal((draws, len(value)))
        found.append(
            _row("distillation", 1 - value[last] / value[peak], 1 - sample[:, last] / sample[:, peak], property)
        )
        if len(before) == len(information):
            reference, reference_spread = _columns(before)
            base = reference + reference_spread * generator.standard_normal((draws, len(value)))
            found.append(
                _row(
                    "active_pruning",
                    1 - value[last] / reference[last],
                    1 - sample[:, last] / base[:, last],
                    property,
                )
            )
    return found


def pruned_fraction(
    unit_rows: Sequence[UnitRow], untrained: Sequence[UnitRow], layers: Sequence[str], *, property: str = "luminance"
) -> list[Row]:
    """Share of all units of each layer that were informative about `property` untrained and are not now."""

    def informative(rows: Sequence[UnitRow]) -> dict[tuple[str, int], bool]:
        return {(row.layer, row.unit): row.informative for row in rows if row.property == property}

    now, before = informative(unit_rows), informative(untrained)
    found = []
    for index, layer in enumerate(layers):
        lost = [was and not now[unit] for unit, was in before.items() if unit[0] == layer and unit in now]
        if lost:
            share = float(np.mean(lost))
            found.append(Row(layer, index, float("nan"), "index", "pruned_fraction", property, share, n=len(lost)))
    return found


def _profile(rows: Sequence[Row], probe: str, quantity: str, property: str) -> list[Row]:
    """Rows of one quantity over the input and hidden layers, in order."""
    wanted = (probe, quantity, property)
    chosen = [r for r in rows if (r.probe, r.quantity, r.property) == wanted and r.depth < 1]
    return sorted(chosen, key=lambda row: row.layer_index)


def _columns(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([r.value for r in rows]), np.nan_to_num([r.standard_deviation for r in rows])


def _row(name: str, value: float, sample: np.ndarray, of: str) -> Row:
    if len(sample) == 0:
        return Row("", -1, float("nan"), "index", name, of, float(value))
    lower, upper = np.quantile(sample, [0.025, 0.975])
    spread = float(sample.std(ddof=1))
    return Row("", -1, float("nan"), "index", name, of, float(value), spread, float(lower), float(upper))
