"""Information of single units about image properties, over the whole image or the unit's receptive field."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice, repeat
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.conditional_information import (
    BINS,
    FEWEST_PER_CLASS_AND_VALUE,
    codes_within,
    conditional_information_table,
)
from pdtrain.estimators.discretization import property_codes
from pdtrain.estimators.finite import refuse_non_finite
from pdtrain.estimators.information import FEWEST_PER_VALUE, InformationTable, information_table
from pdtrain.estimators.nearest_neighbor_information import nearest_neighbor_information
from pdtrain.limits import check_value
from pdtrain.probes.cut import Cut
from pdtrain.probes.information_rows import AT_FIXED_IDENTITY, STATISTICS, nothing_known
from pdtrain.probes.joined_layers import JoinedLayers, joined
from pdtrain.probes.layer_by_layer import OnceOfInput, side_by_side, together
from pdtrain.probes.local_codes import LocalCodes
from pdtrain.probes.met_properties import Met, local_met, shared_met, told_by
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
        self._overall: OnceOfInput[list[Measurement]] = OnceOfInput()
        self._within: OnceOfInput[list[Measurement]] = OnceOfInput()
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
        found = list(side_by_side(self._tasks(responses, stimuli)))
        among_all, within_classes = chain(*found[::2]), chain(*found[1::2])  # of each layer; tasks alternate
        measured = together(chain.from_iterable(zip(among_all, within_classes, strict=True)))
        if not self._nearest_neighbors:
            return measured
        without_bins = _without_bins(responses, {name: stimuli.property(name) for name in self._whole})
        return Measurement(measured.rows + without_bins, measured.unit_rows)

    def _tasks(
        self, responses: Sequence[LayerResponse], stimuli: StimulusSet
    ) -> Iterator[Callable[[], list[Measurement]]]:
        """Of some layers after others: what is to be measured of each among all stimuli, and then within classes."""
        overall, within, too_few = self._shared(stimuli)
        seen = [fields for response in responses[:] if (fields := response.fields) is not None]
        asked = within is not None
        of_layers = self._local_codes.of(seen, self._local, stimuli, within=asked) if self._local else repeat({})
        for layers in joined(responses):
            for response in layers.responses:
                _refuse_non_finite(response)
            local = list(islice(of_layers, len(layers.responses)))
            of_all = [*overall, *local_met(layers, local, self._local, lambda codes: codes.overall)]
            of_classes = []
            if within is not None:
                of_classes = [*within, *local_met(layers, local, self._local, lambda codes: codes.within)]
            for once, task in (
                (self._overall, partial(self._among_all, layers, stimuli, of_all)),
                (self._within, partial(self._within_classes, layers, stimuli, of_classes, too_few)),
            ):
                yield partial(once.found, stimuli, layers.responses[0], task)

    def _shared(self, stimuli: StimulusSet) -> tuple[list[Met], list[Met] | None, str]:
        """Properties that all units share, cut among all stimuli and within classes; or why they are not cut there."""
        properties = {name: stimuli.property(name) for name in self._whole}
        overall = shared_met(properties, {name: self._codes(property) for name, property in properties.items()})
        classes = len(stimuli.labels.unique())
        if classes == 1:  # as of stimuli without labels
            return overall, None, ""
        if too_few := _too_few_for_classes(len(stimuli), classes):
            return overall, None, too_few
        within = {name: _codes_within(stimuli, property) for name, property in properties.items() if name != IDENTITY}
        return overall, shared_met(properties, within, stimuli.labels), ""

    def _among_all(self, layers: JoinedLayers, stimuli: StimulusSet, met: Sequence[Met]) -> list[Measurement]:
        units = Cut.of(layers.unit_codes(self._bins), layers.unit_responses)

        def tell(of: Cut, seen: Met) -> InformationTable:
            return information_table(of.codes, seen.cut.codes, paired=seen.paired, **self._options)

        def note(name: str, shown: str) -> str:
            return "; ".join([shown, f"{stimuli.label_kind} labels"] if name == IDENTITY else [shown])

        told = told_by(layers, units, met, stimuli, tell=tell, note=note, estimator=self.estimator)
        return [together(Measurement(each.rows(), each.unit_rows()) for each in of_layer) for of_layer in told]

    def _within_classes(
        self, layers: JoinedLayers, stimuli: StimulusSet, met: Sequence[Met], too_few: str
    ) -> list[Measurement]:
        made_by = f"{self.estimator}, {BINS} within classes"
        if not met:
            return [
                Measurement(self._nothing_within(response, index, too_few, made_by), [])
                for index, response in enumerate(layers.responses, layers.first)
            ]
        labels = stimuli.labels
        units = Cut.of(codes_within(layers.unit_responses, labels), layers.unit_responses, labels)
        silent = (layers.unit_responses == layers.unit_responses[:1]).all(0)

        def tell(of: Cut, seen: Met) -> InformationTable:
            times = of.codes.shape[1] // len(silent)
            return conditional_information_table(
                of.codes, seen.cut.codes, labels, paired=seen.paired, silent=silent.repeat(times), **self._options
            )

        def note(name: str, shown: str) -> str:
            return f"{shown}; {stimuli.label_kind} labels"

        told = told_by(layers, units, met, stimuli, tell=tell, note=note, estimator=made_by)
        return [
            together(
                Measurement(each.rows_at_fixed_identity(), each.unit_rows_at_fixed_identity()) for each in of_layer
            )
            for of_layer in told
        ]

    def _nothing_within(self, response: LayerResponse, index: int, too_few: str, made_by: str) -> list[Row]:
        names = [name for name in self._whole + self._local if name != IDENTITY and too_few]
        return [
            row
            for name in names
            for row in nothing_known(response, index, name, AT_FIXED_IDENTITY, note=too_few, estimator=made_by)
        ]

    def _codes(self, property: PropertyValues) -> Int[Tensor, "stimuli 1"]:
        """Bins of a property, shape (stimuli, 1)."""
        values = property.values.double()[:, None]
        return property_codes(values, kind=property.kind, period=property.period, bins=self._bins)


def _too_few_for_classes(stimuli: int, classes: int) -> str:
    """Why information at fixed identity cannot be measured, or nothing."""
    needed = FEWEST_PER_CLASS_AND_VALUE * BINS * classes
    if stimuli >= needed:
        return ""
    return f"{stimuli} stimuli of {classes} classes, too few at fixed identity: it needs {needed:,}"


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
