"""Information of single units about image properties, over the whole image or the unit's receptive field."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.corrections import CORRECTIONS
from pdtrain.estimators.discretization import discretize, property_codes
from pdtrain.estimators.finite import refuse_non_finite
from pdtrain.estimators.information import FEWEST_PER_VALUE, UnitInformation, unit_information
from pdtrain.estimators.nearest_neighbor_information import nearest_neighbor_information
from pdtrain.estimators.significance import wilson_interval
from pdtrain.probes.local_codes import LocalCodes
from pdtrain.probes.rows import layer_row, mean_row, unit_rows
from pdtrain.results.measures import (
    INFORMATION,
    INFORMATION_OF_ACTIVE,
    INFORMATION_WITHOUT_BINS,
    INFORMATIVE_FRACTION,
    NORMALIZED_INFORMATION,
    SILENT_FRACTION,
    UNIT,
    Measure,
)
from pdtrain.results.rows import Measurement, Row, UnitRow
from pdtrain.stimuli.stimulus_set import IDENTITY, PropertyValues, StimulusSet

_log = logging.getLogger(__name__)

STATISTICS: dict[Measure, Callable[[Tensor], Tensor]] = {
    INFORMATION.of("median", interval=""): lambda v: v.quantile(0.5),
    INFORMATION.of("quartile_1", interval=""): lambda v: v.quantile(0.25),
    INFORMATION.of("quartile_3", interval=""): lambda v: v.quantile(0.75),
    INFORMATION.of("percentile_90", interval=""): lambda v: v.quantile(0.9),
    INFORMATION.of("percentile_99", interval=""): lambda v: v.quantile(0.99),
    INFORMATION.of("total", interval="", unit="bit"): lambda v: v.sum(),
}
_NAN = float("nan")
_CHECKED_UNITS = 32  # of a layer, by nearest neighbours: some milliseconds each


class InformationProbe:
    """Measures mutual information between unit responses and properties, in bits.

    Parameters
    ----------
    properties
        Names of properties, transformation parameters, "identity", or "<local property>@receptive_field".
    bins
        Equally populated bins of response and property.
    correction
        Bias correction, one of `pdtrain.estimators.corrections.CORRECTIONS`.
    shuffles
        Shuffles of the stimuli for p-values; 0 takes their law under permutation.
    nearest_neighbors
        Also give the mean over some units of the nearest-neighbour estimate, which needs no bins.
    seed
        Seed of the shuffles.
    """

    name = INFORMATION.probe
    measures = (
        INFORMATION, INFORMATION_OF_ACTIVE, NORMALIZED_INFORMATION, INFORMATIVE_FRACTION, SILENT_FRACTION,
        INFORMATION_WITHOUT_BINS, UNIT, *STATISTICS,
    )  # fmt: skip

    def __init__(
        self,
        properties: Sequence[str],
        *,
        bins: int = 8,
        correction: str = "permutation",
        shuffles: int = 0,
        nearest_neighbors: bool = False,
        seed: int = 0,
    ) -> None:
        key = "probes.unit_information"
        if correction not in CORRECTIONS:
            raise InputError(f"{key}.correction={correction}: choose from {', '.join(CORRECTIONS)}")
        if not 2 <= bins <= 100:
            raise InputError(f"{key}.bins={bins}: at least 2 bins are needed, and no more than 100 are of use")
        if shuffles < 0:
            raise InputError(f"{key}.shuffles={shuffles}: give 0 or more")
        self.properties = tuple(properties)
        self._whole = [name for name in properties if "@" not in name]
        self._local = [name for name in properties if "@" in name]
        self._bins, self._nearest_neighbors = bins, nearest_neighbors
        self._options: dict[str, Any] = {"correction": correction, "shuffles": shuffles, "seed": seed}
        self._local_codes = LocalCodes(bins)
        self._told: set[str] = set()
        self.needs_fields = bool(self._local)
        self.estimator = f"{self.name} 2 {correction}, {bins} bins"

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError for unknown properties or too few stimuli; warn of properties that cannot be estimated."""
        stimuli.check_properties([*self._whole, *self._local])
        stimuli.check_number(
            FEWEST_PER_VALUE * self._bins,
            of=f"information with {self._bins} bins of {FEWEST_PER_VALUE} or more",
            mend=" or lower probes.unit_information.bins",
        )
        for name in self._whole:
            property = stimuli.property(name)
            if property.kind != "discrete" or name in self._told:
                continue
            values = len(property.values.unique())
            if len(stimuli) < FEWEST_PER_VALUE * values:
                self._told.add(name)
                _log.warning(
                    "probes.unit_information.properties=%s: %d values among %d stimuli are too many, and its "
                    "information will be NaN; leave it out, or give at least %d (%s)",
                    name, values, len(stimuli), FEWEST_PER_VALUE * values, stimuli.number_key,
                )  # fmt: skip

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Measure every sampled unit of every layer about every property."""
        properties = {name: stimuli.property(name) for name in self._whole}
        shared = [self._codes(property) for property in properties.values()]
        rows: list[Row] = []
        of_units: list[UnitRow] = []
        for index, response in enumerate(responses):
            for name, information in self._informations(response, stimuli, shared):
                note = "; ".join(filter(None, [f"{len(stimuli)} stimuli", _of_labels(name, stimuli), information.note]))
                rows += _summary(index, response, name, information, note)
                of_units += _units(response, name, information)
        measured = Measurement(rows, of_units).made_by(self.estimator)
        if self._nearest_neighbors:
            measured.rows.extend(
                _nearest_neighbor_row(index, response, *item)
                for index, response in enumerate(responses)
                for item in properties.items()
            )
        return measured

    def _informations(
        self, response: LayerResponse, stimuli: StimulusSet, shared: list[Int[Tensor, "stimuli 1"]]
    ) -> Iterator[tuple[str, UnitInformation]]:
        try:
            refuse_non_finite(response.unit_responses)
        except ValueError as error:
            raise InputError(f"layer {response.layer.name}: {error} among the sampled ones") from error
        units = discretize(response.unit_responses, self._bins)
        if shared:
            yield from zip(self._whole, unit_information(units, torch.cat(shared, 1), **self._options), strict=True)
        for name in self._local:
            codes = self._local_codes.of(response, stimuli, name)
            yield name, unit_information(units, codes, paired=True, **self._options)[0]

    def _codes(self, property: PropertyValues) -> Int[Tensor, "stimuli 1"]:
        """Bins of a property, shape (stimuli, 1)."""
        values = property.values.double()[:, None]
        return property_codes(values, kind=property.kind, period=property.period, bins=self._bins)


def _of_labels(name: str, stimuli: StimulusSet) -> str:
    return f"{stimuli.label_kind} labels" if name == IDENTITY else ""


def _nearest_neighbor_row(index: int, response: LayerResponse, name: str, property: PropertyValues) -> Row:
    units = response.unit_responses
    chosen = units[:, torch.linspace(0, units.shape[1] - 1, min(_CHECKED_UNITS, units.shape[1])).long()]
    bits = nearest_neighbor_information(chosen, property.values, kind=property.kind, period=property.period)
    known = bool((~bits.isnan()).any())
    note = "without bins, from nearest neighbours" if known else "the property does not vary, or of too few stimuli"
    made_by = f"{INFORMATION.probe} 2 nearest neighbours"
    return mean_row(
        INFORMATION_WITHOUT_BINS, response.layer, index, bits, property=name, note=note, estimator=made_by
    )  # fmt: skip


def _summary(index: int, response: LayerResponse, name: str, information: UnitInformation, note: str) -> list[Row]:
    """Rows over units; units whose information is not known have no part in them."""
    silent, known = information.silent, ~information.information_bits.isnan()
    bits = information.information_bits[known]

    def mean(measure: Measure, values: Float[Tensor, " units"]) -> Row:
        return mean_row(measure, response.layer, index, values, property=name, note=note)

    def row(measure: Measure, value: float, values: Tensor, interval: tuple[float, float] = (_NAN, _NAN)) -> Row:
        return layer_row(
            measure, response.layer, index, value, property=name, interval=interval, n=len(values), note=note
        )

    rows = [
        mean(INFORMATION, bits),
        mean(INFORMATION_OF_ACTIVE, information.information_bits[known & ~silent]),
        mean(NORMALIZED_INFORMATION, _normalized(information)[known]),
    ]
    for measure, statistic in STATISTICS.items():
        rows.append(row(measure, float(statistic(bits)) if len(bits) else _NAN, bits))
    for measure, units in ((INFORMATIVE_FRACTION, information.informative[known]), (SILENT_FRACTION, silent)):
        marked = int(units.sum())
        share = marked / len(units) if len(units) else _NAN
        rows.append(row(measure, share, units, wilson_interval(marked, len(units)) if len(units) else (_NAN, _NAN)))
    return rows


def _units(response: LayerResponse, name: str, information: UnitInformation) -> list[UnitRow]:
    return unit_rows(
        UNIT, response, information.information_bits, property=name, plugin_bits=information.plugin_bits,
        normalized=_normalized(information), p_value=information.p_values, informative=information.informative,
        silent=information.silent,
    )  # fmt: skip


def _normalized(information: UnitInformation) -> Float[Tensor, " units"]:
    """Share of the property's entropy, I(r; s) / H(s); NaN where the information is not known."""
    return information.information_bits / information.entropy_bits
