"""View-invariant object information: of single units about pairs of objects, and of each layer's population."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.finite import refuse_non_finite
from pdtrain.estimators.half_samples import half_differences_of_mean
from pdtrain.estimators.invariance import (
    FEWEST_VIEWS,
    MOST_PAIRS,
    ObjectInformation,
    folds_of,
    linear_discriminability,
    object_information,
    possible_bins,
    random_parts,
)
from pdtrain.limits import check_value
from pdtrain.probes.layer_by_layer import LayerByLayer
from pdtrain.probes.rows import layer_row, mean_row, unit_rows
from pdtrain.results.measures import (
    ACCURACY,
    ACTIVE,
    CHANCE,
    TOTAL_OBJECT_INFORMATION,
    VIEW_INVARIANT,
    VIEW_INVARIANT_RATIO,
)
from pdtrain.results.rows import Measurement, Row
from pdtrain.stimuli.identity import IDENTITY
from pdtrain.stimuli.stimulus_set import StimulusSet

_log = logging.getLogger(__name__)

OF_ACTIVE = {
    measure: measure.of(f"{measure.quantity}{ACTIVE}", noiseless=measure.noiseless)
    for measure in (VIEW_INVARIANT, TOTAL_OBJECT_INFORMATION, VIEW_INVARIANT_RATIO)
}


class ObjectInformationProbe:
    """Measures total and view-invariant object information of single units, in bits, over pairs of objects.

    Parameters
    ----------
    bins
        Equally populated bins of the response; fewer where objects have few views (said in the rows).
    most_pairs
        All pairs are measured if there are no more; else so many, drawn at random (said in the rows).
    seed
        Seed of the pairs.
    """

    name = VIEW_INVARIANT.probe
    measures = (*OF_ACTIVE, *OF_ACTIVE.values())
    needs_fields = False

    def __init__(self, *, bins: int = 8, most_pairs: int = MOST_PAIRS, seed: int = 0) -> None:
        check_value("probes.object_information.bins", bins)
        check_value("probes.object_information.most_pairs", most_pairs)
        self._options = {"bins": bins, "most_pairs": most_pairs, "seed": seed}
        self._layers = LayerByLayer()
        self._told = False

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError for fewer than two objects, or more bins than stimuli; warn of objects of too few views."""
        _check_objects(stimuli, self.name)
        bins, possible = self._options["bins"], possible_bins(stimuli.labels, self._options["bins"])
        if bins > len(stimuli):
            raise InputError(f"probes.{self.name}.bins={bins}: there are {len(stimuli)} stimuli; give fewer bins")
        views = int(stimuli.labels.unique(return_counts=True)[1].median())
        if self._told or (possible == bins and views >= FEWEST_VIEWS):
            return
        self._told = True
        nothing = f", and no view-invariant value with fewer than {FEWEST_VIEWS}" if views < FEWEST_VIEWS else ""
        _log.warning(
            "probes.%s.bins=%d: %d views of an object allow %d%s; give more stimuli (%s) or fewer objects",
            self.name, bins, views, possible, nothing, stimuli.number_key,
        )  # fmt: skip

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Mean over pairs and units, with and without silent ones; per unit, the mean over pairs."""
        tasks = (
            (response, partial(self._of_layer, response, index, stimuli)) for index, response in enumerate(responses)
        )
        return self._layers.measure(stimuli, tasks)

    def _of_layer(self, response: LayerResponse, index: int, stimuli: StimulusSet) -> Measurement:
        try:
            found = object_information(
                response.unit_responses, stimuli.labels, halves=stimuli.halves, cut=response.unit_codes, **self._options
            )
        except ValueError as error:
            raise InputError(f"layer {response.layer.name}: {error} among the sampled ones") from error
        note, estimator = _note(found, stimuli), f"{self.name} 2 permutation, {found.bins} bins"
        ratio, invariant = found.ratio.nanmean(1), found.view_invariant_bits.nanmean(1)
        per_unit = {
            TOTAL_OBJECT_INFORMATION: found.total_bits.mean(1),
            VIEW_INVARIANT: invariant,
            VIEW_INVARIANT_RATIO: ratio,
        }
        assert found.half_differences is not None
        rows: list[Row] = []
        for kind, (measure, values) in enumerate(per_unit.items()):
            active = values.masked_fill(found.silent, torch.nan)
            for place, (of, chosen) in enumerate(((measure, values), (OF_ACTIVE[measure], active))):
                rows.append(
                    mean_row(
                        of, response.layer, index, chosen, property=IDENTITY, note=note, estimator=estimator,
                        half_differences=found.half_differences[:, kind, place].tolist(),
                    )
                )  # fmt: skip
        of_units = unit_rows(
            VIEW_INVARIANT, response, invariant, property=IDENTITY, estimator=estimator, normalized=ratio,
            silent=found.silent,
        )  # fmt: skip
        return Measurement(rows, of_units)


def _note(found: ObjectInformation, stimuli: StimulusSet) -> str:
    notes = [f"{stimuli.label_kind} labels", f"{found.bins} bins"]
    if len(found.pairs) < found.possible_pairs:
        notes.append(f"{len(found.pairs)} of {found.possible_pairs} pairs")
    if unknown := int(found.view_invariant_bits[0].isnan().sum()):
        notes.append(f"{unknown} pairs have an object of too few views, and no view-invariant value")
    return "; ".join(notes)


class DiscriminabilityProbe:
    """Measures how well a linear classifier of a layer's sampled units tells objects apart on held-out views.

    Parameters
    ----------
    held_out
        Transformation parameter whose range is cut in parts, each held out in turn; where the stimuli do not know it,
        random parts of the stimuli are held out instead (said in the rows).
    folds
        Number of parts; a parameter of fewer values has a part for each (said in the rows).
    seed
        Seed of the random parts.
    """

    name = ACCURACY.probe
    measures = (ACCURACY, CHANCE)
    needs_fields = False

    def __init__(self, *, held_out: str | None = None, folds: int = 5, seed: int = 0) -> None:
        check_value("probes.discriminability.folds", folds)
        self._held_out, self._folds, self._seed = held_out, folds, seed
        self._layers = LayerByLayer()
        self.estimator = f"{self.name} 1"

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError if there are fewer than two objects, or no parts whose rest shows two."""
        _check_objects(stimuli, self.name)
        if self._held_out in stimuli.parameters:
            values = stimuli.parameters[self._held_out]
            key = f"probes.{self.name}.held_out={self._held_out}"
            mend = "choose another parameter of the stimuli, or null for random parts"
            if not torch.isfinite(values).all():
                raise InputError(f"{key}: not known of every stimulus; {mend}")
            if len(values.unique()) == 1:
                raise InputError(f"{key}: the same in all stimuli, so that no part of them can be held out; {mend}")
        parts, what = self._parts(stimuli)
        for part in parts.unique():
            if len(stimuli.labels[parts != part].unique()) < 2:
                raise InputError(
                    f"probes.{self.name}.held_out={self._held_out}: of {what} one leaves fewer than two objects to "
                    "learn from when it is held out; choose another parameter of the stimuli, or give more of them "
                    f"({stimuli.number_key})"
                )

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Accuracy on all held-out stimuli together, its interval, and chance."""
        parts, note = self._parts(stimuli)
        note = f"{note}; {stimuli.label_kind} labels"
        tasks = (
            (response, partial(self._of_layer, response, index, stimuli, parts, note))
            for index, response in enumerate(responses)
        )
        return self._layers.measure(stimuli, tasks)

    def _of_layer(
        self, response: LayerResponse, index: int, stimuli: StimulusSet, parts: Int[Tensor, " stimuli"], note: str
    ) -> Measurement:
        try:
            refuse_non_finite(response.unit_responses)
        except ValueError as error:
            raise InputError(f"layer {response.layer.name}: {error} among the sampled ones") from error
        found = linear_discriminability(response.unit_responses, stimuli.labels, parts)
        half_differences = half_differences_of_mean(found.right.double(), stimuli.halves).tolist()
        of: dict[str, Any] = {"property": IDENTITY, "n": found.stimuli}
        accuracy = layer_row(
            ACCURACY, response.layer, index, found.accuracy, half_differences=half_differences, note=note, **of
        )
        return Measurement([accuracy, layer_row(CHANCE, response.layer, index, found.chance, **of)], []).made_by(
            self.estimator
        )

    def _parts(self, stimuli: StimulusSet) -> tuple[Int[Tensor, " stimuli"], str]:
        if self._held_out in stimuli.parameters:
            parts = folds_of(stimuli.parameters[self._held_out], self._folds)
            return parts, f"{len(parts.unique())} ranges of {self._held_out}"
        generator = torch.Generator().manual_seed(self._seed)
        return random_parts(stimuli.labels, self._folds, generator), f"{self._folds} random parts of the stimuli"


def _check_objects(stimuli: StimulusSet, probe: str) -> None:
    stimuli.check_labelled(f"probes.{probe}")
    if len(stimuli.labels.unique()) < 2:
        raise InputError(f"probes.{probe}: the stimuli show one object only; choose other stimuli or set it to null")
