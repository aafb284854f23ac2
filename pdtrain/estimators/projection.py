"""Random projection that streams, and the neighbour search that finds candidates with it and distances without it."""

from dataclasses import dataclass
from math import gcd

import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.estimators.neighbors import Neighbors, nearest_candidates, squared_distances

_FIRST_CANDIDATES = 1
_SAFETY = 2.0  # candidates within so many standard deviations of the projection's error are looked at
_AUDITED = 100  # points whose neighbours are found exactly as well, to state the error


class SignedFold:
    """Projects vectors to fewer features: random signs, then feature i is added to feature i modulo `features`.

    A count sketch (Charikar et al. 2002) whose buckets are laid out in order, so that it reads each value once and
    needs no table but the signs. Squared distances are kept in expectation, whatever the layout, with a relative
    standard deviation of about sqrt(2 / features).

    Parameters
    ----------
    inputs, features
        Numbers of features before and after; the latter is lowered until it has no common factor with `period`.
    period
        Size of the maps that repeat along the input (rows times columns), so that one place does not always fall on
        the same feature.
    seed
        Seed of the signs.
    """

    def __init__(self, inputs: int, features: int, *, period: int = 1, seed: int = 0) -> None:
        while gcd(features, period) != 1:
            features -= 1
        self.inputs, self.features = inputs, features
        generator = torch.Generator().manual_seed(seed)
        self._signs = torch.randint(2, (inputs,), generator=generator, dtype=torch.int8) * 2 - 1

    def __call__(self, vectors: Float[Tensor, "vectors inputs"]) -> Float[Tensor, "vectors features"]:
        """Project each row; float32 out."""
        folded = torch.zeros(len(vectors), self.features, device=vectors.device)
        for start in range(0, self.inputs, self.features):
            part = vectors[:, start : start + self.features]
            signs = self._signs[start : start + self.features].to(vectors.device)
            folded[:, : part.shape[1]].addcmul_(part.float(), signs.float())
        return folded


@dataclass(frozen=True)
class ProjectedNeighbors:
    """Neighbours found among candidates of a projection.

    Attributes
    ----------
    neighbors
        Their distances are exact; a nearer point may have been missed.
    recall
        Share of true neighbours found, over the audited points.
    relative_error
        Relative error of the mean log ratio of the last to the first distance over those points: about that of an
        intrinsic dimension, with the opposite sign.
    """

    neighbors: Neighbors
    recall: float
    relative_error: float


def projected_neighbors(
    points: Float[Tensor, "points inputs"], k: int, *, features: int = 2048, period: int = 1, seed: int = 0
) -> ProjectedNeighbors:
    """Find the `k` nearest neighbours: candidates by distance after a `SignedFold`, in their order by true distance.

    As many candidates are looked at for each point as the projection's measured error asks for.

    Parameters
    ----------
    points
        Shape (points, inputs).
    k
        Neighbours per point.
    features, period, seed
        Of the fold.

    Raises
    ------
    ValueError
        As `search_pairs`.
    """
    most = min(16 * k, len(points) - 1)
    fold = SignedFold(points.shape[1], min(features, points.shape[1]), period=period, seed=seed)
    candidates = nearest_candidates(fold(points), most)
    approximate, indices = candidates.distances.square(), candidates.indices
    exact = torch.full_like(approximate, torch.inf)
    first = min(k + _FIRST_CANDIDATES, most)
    everyone = torch.arange(len(points), device=points.device)
    exact[:, :first] = squared_distances(points, everyone, indices[:, :first])
    positive = exact[:, :first] > 0
    error = float((approximate[:, :first][positive] / exact[:, :first][positive] - 1).std())
    for column in range(first, most):
        farthest = exact[:, :column].kthvalue(k, dim=1).values
        rows = (approximate[:, column] < farthest * (1 + _SAFETY * error)).nonzero()[:, 0]
        if len(rows) == 0:
            break
        exact[rows, column : column + 1] = squared_distances(points, rows, indices[rows, column : column + 1])
    nearest = exact.topk(k, largest=False)
    neighbors = Neighbors(nearest.values.sqrt(), indices.gather(1, nearest.indices))
    return ProjectedNeighbors(neighbors, *_audit(points, neighbors, seed))


def _audit(points: Tensor, neighbors: Neighbors, seed: int) -> tuple[float, float]:
    """Recall, and relative error of the mean log ratio, on a random sample of points."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(points), generator=generator)[:_AUDITED].to(points.device)
    k = neighbors.distances.shape[1]
    # |x - y|^2 less |x|^2, which is the same for a whole row
    squares = torch.linalg.vector_norm(points, dim=1, dtype=torch.float32).square()
    distances = torch.addmm(squares, points[rows].float(), points.float().T, alpha=-2)
    distances[torch.arange(len(rows), device=points.device), rows] = torch.inf
    true = distances.topk(min(k + 4, len(points) - 1), largest=False).indices
    exact = squared_distances(points, rows, true).sqrt().topk(k, largest=False).values
    found = neighbors.distances[rows]
    recall = float((found <= exact[:, -1:]).double().mean())
    usable = (exact[:, 0] > 0) & (found[:, 0] > 0)
    logs = [(d[usable, -1] / d[usable, 0]).log().mean() for d in (found, exact)]
    return recall, float(logs[0] / logs[1] - 1)
