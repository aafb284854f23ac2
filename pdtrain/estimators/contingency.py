"""Joint histograms of binned responses and properties, and what they hold without any correction.

In memory bins come first and units last, whatever the shape says: sums over a few bins are then sums of long rows.
"""

import math
from collections.abc import Sequence
from functools import reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor

Tables = Float[Tensor, "*batch response_bins property_bins"]
Planes = Float[Tensor, "response_bins property_bins *batch"]  # the same, bins first
LN2 = math.log(2)


def joint_counts(
    responses: Int[Tensor, "stimuli units"], properties: Int[Tensor, "stimuli properties"]
) -> Float[Tensor, "units properties response_bins property_bins"]:
    """Joint histograms of every unit with every property; stimuli whose code is negative are left out, float32.

    Examples
    --------
    >>> import torch
    >>> responses, properties = torch.tensor([[0], [0], [1], [1]]), torch.tensor([[0], [1], [1], [1]])
    >>> joint_counts(responses, properties)[0, 0].tolist()
    [[1.0, 1.0], [0.0, 2.0]]
    """
    return _counted(responses, properties.split(1, 1))[:, :, 0]


def paired_counts(
    responses: Int[Tensor, "stimuli units"], properties: Int[Tensor, "stimuli units"]
) -> Float[Tensor, "units 1 response_bins property_bins"]:
    """Joint histogram of each unit with its own property (the receptive-field scope), float32.

    Examples
    --------
    >>> import torch
    >>> responses, properties = torch.tensor([[0, 0], [1, 1]]), torch.tensor([[0, 1], [1, 0]])
    >>> paired_counts(responses, properties)[:, 0].tolist()
    [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]
    """
    return _counted(responses, [properties])[:, :, 0]


def class_tables(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli properties"],
    labels: Int[Tensor, " stimuli"],
    *,
    paired: bool = False,
) -> Float[Tensor, "units columns classes response_bins property_bins"]:
    """Joint histograms in each class, in the order of the labels, float32; with `paired`, one property per unit.

    Stimuli with a negative code are left out. Counts add up: those of a part of the stimuli can be taken off.

    Examples
    --------
    >>> import torch
    >>> codes, labels = torch.tensor([[0], [1], [0], [1]]), torch.tensor([3, 3, 8, 8])
    >>> class_tables(codes, torch.tensor([[0], [1], [1], [0]]), labels)[0, 0].tolist()
    [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]
    """
    return _counted(responses, [properties] if paired else properties.split(1, 1), labels)


def _counted(
    responses: Tensor, properties: Sequence[Tensor], labels: Tensor | None = None
) -> Float[Tensor, "units properties classes response_bins property_bins"]:
    """Joint histograms of units with one property after another, each of one column, or of one for each unit."""
    rows, columns, units = bins_of(responses), max(map(bins_of, properties)), responses.shape[1]
    place = None if labels is None else torch.unique(labels, return_inverse=True)[1].int()
    classes = 1 if place is None else int(place.max()) + 1
    plane = classes * units  # cells that two bins meet in
    cell = responses.int() * (columns * plane) + torch.arange(units, dtype=torch.int32, device=responses.device)
    if place is not None:
        cell += place[:, None] * units
    all_known = bool(responses.min() >= 0)
    planes = torch.empty(rows * columns, len(properties), plane, device=responses.device)
    for table, of_one in zip(planes.unbind(1), properties, strict=True):
        met, whole = cell + of_one.int() * plane, all_known and bool(of_one.min() >= 0)
        kept = met.flatten() if whole else met[(responses >= 0) & (of_one >= 0)]
        table.copy_(torch.bincount(kept, minlength=table.numel()).view(table.shape))
    return planes.view(rows, columns, len(properties), classes, units).permute(4, 2, 3, 0, 1)


def members_of(labels: Int[Tensor, " stimuli"]) -> tuple[Int[Tensor, " members"], ...]:
    """Places of the stimuli of each class, in the order of the labels.

    Examples
    --------
    >>> import torch
    >>> [members.tolist() for members in members_of(torch.tensor([8, 3, 8]))]
    [[1], [0, 2]]
    """
    counts = torch.unique(labels, return_counts=True)[1]
    return labels.argsort(stable=True).split(counts.tolist())


def bins_of(codes: Int[Tensor, "stimuli columns"]) -> int:
    """Number of bins that codes from 0 need; at least one.

    Raises
    ------
    ValueError
        If there are no codes.

    Examples
    --------
    >>> import torch
    >>> bins_of(torch.tensor([[0], [2], [-1]]))
    3
    """
    if codes.numel() == 0:
        raise ValueError(f"{tuple(codes.shape)} codes, (stimuli, columns): give at least one stimulus and one column")
    return max(int(codes.max()), 0) + 1


def indicators(codes: Int[Tensor, "stimuli columns"], bins: int | None = None) -> Float[Tensor, "stimuli bins columns"]:
    """Which of `bins` each stimulus falls in, 0 or 1, float32; nothing where the code is negative.

    Examples
    --------
    >>> import torch
    >>> indicators(torch.tensor([[0], [1], [-1]]))[..., 0].tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    every = torch.arange(bins_of(codes) if bins is None else bins, dtype=codes.dtype, device=codes.device)
    return (codes[:, None] == every[:, None]).float()


def bins_first(tables: Tables) -> Planes:
    """Joint histograms, a plane of cells for each response bin and property bin: no copy.

    Examples
    --------
    >>> import torch
    >>> bins_first(torch.zeros(5, 2, 3)).shape
    torch.Size([2, 3, 5])
    """
    return tables.movedim((-2, -1), (0, 1))


def over_properties(tables: Tables) -> Float[Tensor, "*batch response_bins"]:
    """Sum over property bins: several times as fast as `sum`, which is slow over so few.

    Examples
    --------
    >>> import torch
    >>> over_properties(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [3.0, 7.0]
    """
    return reduce(torch.add, tables.unbind(-1))


def over_responses(tables: Tables) -> Float[Tensor, "*batch property_bins"]:
    """Sum over response bins, as `over_properties`.

    Examples
    --------
    >>> import torch
    >>> over_responses(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [4.0, 6.0]
    """
    return reduce(torch.add, tables.unbind(-2))


def entropy_bits(counts: Float[Tensor, "*batch bins"]) -> Float[Tensor, "*batch"]:
    """Entropy of a histogram, bits, float64; NaN where it is empty.

    Examples
    --------
    >>> import torch
    >>> round(float(entropy_bits(torch.tensor([5.0, 5.0, 5.0, 5.0]))), 2)
    2.0
    """
    probabilities = counts.double() / counts.sum(-1, keepdim=True)
    log = probabilities.clamp_min(torch.finfo(torch.float64).tiny).log_()
    return -log.mul_(probabilities).sum(-1) / LN2


def response_entropy(tables: Tables) -> Float[Tensor, "*batch"]:
    """Entropy of the binned response, bits: all that a unit without noise can say.

    Examples
    --------
    >>> import torch
    >>> round(float(response_entropy(torch.tensor([[4.0, 4.0], [4.0, 4.0], [8.0, 0.0], [0.0, 8.0]]))), 2)
    2.0
    """
    return entropy_bits(over_properties(tables))


def property_entropy(tables: Tables) -> Float[Tensor, "*batch"]:
    """Entropy of the binned property, bits.

    Examples
    --------
    >>> import torch
    >>> round(float(property_entropy(torch.tensor([[4.0, 4.0], [4.0, 4.0], [8.0, 0.0], [0.0, 8.0]]))), 2)
    1.0
    """
    return entropy_bits(over_responses(tables))


def plugin_information(tables: Tables) -> Float[Tensor, "*batch"]:
    """Mutual information of a joint histogram, bits, without bias correction; never above either entropy.

    Examples
    --------
    >>> import torch
    >>> tables = torch.tensor([[[5.0, 0.0], [0.0, 5.0]], [[5.0, 5.0], [5.0, 5.0]]])  # all there is to tell, and nothing
    >>> [round(bits, 2) for bits in plugin_information(tables).tolist()]
    [1.0, 0.0]
    """
    of_responses, of_properties = response_entropy(tables), property_entropy(tables)
    information = (of_responses + of_properties - entropy_bits(tables.flatten(-2))).clamp_min(0)
    return torch.minimum(information, torch.minimum(of_responses, of_properties))
