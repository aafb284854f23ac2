"""Nearest neighbours of points from one pass over all pairs, in panels, so that no N x N matrix is held.

The same pass serves parts of the points (classes, blocks of a decimation) and the Gram matrix of the linear
estimators; each pair's inner product is computed once and used in both directions. Inner products
are fast but cancel badly: distances that their rounding could touch are computed again from differences, and a row
whose candidates cannot be proven complete is searched again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

_EXTRA_CANDIDATES = 3
_REFINEMENT_BYTES = 4 * 2**20  # what stays in cache: larger blocks were five times slower
_CHUNK_BYTES = 128 * 2**20  # features are converted and multiplied in chunks of about this size
_FAR = 0.9  # share of the squared length that the mean may have before inner products lose a digit to it
_RELATIVE_ERROR = 1e-9  # a squared distance known less well is computed again from differences


@dataclass(frozen=True)
class Neighbors:
    """Nearest neighbours of each point, itself excluded, nearest first.

    Attributes
    ----------
    distances
        Euclidean distances, shape (points, k), in the points' own units, float64; infinite where there is none.
    indices
        Row numbers of the neighbours, shape (points, k).
    """

    distances: Float[Tensor, "points k"]
    indices: Int[Tensor, "points k"]


@dataclass(frozen=True)
class PairSearch:
    """What one pass over all pairs of points gives.

    Attributes
    ----------
    neighbors
        Among all points.
    within
        For each partition, neighbours among the points of the same part.
    squared_norm_sum, squared_product_sum
        Sum over points of |x|^2 and over pairs of (x . y)^2, for points about their mean: trace and squared
        Frobenius norm of their Gram matrix. NaN unless asked for.
    gram
        That matrix, shape (points, points), if it was asked for.
    """

    neighbors: Neighbors
    within: tuple[Neighbors, ...]
    squared_norm_sum: float
    squared_product_sum: float
    gram: Float[Tensor, "points points"] | None


def nearest_neighbors(points: Float[Tensor, "points features"], k: int, *, block: int = 512) -> Neighbors:
    """Find the `k` nearest neighbours of every point exactly; arguments and errors as in `search_pairs`."""
    return search_pairs(points, k, block=block).neighbors


def nearest_candidates(points: Float[Tensor, "points features"], k: int, *, block: int = 512) -> Neighbors:
    """Find `k` nearest neighbours by float32 inner products alone: distances and order are approximate."""
    moved, dtype = _Points(points, centre=True), torch.float32
    pairs = _all_pairs(moved, moved.squares(dtype), k, (), 0, False, False, block, dtype)
    return Neighbors(pairs.nearest.values.double().clamp_min(0).sqrt(), pairs.nearest.indices)


def count_within(
    points: Float[Tensor, "points features"], rows: Int[Tensor, " rows"], radii: Float[Tensor, " radii"]
) -> Int[Tensor, "rows radii"]:
    """Count, for some of the points, the others less than each radius away, exactly; radii in float64."""
    moved = _Points(points, centre=False)
    squares = moved.squares(torch.float64)
    error = moved.rounding(squares, torch.float64)
    everyone = slice(0, len(points))
    counts = []
    for part in rows.split(512):
        squared = squares[part, None] + squares - 2 * moved.products(part, everyone, torch.float64)
        squared[torch.arange(len(part), device=part.device), part] = torch.inf
        for radius in radii:
            unsure = ((squared - radius.square()).abs() <= error[part, None]).nonzero()
            if len(unsure):
                exact = squared_distances(points, part[unsure[:, 0]], unsure[:, 1:])
                squared[unsure[:, 0], unsure[:, 1]] = exact[:, 0]
        counts.append((squared.clamp_min(0).sqrt()[..., None] < radii).sum(1))
    return torch.cat(counts)


def search_pairs(
    points: Float[Tensor, "points features"],
    k: int,
    *,
    partitions: Sequence[Int[Tensor, " points"]] = (),
    partition_k: int = 2,
    spectrum: bool = False,
    keep_gram: bool = False,
    block: int = 512,
) -> PairSearch:
    """Find the nearest neighbours of every point, among all points and within the parts of partitions.

    Parameters
    ----------
    points
        Shape (points, features), any floating type, on any device.
    k, partition_k
        Neighbours per point among all, and within its part (fewer exist in small parts: infinite distances).
    partitions
        Each gives the part of every point, shape (points,).
    spectrum
        Also return the trace and norm of the Gram matrix about the mean.
    keep_gram
        Also return that matrix; it takes points^2 numbers.
    block
        Rows of a panel: block x points numbers are held at a time.

    Raises
    ------
    ValueError
        If a value is not finite (it names stimulus and unit), or there are not more than `k` points.
    """
    count = len(points)
    if not 0 < k < count:
        raise ValueError(f"k={k} neighbours need more than {k} points; got {count}")
    moved = _Points(points, centre=spectrum or keep_gram)
    # Refining k candidates from memory costs more than float64 products once k exceeds this share of the points.
    precise = points.dtype == torch.float64 or keep_gram or k > count / 200
    for dtype in (torch.float64,) if precise else (torch.float32, torch.float64):
        squares = moved.squares(dtype)
        if not bool(torch.isfinite(squares).all()):
            _refuse_non_finite(points)
        listed, listed_within = (min(n + _EXTRA_CANDIDATES, count - 1) for n in (k, partition_k))
        pairs = _all_pairs(moved, squares, listed, partitions, listed_within, spectrum, keep_gram, block, dtype)
        error = moved.rounding(squares, dtype)
        whole = pairs.nearest.exact(points, k, error, None, give_up=dtype == torch.float32)
        if whole is not None:
            break
    assert whole is not None
    within = [
        nearest.exact(points, partition_k, error, labels, give_up=False)
        for nearest, labels in zip(pairs.within, partitions, strict=True)
    ]
    return PairSearch(
        whole,
        tuple(part for part in within if part is not None),
        float(squares.sum()) if spectrum else torch.nan,
        pairs.squared_product_sum,
        pairs.gram,
    )


class _Points:
    """The points, moved to their mean where they lie far from the origin, read a range of features at a time.

    So no whole copy is made; where nothing has to be moved or converted, none at all.
    """

    def __init__(self, points: Tensor, *, centre: bool) -> None:
        self.points = points
        step = max(64, _CHUNK_BYTES // (8 * len(points)))
        self.ranges = [slice(start, start + step) for start in range(0, points.shape[1], step)]
        wide = points.dtype if points.dtype == torch.float64 else torch.float32
        mean = torch.cat([points[:, r].mean(0, dtype=wide) for r in self.ranges])
        # Rounded to the points' own precision, so that subtracting it from values near it is exact.
        self.mean: Tensor | None = mean.to(points.dtype)
        raw = self._squares(wide, None)
        far = len(points) * mean.double().square().sum() > _FAR * raw.sum()
        if not (centre or bool(far)):
            self.mean = None

    def squares(self, dtype: torch.dtype) -> Tensor:
        """Squared lengths with the precision of `dtype`, float64, shape (points,)."""
        return self._squares(dtype, self.mean)

    def _squares(self, dtype: torch.dtype, mean: Tensor | None) -> Tensor:
        total = torch.zeros(len(self.points), dtype=torch.float64, device=self.points.device)
        for r in self.ranges:
            values = self.points[:, r].to(dtype)
            if mean is not None:
                values = values - mean[r].to(dtype)
            total += torch.linalg.vector_norm(values, dim=1).double().square()
        return total

    def features(self, rows: slice | Tensor, features: slice, dtype: torch.dtype) -> Tensor:
        """Some features of some points."""
        values = self.points[rows, features].to(dtype)
        return values if self.mean is None else values - self.mean[features].to(dtype)

    def products(self, rows: slice | Tensor, columns: slice, dtype: torch.dtype) -> Tensor:
        """Inner products of some points with a range of them, shape (rows, columns)."""
        total: Tensor | None = None
        for r in self.ranges:
            left, right = self.features(rows, r, dtype), self.features(columns, r, dtype)
            total = left @ right.T if total is None else total.addmm_(left, right.T)
        assert total is not None
        return total

    def rounding(self, squares: Tensor, dtype: torch.dtype) -> Tensor:
        """Bound on the error of a squared distance, per point: four times the usual sqrt(D) growth."""
        terms = self.points.shape[1] ** 0.5 + 4
        return 4 * torch.finfo(dtype).eps * terms * squares.sqrt() * squares.max().sqrt()


@dataclass
class _Pairs:
    nearest: "_Nearest"
    within: list["_Nearest"]
    squared_product_sum: float
    gram: Tensor | None


def _all_pairs(
    moved: _Points,
    squares: Tensor,
    candidates: int,
    partitions: Sequence[Tensor],
    candidates_within: int,
    spectrum: bool,
    keep_gram: bool,
    block: int,
    dtype: torch.dtype,
) -> _Pairs:
    """One pass over the upper triangle of pairs; each panel serves its rows and, transposed, the later rows."""
    count, device = len(moved.points), moved.points.device
    squares = squares.to(dtype)
    nearest = _Nearest(count, candidates, squares)
    within = [_Nearest(count, candidates_within, squares) for _ in partitions]
    gram = torch.empty(count, count, dtype=dtype, device=device) if keep_gram else None
    total = 0.0 if spectrum else torch.nan
    for start in range(0, count, block):
        rows, columns = slice(start, min(start + block, count)), slice(start, count)
        own = rows.stop - start
        panel = moved.products(rows, columns, dtype)
        if spectrum:
            total += float(panel[:, :own].square().sum(dtype=torch.float64))
            total += 2 * float(panel[:, own:].square().sum(dtype=torch.float64))
        if gram is not None:
            gram[rows, columns], gram[columns, rows] = panel, panel.T
        panel.mul_(-2).add_(squares[rows, None]).add_(squares[columns])
        panel[:, :own].fill_diagonal_(torch.inf)
        nearest.merge(rows, columns, panel)
        for labels, part in zip(partitions, within, strict=True):
            part.merge(rows, columns, panel.masked_fill(labels[rows, None] != labels[columns], torch.inf))
    return _Pairs(nearest, within, total, gram)


class _Nearest:
    """The nearest candidates of every point seen so far, by approximate squared distance."""

    def __init__(self, count: int, candidates: int, like: Tensor) -> None:
        self.values = torch.full((count, candidates), torch.inf, dtype=like.dtype, device=like.device)
        self.indices = torch.zeros(count, candidates, dtype=torch.long, device=like.device)

    def merge(self, rows: slice, columns: slice, panel: Tensor) -> None:
        """Take in the distances of `rows` to `columns`, which begin with the rows themselves."""
        own = rows.stop - rows.start
        self._merge(rows, columns.start, panel)
        if panel.shape[1] > own:
            self._merge(slice(rows.stop, columns.stop), rows.start, panel[:, own:].T.contiguous())

    def _merge(self, rows: slice, first_column: int, panel: Tensor) -> None:
        candidates = self.values.shape[1]
        best = panel.topk(min(candidates, panel.shape[1]), largest=False)
        values = torch.cat([self.values[rows], best.values], 1)
        indices = torch.cat([self.indices[rows], best.indices + first_column], 1)
        merged = values.topk(candidates, largest=False)
        self.values[rows], self.indices[rows] = merged.values, indices.gather(1, merged.indices)

    def exact(self, points: Tensor, k: int, error: Tensor, labels: Tensor | None, *, give_up: bool) -> Neighbors | None:
        """Neighbours with distances that rounding cannot have touched.

        With `give_up`, None if many rows would have to be searched again.
        """
        k = min(k, self.values.shape[1])
        squared, indices = self.values.double(), self.indices.clone()
        complete = torch.isinf(squared[:, -1]) | (squared.shape[1] == len(points) - 1)
        farthest = squared[:, -1] - error
        rows = self._touched(squared[:, : k + 1], error).nonzero()[:, 0]
        refined = squared_distances(points, rows, indices[rows])
        refined, order = refined.masked_fill(torch.isinf(squared[rows]), torch.inf).sort(stable=True)
        squared[rows], indices[rows] = refined, indices[rows].gather(1, order)
        unproven = (~complete & (squared[:, k - 1] > farthest)).nonzero()[:, 0]
        if give_up and len(unproven) > 0.02 * len(points):
            return None
        squared, indices = squared[:, :k], indices[:, :k]
        for row in unproven:
            squared[row], indices[row] = _search_row(points, row, k, labels)
        return Neighbors(squared.clamp_min(0).sqrt(), indices)

    def _touched(self, squared: Tensor, error: Tensor) -> Tensor:
        """Rows with a distance, or a difference between two of them, that is not well above its rounding."""
        finite = torch.isfinite(squared)
        unsure = (error[:, None] > _RELATIVE_ERROR * squared) & finite
        tied = (squared.diff(dim=1) <= 2 * error[:, None]) & finite[:, 1:]
        return unsure.any(1) | tied.any(1)


def _refuse_non_finite(points: Tensor) -> None:
    bad = (~torch.isfinite(points)).nonzero()
    if len(bad) == 0:
        raise ValueError("activations are too large: their squares overflow")
    row, feature = bad[0].tolist()
    raise ValueError(f"activation of stimulus {row}, unit {feature} is {points[row, feature].item()}")


def squared_distances(
    points: Float[Tensor, "points features"], rows: Int[Tensor, " rows"], neighbors: Int[Tensor, "rows k"]
) -> Float[Tensor, "rows k"]:
    """Squared distances of some points to listed others by differences, float64; a few rows at a time."""
    working = points.dtype if points.dtype == torch.float64 else torch.float32
    bytes_per_row = neighbors.shape[1] * points.shape[1] * torch.finfo(working).bits // 8
    step = max(1, int(_REFINEMENT_BYTES // max(bytes_per_row, 1)))
    found = torch.empty(neighbors.shape, dtype=torch.float64, device=points.device)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        gathered = points.index_select(0, neighbors[part].flatten()).to(working)
        difference = gathered.view(-1, neighbors.shape[1], points.shape[1]).sub_(points[rows[part], None].to(working))
        found[part] = torch.linalg.vector_norm(difference, dim=-1).double().square()
    return found


def _search_row(points: Tensor, row: Tensor, k: int, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Find the neighbours of one point by differences alone."""
    exact = squared_distances(points, row[None], torch.arange(len(points), device=points.device)[None])[0]
    exact[row] = torch.inf
    if labels is not None:
        exact[labels != labels[row]] = torch.inf
    nearest = exact.topk(k, largest=False)
    return nearest.values, nearest.indices
