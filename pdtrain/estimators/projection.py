"""Random projection that streams, and the neighbour search that finds candidates with it and distances without it."""

from dataclasses import dataclass
from math import gcd

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.estimators.neighbors import (
    Neighbors,
    nearest_candidates,
    neighbors_of,
    refuse_infinite,
    squared_distances,
)

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
        After how many inputs the like comes again (a place of maps that follow each other, a channel where places do),
        so that it does not always fall on the same feature.
    seed
        Seed of the signs.

    Examples
    --------
    >>> import torch
    >>> fold = SignedFold(8, 4)
    >>> fold(torch.eye(8)).square().sum(1).tolist()  # one feature keeps its length, whatever its sign
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, inputs: int, features: int, *, period: int = 1, seed: int = 0) -> None:
        while gcd(features, period) != 1:
            features -= 1
        self.inputs, self.features = inputs, features
        generator = torch.Generator().manual_seed(seed)
        self._signs = (torch.randint(2, (inputs,), generator=generator, dtype=torch.int8) * 2 - 1).float()

    def __call__(self, vectors: Float[Tensor, "vectors inputs"]) -> Float[Tensor, "vectors features"]:
        """Project each row; float32 out."""
        self._signs = self._signs.to(vectors.device)
        folded = torch.zeros(len(vectors), self.features, device=vectors.device)
        for start in range(0, self.inputs, self.features):
            part = vectors[:, start : start + self.features]
            folded[:, : part.shape[1]].addcmul_(part.float(), self._signs[start : start + self.features])
        return folded


@dataclass(frozen=True)
class ProjectedNeighbors:
    """Neighbours found among candidates of a projection.

    Attributes
    ----------
    neighbors
        Their distances are exact; a nearer point may have been missed.
    audited
        Row numbers of a random sample of points whose neighbours were found exactly as well.
    exact
        The neighbours of those.
    """

    neighbors: Neighbors
    audited: Int[Tensor, " audited"]
    exact: Neighbors

    @property
    def recall(self) -> float:
        """Share of the true neighbours of the audited points that were found."""
        found = self.neighbors.distances[self.audited]
        return float((found <= self.exact.distances[:, -1:]).double().mean())


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

    Examples
    --------
    >>> import torch
    >>> line = torch.arange(50.0).square()[:, None] * torch.ones(100)
    >>> found = projected_neighbors(line, 2, features=16)
    >>> found.neighbors.distances[0].tolist(), found.recall
    ([10.0, 40.0], 1.0)
    """
    most = min(16 * k, len(points) - 1)
    fold = SignedFold(points.shape[1], min(features, points.shape[1]), period=period, seed=seed)
    folded = fold(points)
    refuse_infinite(points, torch.linalg.vector_norm(folded, dim=1).square())
    candidates = nearest_candidates(folded, most)
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
    generator = torch.Generator().manual_seed(seed)
    audited = torch.randperm(len(points), generator=generator)[:_AUDITED].to(points.device)
    return ProjectedNeighbors(neighbors, audited, neighbors_of(points, audited, k))
