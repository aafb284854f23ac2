"""Cuts responses and properties in bins that are equally populated, or equal arcs for circular ones."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BLOCK = 4096  # columns ranked at a time


def discretize(
    values: Float[Tensor, "stimuli units"], bins: int = 8, *, zero_bin: bool = True
) -> Int[Tensor, "stimuli units"]:
    """Cut each column in equally populated bins, numbered from 0.

    Equal values always share a bin, so that no information is invented by ranking ties. Where more than
    1/bins of a column is exactly zero (a ReLU unit), zeros take a bin of their own and the others share
    the remaining bins - 1. Columns are independent of each other.
    """
    parts = [_discretize_block(values[:, i : i + _BLOCK], bins, zero_bin) for i in range(0, values.shape[1], _BLOCK)]
    return torch.cat(parts, 1)


def _discretize_block(values: Tensor, bins: int, zero_bin: bool) -> Tensor:
    count = len(values)
    codes = _equal_population_codes(values, torch.full((values.shape[1],), bins, device=values.device))
    if not zero_bin:
        return codes
    sparse = ((values == 0).sum(0) > count / bins) & (values != 0).any(0)
    if sparse.any():
        codes[:, sparse] = _zero_inflated_codes(values[:, sparse], bins)
    return codes


def discretize_circular(
    angles: Float[Tensor, "stimuli *units"], period: float, bins: int = 8
) -> Int[Tensor, "stimuli *units"]:
    """Cut a circular variable of `period` in equal arcs; the first bin is centred on zero."""
    return ((angles / period * bins).round().long()) % bins


def _equal_population_codes(values: Tensor, bins: Tensor) -> Tensor:
    count = len(values)
    ordered = values.sort(0).values.T.contiguous()
    lowest_rank = torch.searchsorted(ordered, values.T.contiguous(), right=False).T
    return (lowest_rank * bins) // count


def _zero_inflated_codes(values: Tensor, bins: int) -> Tensor:
    """Zeros are code 0; positive and negative values are ranked together among the non-zero ones."""
    silent = values == 0
    nonzero = (~silent).sum(0)
    ordered = values.masked_fill(silent, torch.inf).sort(0).values.T.contiguous()
    rank = torch.searchsorted(ordered, values.T.contiguous(), right=False).T
    codes = 1 + (rank.clamp_max(len(values) - 1) * (bins - 1)) // nonzero
    return codes.clamp_max(bins - 1).masked_fill(silent, 0)
