"""A row: one measured value with its place, meaning and spread. All probes speak in rows."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pdtrain.results.dissimilarities import Dissimilarities

HALF_DIFFERENCES = "half_differences"  # name of the column


@dataclass(frozen=True)
class ProbePoint:
    """When we measure: `epoch` epochs completed (0: untrained) after `step` optimiser steps."""

    epoch: int
    step: int


UNTRAINED = ProbePoint(0, 0)
PRETRAINED = ProbePoint(1, 1)  # weights from elsewhere, whose training is not known


@dataclass(frozen=True)
class Row:
    """One measured value.

    Attributes
    ----------
    layer, layer_index, depth
        Where: name, position among the probed layers, relative depth 0 to 1. Indices have layer "".
    probe, quantity
        What: e.g. "intrinsic_dimension", "two_nn" (dimensions) or "unit_information", "mean" (bits).
    property
        Image property, e.g. "luminance" or "luminance@receptive_field"; "" where there is none.
    value
        Estimate; NaN, with a note, where there is none.
    standard_deviation, lower, upper
        Standard error and 95% interval over *stimuli*: how the value would differ with others of their kind. NaN where
        not estimated.
    n
        Number of stimuli or units behind the value.
    method
        "exact" or "projected", how the representation was kept.
    note
        Why a value is missing, or how many points were dropped.
    estimator
        Probe, version and options that made the value, e.g. "unit_information 2 permutation, 8 bins": values of
        different ones are not to be pooled.
    units_lower, units_upper
        95% interval over *units*, where the value is a mean over them or their share.
    stimuli
        Fingerprint of the stimuli: values of the same ones are compared stimulus by stimulus.
    half_differences
        Half the difference between the value on one half of the stimuli and on the other, for each of their 19 halvings
        (`pdtrain.estimators.half_samples`), which all rows of the same stimuli share: `standard_deviation` is their
        root mean square, and that of a difference of two values is that of the difference of theirs. Empty where not
        estimated.
    """

    layer: str
    layer_index: int
    depth: float
    probe: str
    quantity: str
    property: str
    value: float
    standard_deviation: float = float("nan")
    lower: float = float("nan")
    upper: float = float("nan")
    n: int = 0
    method: str = "exact"
    note: str = ""
    estimator: str = ""
    units_lower: float = float("nan")
    units_upper: float = float("nan")
    stimuli: str = ""
    half_differences: tuple[float, ...] = ()


class UnitRow(NamedTuple):
    """One measured value of one unit; a point has tens of thousands of them.

    Attributes
    ----------
    layer, unit
        Name of the layer, and the unit's place in its flattened output.
    probe, quantity, property
        As in `Row`.
    value
        NaN where it cannot be estimated.
    plugin_bits, normalized, p_value, informative
        Of information: without correction, as share of the property's entropy (or of the total), by chance, and whether
        it is more than chance.
    silent
        Whether the unit answers alike to all stimuli.
    estimator
        As in `Row`.
    """

    layer: str
    unit: int
    probe: str
    quantity: str
    property: str
    value: float
    plugin_bits: float = float("nan")
    normalized: float = float("nan")
    p_value: float = float("nan")
    informative: bool = False
    silent: bool = False
    estimator: str = ""


COLUMNS: dict[type, tuple[str, ...]] = {Row: tuple(field.name for field in fields(Row)), UnitRow: UnitRow._fields}


@dataclass(frozen=True)
class Measurement:
    """What a probe found at one probe point, and the dissimilarities to be kept beside, if it makes some."""

    rows: list[Row]
    unit_rows: list[UnitRow]
    dissimilarities: Dissimilarities | None = None

    def made_by(self, estimator: str) -> Measurement:
        """The same, saying what made it."""
        return Measurement(
            [replace(row, estimator=estimator) for row in self.rows],
            [row._replace(estimator=estimator) for row in self.unit_rows],
            self.dissimilarities,
        )
