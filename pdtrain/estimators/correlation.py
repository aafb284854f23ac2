"""Correlation dimension: how the number of pairs closer than a radius grows with the radius."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.estimators.neighbors import Neighbors, squared_distances

NEIGHBORS = 20
LISTED = 60  # neighbours to have at hand, so that few points need a second look


def correlation_dimension(points: Float[Tensor, "points features"], neighbors: Neighbors) -> float:
    """Correlation dimension (Grassberger and Procaccia 1983) between two radii, in dimensions.

    The radii are the medians of the distances to the 10th and 20th neighbour, as in `skdim.id.CorrInt`.

    Parameters
    ----------
    points
        Shape (points, features); looked at again only for points with more neighbours within the larger radius
        than `neighbors` lists.
    neighbors
        At least `NEIGHBORS` for each point; `LISTED` are enough for nearly all.

    Returns
    -------
    float
        NaN if the radii are zero or alike.
    """
    distances = neighbors.distances[:, [NEIGHBORS // 2 - 1, NEIGHBORS - 1]].cpu().numpy()
    small, large = (float(radius) for radius in np.median(distances, axis=0))
    if not 0 < small < large:
        return math.nan
    pairs = [_pairs_within(points, neighbors, radius) for radius in (small, large)]
    return float(np.log(pairs[1] / pairs[0]) / np.log(large / small))


def _pairs_within(points: Tensor, neighbors: Neighbors, radius: float) -> int:
    """Ordered pairs of points less than `radius` apart."""
    listed = neighbors.distances
    count = (listed < radius).sum(1)
    everyone = torch.arange(len(points), device=points.device)
    if listed.shape[1] < len(points) - 1:
        for row in (count == listed.shape[1]).nonzero()[:, 0]:
            squared = squared_distances(points, row[None], everyone[None])[0]
            count[row] = (squared.sqrt() < radius).sum() - 1
    return int(count.sum())
