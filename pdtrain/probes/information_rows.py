"""What a layer's units tell about a property, as rows: means, shares and quantiles over units, and each unit's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.estimators.information import UnitInformation
from pdtrain.estimators.significance import wilson_interval
from pdtrain.probes.rows import layer_row, mean_row, unit_rows
from pdtrain.results.measures import (
    INFORMATION,
    INFORMATION_AT_FIXED_IDENTITY,
    INFORMATION_OF_ACTIVE,
    INFORMATIVE_AT_FIXED_IDENTITY,
    INFORMATIVE_FRACTION,
    NORMALIZED_AT_FIXED_IDENTITY,
    NORMALIZED_INFORMATION,
    SILENT_FRACTION,
    UNIT,
    UNIT_AT_FIXED_IDENTITY,
    Measure,
)
from pdtrain.results.rows import Row, UnitRow

QUANTILES: dict[Measure, float] = {
    INFORMATION.of("median", interval=""): 0.5,
    INFORMATION.of("quartile_1", interval=""): 0.25,
    INFORMATION.of("quartile_3", interval=""): 0.75,
    INFORMATION.of("percentile_90", interval=""): 0.9,
    INFORMATION.of("percentile_99", interval=""): 0.99,
}
TOTAL = INFORMATION.of("total", interval="", unit="bit")
STATISTICS = (*QUANTILES, TOTAL)
AT_FIXED_IDENTITY = (INFORMATION_AT_FIXED_IDENTITY, NORMALIZED_AT_FIXED_IDENTITY, INFORMATIVE_AT_FIXED_IDENTITY)
_NAN = float("nan")


def normalized_information(information: UnitInformation) -> Float[Tensor, " units"]:
    """Share of the property's entropy, I(r; s) / H(s); NaN where the information is not known."""
    return information.information_bits / information.entropy_bits


def weights_of_means(information: UnitInformation) -> Float[Tensor, "units 2"]:
    """Of each unit in the mean of information, and of its share of the entropy; no stimulus moves a silent one."""
    known = ~information.information_bits.isnan()
    active = known & ~information.silent
    normalized = (active / information.entropy_bits).nan_to_num(0, 0, 0)
    return torch.stack([active, normalized], 1) / known.sum().clamp_min(1)


@dataclass(frozen=True)
class Told:
    """What the units of a layer tell about one property.

    Attributes
    ----------
    response, index
        The layer, and its place among those probed.
    about
        Its name.
    information
        Of each unit.
    half_differences
        Of the means over units of `weights_of_means`.
    note, estimator
        Of all rows.
    """

    response: LayerResponse
    index: int
    about: str
    information: UnitInformation
    half_differences: Float[Tensor, "splits 2"]
    note: str
    estimator: str

    def rows(self) -> list[Row]:
        """Over units; those whose information is not known have no part in them."""
        known = ~self.information.information_bits.isnan()
        bits, silent = self.information.information_bits[known], self.information.silent
        active = self.information.information_bits.masked_fill(silent, _NAN)
        of_active = self.half_differences[:, 0] * (len(bits) / max(1, int((known & ~silent).sum())))
        return [
            *self._means(INFORMATION, NORMALIZED_INFORMATION),
            self._mean(INFORMATION_OF_ACTIVE, active, of_active),
            *(
                self._row(measure, value, n=len(bits))
                for measure, value in zip(STATISTICS, _statistics(bits), strict=True)
            ),
            self._share(INFORMATIVE_FRACTION, self.information.informative[known]),
            self._share(SILENT_FRACTION, silent),
        ]

    def unit_rows(self) -> list[UnitRow]:
        """Of each unit."""
        return self._units(UNIT)

    def rows_at_fixed_identity(self) -> list[Row]:
        """As `rows`, of information beyond the class."""
        known = ~self.information.information_bits.isnan()
        mean, normalized, informative = AT_FIXED_IDENTITY
        return [*self._means(mean, normalized), self._share(informative, self.information.informative[known])]

    def unit_rows_at_fixed_identity(self) -> list[UnitRow]:
        """Of each unit, beyond the class."""
        return self._units(UNIT_AT_FIXED_IDENTITY)

    def _means(self, mean: Measure, normalized: Measure) -> list[Row]:
        return [
            self._mean(mean, self.information.information_bits, self.half_differences[:, 0]),
            self._mean(normalized, normalized_information(self.information), self.half_differences[:, 1]),
        ]

    def _mean(self, measure: Measure, values: Tensor, half_differences: Tensor) -> Row:
        return mean_row(
            measure, self.response.layer, self.index, values, property=self.about, note=self.note,
            estimator=self.estimator, half_differences=half_differences.tolist(),
        )  # fmt: skip

    def _share(self, measure: Measure, marked: Bool[Tensor, " units"]) -> Row:
        count, units = int(marked.sum()), len(marked)
        over_units = wilson_interval(count, units) if units else (_NAN, _NAN)
        return self._row(measure, count / units if units else _NAN, over_units=over_units, n=units)

    def _row(self, measure: Measure, value: float, **options: Any) -> Row:
        return layer_row(
            measure, self.response.layer, self.index, value, property=self.about, note=self.note,
            estimator=self.estimator, **options,
        )  # fmt: skip

    def _units(self, measure: Measure) -> list[UnitRow]:
        of_units = self.information
        return unit_rows(
            measure, self.response, of_units.information_bits, property=self.about, estimator=self.estimator,
            plugin_bits=of_units.plugin_bits, normalized=normalized_information(of_units), p_value=of_units.p_values,
            informative=of_units.informative, silent=of_units.silent,
        )  # fmt: skip


def _statistics(bits: Float[Tensor, " units"]) -> list[float]:
    if not len(bits):
        return [_NAN] * len(STATISTICS)
    quantiles = bits.quantile(torch.tensor(list(QUANTILES.values()), dtype=bits.dtype, device=bits.device))
    return [*quantiles.tolist(), float(bits.sum())]


def nothing_known(
    response: LayerResponse, index: int, property: str, measures: Sequence[Measure], **said: Any
) -> list[Row]:
    """Rows of what was not measured; why, as `note`, and by which `estimator`."""
    return [layer_row(measure, response.layer, index, _NAN, property=property, **said) for measure in measures]
