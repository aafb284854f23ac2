"""View-invariant object information: of single units about pairs of objects, and of each layer's population."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.discretization import discretize
from pdtrain.estimators.invariance import folds_of, linear_discriminability, object_information, random_parts
from pdtrain.results.rows import Measurement, Row, UnitRow
from pdtrain.stimuli.stimulus_set import StimulusSet


class ObjectInformationProbe:
    """Measures total and view-invariant object information of single units, in bits, over all pairs of objects.

    Parameters
    ----------
    bins
        Equally populated bins of the response.
    """

    name = "object_information"
    needs_fields = False

    def __init__(self, *, bins: int = 8) -> None:
        if bins < 2:
            raise InputError(f"probes.object_information.bins={bins}: at least 2 bins are needed")
        self._bins = bins

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError if there are fewer than two objects."""
        _check_objects(stimuli, self.name)

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Mean over pairs and units; per unit, the mean over pairs."""
        rows: list[Row] = []
        unit_rows: list[UnitRow] = []
        for index, response in enumerate(responses):
            units = discretize(response.unit_responses, self._bins)
            found = object_information(units, stimuli.labels)
            silent = (units == units[:1]).all(0).tolist()
            measured = {"total": found.total_bits, "view_invariant": found.view_invariant_bits, "ratio": found.ratio}
            for quantity, values in measured.items():
                per_unit = values.mean(1)
                rows.append(_mean_row(index, response, self.name, quantity, per_unit))
            unit_rows += [
                UnitRow(response.layer.name, unit, "object_pairs", bits, bits, ratio, float("nan"), False, dead)
                for unit, bits, ratio, dead in zip(
                    response.units.tolist(),
                    found.view_invariant_bits.mean(1).tolist(),
                    found.ratio.mean(1).tolist(),
                    silent,
                    strict=True,
                )
            ]
        return Measurement(rows, unit_rows)


class DiscriminabilityProbe:
    """Measures how well a linear classifier of a layer's sampled units tells objects apart on held-out views.

    Parameters
    ----------
    held_out
        Transformation parameter whose range is cut in parts, each held out in turn; where the stimuli do not know it,
        random parts of the stimuli are held out instead (said in the rows).
    folds
        Number of parts.
    seed
        Seed of the random parts.
    """

    name = "discriminability"
    needs_fields = False

    def __init__(self, *, held_out: str | None = None, folds: int = 5, seed: int = 0) -> None:
        if folds < 2:
            raise InputError(f"probes.discriminability.folds={folds}: at least 2 folds are needed")
        self._held_out, self._folds, self._seed = held_out, folds, seed

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError if there are fewer than two objects."""
        _check_objects(stimuli, self.name)

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Accuracy on all held-out stimuli together, its interval, spread over the parts, and chance."""
        parts, note = self._parts(stimuli)
        rows = []
        for index, response in enumerate(responses):
            found = linear_discriminability(response.unit_responses, stimuli.labels, parts)
            spread = float(torch.tensor(found.fold_accuracies).std())
            layer = response.layer
            rows += [
                Row(
                    layer.name, index, layer.depth, self.name, "accuracy", "identity",
                    found.accuracy, spread, found.lower, found.upper, found.stimuli, note=note,
                ),
                Row(layer.name, index, layer.depth, self.name, "chance", "identity", found.chance, n=found.stimuli),
            ]  # fmt: skip
        return Measurement(rows, [])

    def _parts(self, stimuli: StimulusSet) -> tuple[Tensor, str]:
        if self._held_out in stimuli.parameters:
            return folds_of(
                stimuli.parameters[self._held_out], self._folds
            ), f"{self._folds} ranges of {self._held_out}"
        generator = torch.Generator().manual_seed(self._seed)
        return random_parts(stimuli.labels, self._folds, generator), f"{self._folds} random parts of the stimuli"


def _check_objects(stimuli: StimulusSet, probe: str) -> None:
    if len(stimuli.labels.unique()) < 2:
        raise InputError(f"probes.{probe}: the stimuli show one object only; choose other stimuli or set it to null")


def _mean_row(index: int, response: LayerResponse, probe: str, quantity: str, values: Tensor) -> Row:
    layer, mean = response.layer, float(values.mean())
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else float("nan")
    return Row(
        layer.name, index, layer.depth, probe, quantity, "identity",
        mean, error, mean - 1.96 * error, mean + 1.96 * error, n=len(values),
    )  # fmt: skip
