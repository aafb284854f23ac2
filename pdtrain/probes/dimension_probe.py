"""Intrinsic dimension of every recorded layer: all stimuli together, single classes' manifolds, and over scales."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError, unknown_name
from pdtrain.estimators.dimension import (
    ALIASES,
    ESTIMATORS,
    MINIMUM_POINTS,
    DimensionReport,
    PartsEstimate,
    intrinsic_dimension,
    is_estimator,
    without_alias,
)
from pdtrain.estimators.lower_bounds import lower_bound_in
from pdtrain.estimators.ratios import RATIO_ESTIMATORS
from pdtrain.limits import check_value
from pdtrain.probes.layer_by_layer import LayerByLayer
from pdtrain.probes.rows import layer_row
from pdtrain.results.measures import DIMENSION
from pdtrain.results.rows import Measurement, Row
from pdtrain.stimuli.stimulus_set import StimulusSet

_log = logging.getLogger(__name__)
_FALLING_AS_ONE_OVER_TRIALS = ("two_nn", "two_nn_mle", "mle")
_LINEAR = "pc_id"
_TITLES = {DIMENSION.quantity: DIMENSION.title, _LINEAR: "linear dimension (PC-ID)"}
_DRAWN_TOO: dict[str, Any] = {
    "figure": "linear_dimension",
    "how_to_read": "How many principal components hold 90% of the variance, the linear control: where it has the same "
    "shape before and after training, what training does to the intrinsic dimension is no matter of variance.",
}


def _title(estimator: str) -> str:
    return _TITLES.get(estimator, f"intrinsic dimension ({estimator.replace('_', ' ')})")


class DimensionProbe:
    """Measures intrinsic dimension, in dimensions.

    Parameters
    ----------
    estimators
        Names of `pdtrain.estimators.dimension.ESTIMATORS`, or `skdim.<Class>`.
    resamplings, subsample_fraction
        Subsamples behind the resampled mean and standard deviation.
    per_class
        Also estimate each class's manifold and give the mean over classes.
    scales
        How many times to halve the stimuli to show how the estimate depends on their number.
    projected_features
        Search neighbours of larger layers among candidates of a random projection to so many features; with estimators
        from ratios of distances only, without `per_class` and `scales`.
    seed
        Seed of subsamples, blocks and projections.
    """

    name = DIMENSION.probe
    needs_fields = False
    estimator = f"{name} 1"

    def __init__(
        self,
        estimators: Sequence[str] = (DIMENSION.quantity,),
        *,
        resamplings: int = 20,
        subsample_fraction: float = 0.9,
        per_class: bool = False,
        scales: int = 0,
        projected_features: int | None = None,
        seed: int = 0,
    ) -> None:
        key = "probes.intrinsic_dimension"
        check_value(f"{key}.estimators", list(estimators))
        for estimator in estimators:
            if not is_estimator(estimator):  # a class that scikit-dimension has not
                raise unknown_name(f"{key}.estimators", estimator, [*ESTIMATORS, *ALIASES], of="estimator")
        check_value(f"{key}.subsample_fraction", subsample_fraction)
        check_value(f"{key}.resamplings", resamplings)
        check_value(f"{key}.scales", scales)
        check_value(f"{key}.projected_features", projected_features)
        if projected_features is not None:
            _refuse_what_projection_cannot_give(
                f"{key}.projected_features={projected_features}", estimators, per_class, scales
            )
        self._options: dict[str, Any] = {
            "estimators": tuple(estimators),
            "resamplings": resamplings,
            "subsample_fraction": subsample_fraction,
            "scales": scales,
            "projected_features": projected_features,
            "seed": seed,
        }
        self._per_class = per_class
        self._layers = LayerByLayer()
        first, *others = without_alias(estimators)
        extrapolates = {name: name in _FALLING_AS_ONE_OVER_TRIALS for name in (first, *others)}
        self.measures = (
            replace(DIMENSION, quantity=first, title=_title(first), extrapolates=extrapolates[first]),
            *(
                DIMENSION.of(
                    name,
                    title=_title(name),
                    extrapolates=extrapolates[name],
                    **(_DRAWN_TOO if name == _LINEAR else {}),
                )
                for name in others
            ),
        )

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError if there are too few stimuli, or in a subsample of them."""
        stimuli.check_number(MINIMUM_POINTS, of="intrinsic dimension")
        if self._per_class:
            stimuli.check_labelled("probes.intrinsic_dimension.per_class")
        fraction, count = self._options["subsample_fraction"], len(stimuli)
        if self._options["resamplings"] and round(count * fraction) < MINIMUM_POINTS:
            raise InputError(
                f"probes.intrinsic_dimension.subsample_fraction={fraction}: leaves {round(count * fraction)} of "
                f"{count} stimuli, and intrinsic dimension needs {MINIMUM_POINTS}; give a larger share, more stimuli "
                f"({stimuli.number_key}) or resamplings=0"
            )

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Estimate the dimension of each layer's representation of the stimuli."""
        labels = stimuli.labels if self._per_class else None
        tasks = (
            (response, partial(self._of_layer, response, index, labels, stimuli.halves))
            for index, response in enumerate(responses)
        )
        return self._layers.measure(stimuli, tasks)

    def _of_layer(
        self,
        response: LayerResponse,
        index: int,
        labels: Int[Tensor, " stimuli"] | None,
        halves: Bool[Tensor, "splits stimuli"],
    ) -> Measurement:
        try:
            report = self._estimate(response, labels, halves)
        except ValueError as error:
            raise InputError(f"layer {response.layer.name}: {error}") from error
        if response.projected:
            report = self._with_projection_error(response, report, halves)
        return Measurement(_rows(index, response, report), []).made_by(self.estimator)

    def _estimate(
        self,
        response: LayerResponse,
        labels: Int[Tensor, " stimuli"] | None,
        halves: Bool[Tensor, "splits stimuli"],
    ) -> DimensionReport:
        """Estimate where the model runs; on the CPU if that device's memory does not suffice."""
        points, options = response.representation, self._options | {"labels": labels, "halves": halves}
        try:
            return intrinsic_dimension(points.to(response.device), **options)
        except torch.OutOfMemoryError:
            _log.warning("layer %s: the device's memory is full; estimating on the CPU", response.layer.name)
            return intrinsic_dimension(points, **options)

    def _with_projection_error(
        self, response: LayerResponse, report: DimensionReport, halves: Bool[Tensor, "splits stimuli"]
    ) -> DimensionReport:
        """Note how far each estimate moves when the projection is folded once more: about its own remaining error."""
        features = response.representation.shape[1] // 2
        folded = response.representation[:, :features] + response.representation[:, features : 2 * features]
        options = self._options | {"resamplings": 0, "scales": 0, "halves": halves[:1]}
        half = intrinsic_dimension(folded, **options).estimates
        noted = {}
        for name, estimate in report.estimates.items():
            change = half[name].dimension / estimate.dimension - 1
            note = f"projected from {response.layer.units} to {response.representation.shape[1]} features"
            if math.isfinite(change):
                note += f"; half as many change it by {change:+.1%}"
            noted[name] = replace(estimate, note="; ".join(filter(None, [estimate.note, note])))
        return replace(report, estimates=noted)


def _refuse_what_projection_cannot_give(key: str, estimators: Sequence[str], per_class: bool, scales: int) -> None:
    """Before training, as the first layer larger than the projection may come after hours."""
    others = [name for name in without_alias(estimators) if name not in RATIO_ESTIMATORS]
    wrong = (
        [f"estimators={others}"] * bool(others) + ["per_class=true"] * per_class + [f"scales={scales}"] * (scales > 0)
    )
    if wrong:
        raise InputError(
            f"{key}: a projected search finds ratios of distances among all stimuli only, not {', '.join(wrong)}; "
            f"choose estimators from {', '.join([*RATIO_ESTIMATORS, *ALIASES])}, without per_class and scales, or give "
            "projected_features=null"
        )


def _rows(index: int, response: LayerResponse, report: DimensionReport) -> list[Row]:
    rows = []
    for name, estimate in report.estimates.items():
        spread = estimate.spread
        rows.append(
            _row(
                index, response, name, estimate.dimension, n=estimate.points, note=estimate.note,
                half_differences=spread.half_differences,
            )
        )  # fmt: skip
        if not math.isnan(spread.resampled_mean):
            note = "; ".join(filter(None, ["over subsamples", lower_bound_in(estimate.note)]))
            rows.append(
                _row(
                    index, response, f"{name}_resampled", spread.resampled_mean, n=estimate.points, note=note,
                    standard_deviation=spread.resampled_standard_deviation,
                )
            )  # fmt: skip
    for name, parts in report.per_label.items():
        rows.append(_parts(index, response, f"{name}_per_class", parts, "classes"))
    for name, scales in report.scales.items():
        for parts in scales:
            rows.append(_parts(index, response, f"{name}_at_{parts.points:.0f}_points", parts, "blocks"))
    return rows


def _parts(index: int, response: LayerResponse, quantity: str, parts: PartsEstimate, kind: str) -> Row:
    deviation = f", standard deviation {parts.standard_deviation:.2f}" if parts.parts > 1 else ""
    note = (
        f"mean over {parts.parts} {kind}{deviation}" if parts.parts else f"none has {MINIMUM_POINTS} distinct stimuli"
    )
    note = "; ".join(filter(None, [note, parts.note]))
    return _row(index, response, quantity, parts.mean, n=round(parts.points), note=note)


def _row(index: int, response: LayerResponse, quantity: str, value: float, **options: Any) -> Row:
    return layer_row(DIMENSION.of(quantity), response.layer, index, value, method=response.method, **options)
