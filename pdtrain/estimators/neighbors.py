"""Nearest neighbours of points from one pass over all pairs, in panels, so that no N x N matrix is held.

The same pass serves parts of the points (classes, blocks of a decimation) and the Gram matrix of the linear
estimators; each pair's inner product is computed once and used in both directions. Inner products
are fast but cancel badly: distances that their rounding could touch are computed again from differences, and rows
whose candidates cannot be proven complete are searched again. Of identical points only the first is a candidate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.estimators.copies import Listable, first_copies, first_in_part, list_copies
from pdtrain.estimators.finite import refuse_non_finite
from pdtrain.estimators.moved_points import MovedPoints

_EXTRA_CANDIDATES = 3
_REFINEMENT_BYTES = 4 * 2**20  # what stays in cache: larger blocks were five times slower
_SEARCHED_AGAIN = 0.2  # share of rows from which a second pass over all pairs costs less than searching them again
_BLOCK, _LEAST_BLOCK = 512, 128
_RELATIVE_ERROR = 1e-9  # a squared distance known less well is computed again from differences
_ROUGH_ERROR = 1e-3  # the same where a rough one will do: a bound, of which products err by a hundredth


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


def nearest_neighbors(points: Float[Tensor, "points features"], k: int, *, block: int = _BLOCK) -> Neighbors:
    """Find the `k` nearest neighbours of every point exactly; arguments and errors as in `search_pairs`.

    Examples
    --------
    >>> import torch
    >>> found = nearest_neighbors(torch.tensor([[0.0], [1.0], [3.0]]), 1)
    >>> found.distances.tolist(), found.indices.tolist()
    ([[1.0], [1.0], [2.0]], [[1], [0], [1]])
    """
    return search_pairs(points, k, block=block).neighbors


def nearest_candidates(points: Float[Tensor, "points features"], k: int, *, block: int = _BLOCK) -> Neighbors:
    """Find `k` nearest neighbours by float32 inner products alone: distances and order are approximate.

    Examples
    --------
    >>> import torch
    >>> nearest_candidates(torch.tensor([[0.0], [1.0], [3.0]]), 1).indices.tolist()
    [[1], [0], [1]]
    """
    moved, dtype = MovedPoints(points, centre=True), torch.float32
    nearest = _Nearest(moved, k, Listable(), dtype)
    squares = moved.squares(dtype)
    _all_pairs(moved, squares, [nearest], spectrum=False, keep_gram=False, block=block, dtype=dtype)
    return Neighbors(nearest.values[:, :k].double().clamp_min(0).sqrt(), nearest.indices[:, :k])


def neighbors_of(points: Float[Tensor, "points features"], rows: Int[Tensor, " rows"], k: int) -> Neighbors:
    """Find the `k` nearest neighbours of some of the points exactly, among all.

    Examples
    --------
    >>> import torch
    >>> neighbors_of(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([2]), 2).distances.tolist()
    [[2.0, 3.0]]
    """
    squared, indices = _search_rows(MovedPoints(points, centre=False), rows, k, Listable())
    return Neighbors(squared.sqrt(), indices)


def count_within(
    points: Float[Tensor, "points features"], rows: Int[Tensor, " rows"], radii: Float[Tensor, " radii"]
) -> Int[Tensor, "rows radii"]:
    """Count, for some of the points, the others less than each radius away, exactly; radii in float64.

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[0.0], [1.0], [3.0]])
    >>> count_within(points, torch.tensor([0]), torch.tensor([2.0, 4.0], dtype=torch.float64)).tolist()
    [[1, 2]]
    """
    counts = []
    for part, squared, error in _from_products(MovedPoints(points, centre=False), rows):
        for radius in radii:
            unsure = ((squared - radius.square()).abs() <= error).nonzero()
            if len(unsure):
                exact = squared_distances(points, part[unsure[:, 0]], unsure[:, 1:])
                squared[unsure[:, 0], unsure[:, 1]] = exact[:, 0]
        counts.append((squared.clamp_min(0).sqrt()[..., None] < radii).sum(1))
    return torch.cat(counts)


def search_pairs(
    points: Float[Tensor, "points features"],
    k: int,
    *,
    exact: int | None = None,
    partitions: Sequence[Int[Tensor, " points"]] = (),
    partition_k: int = 2,
    spectrum: bool = False,
    keep_gram: bool = False,
    block: int = _BLOCK,
) -> PairSearch:
    """Find the nearest neighbours of every point, among all points and within the parts of partitions.

    Parameters
    ----------
    points
        Shape (points, features), any floating type, on any device.
    k, partition_k
        Neighbours per point among all, and within its part (fewer exist in small parts: infinite distances).
    exact
        How many of those among all have to be exact: the distances, and so the order, of further ones may be known to
        about 1e-5 only, where that is cheaper. All by default, and with partitions.
    partitions
        Each gives the part of every point, shape (points,).
    spectrum
        Also return the trace and norm of the Gram matrix about the mean.
    keep_gram
        Also return that matrix; it takes points^2 numbers.
    block
        Rows of a panel, at most: block x points numbers are held at a time.

    Raises
    ------
    ValueError
        If a value is not finite (it names stimulus and unit), or there are not more than `k` points.

    Examples
    --------
    >>> import torch
    >>> points, classes = torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([0, 1, 0, 1])
    >>> found = search_pairs(points, 1, partitions=[classes], partition_k=1)
    >>> found.neighbors.distances[:, 0].tolist(), found.within[0].distances[:, 0].tolist()
    ([1.0, 1.0, 2.0, 4.0], [3.0, 6.0, 3.0, 6.0])
    """
    count = len(points)
    if not 0 < k < count:
        raise ValueError(f"k={k} neighbours need more than {k} points; got {count}")
    exact = k if exact is None or partitions else min(exact, k)
    # Refining candidates from memory costs more than float64 products once they exceed this share of the points.
    precise = points.dtype == torch.float64 or keep_gram or exact > count / 200
    # what is asked to be faster than exact (TF32, bfloat16) errs by more than the bound
    precise = precise or torch.get_float32_matmul_precision() != "highest"
    moved = MovedPoints(points, centre=spectrum or keep_gram or (exact < k and not precise), precise=precise)
    squares = moved.squares(torch.float64 if precise else torch.float32)
    refuse_infinite(points, squares)
    first = first_copies(points, squares)
    among = [_listable(first), *(_listable(first, labels) for labels in partitions)]
    sizes = [(k, exact), *[(min(partition_k, count - 1),) * 2] * len(partitions)]
    for dtype in (torch.float64,) if precise else (torch.float32, torch.float64):
        squares = moved.squares(dtype)
        nearest = [_Nearest(moved, size, to, dtype, sure) for (size, sure), to in zip(sizes, among, strict=True)]
        squared_product_sum, gram = _all_pairs(
            moved, squares, nearest, spectrum=spectrum, keep_gram=keep_gram, block=block, dtype=dtype
        )
        error = moved.rounding(squares, dtype)
        whole = nearest[0].exact(error, give_up=dtype == torch.float32)
        if whole is not None:
            break
    assert whole is not None
    within = [part.exact(error, give_up=False) for part in nearest[1:]]
    return PairSearch(
        whole,
        tuple(part for part in within if part is not None),
        float(squares.sum()) if spectrum else torch.nan,
        squared_product_sum,
        gram,
    )


def refuse_infinite(points: Float[Tensor, "points features"], squares: Float[Tensor, " points"]) -> None:
    """Raise ValueError, naming stimulus and unit, if `squares`, the lengths of (projected) points, are not finite.

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[0.0, 1.0], [torch.nan, 2.0]])
    >>> refuse_infinite(points, points.square().sum(1))
    Traceback (most recent call last):
    ValueError: activation of stimulus 1, unit 0 is nan
    """
    if bool(torch.isfinite(squares).all()):
        return
    refuse_non_finite(points)
    raise ValueError("activations are too large: their squares overflow")


def _listable(first: Tensor | None, labels: Tensor | None = None) -> Listable:
    return Listable(first if first is None or labels is None else first_in_part(first, labels), labels)


def _all_pairs(
    moved: MovedPoints,
    squares: Tensor,
    nearest: "Sequence[_Nearest]",
    *,
    spectrum: bool,
    keep_gram: bool,
    block: int,
    dtype: torch.dtype,
) -> tuple[float, Tensor | None]:
    """One pass over the upper triangle of pairs; each panel serves its rows and, transposed, the later rows.

    Returns the sum of the squared inner products, NaN unless asked for, and all of them if asked for.
    """
    count, device = len(moved.points), moved.points.device
    # panels of few points are cut finer: less of their squares lies below the diagonal
    block = min(block, max(_LEAST_BLOCK, count // 8))
    squares = squares.to(dtype)
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
        for part in nearest:
            part.merge(rows, columns, panel)
    return total, gram


class _Nearest:
    """The nearest candidates of every point seen so far, by approximate squared distance.

    At least `k`, and a few more than have to be exact (all by default).
    """

    def __init__(
        self, moved: MovedPoints, k: int, listable: Listable, dtype: torch.dtype, exact: int | None = None
    ) -> None:
        self.moved, self.k, self.listable = moved, k, listable
        self._exact = k if exact is None else min(exact, k)
        count, device = len(moved.points), moved.points.device
        shape = (count, min(max(k, self._exact + _EXTRA_CANDIDATES), count - 1))
        self.values = torch.full(shape, torch.inf, dtype=dtype, device=device)
        self.indices = torch.zeros(shape, dtype=torch.long, device=device)

    def merge(self, rows: slice, columns: slice, panel: Tensor) -> None:
        """Take in the distances of `rows` to `columns`, which begin with the rows themselves."""
        own = rows.stop - rows.start
        self._merge(rows, columns, panel)
        if panel.shape[1] > own:
            self._merge(slice(rows.stop, columns.stop), rows, panel[:, own:].T.contiguous())

    def _merge(self, rows: slice, columns: slice, panel: Tensor) -> None:
        panel = self.listable.hide(panel, rows, columns)
        candidates = self.values.shape[1]
        best = panel.topk(min(candidates, panel.shape[1]), largest=False)
        values = torch.cat([self.values[rows], best.values], 1)
        indices = torch.cat([self.indices[rows], best.indices + columns.start], 1)
        merged = values.topk(candidates, largest=False)
        self.values[rows], self.indices[rows] = merged.values, indices.gather(1, merged.indices)

    def exact(self, error: Tensor, *, give_up: bool) -> Neighbors | None:
        """Neighbours with distances that rounding, at most `error`, cannot have touched where they have to be exact.

        With `give_up`, None if so many rows would have to be searched or refined again that another pass costs less.
        """
        points, k, first = self.moved.points, self.k, self._exact
        most = len(points) * _SEARCHED_AGAIN
        squared, indices = self.values.double(), self.indices.clone()
        complete = torch.isinf(squared[:, -1]) | (squared.shape[1] == len(points) - 1)
        farthest = squared[:, -1] - error
        touched = self._touched(squared[:, : first + 1], error)
        if first < k:
            self._refine(squared, indices, touched, first)
            # another may be as near, or a rough distance not be near enough
            touched = squared[:, first - 1] > squared[:, first] - error
            touched |= (error[:, None] > _ROUGH_ERROR * squared[:, first:k]).any(1)
            if give_up and int(touched.sum()) > most:
                return None
        self._refine(squared, indices, touched, squared.shape[1])
        unproven = (~complete & (squared[:, first - 1] > farthest)).nonzero()[:, 0]
        if give_up and len(unproven) > most:
            return None
        squared, indices = squared[:, :k].clamp_min(0), indices[:, :k]
        if len(unproven):
            squared[unproven], indices[unproven] = _search_rows(self.moved, unproven, k, self.listable)
        if self.listable.first is not None:
            squared, indices = list_copies(squared, indices, self.listable.first)
        return Neighbors(squared.sqrt(), indices)

    def _refine(self, squared: Tensor, indices: Tensor, touched: Tensor, first: int) -> None:
        """Compute the `first` distances of the rows that are touched from differences, and order them, in place."""
        rows = touched.nonzero()[:, 0]
        known, near = squared[rows, :first], indices[rows, :first]
        refined = squared_distances(self.moved.points, rows, near)
        refined, order = refined.masked_fill(torch.isinf(known), torch.inf).sort(stable=True)
        squared[rows, :first], indices[rows, :first] = refined, near.gather(1, order)

    def _touched(self, squared: Tensor, error: Tensor) -> Tensor:
        """Rows with a distance, or a difference between two of them, that is not well above its rounding."""
        finite = torch.isfinite(squared)
        unsure = (error[:, None] > _RELATIVE_ERROR * squared) & finite
        tied = (squared.diff(dim=1) <= 2 * error[:, None]) & finite[:, 1:]
        return unsure.any(1) | tied.any(1)


def squared_distances(
    points: Float[Tensor, "points features"], rows: Int[Tensor, " rows"], neighbors: Int[Tensor, "rows k"]
) -> Float[Tensor, "rows k"]:
    """Squared distances of some points to listed others by differences, float64; a few rows at a time.

    Examples
    --------
    >>> import torch
    >>> squared_distances(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0]), torch.tensor([[1, 2]])).tolist()
    [[1.0, 9.0]]
    """
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


def _from_products(moved: MovedPoints, rows: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """A part of the rows at a time, their squared distances to all by inner products in float64, and the rounding.

    A point is infinitely far from itself.
    """
    squares = moved.squares(torch.float64)
    error = moved.rounding(squares, torch.float64)
    for part in rows.split(_BLOCK):
        squared = squares[part, None] + squares - 2 * moved.products(part, slice(None), torch.float64)
        squared[torch.arange(len(part), device=part.device), part] = torch.inf
        yield part, squared, error[part, None]


def _search_rows(moved: MovedPoints, rows: Tensor, k: int, listable: Listable) -> tuple[Tensor, Tensor]:
    """Squared distances and rows of the `k` nearest of some points, all that could be among them by differences."""
    found = []
    for part, approximate, error in _from_products(moved, rows):
        squared = listable.hide(approximate, part, slice(None))
        # a true neighbour and the k-th seen may both be off by the rounding, in opposite directions
        limit = squared.kthvalue(k, keepdim=True).values + 2 * error
        row, column = ((squared <= limit) & torch.isfinite(squared)).nonzero().T
        squared.fill_(torch.inf)
        squared[row, column] = squared_distances(moved.points, part[row], column[:, None])[:, 0]
        nearest = squared.topk(k, largest=False)
        found.append((nearest.values, nearest.indices))
    return torch.cat([values for values, _ in found]), torch.cat([indices for _, indices in found])
