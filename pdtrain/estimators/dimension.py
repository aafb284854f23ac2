"""Intrinsic dimension of a cloud of points by named estimators, with uncertainty, per part and over scales.

One search for neighbours serves all estimators, the subsamples behind their spread, the parts (classes) and the
scales (blocks of a decimation).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.correlation import LISTED as CORRELATION_LISTED
from pdtrain.estimators.correlation import NEIGHBORS as CORRELATION_NEIGHBORS
from pdtrain.estimators.correlation import correlation_dimension
from pdtrain.estimators.half_samples import half_samples
from pdtrain.estimators.lower_bounds import lower_bound_note
from pdtrain.estimators.neighbors import Neighbors, PairSearch, search_pairs
from pdtrain.estimators.projection import ProjectedNeighbors, projected_neighbors
from pdtrain.estimators.ratios import GRIDE_SCALES, RATIO_ESTIMATORS, RatioEstimator
from pdtrain.estimators.resampling import (
    Spread,
    distances_within,
    half_differences_of,
    jackknife_error,
    listed_neighbors,
    spread,
    subsamples,
)
from pdtrain.estimators.scikit_dimension import is_scikit_dimension, scikit_dimension
from pdtrain.estimators.spectrum import (
    gram_matrix,
    participation_ratio,
    principal_component_dimension,
    principal_variances,
    scatter_matrix,
)

MINIMUM_POINTS = 20
ALIASES = {"gride": tuple(f"gride_{scale}" for scale in GRIDE_SCALES)}
ESTIMATORS = (*RATIO_ESTIMATORS, "correlation", "participation_ratio", "pc_id")
_LARGEST_EXPONENT = 32  # of two: squares, and sums of many of them, stay far inside float32
_HALF = 0.5
_AUDIT_GROUPS = 20
_LARGEST_MATRIX = 4096  # rows of a matrix whose eigenvalues are still found in seconds


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
        Empty, or why there is no number, or how it was come by, or that it is but a lower bound (`lower_bounds`).
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
    note
        Empty, or that the mean is but a lower bound.
    """

    mean: float
    standard_deviation: float
    parts: int
    points: float
    note: str = ""


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
    """Tell whether `name` is one of `ESTIMATORS` or `ALIASES`, or `skdim.<Class>` of scikit-dimension.

    Examples
    --------
    >>> is_estimator("two_nn"), is_estimator("gride"), is_estimator("three_nn")
    (True, True, False)
    """
    return name in ESTIMATORS or name in ALIASES or is_scikit_dimension(name)


def without_alias(estimators: Sequence[str]) -> list[str]:
    """Names of estimators, each of `ALIASES` in place by those it stands for.

    Examples
    --------
    >>> without_alias(["mle", "gride"])
    ['mle', 'gride_1', 'gride_2', 'gride_4', 'gride_8', 'gride_16', 'gride_32']
    """
    return [name for given in estimators for name in ALIASES.get(given, (given,))]


def intrinsic_dimension(
    points: Float[Tensor, "points features"],
    *,
    estimators: Sequence[str] = ("two_nn",),
    resamplings: int = 20,
    subsample_fraction: float = 0.9,
    labels: Int[Tensor, " points"] | None = None,
    scales: int = 0,
    projected_features: int | None = None,
    halves: Bool[Tensor, "splits points"] | None = None,
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
    halves
        Halvings of the points behind standard errors and intervals (`half_samples`); None draws them.
    seed
        Seed of subsamples, blocks and halvings, so that layers and epochs share them.

    Raises
    ------
    ValueError
        If a value is not finite (it names stimulus and unit), or the projected search is asked for what it cannot give.

    Examples
    --------
    >>> import torch
    >>> plane = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0)) @ torch.eye(2, 10)  # within 10 features
    >>> report = intrinsic_dimension(plane, estimators=["two_nn", "participation_ratio"])
    >>> {name: round(found.dimension, 1) for name, found in report.estimates.items()}
    {'two_nn': 2.1, 'participation_ratio': 2.0}
    """
    names = without_alias(estimators)
    ratios = {name: RATIO_ESTIMATORS[name] for name in names if name in RATIO_ESTIMATORS}
    others = [name for name in names if name not in ratios]
    reason = _unusable(points)
    if reason:
        nothing = DimensionEstimate(np.nan, Spread(), len(points), note=reason)
        return DimensionReport({name: nothing for name in names})
    points = _at_ordinary_scale(points.detach())
    masks = subsamples(len(points), resamplings, subsample_fraction, seed=seed)
    halves = half_samples(torch.zeros(len(points), dtype=torch.int64), seed=seed) if halves is None else halves
    least_share = min(_HALF, subsample_fraction)
    if projected_features is not None and projected_features < points.shape[1]:
        if others or labels is not None or scales:
            raise ValueError("a projected search gives neighbour-ratio estimators only, without labels and scales")
        return _projected(points, ratios, masks, halves, least_share, projected_features, seed)
    blocks = [_blocks(len(points), 2**halvings, seed=seed) for halvings in range(1, scales + 1)]
    partitions = ([labels] if labels is not None else []) + blocks
    search = _search(points, ratios, others, partitions, least_share)
    estimates = {name: _with_spread(estimator, search.neighbors, masks, halves) for name, estimator in ratios.items()}
    estimates |= {name: _without_spread(name, points, search, seed) for name in others}
    within = list(zip(partitions, search.within, strict=True))
    per_label = {n: _over_parts(e, *within[0]) for n, e in ratios.items()} if labels is not None else {}
    at_scales = {n: [_over_parts(e, *part) for part in within[-scales:]] for n, e in ratios.items()} if scales else {}
    return DimensionReport({name: estimates[name] for name in names}, per_label, at_scales)


def _unusable(points: Tensor) -> str:
    """Why no estimator can take these points, or nothing."""
    if len(points) < MINIMUM_POINTS:
        return f"{len(points)} points, fewer than {MINIMUM_POINTS}"
    # most clouds are told apart by their first two points, without a pass over all
    if bool((points[1] == points[0]).all()) and bool((points == points[:1]).all()):
        return "constant layer"
    return ""


def _at_ordinary_scale(points: Tensor) -> Tensor:
    """Points whose squared distances would leave floating point's range, brought back by a power of two: dimension has
    no scale."""
    least, most = points.aminmax()  # without a copy of all points
    exponent = int(torch.frexp(torch.maximum(most, -least)).exponent)
    return points if abs(exponent) < _LARGEST_EXPONENT else torch.ldexp(points, torch.tensor(min(-exponent, 126)))


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
    least_share: float,
) -> PairSearch:
    needed = max([e.neighbors for e in ratios.values()], default=1)
    listed = listed_neighbors(needed, least_share)
    exact = needed  # those further serve subsamples and halves
    if "correlation" in others:
        listed = exact = max(listed, CORRELATION_LISTED)
    return search_pairs(
        points,
        min(listed, len(points) - 1),
        exact=exact,
        partitions=[labels.to(points.device) for labels in partitions],
        partition_k=min(needed, len(points) - 1),
        spectrum="participation_ratio" in others,
        # of fewer features than points the scatter matrix is smaller
        keep_gram="pc_id" in others and len(points) <= _LARGEST_MATRIX and len(points) < points.shape[1],
    )


def _projected(
    points: Tensor,
    ratios: dict[str, RatioEstimator],
    masks: list[Tensor],
    halves: Tensor,
    least_share: float,
    features: int,
    seed: int,
) -> DimensionReport:
    needed = max(e.neighbors for e in ratios.values())
    listed = min(listed_neighbors(needed, least_share), len(points) - 1)
    found = projected_neighbors(points, listed, features=features, seed=seed)
    estimates = {}
    for name, estimator in ratios.items():
        estimate = _with_spread(estimator, found.neighbors, masks, halves)
        estimates[name] = replace(estimate, note=_joined(estimate.note, _search_error(estimator, found)))
    return DimensionReport(estimates)


def _search_error(estimator: RatioEstimator, found: ProjectedNeighbors) -> str:
    """How the neighbours that a projected search missed change an estimate, found on the audited points."""
    searched, exact = found.neighbors.distances[found.audited], found.exact.distances

    def error(kept: Tensor) -> float:
        return _ratio_estimate(estimator, searched[kept])[0] / _ratio_estimate(estimator, exact[kept])[0] - 1

    places = torch.arange(len(exact), device=exact.device)
    whole = error(places)
    deviation = jackknife_error([error(places[places % _AUDIT_GROUPS != group]) for group in range(_AUDIT_GROUPS)])
    deviation = max(deviation, 1 / len(exact))  # where no audited point was missed, others may have been
    stated = f"{whole:+.1e} +- {deviation:.0e}" if np.isfinite(whole) else "unknown"
    return f"projected search: recall {found.recall:.3f}, relative error {stated} (of {len(exact)} points)"


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


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
    estimator: RatioEstimator, neighbors: Neighbors, masks: list[Tensor], halves: Tensor
) -> DimensionEstimate:
    points, distances = len(neighbors.distances), neighbors.distances
    value, usable = _ratio_estimate(estimator, distances)
    if np.isnan(value):
        few = f"only {usable} points without duplicates or ties, fewer than {MINIMUM_POINTS}"
        note = few if usable < MINIMUM_POINTS else "the distance ratios are all alike"
        return DimensionEstimate(np.nan, Spread(), usable, points - usable, note)
    resampled = [_ratio_estimate(estimator, distances_within(neighbors, m, estimator.neighbors))[0] for m in masks]
    half_differences = half_differences_of(
        neighbors,
        halves.to(distances.device),
        estimator.neighbors,
        lambda of: _ratio_estimate(estimator, of)[0],
        estimator.usable(distances[:, : estimator.neighbors]),
    )
    dropped = f"{points - usable} duplicate or tied points dropped" if usable < points else ""
    # where most are dropped, those that are left are chosen by their distances, and the estimate may be too high too
    bound = lower_bound_note(value, usable, estimator.neighbors) if usable > points / 2 else ""
    note = _joined(dropped, bound)
    return DimensionEstimate(value, spread(value, resampled, half_differences), usable, points - usable, note)


def _over_parts(estimator: RatioEstimator, labels: Tensor, neighbors: Neighbors) -> PartsEstimate:
    parts = [(labels == label).to(neighbors.distances.device) for label in labels.unique()]
    found = [_ratio_estimate(estimator, neighbors.distances[part]) for part in parts]
    values = np.array([value for value, _ in found if np.isfinite(value)])
    mean = float(values.mean()) if len(values) else np.nan
    deviation = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    points = len(labels) / len(parts)
    return PartsEstimate(
        mean, deviation, len(values), points, lower_bound_note(mean, round(points), estimator.neighbors)
    )


def _without_spread(name: str, points: Tensor, search: PairSearch, seed: int) -> DimensionEstimate:
    if name in _SINGLE:
        value, note = _SINGLE[name](points, search, seed)
    else:
        value, note = scikit_dimension(name, points, seed=seed), "scikit-dimension"
    return DimensionEstimate(value, Spread(), len(points), note=note)


def _correlation(points: Tensor, search: PairSearch, seed: int) -> tuple[float, str]:
    if len(points) <= CORRELATION_NEIGHBORS:
        return np.nan, f"{len(points)} points, fewer than {CORRELATION_NEIGHBORS + 1}"
    value = correlation_dimension(points, search.neighbors)
    if not np.isfinite(value):
        return value, "distances to the 10th and 20th neighbour are zero or alike"
    return value, lower_bound_note(value, len(points), CORRELATION_NEIGHBORS)


def _participation_ratio(points: Tensor, search: PairSearch, seed: int) -> tuple[float, str]:
    return participation_ratio(search.squared_norm_sum, search.squared_product_sum), ""


def _pc_id(points: Tensor, search: PairSearch, seed: int) -> tuple[float, str]:
    """From the smaller of Gram and scatter matrix; where both are large, from the Gram matrix of a random part."""
    if search.gram is not None:
        return principal_component_dimension(principal_variances(search.gram)), ""
    if points.shape[1] <= _LARGEST_MATRIX:
        return principal_component_dimension(principal_variances(scatter_matrix(points))), ""
    chosen = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:_LARGEST_MATRIX]
    gram = gram_matrix(points, chosen.to(points.device))
    return principal_component_dimension(principal_variances(gram)), f"of {_LARGEST_MATRIX} random points"


_SINGLE: dict[str, Callable[[Tensor, PairSearch, int], tuple[float, str]]] = {
    "correlation": _correlation,
    "participation_ratio": _participation_ratio,
    "pc_id": _pc_id,
}
