"""What training does not change, the input, is measured once."""

from collections.abc import Callable
from typing import Any

from pdtrain.activations.layers import INPUT
from pdtrain.activations.recorder import LayerResponse
from pdtrain.results.rows import Measurement
from pdtrain.stimuli.stimulus_set import StimulusSet


class MeasuredOnce:
    """Keeps what a probe measured of the input, for the same stimuli and units."""

    def __init__(self) -> None:
        self._stimuli: StimulusSet | None = None
        self._key: tuple[Any, ...] = ()
        self._found = Measurement([], [])

    def __call__(
        self, response: LayerResponse, stimuli: StimulusSet, measure: Callable[[], Measurement]
    ) -> Measurement:
        """What was measured of the input before, or what `measure` finds of any layer now."""
        if response.layer.module != INPUT:
            return measure()
        key = response.layer, response.projected, tuple(response.units.tolist())
        if self._stimuli is not stimuli or self._key != key:
            self._stimuli, self._key, self._found = stimuli, key, measure()
        return self._found
