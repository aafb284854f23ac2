"""The probe of population sparseness: what it measures, said once, and how rows are made of it."""

from collections.abc import Sequence

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.finite import refuse_non_finite
from pdtrain.probes.rows import layer_row
from pdtrain.results.measures import Measure
from pdtrain.results.rows import Measurement, Row
from pdtrain.stimuli.stimulus_set import StimulusSet
from sparse_vision.estimator import population_sparseness

SPARSENESS = Measure(
    probe="sparseness",
    quantity="mean",
    title="population sparseness",
    unit="sparseness (0 to 1)",
    per="population",
    interval="stimuli",
    headline="sparseness/{layer}",
    figure="sparseness",
    heading="sparse",
    how_to_read="0: all units of a layer answer alike to a stimulus; 1: a single one answers. A line that rises with "
    "depth, and rises with training, is a code that becomes sparse.",
)
# beside it in the rows and in the tables of a comparison, without a figure
SILENT_STIMULI = SPARSENESS.of("silent_stimuli", unit="share of stimuli", interval="", tabulated=True)


class SparsenessProbe:
    """Measures population sparseness, on the sampled units of each layer.

    Parameters
    ----------
    fewest_units
        Layers of fewer sampled units have no value: the sparseness of two logits says little.
    """

    name = SPARSENESS.probe
    measures = (SPARSENESS, SILENT_STIMULI)
    needs_fields = False
    estimator = f"{name} 1"  # raise the number when values are no longer comparable with those before

    def __init__(self, *, fewest_units: int = 2) -> None:
        if fewest_units < 2:
            raise InputError(f"probes.{self.name}.fewest_units={fewest_units}: give 2 or more")
        self._fewest_units = fewest_units

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError if there are too few stimuli for an interval."""
        if len(stimuli) < 2:
            raise InputError(f"stimuli.count={len(stimuli)}: an interval of sparseness needs 2 stimuli or more")

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Mean sparseness of each layer over the stimuli, and the share of stimuli that no unit answers to."""
        rows = [row for index, response in enumerate(responses) for row in self._rows(index, response)]
        return Measurement(rows, []).made_by(self.estimator)

    def _rows(self, index: int, response: LayerResponse) -> list[Row]:
        layer, answers = response.layer, response.unit_responses
        try:
            refuse_non_finite(answers)
        except ValueError as error:
            raise InputError(f"layer {layer.name}: {error} among the sampled ones") from error
        if answers.shape[1] < self._fewest_units:
            note = f"{answers.shape[1]} units are too few"
            return [layer_row(SPARSENESS, layer, index, float("nan"), note=note)]
        found = population_sparseness(answers)
        note = "no unit answers to any stimulus" if not found.stimuli else ""
        if found.stimuli and found.silent_stimuli:
            note = f"without {found.silent_stimuli} stimuli that no unit answers to"
        silent = found.silent_stimuli / len(answers)
        return [
            layer_row(
                SPARSENESS, layer, index, found.mean, standard_deviation=found.standard_error,
                interval=(found.lower, found.upper), n=found.stimuli, note=note,
            ),
            layer_row(SILENT_STIMULI, layer, index, silent, n=len(answers)),
        ]  # fmt: skip
