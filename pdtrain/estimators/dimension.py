"""Intrinsic dimension of a cloud of points by named estimators, with uncertainty, per part and over scales.

One search for neighbours serves all estimators, the subsamples behind their spread, the parts (classes) and the
scales (blocks of a decimation).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.estimators.correlation import LISTED as CORRELATION_LISTED
from pdtrain.estimators.correlation import NEIGHBORS as CORRELATION_NEIGHBORS
from pdtrain.estimators.correlation import correlation_dimension
from pdtrain.estimators.neighbors import Neighbors, PairSearch, search_pairs
from pdtrain.estimators.projection import projected_neighbors
from pdtrain.estimators.ratios import GRIDE_SCALES, RATIO_ESTIMATORS, RatioEstimator
from pdtrain.estimators.resampling import (
    Spread,
    distances_within,
    listed_neighbors,
    neighbor_groups,
    spread,
    subsamples,
)
from pdtrain.estimators.spectrum import participation_ratio, principal_component_dimension, principal_variances

MINIMUM_POINTS = 20
ALIASES = {"gride": tuple(f"gride_{scale}" for scale in GRIDE_SCALES)}
ESTIMATORS = (*RATIO_ESTIMATORS, "correlation", "participation_ratio", "pc_id")
_LARGEST_GRAM = 4096


@dataclass(frozen=True)
class DimensionEstimate:
    """An intrinsic dimension, in dimensions.

    Attributes
    ----------
    dimension
        Estimate on all points; NaN only with a `note` that says why.
    spread
        Its uncertainty; NaN for estimators that are not ratios of distances.
    points, dropped
        Number of points used, and of points left out as duplicates or ties.
    note
        Empty, or why there is no number, or how it was come by.
    """

    dimension: float
    spread: Spread
    points: int
    dropped: int = 0
    note: str = ""


@dataclass(frozen=True)
class PartsEstimate:
    """Intrinsic dimensions of the parts of a cloud: classes, or blocks of a decimation.

    Attributes
    ----------
    mean, standard_deviation
        Over the parts that have an estimate, in dimensions; NaN where there is none.
    parts
        Number of those parts.
    points
        Mean number of points of a part.
    """

    mean: float
    standard_deviation: float
    parts: int
    points: float


@dataclass(frozen=True)
class DimensionReport:
    """All that `intrinsic_dimension` finds.

    Attributes
    ----------
    estimates
        By name of the estimator, on all points.
    per_label
        By name, over the parts that share a label; neighbour-ratio estimators only.
    scales
        By name, over blocks of ever fewer points (1/2, 1/4, ... of them); neighbour-ratio estimators only.
    """

    estimates: dict[str, DimensionEstimate]
    per_label: dict[str, PartsEstimate] = field(default_factory=dict)
    scales: dict[str, list[PartsEstimate]] = field(default_factory=dict)


def is_estimator(name: str) -> bool:
    """Tell whether `name` is one of `ESTIMATORS` or `ALIASES`, or `skdim.<Class>` of scikit-dimension."""
    if name in ESTIMATORS or name in ALIASES:
        return True
    import skdim.id

    return name.startswith("skdim.") and hasattr(skdim.id, name.removeprefix("skdim."))


def intrinsic_dimension(
    points: Float[Tensor, "points features"],
    *,
    estimators: Sequence[str] = ("two_nn",),
    resamplings: int = 20,
    subsample_fraction: float = 0.9,
    labels: Int[Tensor, " points"] | None = None,
    scales: int = 0,
    projected_features: int | None = None,
    seed: int = 0,
) -> DimensionReport:
    """Estimate the intrinsic dimension of a representation.

    Parameters
    ----------
    points
        One row per stimulus, shape (points, features), any floating type.
    estimators
        Names for which `is_estimator` holds.
    resamplings, subsample_fraction
        Subsamples without replacement behind the resampled mean and standard deviation.
    labels
        Label of each point, for the estimates per label.
    scales
        How many times to halve the points for the scale analysis.
    projected_features
        Find neighbours among candidates of a random projection to so many features (distances stay exact; the error
        found by an audit stands in the notes). Without labels, scales and the estimators that are not ratios.
    seed
        Seed of subsamples and blocks, so that layers and epochs share them.

    Raises
    ------
    ValueError
        If a value is not finite (it names stimulus and unit), or the projected search is asked for what it cannot give.
    """
    names = [name for given in estimators for name in ALIASES.get(given, (given,))]
    ratios = {name: RATIO_ESTIMATORS[name] for name in names if name in RATIO_ESTIMATORS}
    others = [name for name in names if name not in ratios]
    reason = _unusable(points)
    if reason:
        nothing = DimensionEstimate(np.nan, Spread(), len(points), note=reason)
        return DimensionReport({name: nothing for name in names})
    masks = subsamples(len(points), resamplings, subsample_fraction, seed=seed)
    if projected_features is not None and projected_features < points.shape[1]:
        if others or labels is not None or scales:
            raise ValueError("a projected search gives neighbour-ratio estimators only, without labels and scales")
        return _projected(points, ratios, masks, subsample_fraction, projected_features, seed)
    blocks = [_blocks(len(points), 2**halvings, seed=seed) for halvings in range(1, scales + 1)]
    partitions = ([labels] if labels is not None else []) + blocks
    search = _search(points, ratios, others, partitions, resamplings, subsample_fraction)
    groups = neighbor_groups(search.neighbors)
    estimates = {name: _with_spread(estimator, search.neighbors, masks, groups) for name, estimator in ratios.items()}
    estimates |= {name: _without_spread(name, points, search, seed) for name in others}
    within = list(zip(partitions, search.within, strict=True))
    per_label = {n: _over_parts(e, *within[0]) for n, e in ratios.items()} if labels is not None else {}
    at_scales = {n: [_over_parts(e, *part) for part in within[-scales:]] for n, e in ratios.items()} if scales else {}
    return DimensionReport({name: estimates[name] for name in names}, per_label, at_scales)


def _unusable(points: Tensor) -> str:
    """Why no estimator can take these points, or nothing."""
    if len(points) < MINIMUM_POINTS:
        return f"{len(points)} points, fewer than {MINIMUM_POINTS}"
    if bool((points == points[:1]).all()):
        return "constant layer"
    return ""


def _blocks(count: int, number: int, *, seed: int) -> Int[Tensor, " points"]:
    """Divide points at random into `number` blocks of equal size (but for one point)."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    blocks = torch.empty(count, dtype=torch.long)
    blocks[order] = torch.arange(count) % number
    return blocks


def _search(
    points: Tensor,
    ratios: dict[str, RatioEstimator],
    others: list[str],
    partitions: list[Tensor],
    resamplings: int,
    fraction: float,
) -> PairSearch:
    needed = max([e.neighbors for e in ratios.values()], default=1)
    listed = listed_neighbors(needed, fraction) if resamplings else needed
    if "correlation" in others:
        listed = max(listed, CORRELATION_LISTED)
    return search_pairs(
        points,
        min(listed, len(points) - 1),
        partitions=[labels.to(points.device) for labels in partitions],
        partition_k=min(needed, len(points) - 1),
        spectrum="participation_ratio" in others,
        keep_gram="pc_id" in others and len(points) <= _LARGEST_GRAM,
    )


def _projected(
    points: Tensor, ratios: dict[str, RatioEstimator], masks: list[Tensor], fraction: float, features: int, seed: int
) -> DimensionReport:
    needed = max(e.neighbors for e in ratios.values())
    listed = min(listed_neighbors(needed, fraction) if masks else needed, len(points) - 1)
    found = projected_neighbors(points, listed, features=features, seed=seed)
    groups = neighbor_groups(found.neighbors)
    error = f"projected search: recall {found.recall:.3f}, relative error {-found.relative_error:+.1e}"
    estimates = {name: _with_spread(estimator, found.neighbors, masks, groups) for name, estimator in ratios.items()}
    return DimensionReport({n: replace(e, note="; ".join(filter(None, [e.note, error]))) for n, e in estimates.items()})


def _ratio_estimate(estimator: RatioEstimator, distances: Tensor) -> tuple[float, int]:
    """Dimension and number of usable points; NaN if they are too few."""
    if distances.shape[1] < estimator.neighbors:
        return np.nan, 0
    usable = estimator.usable(distances)
    count = int(usable.sum())
    if count < MINIMUM_POINTS:
        return np.nan, count
    return estimator.estimate(distances[usable, : estimator.neighbors]), count


def _with_spread(
    estimator: RatioEstimator, neighbors: Neighbors, masks: list[Tensor], groups: Tensor
) -> DimensionEstimate:
    points, distances = len(neighbors.distances), neighbors.distances
    value, usable = _ratio_estimate(estimator, distances)
    if np.isnan(value):
        few = f"only {usable} points without duplicates or ties, fewer than {MINIMUM_POINTS}"
        note = few if usable < MINIMUM_POINTS else "the distance ratios are all alike"
        return DimensionEstimate(np.nan, Spread(), usable, points - usable, note)
    resampled = [_ratio_estimate(estimator, distances_within(neighbors, m, estimator.neighbors))[0] for m in masks]
    groups = groups.to(distances.device)
    left_out = [_ratio_estimate(estimator, distances[groups != group])[0] for group in groups.unique()]
    note = f"{points - usable} duplicate or tied points dropped" if usable < points else ""
    return DimensionEstimate(value, spread(value, resampled, left_out), usable, points - usable, note)


def _over_parts(estimator: RatioEstimator, labels: Tensor, neighbors: Neighbors) -> PartsEstimate:
    parts = [(labels == label).to(neighbors.distances.device) for label in labels.unique()]
    found = [_ratio_estimate(estimator, neighbors.distances[part]) for part in parts]
    values = np.array([value for value, _ in found if np.isfinite(value)])
    mean = float(values.mean()) if len(values) else np.nan
    deviation = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return PartsEstimate(mean, deviation, len(values), len(labels) / len(parts))


def _without_spread(name: str, points: Tensor, search: PairSearch, seed: int) -> DimensionEstimate:
    value, note = _SINGLE.get(name, _scikit_dimension(name))(points, search, seed)
    return DimensionEstimate(value, Spread(), len(points), note=note)


def _correlation(points: Tensor, search: PairSearch, seed: int) -> tuple[float, str]:
    if len(points) <= CORRELATION_NEIGHBORS:
        return np.nan, f"{len(points)} points, fewer than {CORRELATION_NEIGHBORS + 1}"
    value = correlation_dimension(points, search.neighbors)
    return value, "" if np.isfinite(value) else "distances to the 10th and 20th neighbour are zero or alike"


def _participation_ratio(points: Tensor, search: PairSearch, seed: int) -> tuple[float, str]:
    return participation_ratio(search.squared_norm_sum, search.squared_product_sum), ""


def _pc_id(points: Tensor, search: PairSearch, seed: int) -> tuple[float, str]:
    """From the Gram matrix of the search; of many points, from that of a random part of them."""
    if search.gram is not None:
        return principal_component_dimension(principal_variances(search.gram)), ""
    centred = points.double() - points.double().mean(0)
    if points.shape[1] <= _LARGEST_GRAM:
        return principal_component_dimension(principal_variances(centred.T @ centred)), ""
    chosen = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:_LARGEST_GRAM]
    part = search_pairs(points[chosen.to(points.device)], 1, keep_gram=True).gram
    assert part is not None
    return principal_component_dimension(principal_variances(part)), f"of {_LARGEST_GRAM} random points"


_SINGLE: dict[str, Callable[[Tensor, PairSearch, int], tuple[float, str]]] = {
    "correlation": _correlation,
    "participation_ratio": _participation_ratio,
    "pc_id": _pc_id,
}


def _scikit_dimension(name: str) -> Callable[[Tensor, PairSearch, int], tuple[float, str]]:
    def estimate(points: Tensor, search: PairSearch, seed: int) -> tuple[float, str]:
        import skdim.id

        estimator = getattr(skdim.id, name.removeprefix("skdim."))()
        return float(estimator.fit(points.double().cpu().numpy()).dimension_), "scikit-dimension"

    return estimate
