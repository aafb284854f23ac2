"""Similarity of representations: of layers to each other, and of each layer to its own past.

Layers are compared by their dissimilarities on the same stimuli, which are kept beside the rows. So a point is compared
with those before it, and runs with each other, without their networks.
"""

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.estimators.dissimilarity import DISTANCES
from pdtrain.estimators.similarity import FEWEST_STIMULI, Similarities, similarities
from pdtrain.limits import check_value
from pdtrain.probes.rows import layer_row
from pdtrain.results.dissimilarities import Dissimilarities, packed
from pdtrain.results.measures import PAIR, Measure
from pdtrain.results.rows import Measurement, ProbePoint, Row
from pdtrain.stimuli.stimulus_set import StimulusSet, random_sample

_log = logging.getLogger(__name__)
UNTRAINED_NETWORK, PREVIOUS = "untrained", "previous"  # what of the past a point is compared with
_CKA = "cka"
_NAMES = {_CKA: "CKA", "rsa": "RSA"}
_OTHER = {UNTRAINED_NETWORK: "untrained network", PREVIOUS: "point before"}
_FIGURES = {UNTRAINED_NETWORK: "similarity", PREVIOUS: "similarity_previous"}
_PROJECTED = "projected"
_ROUNDING = 1e-9
_OF_CKA = "squared_euclidean"  # distances that linear CKA is made of


class SimilarityProbe:
    """Measures linear CKA and RSA of layers with each other, with the untrained network, and with the point before.

    Parameters
    ----------
    most_stimuli
        Of more stimuli a random sample is compared; four bytes are kept for each two of them and each layer.
    distance
        Of RSA: a name of `pdtrain.estimators.dissimilarity.DISTANCES`.
    comparison
        Of RSA: a name of `pdtrain.estimators.comparisons.COMPARISONS` but cka.
    seed
        Of the sample: one of the same stimuli is the same in every run.
    """

    name = "similarity"
    needs_fields = False

    def __init__(
        self, *, most_stimuli: int = 500, distance: str = "correlation", comparison: str = "spearman", seed: int = 0
    ) -> None:
        key = "probes.similarity"
        check_value(f"{key}.most_stimuli", most_stimuli)
        check_value(f"{key}.distance", distance)
        check_value(f"{key}.comparison", comparison)
        self._most, self._seed = most_stimuli, seed
        self._chosen: tuple[StimulusSet, Int[Tensor, " chosen"]] | None = None
        # by quantity: how dissimilarities are made, and how they are compared
        self._ways = {_CKA: (_OF_CKA, _CKA), "rsa": (distance, comparison)}
        self._estimators = {
            _CKA: f"{self.name} 1 unbiased, {most_stimuli} stimuli",
            "rsa": f"{self.name} 1 {distance}, {comparison}, {most_stimuli} stimuli",
        }
        self.measures = (
            *(_of_past(quantity, what) for what in (UNTRAINED_NETWORK, PREVIOUS) for quantity in self._ways),
            *(_of_layers(quantity) for quantity in self._ways),
        )

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError if there are too few stimuli."""
        stimuli.check_number(FEWEST_STIMULI, of="similarity")

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Compare all layers with each other, and give the dissimilarities to be kept."""
        found = self._dissimilarities(list(responses), stimuli, self._chosen_of(stimuli))
        return Measurement(list(self._between_layers(responses, found)), [], found)

    def _chosen_of(self, stimuli: StimulusSet) -> Int[Tensor, " chosen"]:
        """Places of the stimuli that are compared, sought once."""
        if self._chosen is None or self._chosen[0] is not stimuli:
            distinct = _distinct(stimuli)
            if twice := len(stimuli) - len(distinct):
                _log.warning("similarity: %d of %d stimuli show an image again, and are left out", twice, len(stimuli))
            self._chosen = stimuli, distinct[random_sample(len(distinct), self._most, seed=self._seed)]
        return self._chosen[1]

    def compare(
        self,
        responses: Sequence[LayerResponse],
        now: Dissimilarities,
        past: Mapping[str, tuple[ProbePoint, Dissimilarities | None]],
    ) -> list[Row]:
        """Compare each layer with itself at other points.

        Parameters
        ----------
        responses
            Of this point.
        now
            What `measure` gave.
        past
            By name, "untrained" or "previous", what was kept at other points; None where nothing was.
        """
        return [
            row
            for quantity in self._ways
            for place, response in enumerate(responses)
            for row in self._with_past(response, place, quantity, now, past)
        ]

    def _dissimilarities(
        self, responses: Sequence[LayerResponse], stimuli: StimulusSet, chosen: Int[Tensor, " chosen"]
    ) -> Dissimilarities:
        distances = {distance for distance, _ in self._ways.values()}
        made = [_matrices_of(response, chosen, distances) for response in responses]
        return Dissimilarities(
            tuple(response.layer.name for response in responses),
            tuple(response.layer.depth for response in responses),
            tuple(response.representation.shape[1] for response in responses),
            tuple(response.projected for response in responses),
            stimuli.fingerprint,
            chosen.numpy(),
            stimuli.halves[:, chosen].numpy(),
            self._ways,
            {distance: np.stack([of_layer[distance] for of_layer in made]) for distance in distances},
        )

    def _between_layers(self, responses: Sequence[LayerResponse], found: Dissimilarities) -> Iterator[Row]:
        for quantity in self._ways:
            measure = _of_layers(quantity)
            matrices = _matrices(found, quantity, found.layers)
            compared = self._similarities(matrices, matrices, quantity, found)
            for one, other in combinations(range(len(responses)), 2):
                notes, name = _notes(responses[one], responses[other]), responses[other].layer.name
                yield self._row(measure, responses[one], one, compared, (one, other), notes, property=name)

    def _with_past(
        self,
        response: LayerResponse,
        place: int,
        quantity: str,
        now: Dissimilarities,
        past: Mapping[str, tuple[ProbePoint, Dissimilarities | None]],
    ) -> Iterator[Row]:
        layer, estimator = response.layer.name, self._estimators[quantity]
        comparable: dict[str, tuple[ProbePoint, Dissimilarities]] = {}
        for what, (point, kept) in past.items():
            why = "nothing was kept of it" if kept is None else self._not_comparable(now, kept, layer)
            if kept is not None and not why:
                comparable[what] = point, kept
                continue
            note, measure = f"{what}: {why}", _of_past(quantity, what)
            yield layer_row(measure, response.layer, place, math.nan, note=note, estimator=estimator)
        matrices = [_matrices(kept, quantity, [layer])[0] for _, kept in comparable.values()]
        compared = self._similarities(_matrices(now, quantity, [layer]), matrices, quantity, now)
        for column, (what, (point, _)) in enumerate(comparable.items()):
            which = [f"with epoch {point.epoch}, step {point.step}"] if what == PREVIOUS else []
            notes = [*_notes(response), *which]
            yield self._row(_of_past(quantity, what), response, place, compared, (0, column), notes)

    def _not_comparable(self, now: Dissimilarities, then: Dissimilarities, layer: str) -> str:
        """Why a layer cannot be compared with what it was; empty if it can."""
        if not now.same_stimuli(then):
            return "was shown other stimuli"
        return "" if layer in then.layers and then.ways == now.ways else "this layer was not kept"

    def _similarities(
        self, first: Sequence[Tensor], second: Sequence[Tensor], quantity: str, of: Dissimilarities
    ) -> Similarities:
        return similarities(first, second, comparison=self._ways[quantity][1], halves=torch.from_numpy(of.halves))

    def _row(
        self,
        measure: Measure,
        response: LayerResponse,
        place: int,
        compared: Similarities,
        at: tuple[int, int],
        notes: Sequence[str],
        *,
        property: str = "",
    ) -> Row:
        halves = compared.half_differences[:, at[0], at[1]]
        known = bool(halves.isfinite().all())
        # with itself a layer is alike whatever the stimuli, and there is nothing to be tested
        certain = known and bool((halves.abs() < _ROUNDING).all())
        value = float(compared.values[at])
        row = layer_row(
            measure,
            response.layer,
            place,
            value,
            property=property,
            half_differences=halves.tolist() if known and not certain else (),
            standard_deviation=0.0 if certain else math.nan,
            interval=(value, value) if certain else (math.nan, math.nan),
            n=int(compared.stimuli[at]),
            method="projected" if any(_PROJECTED in note for note in notes) else "exact",
            note="; ".join(filter(None, [compared.reasons.get(at, ""), *notes])),
            estimator=self._estimators[measure.quantity.partition("_")[0]],
        )
        # no similarity is beyond 1
        return replace(row, lower=max(row.lower, -1.0), upper=min(row.upper, 1.0)) if known else row


def _distinct(stimuli: StimulusSet) -> Int[Tensor, " distinct"]:
    """Places of the stimuli whose image is none that came before; all of those that have no images, as of neurons.

    What is shown twice is no distance apart in any representation, and makes unrelated ones alike.
    """
    images = (pixels.contiguous().cpu().numpy().tobytes() for pixels in stimuli.pixels)
    first: dict[bytes, int] = {}
    for place, image in enumerate(images):
        first.setdefault(hashlib.sha256(image).digest(), place)
    return torch.tensor(list(first.values()) if len(first) > 1 else range(len(stimuli)))


def _matrices(kept: Dissimilarities, quantity: str, layers: Sequence[str]) -> list[Tensor]:
    return [torch.from_numpy(kept.matrix_of(quantity, layer)) for layer in layers]


def _matrices_of(response: LayerResponse, chosen: Int[Tensor, " chosen"], distances: Iterable[str]) -> dict[str, Any]:
    """Dissimilarities of a layer, made where the model runs; on the CPU if that device's memory does not suffice."""
    patterns = response.representation
    if len(chosen) < len(patterns):
        patterns = patterns[chosen]
    try:
        there = patterns.to(response.device)
        return {distance: packed(_matrix(distance, there, response)) for distance in distances}
    except torch.OutOfMemoryError:
        _log.warning("layer %s: the device's memory is full; comparing on the CPU", response.layer.name)
        return {distance: packed(_matrix(distance, patterns, response)) for distance in distances}


def _matrix(distance: str, patterns: Tensor, response: LayerResponse) -> Any:
    return DISTANCES[distance](patterns, response.constant).cpu().numpy()


def _notes(*responses: LayerResponse) -> list[str]:
    """What is to be said of layers that were projected."""
    return [
        f"{each.layer.name} {_PROJECTED} from {each.layer.units} to {each.representation.shape[1]} features"
        for each in responses
        if each.projected
    ]


def _of_layers(quantity: str) -> Measure:
    """The measure of a layer with another."""
    return Measure(
        probe=SimilarityProbe.name, quantity=quantity, title=f"{_NAMES[quantity]} of layers", unit="similarity",
        per=PAIR, interval="stimuli", figure="layer_similarity",
    )  # fmt: skip


def _of_past(quantity: str, what: str) -> Measure:
    """The measure of a layer with itself at another point."""
    return Measure(
        probe=SimilarityProbe.name, quantity=f"{quantity}_{what}", title=f"{_NAMES[quantity]} with the {_OTHER[what]}",
        unit="similarity", interval="stimuli", metric="similarity/{layer}/{quantity}", figure=_FIGURES[what],
        heading=_NAMES[quantity] if what == UNTRAINED_NETWORK else "",
    )  # fmt: skip
