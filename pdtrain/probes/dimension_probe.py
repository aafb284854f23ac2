"""Intrinsic dimension of every recorded layer: all stimuli together, and the mean over single objects' manifolds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError, unknown_name
from pdtrain.estimators.dimension import ESTIMATORS, MINIMUM_POINTS, intrinsic_dimension, is_estimator
from pdtrain.probes.rows import Measurement, Row
from pdtrain.stimuli.stimulus_set import StimulusSet


class DimensionProbe:
    """Measures intrinsic dimension, in dimensions.

    Parameters
    ----------
    estimators
        Names of `pdtrain.estimators.dimension.ESTIMATORS`, or `skdim.<Class>`.
    resamplings, subsample_fraction
        Subsamples behind standard deviation and interval.
    per_class
        Also estimate each class's manifold and give the mean over classes.
    seed
        Seed of the subsamples.
    """

    name = "intrinsic_dimension"

    def __init__(
        self,
        estimators: Sequence[str] = ("two_nn",),
        *,
        resamplings: int = 20,
        subsample_fraction: float = 0.9,
        per_class: bool = False,
        seed: int = 0,
    ) -> None:
        for estimator in estimators:
            if not is_estimator(estimator):
                raise unknown_name("probes.intrinsic_dimension.estimators", estimator, ESTIMATORS, of="estimator")
        self._options: dict[str, Any] = {
            "estimators": tuple(estimators),
            "resamplings": resamplings,
            "subsample_fraction": subsample_fraction,
            "seed": seed,
        }
        self._per_class = per_class

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError if there are too few stimuli."""
        if len(stimuli) < MINIMUM_POINTS:
            raise InputError(
                f"stimuli.count={len(stimuli)}: intrinsic dimension needs at least {MINIMUM_POINTS} stimuli"
            )

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Estimate the dimension of each layer's representation of the stimuli."""
        rows = []
        for index, response in enumerate(responses):
            rows += self._whole(index, response)
            if self._per_class:
                rows += self._classes(index, response, stimuli)
        return Measurement(rows, [])

    def _whole(self, index: int, response: LayerResponse) -> list[Row]:
        try:
            estimates = intrinsic_dimension(response.representation, **self._options)
        except ValueError as error:
            raise InputError(f"layer {response.layer.name}: {error}") from error
        rows = []
        for name, estimate in estimates.items():
            note = estimate.note or (f"{estimate.dropped} duplicate or tied points dropped" if estimate.dropped else "")
            rows.append(
                Row(
                    response.layer.name,
                    index,
                    response.layer.depth,
                    self.name,
                    name,
                    "",
                    estimate.dimension,
                    estimate.standard_deviation,
                    estimate.lower,
                    estimate.upper,
                    estimate.points,
                    "projected" if response.projected else "exact",
                    note,
                )
            )
        return rows

    def _classes(self, index: int, response: LayerResponse, stimuli: StimulusSet) -> list[Row]:
        options: dict[str, Any] = self._options | {"resamplings": 0}
        members = [stimuli.labels == label for label in stimuli.labels.unique()]
        estimates = [intrinsic_dimension(response.representation[member], **options) for member in members]
        rows = []
        for name in self._options["estimators"]:
            values = np.array([e[name].dimension for e in estimates])
            values = values[np.isfinite(values)]
            value = float(values.mean()) if len(values) else float("nan")
            spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
            rows.append(
                Row(
                    response.layer.name,
                    index,
                    response.layer.depth,
                    self.name,
                    f"{name}_per_class",
                    "",
                    value,
                    spread,
                    n=len(values),
                    method="projected" if response.projected else "exact",
                    note="" if len(values) else f"no class has {MINIMUM_POINTS} distinct stimuli",
                )
            )
        return rows
