"""Uncertainty of neighbour-based estimates: subsamples of the points, and halves of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pdtrain.estimators.half_samples import interval, standard_error
from pdtrain.estimators.neighbors import Neighbors


@dataclass(frozen=True)
class Spread:
    """Uncertainty of an estimate, in its own units; NaN where there is none.

    Attributes
    ----------
    resampled_mean, resampled_standard_deviation
        Over subsamples of the points, as Ansuini et al. (2019) give them; no standard error, since subsamples share
        most of their points.
    standard_error, lower, upper, half_differences
        Standard error and 95% interval over the points, from half the differences between halves (`half_samples`).
    """

    resampled_mean: float = math.nan
    resampled_standard_deviation: float = math.nan
    standard_error: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    half_differences: tuple[float, ...] = ()


def subsamples(count: int, resamplings: int, fraction: float, *, seed: int) -> list[Bool[Tensor, " points"]]:
    """Draw `resamplings` subsamples of `fraction` of the points, without replacement, as masks.

    Examples
    --------
    >>> [int(mask.sum()) for mask in subsamples(10, 3, 0.9, seed=0)]
    [9, 9, 9]
    """
    generator = torch.Generator().manual_seed(seed)
    kept = round(count * fraction)
    masks = []
    for _ in range(resamplings):
        mask = torch.zeros(count, dtype=torch.bool)
        mask[torch.randperm(count, generator=generator)[:kept]] = True
        masks.append(mask)
    return masks


def listed_neighbors(needed: int, fraction: float) -> int:
    """How many neighbours to list so that `needed` of them are in a subsample, but for about 1 point in 100,000.

    Examples
    --------
    >>> listed_neighbors(2, 1.0), listed_neighbors(2, 0.9)
    (2, 9)
    """
    missing = (1 - fraction) / fraction
    return math.ceil(needed + missing * needed + 4 * math.sqrt(missing * needed) + 4 * (missing > 0))


def distances_within(
    neighbors: Neighbors, mask: Bool[Tensor, " points"], needed: int
) -> Float[Tensor, "members needed"]:
    """Distances from the members of a subsample to their nearest `needed` fellow members.

    Infinite where fewer are listed.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.neighbors import nearest_neighbors
    >>> neighbors = nearest_neighbors(torch.tensor([[0.0], [1.0], [3.0]]), 2)
    >>> distances_within(neighbors, torch.tensor([True, False, True]), 1).tolist()
    [[3.0], [3.0]]
    """
    mask = mask.to(neighbors.indices.device)
    listed = neighbors.distances[mask].masked_fill(~mask[neighbors.indices[mask]], torch.inf)
    return listed.topk(min(needed, listed.shape[1]), dim=1, largest=False).values


def half_differences_of(
    neighbors: Neighbors,
    halves: Bool[Tensor, "splits points"],
    needed: int,
    estimate: Callable[[Tensor], float],
    usable: Bool[Tensor, " points"] | None = None,
) -> tuple[float, ...]:
    """Half the difference between an estimate on either half of the points, for each halving; empty where one has none.

    Neighbours are sought within the half: so a point counts that is the neighbour of many others, which leaving points
    out of the fit alone would not see. Points that are not `usable` among all, as duplicates, are neighbours alone.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.neighbors import nearest_neighbors
    >>> neighbors = nearest_neighbors(torch.tensor([[0.0], [1.0], [10.0], [13.0]]), 3)
    >>> halves = torch.tensor([[True, True, False, False]])
    >>> half_differences_of(neighbors, halves, 1, lambda distances: float(distances.mean()))  # (1 - 3) / 2
    (-1.0,)
    """
    found = []
    taken = torch.ones_like(halves[0]) if usable is None else usable.to(halves.device)
    for half in halves:
        one, other = (estimate(distances_within(neighbors, part, needed)[taken[part]]) for part in (half, ~half))
        found.append((one - other) / 2)
    return tuple(found) if np.isfinite(found).all() else ()


def spread(value: float, resampled: Sequence[float], half_differences: Sequence[float]) -> Spread:
    """Sum up an estimate's values on subsamples, and half its differences between halves of the points.

    Examples
    --------
    >>> found = spread(2.0, resampled=[1.8, 2.2], half_differences=[0.1, -0.1])
    >>> round(found.resampled_mean, 2), round(found.standard_error, 2)
    (2.0, 0.1)
    """
    samples = np.array(resampled)[np.isfinite(resampled)]
    mean = float(samples.mean()) if len(samples) else math.nan
    deviation = float(samples.std(ddof=1)) if len(samples) > 1 else math.nan
    error = float(standard_error(torch.tensor(half_differences, dtype=torch.float64)))
    return Spread(mean, deviation, error, *interval(value, error), tuple(half_differences))


def jackknife_error(left_out: Sequence[float]) -> float:
    """Standard error of the delete-a-group jackknife (Quenouille 1956), from the values without each group.

    Examples
    --------
    >>> round(jackknife_error([1.9, 2.1]), 2)  # sqrt of half the squares, 0.01 each
    0.1
    """
    without = np.array(left_out)[np.isfinite(left_out)]
    return math.sqrt((len(without) - 1) * float(without.var())) if len(without) > 1 else math.nan
