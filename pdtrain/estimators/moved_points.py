"""Points about their mean, read a range of features at a time: lengths, inner products and their rounding.

So no whole copy is made in another precision, and values far from the origin cost no digits.
"""

import torch
from torch import Tensor

_CHUNK_BYTES = 128 * 2**20  # features are converted and multiplied in chunks of about this size
_KEPT_BYTES = 256 * 2**20
_FAR = 0.9  # share of the squared length that the mean may have before inner products lose a digit to it


class MovedPoints:
    """The points, moved to their mean where they lie far from the origin, read a range of features at a time.

    So no whole copy of more than 256 MiB is made; where nothing has to be moved or converted, none at all. With
    `precise` they will be asked for in float64.
    """

    def __init__(self, points: Tensor, *, centre: bool, precise: bool = False) -> None:
        self.points = points
        self._kept: dict[tuple[torch.dtype, int], Tensor] = {}  # ranges of the moved points
        self._squares: dict[torch.dtype, Tensor] = {}
        step = max(64, _CHUNK_BYTES // (8 * len(points)))
        self.ranges = [slice(start, start + step) for start in range(0, points.shape[1], step)]
        self.mean: Tensor | None = None
        # what is to be converted anyway, and kept, is read in that precision at once
        converted = precise and self._keeps(torch.float64)
        wide = torch.float64 if converted or points.dtype == torch.float64 else torch.float32
        mean = torch.cat([self.features(slice(None), r, wide).mean(0) for r in self.ranges])
        far = len(points) * mean.double().square().sum() > _FAR * self.squares(wide).sum()
        if centre or bool(far):
            # Rounded to the points' own precision, so that subtracting it from values near it is exact.
            self.mean = mean.to(points.dtype)
            self._kept, self._squares = {}, {}

    def squares(self, dtype: torch.dtype) -> Tensor:
        """Squared lengths with the precision of `dtype`, float64, shape (points,)."""
        if dtype not in self._squares:
            total = torch.zeros(len(self.points), dtype=torch.float64, device=self.points.device)
            for r in self.ranges:
                total += torch.linalg.vector_norm(self.features(slice(None), r, dtype), dim=1).double().square()
            self._squares[dtype] = total
        return self._squares[dtype]

    def features(self, rows: slice | Tensor, features: slice, dtype: torch.dtype) -> Tensor:
        """Some features of some points."""
        if not self._keeps(dtype):
            return self._moved(rows, features, dtype)
        key = dtype, features.start
        if key not in self._kept:
            self._kept = {kept: values for kept, values in self._kept.items() if kept[0] == dtype}
            self._kept[key] = self._moved(slice(None), features, dtype)
        return self._kept[key][rows]

    def _keeps(self, dtype: torch.dtype) -> bool:
        return self.points.numel() * dtype.itemsize <= _KEPT_BYTES

    def _moved(self, rows: slice | Tensor, features: slice, dtype: torch.dtype) -> Tensor:
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
