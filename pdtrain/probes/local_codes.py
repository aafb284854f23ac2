"""Bins of each unit's own property, in its receptive field: the same at every probe point, and kept within a budget."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.estimators.conditional_information import codes_within
from pdtrain.estimators.discretization import property_codes
from pdtrain.stimuli.properties import PROPERTIES
from pdtrain.stimuli.stimulus_set import PropertyValues, StimulusSet

_KEPT_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Cut:
    """Bins, and what they were cut from.

    Attributes
    ----------
    codes
        Of the bins.
    values
        What was cut at ranks; of what was not, the codes themselves.
    """

    codes: Int[Tensor, "stimuli columns"]
    values: Float[Tensor, "stimuli columns"]

    @classmethod
    def of(cls, property: PropertyValues, codes: Int[Tensor, "stimuli columns"]) -> "Cut":
        """Bins of a property."""
        values = property.values.view(codes.shape) if property.kind == "continuous" else codes
        return cls(codes, values.float())


@dataclass(frozen=True)
class FieldCodes:
    """Bins of a property in the fields of units.

    Attributes
    ----------
    units
        Which they are.
    overall
        Among all stimuli.
    within
        Among those of a class; None where they are not asked for.
    """

    units: Int[Tensor, " units"]
    overall: Cut
    within: Cut | None

    @property
    def bytes(self) -> int:
        """What they take."""
        kept = [self.overall.values, self.overall.codes] + ([] if self.within is None else [self.within.codes])
        return sum(of.numel() * of.element_size() for of in kept)


class LocalCodes:
    """Measures local properties in the fields of a layer's units, and cuts them in bins.

    What has been measured is kept for the same stimuli and units, as far as 128 MiB go, and measured anew beyond.

    Parameters
    ----------
    bins
        Of each property.
    """

    def __init__(self, bins: int) -> None:
        self._bins = bins
        self._stimuli: StimulusSet | None = None
        self._kept: dict[tuple[str, str], FieldCodes] = {}

    def of(self, response: LayerResponse, stimuli: StimulusSet, name: str, *, within: bool) -> FieldCodes:
        """Codes of the property `name`, such as "luminance@receptive_field"; `within` the classes too."""
        if self._stimuli is not stimuli:
            self._stimuli, self._kept = stimuli, {}
        known = self._kept.get((response.layer.name, name))
        if known is not None and torch.equal(known.units, response.units):
            return known
        codes = self._measure(response, stimuli, name, within)
        if sum(other.bytes for other in self._kept.values()) + codes.bytes <= _KEPT_BYTES:
            self._kept[response.layer.name, name] = codes
        return codes

    def _measure(self, response: LayerResponse, stimuli: StimulusSet, name: str, within: bool) -> FieldCodes:
        known = PROPERTIES[name.partition("@")[0]]
        assert response.fields is not None and known.local is not None
        values = torch.cat([known.local(portion, response.fields) for portion in stimuli.portions()])
        measured = PropertyValues(values, known.kind, known.period)
        values = measured.values.float()
        overall = property_codes(values, kind=known.kind, period=known.period, bins=self._bins)
        if not within:
            return FieldCodes(response.units, Cut.of(measured, overall), None)
        of_classes = codes_within(values, stimuli.labels, kind=known.kind, period=known.period)
        return FieldCodes(response.units, Cut.of(measured, overall), Cut.of(measured, of_classes))
