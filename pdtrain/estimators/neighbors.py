"""Exact nearest-neighbour distances of points, found in blocks, so that no N x N matrix is held.

Candidates come from inner products (fast, but they cancel badly); their distances are then recomputed from
differences, and a row whose candidates cannot be proven complete is searched again by differences alone.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

_EXTRA_CANDIDATES = 3
_REFINEMENT_BYTES = 4 * 2**20  # what stays in cache: larger blocks were five times slower


@dataclass(frozen=True)
class Neighbors:
    """Nearest neighbours of each point, itself excluded, nearest first.

    Attributes
    ----------
    distances
        Euclidean distances, shape (points, k), in the points' own units, float64.
    indices
        Row numbers of the neighbours, shape (points, k).
    """

    distances: Float[Tensor, "points k"]
    indices: Int[Tensor, "points k"]


def nearest_neighbors(points: Float[Tensor, "points features"], k: int, *, block: int = 1024) -> Neighbors:
    """Find the `k` nearest neighbours of every point exactly.

    Parameters
    ----------
    points
        Shape (points, features); half precision is computed in float32.
    k
        Neighbours per point, less than the number of points.
    block
        Rows whose distances to all points are held at a time.

    Raises
    ------
    ValueError
        If a value is not finite, or there are not more than `k` points.
    """
    count = len(points)
    if not 0 < k < count:
        raise ValueError(f"k={k} neighbours need more than {k} points; got {count}")
    if points.dtype in (torch.float16, torch.bfloat16):
        points = points.float()
    # Inner products of centred points lose fewer digits.
    original, points = points, points - points.mean(0)
    squares = torch.linalg.vector_norm(points, dim=1, dtype=torch.float64).square()
    if not torch.isfinite(squares).all():
        _refuse_non_finite(original)
    # |error of a dot product of D terms| <= D eps |x||y|; in practice sqrt(D): four of them are ample.
    error = 4 * torch.finfo(points.dtype).eps * points.shape[1] ** 0.5 * squares.max()
    candidates = min(k + _EXTRA_CANDIDATES, count - 1)
    distances, indices = [], []
    for start in range(0, count, block):
        rows = torch.arange(start, min(start + block, count), device=points.device)
        approximate = torch.addmm(squares.to(points.dtype), points[rows], points.T, alpha=-2)
        approximate[torch.arange(len(rows), device=points.device), rows] = torch.inf
        nearest = approximate.topk(candidates, largest=False)
        exact = _squared_distances(points, rows, nearest.indices)
        exact, order = exact.sort(stable=True)
        found = nearest.indices.gather(1, order)
        outside = nearest.values[:, -1].double() + squares[rows] - error
        unproven = (exact[:, k - 1] > outside) & (candidates < count - 1)
        exact, found = exact[:, :k], found[:, :k]
        for i in unproven.nonzero()[:, 0]:
            exact[i], found[i] = _search_row(points, rows[i], k)
        distances.append(exact.sqrt())
        indices.append(found)
    return Neighbors(torch.cat(distances), torch.cat(indices))


def _refuse_non_finite(points: Tensor) -> None:
    bad = (~torch.isfinite(points)).nonzero()
    if len(bad) == 0:
        raise ValueError("activations are too large: their squares overflow")
    row, feature = bad[0].tolist()
    raise ValueError(f"activation of stimulus {row}, unit {feature} is {points[row, feature].item()}")


def _squared_distances(points: Tensor, rows: Tensor, neighbors: Tensor) -> Tensor:
    """Squared distances by differences, a few rows at a time to bound the memory of the gather."""
    bytes_per_row = neighbors.shape[1] * points.shape[1] * points.element_size()
    step = max(1, int(_REFINEMENT_BYTES // max(bytes_per_row, 1)))
    parts = []
    for start in range(0, len(rows), step):
        difference = points[neighbors[start : start + step]] - points[rows[start : start + step], None]
        parts.append(torch.linalg.vector_norm(difference, dim=-1).double().square())
    return torch.cat(parts)


def _search_row(points: Tensor, row: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the neighbours of one point by differences alone."""
    exact = torch.linalg.vector_norm(points - points[row], dim=-1).double().square()
    exact[row] = torch.inf
    nearest = exact.topk(k, largest=False)
    return nearest.values, nearest.indices
