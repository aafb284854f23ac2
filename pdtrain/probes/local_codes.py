"""Bins of each unit's own property, in its receptive field: the same at every probe point, and kept within a budget."""

import torch
from jaxtyping import Int
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.estimators.discretization import property_codes
from pdtrain.stimuli.properties import PROPERTIES
from pdtrain.stimuli.stimulus_set import StimulusSet

_KEPT_BYTES = 64 * 2**20


class LocalCodes:
    """Measures local properties in the fields of a layer's units, and cuts them in bins.

    What has been measured is kept for the same stimuli and units, as far as 64 MiB go, and measured anew beyond.

    Parameters
    ----------
    bins
        Of each property.
    """

    def __init__(self, bins: int) -> None:
        self._bins = bins
        self._stimuli: StimulusSet | None = None
        self._kept: dict[tuple[str, str], tuple[Tensor, Tensor]] = {}

    def of(self, response: LayerResponse, stimuli: StimulusSet, name: str) -> Int[Tensor, "stimuli units"]:
        """Codes of the property `name`, such as "luminance@receptive_field", for the units of a layer."""
        if self._stimuli is not stimuli:
            self._stimuli, self._kept = stimuli, {}
        units, codes = self._kept.get((response.layer.name, name), (None, None))
        if codes is not None and units is not None and torch.equal(units, response.units):
            return codes
        codes = self._measure(response, stimuli, name)
        kept = sum(other.numel() * other.element_size() for _, other in self._kept.values())
        if kept + codes.numel() * codes.element_size() <= _KEPT_BYTES:
            self._kept[response.layer.name, name] = response.units, codes
        return codes

    def _measure(self, response: LayerResponse, stimuli: StimulusSet, name: str) -> Int[Tensor, "stimuli units"]:
        known = PROPERTIES[name.partition("@")[0]]
        assert response.fields is not None and known.local is not None
        values = known.local(stimuli.pixels, response.fields)
        return property_codes(values, kind=known.kind, period=known.period, bins=self._bins)
