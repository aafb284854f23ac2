"""Identical points (zeros of a dying layer, images shown twice): one of each kind is searched, the others are listed.

Copies tie at every distance, so that no rounding error, however small, could prove a list of them complete.
"""

from dataclasses import dataclass
from hashlib import blake2b

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Listable:
    """Whom the search may list as neighbours: the first of each kind of identical points, of a point's own part.

    Attributes
    ----------
    first
        Row number of the first point identical to each, in the same part; None where all points differ.
    labels
        Part of each point; None where all are one part.
    """

    first: Int[Tensor, " points"] | None = None
    labels: Int[Tensor, " points"] | None = None

    def hide(
        self,
        squared: Float[Tensor, "rows columns"],
        rows: slice | Int[Tensor, " rows"],
        columns: slice | Int[Tensor, " columns"],
    ) -> Float[Tensor, "rows columns"]:
        """Make the squared distances infinite of all that `rows` may not list; a point itself only if it has copies."""
        hidden: Tensor | None = None
        if self.labels is not None:
            hidden = self.labels[rows, None] != self.labels[columns]
        if self.first is not None:
            kinds = self.first[columns]
            later = kinds != torch.arange(len(self.first), device=kinds.device)[columns]
            copies = (self.first[rows, None] == kinds) | later
            hidden = copies if hidden is None else hidden | copies
        return squared if hidden is None else squared.masked_fill(hidden, torch.inf)


def first_copies(
    points: Float[Tensor, "points features"], squares: Float[Tensor, " points"]
) -> Int[Tensor, " points"] | None:
    """Find, for each point, the first identical one (often itself), by its row number; None if all points differ.

    Parameters
    ----------
    points
        Shape (points, features).
    squares
        Their squared lengths; only points that share one are compared.
    """
    kinds, sizes = squares.unique(return_inverse=True, return_counts=True)[1:]
    first = torch.arange(len(points))
    seen: dict[bytes, int] = {}
    for row in (sizes[kinds] > 1).nonzero()[:, 0].tolist():
        values = points[row].cpu() + 0.0  # which turns -0 into 0
        digest = blake2b(values.view(torch.uint8).numpy().tobytes(), digest_size=32).digest()
        first[row] = seen.setdefault(digest, row)
    if bool((first == torch.arange(len(points))).all()):
        return None
    return first.to(points.device)


def first_in_part(first: Int[Tensor, " points"], labels: Int[Tensor, " points"]) -> Int[Tensor, " points"]:
    """The first identical point of the same part, by row number."""
    kinds = torch.stack([first, labels], 1).unique(dim=0, return_inverse=True)[1]
    rows = torch.arange(len(first), device=first.device)
    return torch.full_like(rows, len(rows)).scatter_reduce(0, kinds, rows, "amin")[kinds]


def list_copies(
    squared: Float[Tensor, "points k"], indices: Int[Tensor, "points k"], first: Int[Tensor, " points"]
) -> tuple[Float[Tensor, "points k"], Int[Tensor, "points k"]]:
    """Extend neighbours of different kinds, nearest first, to the k nearest of all points, copies included.

    Parameters
    ----------
    squared, indices
        Squared distances to the nearest points of other kinds, and their rows, each the first of its kind.
    first
        Row of the first point of each point's kind.
    """
    count, k = squared.shape
    by_kind = first.argsort(stable=True)
    sizes = torch.bincount(first, minlength=count)
    starts = sizes.cumsum(0) - sizes
    everyone = torch.arange(count, device=first.device)
    rank = torch.empty_like(first)
    rank[by_kind] = everyone - starts[first[by_kind]]
    # a point's own copies come before all others
    distances = torch.cat([torch.zeros_like(squared[:, :1]), squared], 1)
    nobody = torch.isinf(distances)
    kinds = torch.cat([first[:, None], indices], 1).masked_fill(nobody, 0)
    numbers = sizes[kinds]
    numbers[:, 0] -= 1
    numbers[nobody] = k  # to the end of the list
    ends = numbers.cumsum(1)
    places = torch.arange(k, device=first.device).expand(count, k).contiguous()
    slot = torch.searchsorted(ends, places, right=True)
    kind, values = kinds.gather(1, slot), distances.gather(1, slot)
    within = places - (ends - numbers).gather(1, slot)
    within = torch.where(slot == 0, (rank[:, None] + 1 + within) % sizes[kind], within)
    within.masked_fill_(torch.isinf(values), 0)
    return values, by_kind[starts[kind] + within]
