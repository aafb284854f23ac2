"""How much each stimulus moves the information of units: what an interval over stimuli is made of."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.cell_influence import MOVED, influence_of_cells
from pdtrain.estimators.contingency import bins_first, bins_of, class_tables, indicators, members_of
from pdtrain.estimators.discretization import stretches
from pdtrain.estimators.half_samples import half_differences_of_mean, standard_error

Stretches = tuple[Int[Tensor, "classes units rows"], Int[Tensor, "classes columns bins"]]

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
    groups: Sequence[int] | None = None,
    seed: int = 0,
    memory_bytes: int = 2**28,
) -> Float[Tensor, "groups splits properties sums"]:
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
        Class of each stimulus, any numbers, where the information is that at fixed class and codes are those within it.
    stretched
        Which bins share a stretch, from `stretches_of`; None takes each bin for a stretch of its own.
    groups
        How many consecutive units are summed together, such as those of a layer: all of them, each in one group. None
        sums all.
    seed
        Of the shuffle (within classes, at fixed class).
    memory_bytes
        Bound on the working memory.

    Raises
    ------
    ValueError
        If the groups have more or fewer units than there are.

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
    groups = _checked(groups, responses.shape[1])
    if stretched is None:
        stretched = stretches_of(responses, properties, labels)
    # as shown and shuffled side by side, in one pass; an order changes no stretch
    rows, columns = stretched
    both, columns = torch.cat([properties, properties[order]], 1), columns.repeat(1, 2, 1)
    if paired:
        responses, rows, groups = responses.repeat(1, 2), rows.repeat(1, 2, 1), [*groups, *groups]
        weights = weights.repeat(2, 1, 1)
    else:
        weights = weights.repeat(1, 2, 1)
    influence = influence_on_sums(
        responses, both, weights, labels, stretched=(rows, columns), paired=paired, groups=groups, moved=MOVED,
        memory_bytes=memory_bytes,
    )  # fmt: skip
    as_shown, shuffled = influence.chunk(2, dim=0 if paired else 3)
    return torch.stack([_widest(*of_group, halves) for of_group in zip(as_shown, shuffled, strict=True)])


def _widest(
    as_shown: Float[Tensor, "ways stimuli properties sums"],
    shuffled: Float[Tensor, "ways stimuli properties sums"],
    halves: Bool[Tensor, "splits stimuli"],
) -> Float[Tensor, "splits properties sums"]:
    widest = torch.zeros(len(halves), *as_shown.shape[2:])
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
    groups: Sequence[int] | None = None,
    moved: Sequence[str] = MOVED[:1],
    memory_bytes: int = 2**28,
) -> Float[Tensor, "groups ways stimuli properties sums"]:
    """Influence of each stimulus on weighted sums of the units' information, bits; its mean over stimuli is zero.

    Of each group of consecutive units, and each way in which edges may have been `moved`; `stretched` is from
    `stretches_of`, and None takes each bin for a stretch of its own.

    Examples
    --------
    >>> import torch
    >>> responses = torch.tensor([[0], [0], [0], [1], [1], [1]])
    >>> properties = torch.tensor([[0], [0], [1], [1], [1], [0]])
    >>> ((found,),) = influence_on_sums(responses, properties, torch.ones(1, 1, 1))
    >>> [round(bits, 2) for bits in found.flatten().tolist()]
    [0.33, 0.33, -0.67, 0.33, 0.33, -0.67]
    """
    rows, columns = stretches_of(responses, properties, labels) if stretched is None else stretched
    labels = torch.zeros(len(responses), dtype=torch.long, device=responses.device) if labels is None else labels
    groups = _checked(groups, responses.shape[1])
    shape = len(groups), len(moved), len(responses), *weights.shape[1:]
    found = torch.zeros(shape, device=responses.device)
    share = len(properties) / (properties >= 0).sum(0).clamp_min(1)  # of a mean over those that have a property
    weights = weights.to(found) * (share[:, None, None] if paired else share[:, None])
    cells_per_row = len(columns) * weights.shape[1] * columns.shape[2]
    per_unit = 8 * rows.shape[2] * (len(responses) + 10 * cells_per_row * len(moved))
    for block in _blocks(groups, max(1, memory_bytes // per_unit)):
        units = slice(block[0][1].start, block[-1][1].stop)
        met = units if paired else slice(None)
        planes = bins_first(class_tables(responses[:, units], properties[:, met], labels, paired=paired))
        planes = planes.permute(0, 1, 3, 4, 2)  # properties, classes, units: as they lie in memory
        same_rows = _goes_on(rows[:, units, : planes.shape[0]])[:, None]
        same_columns = _goes_on(columns[:, met, : planes.shape[1]])
        same_columns = same_columns[:, None] if paired else same_columns.transpose(1, 2)[..., None]
        cells = influence_of_cells(planes, same_rows, same_columns, moved=moved)
        for group, part in block:
            seen = responses[:, part], properties[:, part if paired else met], labels
            of_part = cells[..., part.start - units.start : part.stop - units.start]
            found[group] += (_paired if paired else _shared)(of_part, weights[part], *seen)
    return found


def _checked(groups: Sequence[int] | None, units: int) -> Sequence[int]:
    """Groups of units, in which each has its place; None is one of all."""
    if groups is None:
        return [units]
    if sum(groups) != units or min(groups, default=0) < 0:
        raise ValueError(f"groups={list(groups)}: {sum(groups)} units, and there are {units}; give each one group")
    return groups


def _blocks(groups: Sequence[int], most: int) -> Iterator[list[tuple[int, slice]]]:
    """Consecutive units, so many at most: which group they are of, and which they are."""
    block: list[tuple[int, slice]] = []
    start, room = 0, most
    for group, size in enumerate(groups):
        end = start + size
        while start < end:
            taken = min(room, end - start)
            block.append((group, slice(start, start + taken)))
            start, room = start + taken, room - taken
            if not room:
                yield block
                block, room = [], most
    if block:
        yield block


def _goes_on(stretch: Int[Tensor, "classes columns bins"]) -> Bool[Tensor, "edges classes columns"]:
    """Whether a stretch goes on beyond a bin."""
    return (stretch.diff(dim=-1) == 0).movedim(-1, 0)


def _shared(
    cells: Float[Tensor, "ways rows columns properties classes units"],
    weights: Float[Tensor, "units properties sums"],
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli properties"],
    labels: Int[Tensor, " stimuli"],
) -> Float[Tensor, "ways stimuli properties sums"]:
    """Weighted sums of the cells that each stimulus falls in, of properties that all units share: matrix products."""
    ways, rows, columns, of_properties = cells.shape[:4]
    sums = weights.shape[2]
    weighted = torch.einsum("mrspcu,upk->cmpksru", cells, weights).flatten(-2).flatten(1, -2)
    place = properties.long().clamp_min(0).T[:, None, None, :].expand(-1, sums, 1, -1)
    found = torch.empty(ways, of_properties, sums, len(responses), device=cells.device)
    for members, of_class in zip(members_of(labels), weighted, strict=True):
        met = of_class @ indicators(responses[members], rows).flatten(1).T
        met = met.view(ways, of_properties, sums, columns, len(members))
        found[..., members] = met.gather(3, place[..., members].expand(ways, -1, -1, -1, -1))[..., 0, :]
    return found.permute(0, 3, 1, 2) * (properties >= 0)[..., None]


def _paired(
    cells: Float[Tensor, "ways rows columns one classes units"],
    weights: Float[Tensor, "units one sums"],
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli units"],
    labels: Int[Tensor, " stimuli"],
) -> Float[Tensor, "ways stimuli one sums"]:
    """As `_shared`, of each unit's own property: cells are looked up."""
    ways, _, columns, _, classes, units = cells.shape
    plane = classes * units
    of_class = labels.unique(return_inverse=True)[1].int()[:, None] * units
    of_unit = torch.arange(units, dtype=torch.int32, device=cells.device)
    place = (responses.int() * columns + properties.int().clamp_min(0)) * plane + of_class + of_unit
    influence = cells.reshape(ways, -1).index_select(1, place.flatten()).view(ways, *place.shape)
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
