"""How much each stimulus moves what units tell about pairs of objects: what their interval over stimuli is made of."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from pdtrain.estimators.contingency import LN2, joint_counts, response_entropy
from pdtrain.estimators.influence import Influence, less_margins, pointwise_information

_CELL_BYTES = 80  # some ten float64 values for each cell of a pair's table


@dataclass(frozen=True)
class ObjectInfluence:
    """Influence of each stimulus on the mean over pairs of each unit's values, as `ObjectInformation` holds them."""

    total: Influence
    view_invariant: Influence
    ratio: Influence


def object_influence(
    codes: Int[Tensor, "stimuli units"],
    objects: Int[Tensor, " stimuli"],
    pairs: Int[Tensor, "pairs 2"],
    *,
    fewest_views: int,
    seed: int = 0,
    memory_bytes: int = 2**27,
) -> ObjectInfluence:
    """Influence of each stimulus on object information.

    Parameters
    ----------
    codes
        Bins of the responses.
    objects
        Object of each stimulus, from 0.
    pairs
        Of objects.
    fewest_views
        Of an object, or its pairs have no view-invariant value.
    seed
        Of the shuffled objects that say what is chance.

    Examples
    --------
    >>> import torch
    >>> codes, objects = torch.tensor([[0], [0], [1], [0], [1], [1]]), torch.tensor([0, 0, 0, 1, 1, 1])
    >>> found = object_influence(codes, objects, torch.tensor([[0, 1]]), fewest_views=1)
    >>> [round(bits, 2) for bits in found.view_invariant.found[:, 0].tolist()]
    [0.33, 0.33, -0.67, -0.67, 0.33, 0.33]
    """
    order = torch.randperm(len(objects), generator=torch.Generator().manual_seed(seed)).to(objects.device)
    given = (codes, pairs, fewest_views, memory_bytes)
    found, by_chance = (_influences(of, *given) for of in (objects, objects[order]))
    return ObjectInfluence(*(Influence(one, other) for one, other in zip(found, by_chance, strict=True)))


def _influences(objects: Tensor, codes: Tensor, pairs: Tensor, fewest_views: int, memory_bytes: int) -> list[Tensor]:
    """Of total, view-invariant and ratio, each of shape (stimuli, units)."""
    counts = joint_counts(codes, objects[:, None])[:, 0].double().transpose(1, 2)  # (units, objects, bins)
    views = counts[0].sum(-1)
    sums = torch.zeros(3, *counts.shape, dtype=torch.float64, device=counts.device)
    known = 0
    step = max(1, memory_bytes // (_CELL_BYTES * 2 * counts[:, 0].numel()))
    for part in pairs.split(step):
        told = views[part].amin(1) >= fewest_views
        known += int(told.sum())
        for place, influence in enumerate(_of_pairs(counts[:, part], told, len(objects))):
            for member in (0, 1):
                sums[place].index_add_(1, part[:, member], influence[:, :, member])
    sums[0] /= len(pairs)
    sums[1:] /= max(known, 1)
    cell = objects[:, None] * counts.shape[2] + codes.long()
    return [of.flatten(1).T.gather(0, cell).float() for of in sums]


def _of_pairs(tables: Tensor, told: Tensor, stimuli: int) -> list[Tensor]:
    """Influence of a stimulus of either object in each bin, shape (units, pairs, 2, bins), on each of the three."""
    scale = stimuli / tables.sum((-2, -1), keepdim=True)
    responses = tables.sum(-2, keepdim=True)
    share = responses / responses.sum(-1, keepdim=True)
    total = response_entropy(tables.transpose(-1, -2))[..., None, None]
    of_total = torch.where(responses > 0, -share.clamp_min(1e-300).log() / LN2 - total, 0.0).expand_as(tables)
    pointwise = pointwise_information(tables)
    of_invariant = less_margins(pointwise, tables)
    ratio = (pointwise * tables).sum((-2, -1), keepdim=True) * scale / stimuli / total.clamp_min(1e-12)
    of_ratio = torch.where(total > 0, (of_invariant - ratio * of_total) / total.clamp_min(1e-12), 0.0)
    told = told[:, None, None]
    return [of_total * scale, of_invariant * scale * told, of_ratio * scale * told]
