"""Intrinsic dimension of a cloud of points, with its uncertainty; every estimator here has a name users give.

All neighbour-based estimators share one search; subsamples reuse it, since the neighbours of a point within
a random 90% of the points are, but for a chance of 6e-5, among its six nearest in the whole; the few points
for which they are not are left out of that subsample.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.estimators.neighbors import Neighbors, nearest_neighbors

NEIGHBORS = 6
MINIMUM_POINTS = 20


@dataclass(frozen=True)
class DimensionEstimate:
    """An intrinsic dimension (dimensions) with its spread over subsamples.

    Attributes
    ----------
    dimension
        Estimate on all points; NaN only with a `note` that says why.
    standard_deviation, lower, upper
        Spread and central 95% interval over subsamples, in dimensions.
    points, dropped
        Number of points used, and of points left out as duplicates or ties.
    note
        Empty, or why there is no number.
    """

    dimension: float
    standard_deviation: float
    lower: float
    upper: float
    points: int
    dropped: int
    note: str = ""


def two_nn(
    first: Float[Tensor, " points"], second: Float[Tensor, " points"], *, discard_fraction: float = 0.1
) -> float:
    """TwoNN by regression (Facco et al. 2017): slope of -log(1-F(mu)) on log(mu) through the origin.

    Parameters
    ----------
    first, second
        Distances to the two nearest neighbours, 0 < first < second.
    discard_fraction
        Share of the largest ratios left out of the fit.

    Returns
    -------
    float
        Intrinsic dimension, in dimensions. F(i) = i/N with i from 1, as `skdim.id.TwoNN`.
    """
    log_ratio = (second / first).log().sort().values
    count = len(log_ratio)
    kept = int(count * (1 - discard_fraction))
    empirical = torch.arange(1, kept + 1, dtype=torch.float64, device=log_ratio.device) / count
    x, y = log_ratio[:kept], -torch.log1p(-empirical)
    finite = torch.isfinite(y)
    return float((x[finite] * y[finite]).sum() / x[finite].square().sum())


def two_nn_maximum_likelihood(first: Float[Tensor, " points"], second: Float[Tensor, " points"]) -> float:
    """TwoNN by maximum likelihood, (N-1) / sum log(mu) (Facco et al. 2017; unbiased form), in dimensions."""
    return float((len(first) - 1) / (second / first).log().sum())


def levina_bickel(distances: Float[Tensor, "points k"]) -> float:
    """Maximum-likelihood dimension of Levina and Bickel (2004), averaged as MacKay and Ghahramani, in dimensions."""
    inverse = (distances[:, -1:] / distances[:, :-1]).log().mean(1)
    return float(1 / inverse.mean())


def participation_ratio(points: Float[Tensor, "points features"]) -> float:
    """(sum of variances)^2 / sum of squared variances over principal components, in dimensions."""
    variances = _principal_variances(points)
    return float(variances.sum().square() / variances.square().sum())


def principal_component_dimension(points: Float[Tensor, "points features"], *, variance: float = 0.9) -> float:
    """Number of principal components that hold `variance` of the variance (PC-ID of Ansuini et al. 2019)."""
    cumulative = _principal_variances(points).cumsum(0)
    return float((cumulative < variance * cumulative[-1]).sum() + 1)


def _principal_variances(points: Tensor) -> Tensor:
    centred = points.double() - points.double().mean(0)
    gram = centred @ centred.T if centred.shape[0] <= centred.shape[1] else centred.T @ centred
    return torch.linalg.eigvalsh(gram).clamp_min(0).flip(0)


_NEIGHBOR_ESTIMATORS: dict[str, Callable[[Tensor], float]] = {
    "two_nn": lambda distances: two_nn(distances[:, 0], distances[:, 1]),
    "two_nn_mle": lambda distances: two_nn_maximum_likelihood(distances[:, 0], distances[:, 1]),
    "mle": levina_bickel,
}
_POINT_ESTIMATORS: dict[str, Callable[[Tensor], float]] = {
    "participation_ratio": participation_ratio,
    "pc_id": principal_component_dimension,
}
ESTIMATORS = (*_NEIGHBOR_ESTIMATORS, *_POINT_ESTIMATORS)


def is_estimator(name: str) -> bool:
    """Tell whether `name` is one of `ESTIMATORS` or `skdim.<Class>` for a global estimator of scikit-dimension."""
    if name in ESTIMATORS:
        return True
    import skdim.id

    return name.startswith("skdim.") and hasattr(skdim.id, name.removeprefix("skdim."))


def intrinsic_dimension(
    points: Float[Tensor, "points features"],
    *,
    estimators: tuple[str, ...] = ("two_nn",),
    resamplings: int = 20,
    subsample_fraction: float = 0.9,
    seed: int = 0,
) -> dict[str, DimensionEstimate]:
    """Estimate the intrinsic dimension of a representation by each named estimator.

    Parameters
    ----------
    points
        One row per stimulus, shape (points, features).
    estimators
        Names for which `is_estimator` holds.
    resamplings, subsample_fraction
        Subsamples without replacement that give the spread of the neighbour-based estimators.
    seed
        Seed of the subsamples, so that layers and epochs share them.

    Raises
    ------
    ValueError
        If a value is not finite (it names stimulus and unit).
    """
    generator = torch.Generator().manual_seed(seed)
    results = {}
    neighbors: Neighbors | None = None
    for name in estimators:
        if name in _NEIGHBOR_ESTIMATORS:
            if len(points) < MINIMUM_POINTS:
                results[name] = _nothing(f"{len(points)} points, fewer than {MINIMUM_POINTS}", len(points), 0)
                continue
            if neighbors is None:
                neighbors = nearest_neighbors(points, min(NEIGHBORS, len(points) - 1))
                subsamples = _subsamples(len(points), resamplings, subsample_fraction, generator)
            results[name] = _resampled(_NEIGHBOR_ESTIMATORS[name], neighbors, subsamples)
        else:
            estimate = _POINT_ESTIMATORS[name] if name in _POINT_ESTIMATORS else _scikit_dimension(name)
            varies = bool((points != points[:1]).any())
            value = estimate(points) if varies else float("nan")
            note = "" if varies else "constant layer"
            results[name] = DimensionEstimate(value, np.nan, np.nan, np.nan, len(points), 0, note)
    return results


def _nothing(note: str, points: int, dropped: int) -> DimensionEstimate:
    return DimensionEstimate(np.nan, np.nan, np.nan, np.nan, points, dropped, note)


def _subsamples(count: int, resamplings: int, fraction: float, generator: torch.Generator) -> list[Tensor]:
    kept = round(count * fraction)
    masks = []
    for _ in range(resamplings):
        mask = torch.zeros(count, dtype=torch.bool)
        mask[torch.randperm(count, generator=generator)[:kept]] = True
        masks.append(mask)
    return masks


def _resampled(estimate: Callable[[Tensor], float], neighbors: Neighbors, masks: list[Tensor]) -> DimensionEstimate:
    distances = neighbors.distances
    usable = _usable(distances)
    count, dropped = int(usable.sum()), int((~usable).sum())
    if count < MINIMUM_POINTS:
        return _nothing(f"only {count} points without duplicates or ties", count, dropped)
    values = np.array([estimate(_within(neighbors, mask)) for mask in masks])
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    lower, upper = np.quantile(values, [0.025, 0.975]) if len(values) > 1 else (np.nan, np.nan)
    return DimensionEstimate(estimate(distances[usable]), spread, float(lower), float(upper), count, dropped)


def _usable(distances: Tensor) -> Tensor:
    """Points with neither a duplicate (r1 = 0) nor a tie (r1 = r2), which TwoNN's ratio cannot take."""
    return (distances[:, 0] > 0) & (distances[:, 1] > distances[:, 0])


def _within(neighbors: Neighbors, mask: Tensor) -> Tensor:
    """Distances to the neighbours that belong to a subsample, for its points; as many columns as all rows have."""
    mask = mask.to(neighbors.indices.device)
    distances = neighbors.distances[mask].masked_fill(~mask[neighbors.indices[mask]], torch.inf).sort(1).values
    distances = distances[torch.isfinite(distances[:, 1])]
    complete = int(torch.isfinite(distances).sum(1).min()) if len(distances) else 0
    distances = distances[:, : max(complete, 2)]
    return distances[_usable(distances)]


def _scikit_dimension(name: str) -> Callable[[Tensor], float]:
    import skdim.id

    estimator = getattr(skdim.id, name.removeprefix("skdim."))()
    return lambda points: float(estimator.fit(points.double().cpu().numpy()).dimension_)
