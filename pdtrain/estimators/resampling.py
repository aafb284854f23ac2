"""Uncertainty of neighbour-based estimates: subsamples of the points, and a jackknife over groups of neighbours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import t as student
from torch import Tensor

from pdtrain.estimators.neighbors import Neighbors

GROUPS = 20


@dataclass(frozen=True)
class Spread:
    """Uncertainty of an estimate, in its own units; NaN where there is none.

    Attributes
    ----------
    resampled_mean, resampled_standard_deviation
        Over subsamples of the points, as Ansuini et al. (2019) give them; no standard error, since subsamples share
        most of their points.
    standard_error, lower, upper
        From the jackknife over groups of neighbours: standard error and 95% interval.
    """

    resampled_mean: float = math.nan
    resampled_standard_deviation: float = math.nan
    standard_error: float = math.nan
    lower: float = math.nan
    upper: float = math.nan


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


def neighbor_groups(neighbors: Neighbors, groups: int = GROUPS) -> Int[Tensor, " points"]:
    """Divide the points into groups of about equal size that keep nearest neighbours together.

    Ratios of distances at neighbouring points depend on each other: they share the distance between them. Points
    linked by "is the nearest neighbour of" (a few each) stay in one group, unless they are too many for one.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.neighbors import nearest_neighbors
    >>> points = torch.tensor([[0.0], [10.0], [20.0], [1.0], [11.0], [21.0]])
    >>> groups = neighbor_groups(nearest_neighbors(points, 1), 3)
    >>> bool((groups[:3] == groups[3:]).all()), len(groups.unique())
    (True, 3)
    """
    count = len(neighbors.indices)
    nearest = neighbors.indices[:, 0].cpu().numpy()
    links = coo_matrix((np.ones(count), (np.arange(count), nearest)), shape=(count, count))
    number, component = connected_components(links, directed=False)
    largest = max(1, count // groups)
    order = np.argsort(component, kind="stable")
    place = np.arange(count) - np.searchsorted(component[order], component[order])
    pieces = np.empty(count, dtype=np.int64)
    pieces[order] = component[order] + number * (place // largest)
    _, piece, sizes = np.unique(pieces, return_inverse=True, return_counts=True)
    group, load = np.empty(len(sizes), dtype=np.int64), np.zeros(groups)
    for index in np.argsort(-sizes, kind="stable"):
        group[index] = load.argmin()
        load[group[index]] += sizes[index]
    return torch.from_numpy(group[piece])


def spread(value: float, resampled: Sequence[float], left_out: Sequence[float]) -> Spread:
    """Sum up an estimate's values on subsamples, and with each group of points left out.

    Standard error of the delete-a-group jackknife (Quenouille 1956); the interval is Student's with one degree of
    freedom less than there are groups.

    Examples
    --------
    >>> found = spread(2.0, resampled=[1.8, 2.2], left_out=[1.9, 2.1])
    >>> round(found.resampled_mean, 2), round(found.standard_error, 2)  # sqrt of half the squares, 0.01 each
    (2.0, 0.1)
    """
    samples, without = (np.array(v)[np.isfinite(v)] for v in (resampled, left_out))
    mean = float(samples.mean()) if len(samples) else math.nan
    deviation = float(samples.std(ddof=1)) if len(samples) > 1 else math.nan
    if len(without) < 2:
        return Spread(mean, deviation)
    groups = len(without)
    error = math.sqrt((groups - 1) * float(without.var()))
    reach = float(student.ppf(0.975, groups - 1)) * error
    return Spread(mean, deviation, error, value - reach, value + reach)
