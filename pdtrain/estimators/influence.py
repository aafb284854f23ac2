"""How much each stimulus moves the information of units: what an interval over stimuli is made of.

Where values are cut at ranks, stimuli cannot change how full the bins of a stretch are, only which bins meet: of the
influence of cells (Hampel 1974; Davison and Hinkley 1997, 2.7) is left what margins within a stretch do not explain.
How many stimuli have a shared value, such as a ReLU's zero, does depend on them.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from pdtrain.estimators.contingency import (
    LN2,
    Tables,
    bins_of,
    class_tables,
    indicators,
    members_of,
    over_properties,
    over_responses,
)
from pdtrain.estimators.discretization import stretches
from pdtrain.estimators.half_samples import half_differences_of_mean, standard_error

Stretches = tuple[Int[Tensor, "classes units rows"], Int[Tensor, "classes columns bins"]]

MOVED = ("average", "edge")  # who crosses the edges of bins; the wider interval counts
_RIDGE = 1e-9  # of the number of stimuli: makes margins that stand for the same thing share it
_SMOOTHING = 0.5  # stimuli in each cell of filled rows and columns, so that an empty one can be moved into
_LEAST_SHARE = 0.5  # of the variance of the influence that is left when chance is taken off


def half_differences_of_information(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli columns"],
    weights: Float[Tensor, "units properties sums"],
    halves: Bool[Tensor, "splits stimuli"],
    labels: Int[Tensor, " stimuli"] | None = None,
    *,
    stretched: Stretches | None = None,
    paired: bool = False,
    seed: int = 0,
    memory_bytes: int = 2**28,
) -> Float[Tensor, "splits properties sums"]:
    """Half differences between halves of the stimuli, of weighted sums of the units' information, bits.

    The influence is that of the table that was found, whose chance part enters twice: once as what the stimuli do, once
    as what they are held against (so does the jackknife's: Efron and Stein 1981). Of a property whose values are
    shuffled all is chance, and half of its variance is taken off; never more than half of what there is.

    Parameters
    ----------
    responses
        Codes from `discretize`.
    properties
        Codes from `property_codes`; with `paired`, column u is the property of unit u, and there is one of `weights`.
        Where a code is negative the stimulus has no influence.
    weights
        Of each unit in each sum, for each property.
    halves
        From `half_samples`.
    labels
        Class of each stimulus, from 0, where the information is that at fixed class and codes are those within it.
    stretched
        Which bins share a stretch, from `stretches_of`; None takes each bin for a stretch of its own.
    seed
        Of the shuffle (within classes, at fixed class).
    memory_bytes
        Bound on the working memory.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.half_samples import half_samples
    >>> from pdtrain.estimators.discretization import discretize
    >>> values, halves = torch.arange(80.0)[:, None], half_samples(torch.zeros(80, dtype=torch.long))
    >>> codes, weight = discretize(values), torch.ones(1, 1, 1)
    >>> stretched = stretches_of(codes, codes, None, values, values)
    >>> bool(half_differences_of_information(codes, codes, weight, halves, stretched=stretched).abs().max() < 1e-5)
    True
    """
    order = _shuffle(len(responses), labels, seed).to(properties.device)
    if stretched is None:
        stretched = stretches_of(responses, properties, labels)
    # as shown and shuffled side by side, in one pass; an order changes no stretch
    rows, columns = stretched
    both, columns = torch.cat([properties, properties[order]], 1), columns.repeat(1, 2, 1)
    sums = weights.shape[2]
    if paired:
        responses, rows = responses.repeat(1, 2), rows.repeat(1, 2, 1)
        weights_of_both = torch.cat([pad(weights, (0, sums)), pad(weights, (sums, 0))])
    else:
        weights_of_both = weights.repeat(1, 2, 1)
    influence = influence_on_sums(
        responses, both, weights_of_both, labels, stretched=(rows, columns), paired=paired, moved=MOVED,
        memory_bytes=memory_bytes,
    )  # fmt: skip
    as_shown, shuffled = influence.chunk(2, dim=3 if paired else 2)
    widest = torch.zeros(len(halves), *weights.shape[1:])
    for found, by_chance in zip(as_shown, shuffled, strict=True):
        kept = less_chance(half_differences_of_mean(found, halves.to(found.device)), found, by_chance).cpu()
        widest = torch.where(standard_error(kept) > standard_error(widest), kept, widest)
    return widest


def stretches_of(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli columns"],
    labels: Int[Tensor, " stimuli"] | None = None,
    response_values: Float[Tensor, "stimuli units"] | None = None,
    property_values: Float[Tensor, "stimuli columns"] | None = None,
) -> Stretches:
    """Which bins of responses, and which of properties, share a stretch, in each class; see `stretches`.

    Values are what the codes were cut from; of what was not cut at ranks, its codes.

    Examples
    --------
    >>> import torch
    >>> values = torch.arange(6.0)[:, None]
    >>> rows, columns = stretches_of(values.long() // 2, values.long() // 3, response_values=values)
    >>> rows.tolist(), columns.tolist()
    ([[[0, 0, 0]]], [[[0, 1]]])
    """
    left = responses if response_values is None else response_values
    right = properties if property_values is None else property_values
    return (
        stretches(left, responses, bins_of(responses), labels),
        stretches(right, properties, bins_of(properties), labels),
    )


def less_chance(
    half_differences: Float[Tensor, "splits *sums"],
    found: Float[Tensor, "stimuli *sums"],
    by_chance: Float[Tensor, "stimuli *sums"],
) -> Float[Tensor, "splits *sums"]:
    """Half differences, shrunk by half of the variance that the influence of shuffled stimuli has.

    Examples
    --------
    >>> import torch
    >>> kept = less_chance(torch.tensor([1.0, -1.0]), torch.tensor([2.0, -2.0]), torch.tensor([1.0, -1.0]))
    >>> [round(square, 3) for square in kept.square().tolist()]  # 1 less 1/2 of 1/4
    [0.875, 0.875]
    """
    variance, chance = found.double().square().sum(0), by_chance.double().square().sum(0)
    kept = (1 - chance / (2 * variance.clamp_min(1e-300))).clamp(_LEAST_SHARE, 1.0)
    return half_differences * kept.sqrt().to(half_differences)


def influence_on_sums(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli columns"],
    weights: Float[Tensor, "units properties sums"],
    labels: Int[Tensor, " stimuli"] | None = None,
    *,
    stretched: Stretches | None = None,
    paired: bool = False,
    moved: Sequence[str] = MOVED[:1],
    memory_bytes: int = 2**28,
) -> Float[Tensor, "ways stimuli properties sums"]:
    """Influence of each stimulus on weighted sums of the units' information, bits; its mean over stimuli is zero.

    Of each way in which edges may have been `moved`; `stretched` is from `stretches_of`, and None takes each bin for a
    stretch of its own.

    Examples
    --------
    >>> import torch
    >>> responses = torch.tensor([[0], [0], [0], [1], [1], [1]])
    >>> properties = torch.tensor([[0], [0], [1], [1], [1], [0]])
    >>> (found,) = influence_on_sums(responses, properties, torch.ones(1, 1, 1))
    >>> [round(bits, 2) for bits in found.flatten().tolist()]
    [0.33, 0.33, -0.67, 0.33, 0.33, -0.67]
    """
    rows, columns = stretches_of(responses, properties, labels) if stretched is None else stretched
    labels = torch.zeros(len(responses), dtype=torch.long, device=responses.device) if labels is None else labels
    found = torch.zeros(len(moved), len(responses), *weights.shape[1:], device=responses.device)
    share = len(properties) / (properties >= 0).sum(0).clamp_min(1)  # of a mean over those that have a property
    cells_per_row = len(columns) * weights.shape[1] * columns.shape[2]
    per_unit = 8 * rows.shape[2] * (len(responses) + 10 * cells_per_row * len(moved))
    for units in torch.arange(len(weights)).split(max(1, memory_bytes // per_unit)):
        block = slice(int(units[0]), int(units[-1]) + 1)
        met = block if paired else slice(None)
        seen = responses[:, block], properties[:, met], labels
        tables = class_tables(*seen, paired=paired)
        of_rows, of_columns = (
            of[:, chosen, :bins].transpose(0, 1)
            for of, chosen, bins in ((rows, block, tables.shape[3]), (columns, met, tables.shape[4]))
        )
        at = of_rows[:, None], of_columns[:, None] if paired else of_columns
        cells = influence_of_cells(tables, *at, moved=moved)
        weight = weights[block].to(found) * (share[block, None, None] if paired else share[:, None])
        found += (_paired if paired else _shared)(cells, weight, *seen)
    return found


def _shared(
    cells: Float[Tensor, "ways units properties classes rows columns"],
    weights: Tensor,
    responses: Tensor,
    properties: Tensor,
    labels: Tensor,
) -> Float[Tensor, "ways stimuli properties sums"]:
    """Weighted sums of the cells that each stimulus falls in, of properties that all units share: matrix products."""
    ways, _, of_properties, _, _, columns = cells.shape
    sums = weights.shape[2]
    weighted = torch.einsum("mupcrs,upk->curpmks", cells, weights).flatten(1, 2).flatten(2)
    rows = cells.shape[4]
    place = properties.long().clamp_min(0)[:, :, None, None].expand(-1, -1, ways * sums, 1)
    found = torch.empty(len(responses), of_properties, ways * sums, device=cells.device)
    for members, of_class in zip(members_of(labels), weighted, strict=True):
        met = (indicators(responses[members], rows) @ of_class).view(len(members), of_properties, ways * sums, columns)
        found[members] = met.gather(3, place[members])[..., 0]
    found *= (properties >= 0)[..., None]
    return found.view(len(responses), of_properties, ways, sums).permute(2, 0, 1, 3)


def _paired(
    cells: Float[Tensor, "ways units one classes rows columns"],
    weights: Tensor,
    responses: Tensor,
    properties: Tensor,
    labels: Tensor,
) -> Float[Tensor, "ways stimuli one sums"]:
    """As `_shared`, of each unit's own property: cells are looked up."""
    units, _, classes, rows, columns = cells.shape[1:]
    of_class = labels.unique(return_inverse=True)[1].int()[:, None] * (rows * columns)
    of_unit = torch.arange(units, dtype=torch.int32, device=cells.device) * (classes * rows * columns)
    place = of_class + of_unit + responses.int() * columns + properties.int().clamp_min(0)
    influence = cells.flatten(1).index_select(1, place.flatten()).view(len(cells), *place.shape)
    if bool(properties.min() < 0):
        influence *= properties >= 0
    return (influence @ weights[:, 0])[:, :, None]


def _shuffle(stimuli: int, labels: Tensor | None, seed: int) -> Int[Tensor, " stimuli"]:
    """An order of the stimuli by chance, in which each takes the place of one of its class."""
    order = torch.randperm(stimuli, generator=torch.Generator().manual_seed(seed))
    if labels is None:
        return order
    labels = labels.cpu()
    within = torch.empty_like(order)
    within[labels.argsort(stable=True)] = order[labels[order].argsort(stable=True)]
    return within


def pointwise_information(tables: Tables | Int[Tensor, "*batch rows columns"]) -> Tables:
    """Information of each cell of joint histograms, bits, in their precision; 0 where it is empty.

    Examples
    --------
    >>> import torch
    >>> pointwise_information(torch.tensor([[3.0, 1.0], [0.0, 2.0]]))[1].tolist()  # of 2/6 over 2/6 times 3/6
    [0.0, 1.0]
    """
    tables = tables if tables.is_floating_point() else tables.double()
    total = tables.sum((-2, -1), keepdim=True)
    expected = over_properties(tables)[..., None] * over_responses(tables)[..., None, :]
    ratio = (tables * total).div_(expected.clamp_min_(1))
    return ratio.add_(tables <= 0).log_().div_(LN2)  # an empty cell's ratio of zero is made one


def influence_of_cells(
    tables: Tables,
    row_stretches: Int[Tensor, "*rows"],
    column_stretches: Int[Tensor, "*columns"],
    *,
    moved: Sequence[str] = MOVED[:1],
) -> Float[Tensor, "ways *batch rows columns"]:
    """Influence of a stimulus in each cell on the information, bits; its mean over the stimuli is zero.

    Parameters
    ----------
    tables
        Joint histograms; what is found has their precision.
    row_stretches, column_stretches
        Which bins share a stretch whose shares do not change (`stretches`).
    moved
        Who crosses the edges of bins when those move to keep their shares: of each bin's "average", or those at its
        "edge"; one way or both. The first is right for few and coarse bins, the other for fine ones.

    Examples
    --------
    >>> import torch
    >>> tables, apart, together = torch.tensor([[6.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1]), torch.tensor([0, 0])
    >>> # log2 of 8/6 and 8/2, less their mean
    >>> [round(float(cell), 4) for cell in influence_of_cells(tables, apart, apart)[0].diag()]
    [-0.3962, 1.1887]
    >>> bool(influence_of_cells(tables, together, together)[0].diag().abs().max() < 1e-6)
    True
    """
    weights = tables if tables.is_floating_point() else tables.double()
    values = pointwise_information(weights)
    rows, columns = over_properties(weights), over_responses(weights)
    # bins that other units, classes or properties alone have are none of this table
    possible = (rows > 0)[..., None] & (columns > 0)[..., None, :]
    smooth = pointwise_information(weights + _SMOOTHING * possible) if "edge" in moved else values
    effects = [
        (_potential(smooth, weights), _potential(smooth.mT, weights.mT)) if way == "edge" else _margins(values, weights)
        for way in moved
    ]
    row_effect, column_effect = (torch.stack(of_ways) for of_ways in zip(*effects, strict=True))
    influence = values - _within(row_effect, rows, row_stretches)[..., None]
    influence -= _within(column_effect, columns, column_stretches)[..., None, :]
    total = rows.sum(-1).clamp_min(1)[..., None, None]
    return influence.sub_((influence * weights).sum((-2, -1), keepdim=True) / total)


def _within(effect: Tensor, weight: Tensor, stretch: Tensor) -> Tensor:
    """An effect of bins, less its mean over those of the same stretch."""
    place = stretch.expand(effect.shape)
    mass = torch.zeros_like(effect[0]).scatter_add_(-1, place[0], weight)
    mean = torch.zeros_like(effect).scatter_add_(-1, place, weight * effect) / mass.clamp_min(1)
    return effect - mean.gather(-1, place)


def _potential(values: Tensor, weights: Tensor) -> Tensor:
    """What moving the edges between rows adds up to: a stimulus too many in a row pushes others over its edges.

    Those that are pushed over an edge are of either side's columns in equal parts.
    """
    share = weights / over_properties(weights)[..., None].clamp_min(1)
    at_edge = (share[..., 1:, :] + share[..., :-1, :]).div_(2)
    steps = over_properties(values.diff(dim=-2).mul_(at_edge))
    return pad(steps.cumsum(-1), (1, 0))


def _margins(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Effects of rows and columns on a table's values, by weighted least squares: of so small a ridge in float64."""
    precision, values, weights = values.dtype, values.double(), weights.double()
    rows, columns, weighted = over_properties(weights), over_responses(weights), weights * values
    of_rows, of_columns = over_properties(weighted), over_responses(weighted)
    shares = weights / columns.clamp_min(1)[..., None, :]
    total = rows.sum(-1).clamp_min(1)[..., None]
    normal = (shares @ weights.transpose(-1, -2)).neg_()
    normal.diagonal(dim1=-2, dim2=-1).add_(rows).add_(_RIDGE * total)
    row_effect = torch.linalg.solve(normal, of_rows - over_properties(shares * of_columns[..., None, :]))
    column_effect = (of_columns - over_responses(weights * row_effect[..., None])) / columns.clamp_min(1)
    return row_effect.to(precision), column_effect.to(precision)
