"""Correlation dimension: how the number of pairs closer than a radius grows with the radius."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.estimators.neighbors import Neighbors, count_within

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

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.neighbors import nearest_neighbors
    >>> plane = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
    >>> round(correlation_dimension(plane, nearest_neighbors(plane, LISTED)), 1)
    2.0
    """
    distances = neighbors.distances[:, [NEIGHBORS // 2 - 1, NEIGHBORS - 1]].cpu().numpy()
    small, large = (float(radius) for radius in np.median(distances, axis=0))
    if not 0 < small < large:
        return math.nan
    radii = torch.tensor([small, large], dtype=torch.float64, device=points.device)
    counts = (neighbors.distances[..., None] < radii).sum(1)
    listed = neighbors.distances.shape[1]
    dense = (counts[:, 1] == listed).nonzero()[:, 0]
    if listed < len(points) - 1 and len(dense):
        counts[dense] = count_within(points, dense, radii)
    near, far = counts.sum(0).tolist()
    return math.log(far / near) / math.log(large / small) if near else math.nan
