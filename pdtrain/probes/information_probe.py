"""Information of single units about image properties, over the whole image or the unit's receptive field."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.conditional_information import (
    BINS,
    FEWEST_PER_CLASS_AND_VALUE,
    codes_within,
    conditional_information,
)
from pdtrain.estimators.discretization import UNDEFINED, property_codes
from pdtrain.estimators.finite import refuse_non_finite
from pdtrain.estimators.influence import half_differences_of_information
from pdtrain.estimators.information import FEWEST_PER_VALUE, UnitInformation, unit_information
from pdtrain.estimators.nearest_neighbor_information import nearest_neighbor_information
from pdtrain.limits import check_value
from pdtrain.probes.information_rows import AT_FIXED_IDENTITY, STATISTICS, Told, nothing_known, weights_of_means
from pdtrain.probes.layer_by_layer import LayerByLayer
from pdtrain.probes.local_codes import Cut, FieldCodes, LocalCodes, cut_from
from pdtrain.probes.rows import mean_row
from pdtrain.results.measures import (
    INFORMATION,
    INFORMATION_OF_ACTIVE,
    INFORMATION_WITHOUT_BINS,
    INFORMATIVE_FRACTION,
    NORMALIZED_INFORMATION,
    SILENT_FRACTION,
    UNIT,
    UNIT_AT_FIXED_IDENTITY,
)
from pdtrain.results.rows import Measurement, Row
from pdtrain.stimuli.identity import IDENTITY
from pdtrain.stimuli.stimulus_set import PropertyValues, StimulusSet

_log = logging.getLogger(__name__)

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
        INFORMATION_WITHOUT_BINS, UNIT, *STATISTICS, *AT_FIXED_IDENTITY, UNIT_AT_FIXED_IDENTITY,
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
        for name, value in (("correction", correction), ("bins", bins), ("shuffles", shuffles)):
            check_value(f"probes.unit_information.{name}", value)
        self.properties = tuple(properties)
        self._whole = tuple(name for name in properties if "@" not in name)
        self._local = tuple(name for name in properties if "@" in name)
        self._bins, self._nearest_neighbors = bins, nearest_neighbors
        self._options: dict[str, Any] = {"correction": correction, "shuffles": shuffles, "seed": seed}
        self._local_codes = LocalCodes(bins)
        self._told: set[str] = set()
        self._layers = LayerByLayer()
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
        """Measure every sampled unit of every layer about every property; and beyond the class, where known."""
        shared = self._shared(stimuli)
        seen = [fields for response in responses[:] if (fields := response.fields) is not None]
        within = shared.within is not None
        of_layers = self._local_codes.of(seen, self._local, stimuli, within=within) if self._local else repeat({})
        tasks = (
            (response, partial(self._of_layer, response, index, stimuli, shared, local))
            for index, (response, local) in enumerate(zip(responses, of_layers, strict=False))
        )
        found = self._layers.measure(stimuli, tasks)
        if not self._nearest_neighbors:
            return found
        without_bins = _without_bins(responses, {name: stimuli.property(name) for name in self._whole})
        return Measurement(found.rows + without_bins, found.unit_rows)

    def _shared(self, stimuli: StimulusSet) -> "_Shared":
        """Bins of the properties that all units share."""
        properties = {name: stimuli.property(name) for name in self._whole}
        overall = {name: self._codes(property) for name, property in properties.items()}
        too_few, labels = _too_few_for_classes(stimuli), _classes(stimuli)
        if too_few or not labels.any():
            return _Shared(_Together.of(properties, overall), None, too_few if labels.any() else "")
        within = {name: _codes_within(stimuli, property) for name, property in properties.items() if name != IDENTITY}
        return _Shared(_Together.of(properties, overall), _Together.of(properties, within, labels), "")

    def _of_layer(
        self, response: LayerResponse, index: int, stimuli: StimulusSet, shared: "_Shared",
        local: Mapping[str, FieldCodes],
    ) -> Measurement:  # fmt: skip
        _refuse_non_finite(response)
        rows, of_units = [], []
        for told in self._overall(response, index, stimuli, shared.overall, {n: of.overall for n, of in local.items()}):
            rows += told.rows()
            of_units += told.unit_rows()
        made_by = f"{self.estimator}, {BINS} within classes"
        if shared.too_few_within:
            for name in self._whole + self._local:
                if name != IDENTITY:
                    rows += nothing_known(
                        response, index, name, AT_FIXED_IDENTITY, note=shared.too_few_within, estimator=made_by
                    )
        elif shared.within is not None:
            in_fields = {name: of.within for name, of in local.items() if of.within is not None}
            for told in self._beyond_class(response, index, stimuli, shared.within, in_fields, made_by):
                rows += told.rows_at_fixed_identity()
                of_units += told.unit_rows_at_fixed_identity()
        return Measurement(rows, of_units)

    def _overall(
        self, response: LayerResponse, index: int, stimuli: StimulusSet, shared: "_Together", local: Mapping[str, Cut]
    ) -> Iterator[Told]:
        units = Cut.of(response.unit_codes(self._bins), response.unit_responses)
        for names, cut, paired in _met(shared, local):
            found = unit_information(units.codes, cut.codes, paired=paired, **self._options)
            half_differences = _half_differences(units, cut, found, stimuli, paired=paired)
            for place, (name, information) in enumerate(zip(names, found, strict=True)):
                notes = [_shown(cut, place, paired), _of_labels(name, stimuli), information.note]
                note = "; ".join(filter(None, notes))
                yield Told(response, index, name, information, half_differences[:, place], note, self.estimator)

    def _beyond_class(
        self, response: LayerResponse, index: int, stimuli: StimulusSet, shared: "_Together", local: Mapping[str, Cut],
        made_by: str,
    ) -> Iterator[Told]:  # fmt: skip
        labels = _classes(stimuli)
        units = Cut.of(codes_within(response.unit_responses, labels), response.unit_responses, labels)
        silent = (response.unit_responses == response.unit_responses[:1]).all(0)
        for names, cut, paired in _met(shared, local):
            found = conditional_information(
                units.codes, cut.codes, labels, paired=paired, silent=silent, **self._options
            )
            half_differences = _half_differences(units, cut, found, stimuli, paired=paired)
            for place, (name, information) in enumerate(zip(names, found, strict=True)):
                notes = [f"{len(stimuli)} stimuli", f"{stimuli.label_kind} labels", information.note]
                note = "; ".join(filter(None, notes))
                yield Told(response, index, name, information, half_differences[:, place], note, made_by)

    def _codes(self, property: PropertyValues) -> Int[Tensor, "stimuli 1"]:
        """Bins of a property, shape (stimuli, 1)."""
        values = property.values.double()[:, None]
        return property_codes(values, kind=property.kind, period=property.period, bins=self._bins)


def _shown(properties: Cut, place: int, paired: bool) -> str:
    """How many stimuli there are, and of how many of them a property is known."""
    count = len(properties.codes)
    known = count if paired else int((properties.codes[:, place] != UNDEFINED).sum())
    return f"{count} stimuli" if known == count else f"{known} of {count} stimuli"


def _of_labels(name: str, stimuli: StimulusSet) -> str:
    return f"{stimuli.label_kind} labels" if name == IDENTITY else ""


@dataclass(frozen=True)
class _Together:
    """Names and bins of properties that all units share; no bins where there are none."""

    names: list[str]
    cut: Cut | None

    @classmethod
    def of(
        cls,
        properties: Mapping[str, PropertyValues],
        codes: Mapping[str, Int[Tensor, "stimuli 1"]],
        labels: Int[Tensor, " stimuli"] | None = None,
    ) -> "_Together":
        """Of properties, from the bins of each."""
        if not codes:
            return cls([], None)
        values = [cut_from(properties[name], of_one) for name, of_one in codes.items()]
        return cls(list(codes), Cut.of(torch.cat(list(codes.values()), 1), torch.cat(values, 1), labels))


@dataclass(frozen=True)
class _Shared:
    """Properties that all units share, among all stimuli and, where it can be measured, within classes."""

    overall: _Together
    within: _Together | None
    too_few_within: str


def _met(shared: _Together, local: Mapping[str, Cut]) -> Iterator[tuple[list[str], Cut, bool]]:
    """Names and bins of properties: those that all units share together, then each that units have of their own."""
    if shared.cut is not None:
        yield shared.names, shared.cut, False
    for name, cut in local.items():
        yield [name], cut, True


def _half_differences(
    units: Cut, properties: Cut, found: Sequence[UnitInformation], stimuli: StimulusSet, *, paired: bool
) -> Float[Tensor, "splits properties 2"]:
    weights = torch.stack([weights_of_means(information) for information in found], 1)
    half_differences = half_differences_of_information(
        units.codes, properties.codes, weights if paired else weights[..., :1], stimuli.halves, units.labels,
        stretched=(units.stretches, properties.stretches), paired=paired,
    )[0]  # fmt: skip
    if paired:
        return half_differences
    most = weights.amax(0)  # of a property that all units share: of one entropy, so that their share of it goes along
    return torch.cat([half_differences, half_differences * (most[:, 1:] / most[:, :1]).nan_to_num(0, 0, 0)], 2)


def _classes(stimuli: StimulusSet) -> Int[Tensor, " stimuli"]:
    """Class of each stimulus, from 0."""
    return stimuli.labels.unique(return_inverse=True)[1]


def _too_few_for_classes(stimuli: StimulusSet) -> str:
    """Why information at fixed identity cannot be measured, or nothing."""
    if not stimuli.labelled:
        return f"{len(stimuli)} stimuli without labels: no identity to be fixed"
    classes = len(stimuli.labels.unique())
    needed = FEWEST_PER_CLASS_AND_VALUE * BINS * classes
    if len(stimuli) >= needed:
        return ""
    return f"{len(stimuli)} stimuli of {classes} classes, too few at fixed identity: it needs {needed:,}"


def _codes_within(stimuli: StimulusSet, property: PropertyValues) -> Int[Tensor, "stimuli 1"]:
    values = property.values.double()[:, None]
    return codes_within(values, stimuli.labels, kind=property.kind, period=property.period)


def _refuse_non_finite(response: LayerResponse) -> None:
    try:
        refuse_non_finite(response.unit_responses)
    except ValueError as error:
        raise InputError(f"layer {response.layer.name}: {error} among the sampled ones") from error


def _without_bins(responses: Sequence[LayerResponse], properties: Mapping[str, PropertyValues]) -> list[Row]:
    return [
        _nearest_neighbor_row(index, response, *item)
        for index, response in enumerate(responses)
        for item in properties.items()
    ]


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
