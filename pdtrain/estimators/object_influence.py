"""How much each stimulus moves what units tell about pairs of objects: what their interval over stimuli is made of."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.cell_influence import pointwise_information
from pdtrain.estimators.contingency import (
    LN2,
    bins_of,
    indicators,
    joint_counts,
    members_of,
    response_entropy,
)
from pdtrain.estimators.half_samples import half_differences_of_mean
from pdtrain.estimators.influence import less_chance

KINDS = ("total", "view_invariant", "ratio")
_CELL_BYTES = 40  # some ten float32 values for each cell of a pair's table


def half_differences_of_objects(
    codes: Int[Tensor, "stimuli units"],
    objects: Int[Tensor, " stimuli"],
    pairs: Int[Tensor, "pairs 2"],
    weights: Float[Tensor, "units 3 sums"],
    halves: Bool[Tensor, "splits stimuli"],
    *,
    fewest_views: int,
    seed: int = 0,
    memory_bytes: int = 2**27,
) -> Float[Tensor, "splits 3 sums"]:
    """Half differences of weighted sums over units of total, view-invariant information and their ratio, over pairs.

    Parameters
    ----------
    codes
        Bins of the responses.
    objects
        Object of each stimulus, from 0.
    pairs
        Of objects.
    weights
        Of each unit in each sum, for each of the three (`KINDS`).
    halves
        From `half_samples`.
    fewest_views
        Of an object, or its pairs have no view-invariant value.
    seed
        Of the shuffled objects that say what is chance.
    memory_bytes
        Bound on the working memory.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.half_samples import half_samples
    >>> objects = torch.arange(80) % 2
    >>> pairs, weights, halves = torch.tensor([[0, 1]]), torch.ones(1, 3, 1), half_samples(objects)
    >>> told = half_differences_of_objects(objects[:, None], objects, pairs, weights, halves, fewest_views=9)
    >>> bool(told[:, 1].abs().max() < 1e-6)  # a unit that is the object tells all of it, whatever is shown
    True
    """
    order = torch.randperm(len(objects), generator=torch.Generator().manual_seed(seed)).to(objects.device)
    per_unit = 8 * 3 * (len(codes) + 2 * (int(objects.max()) + 1)) * bins_of(codes)
    found, by_chance = torch.zeros(2, len(codes), *weights.shape[1:], device=codes.device)
    for units in torch.arange(len(weights)).split(max(1, memory_bytes // per_unit)):
        block = slice(int(units[0]), int(units[-1]) + 1)
        given = (codes[:, block], pairs, weights[block].float(), fewest_views, memory_bytes)
        found += _influence(objects, *given)
        by_chance += _influence(objects[order], *given)
    by_chance[:, KINDS.index("total")] = 0  # an entropy: chance adds nothing to it
    return less_chance(half_differences_of_mean(found, halves.to(found.device)), found, by_chance).cpu()


def _influence(
    objects: Tensor, codes: Tensor, pairs: Tensor, weights: Tensor, fewest_views: int, memory_bytes: int
) -> Float[Tensor, "stimuli 3 sums"]:
    counts = joint_counts(codes, objects[:, None])[:, 0].permute(1, 2, 0)  # (bins, objects, units), as they lie
    views = counts[..., 0].sum(0)
    told = views[pairs].amin(1) >= fewest_views
    total, invariant, ratio = torch.zeros(3, *counts.shape, device=counts.device)
    step = max(1, memory_bytes // (_CELL_BYTES * 2 * counts[:, 0].numel()))
    for part, part_told in zip(pairs.split(step), told.split(step), strict=True):
        of_total, of_invariant, quotient, per_total = _of_pairs(counts[:, part.T])
        scale = len(objects) / views[part].sum(1)  # of stimuli that are not of the pair
        either = _members(part, len(views)) * scale
        each = either * part_told
        total += either.sum(1) @ of_total
        invariant += each.flatten(1) @ of_invariant.flatten(1, 2)
        ratio += each.flatten(1) @ (of_invariant * per_total).flatten(1, 2)
        ratio -= each.sum(1) @ (of_total * (quotient * per_total))
    known = max(int(told.sum()), 1)
    cells = torch.stack([total / len(pairs), invariant / known, ratio / known])
    weighted = torch.einsum("kbou,uks->oksbu", cells, weights).flatten(-2).flatten(1, 2)
    met = torch.empty(weights[0].numel(), len(codes), device=codes.device)
    for members, of_object in zip(members_of(objects), weighted[views > 0], strict=True):
        met[:, members] = of_object @ indicators(codes[members], len(counts)).flatten(1).T
    return met.T.reshape(len(codes), *weights.shape[1:])


def _members(pairs: Tensor, objects: int) -> Float[Tensor, "objects two pairs"]:
    """Which object is the first of each pair, and which the second, 0 or 1."""
    every = torch.arange(objects, device=pairs.device)
    return (every[:, None, None] == pairs.T).float()


def _of_pairs(planes: Float[Tensor, "bins two pairs units"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Influence of a stimulus of a pair on its total information, shape (bins, pairs, units), and on what is invariant,
    (bins, 2, pairs, units); their quotient and one over the total, zero where that is, (pairs, units).
    """
    responses = planes.sum(1)
    views = responses.sum(0)
    total = response_entropy(planes.movedim((0, 1), (-2, -1))).to(planes)
    of_total = (responses / views).clamp_min_(1e-30).log_().div_(-LN2).sub_(total).mul_(responses > 0)
    pointwise = pointwise_information(planes)
    plugin = (pointwise * planes).sum((0, 1)) / views
    per_total = torch.where(total > 0, 1 / total.clamp_min(1e-12), 0.0)
    return of_total, pointwise.sub_(plugin), plugin * per_total, per_total
