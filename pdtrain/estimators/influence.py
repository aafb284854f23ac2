"""How much each stimulus moves the information of units: what an interval over stimuli is made of.

Responses and properties are cut at ranks, so that stimuli cannot change how full the bins are, only which of them meet:
the influence is that of the cells, less what the two margins explain (Hampel 1974; Davison and Hinkley 1997, 2.7).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.contingency import LN2, Tables, bins_of
from pdtrain.estimators.half_samples import half_differences_of_mean

_RIDGE = 1e-9  # of the number of stimuli: makes margins that stand for the same thing share it
_LEAST_SHARE = 0.5  # of the variance of the influence that is left when chance is taken off


def half_differences_of_information(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli columns"],
    weights: Float[Tensor, "units properties sums"],
    halves: Bool[Tensor, "splits stimuli"],
    labels: Int[Tensor, " stimuli"] | None = None,
    *,
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
    seed
        Of the shuffle (within classes, at fixed class).
    memory_bytes
        Bound on the working memory.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.half_samples import half_samples
    >>> codes, halves = torch.arange(80)[:, None] % 2, half_samples(torch.zeros(80, dtype=torch.long))
    >>> certain = half_differences_of_information(codes, codes, torch.ones(1, 1, 1), halves)
    >>> bool(certain.abs().max() < 1e-6)  # a unit that equals the property tells all of it, whatever is shown
    True
    """
    shuffled = properties[_shuffle(len(responses), labels, seed).to(properties.device)]
    found, by_chance = (
        influence_on_sums(responses, codes, weights, labels, paired=paired, memory_bytes=memory_bytes)
        for codes in (properties, shuffled)
    )
    return less_chance(half_differences_of_mean(found, halves.to(found.device)), found, by_chance).cpu()


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
    paired: bool = False,
    memory_bytes: int = 2**28,
) -> Float[Tensor, "stimuli properties sums"]:
    """Influence of each stimulus on weighted sums of the units' information, bits; its mean over stimuli is zero.

    Examples
    --------
    >>> import torch
    >>> responses = torch.tensor([[0], [0], [0], [1], [1], [1]])
    >>> properties = torch.tensor([[0], [0], [1], [1], [1], [0]])
    >>> found = influence_on_sums(responses, properties, torch.ones(1, 1, 1))
    >>> [round(bits, 2) for bits in found.flatten().tolist()]
    [0.33, 0.33, -0.67, 0.33, 0.33, -0.67]
    """
    bins = bins_of(responses), bins_of(properties)
    found = torch.zeros(len(responses), *weights.shape[1:], device=responses.device)
    of_class = _paired if paired else _shared
    per_unit = 8 * bins[0] * (len(responses) + 10 * bins[1] * weights[0].numel())
    for units in torch.arange(len(weights)).split(max(1, memory_bytes // per_unit)):
        block = slice(int(units[0]), int(units[-1]) + 1)
        of_units, weight = responses[:, block], weights[block].to(found)
        met = properties[:, block] if paired else properties
        for members in _members(labels, len(responses)):
            found[members] += of_class(of_units[members], met[members], weight, bins)
    known = properties >= 0
    share = len(properties) / known.sum(0).clamp_min(1)  # of a mean over those that have a property
    return found if paired else found * share[:, None]


def _members(labels: Tensor | None, stimuli: int) -> Iterator[Tensor | slice]:
    if labels is None:
        yield slice(0, stimuli)
        return
    yield from labels.argsort(stable=True).split(labels.bincount().tolist())


def _shared(responses: Tensor, properties: Tensor, weights: Tensor, bins: tuple[int, int]) -> Tensor:
    """Of properties that all units share: matrix products of indicators."""
    (rows, columns), (units, of_properties, sums) = bins, weights.shape
    left, right = _one_hot(responses, rows), _one_hot(properties, columns)
    tables = (left.T @ right).view(units, rows, of_properties, columns).transpose(1, 2)
    cells = less_margins(pointwise_information(tables), tables).float()
    weighted = torch.einsum("uprc,upk->urpkc", cells, weights).reshape(units * rows, -1)
    met = (left @ weighted).view(len(responses), of_properties, sums, columns)
    place = properties.long().clamp_min(0)[:, :, None, None].expand(-1, -1, sums, 1)
    return met.gather(3, place)[..., 0] * (properties >= 0)[..., None]


def _paired(responses: Tensor, properties: Tensor, weights: Tensor, bins: tuple[int, int]) -> Tensor:
    """Of each unit's own property: cells are looked up."""
    (rows, columns), units = bins, len(weights)
    known = properties >= 0
    cell = responses.long() * columns + properties + torch.arange(units, device=responses.device) * (rows * columns)
    used = cell if bool(known.all()) else cell[known]
    counts = torch.bincount(used.flatten(), minlength=units * rows * columns)
    tables = counts.view(units, rows, columns)
    cells = less_margins(pointwise_information(tables), tables).float()
    influence = cells.flatten()[cell.clamp_min(0)]
    if used is not cell:
        influence = influence * known * (len(known) / known.sum(0).clamp_min(1))
    return (influence @ weights[:, 0])[:, None]


def _one_hot(codes: Tensor, bins: int) -> Tensor:
    """Which bin each stimulus falls in, 0 or 1, shape (stimuli, columns x bins); nothing where the code is negative."""
    marks = torch.zeros(*codes.shape, bins, device=codes.device)
    marks.scatter_(2, codes.long().clamp_min(0)[..., None], (codes >= 0).float()[..., None])
    return marks.flatten(1)


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
    """Information of each cell of joint histograms, bits; 0 where it is empty.

    Examples
    --------
    >>> import torch
    >>> pointwise_information(torch.tensor([[3.0, 1.0], [0.0, 2.0]]))[1].tolist()  # of 2/6 over 2/6 times 3/6
    [0.0, 1.0]
    """
    tables = tables.double()
    total = tables.sum((-2, -1), keepdim=True)
    expected = tables.sum(-1, keepdim=True) * tables.sum(-2, keepdim=True)
    ratio = tables * total / expected.clamp_min(1)
    return torch.where(tables > 0, ratio.clamp_min(1e-300).log() / LN2, 0.0)


def less_margins(values: Tables, weights: Tables | Int[Tensor, "*batch rows columns"]) -> Tables:
    """What is left of a table's values by weighted least squares on its rows and columns.

    Examples
    --------
    >>> import torch
    >>> (100 * less_margins(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.ones(2, 2))).round().tolist()
    [[25.0, -25.0], [-25.0, 25.0]]
    """
    values, weights = values.double(), weights.double()
    rows, columns = weights.sum(-1), weights.sum(-2)
    of_rows, of_columns = (weights * values).sum(-1), (weights * values).sum(-2)
    shares = weights / columns.clamp_min(1)[..., None, :]
    normal = torch.diag_embed(rows) - shares @ weights.transpose(-1, -2)
    total = rows.sum(-1).clamp_min(1)[..., None]
    normal = normal + torch.diag_embed((_RIDGE * total).expand_as(rows))
    row_effect = torch.linalg.solve(normal, of_rows - (shares * of_columns[..., None, :]).sum(-1))
    column_effect = (of_columns - (weights * row_effect[..., None]).sum(-2)) / columns.clamp_min(1)
    return values - row_effect[..., None] - column_effect[..., None, :]
