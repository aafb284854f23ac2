"""How much each stimulus moves the information of each unit: what an interval over stimuli is made of.

Responses and properties are cut at ranks, so that stimuli cannot change how full the bins are, only which of them meet:
the influence is that of the cells, less what the two margins explain (Hampel 1974; Davison and Hinkley 1997, 2.7).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.contingency import LN2, Tables, bins_of
from pdtrain.estimators.half_samples import half_differences_of_mean

_RIDGE = 1e-9  # of the number of stimuli: makes margins that stand for the same thing share it
_LEAST_SHARE = 0.5  # of the variance of the influence that is left when chance is taken off


def information_influence(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli columns"],
    labels: Int[Tensor, " stimuli"] | None = None,
) -> Float[Tensor, "stimuli units"]:
    """Influence of each stimulus on each unit's information, bits, float32; its mean over the stimuli is zero.

    Parameters
    ----------
    responses
        Codes from `discretize`.
    properties
        Codes from `property_codes`: one column for all units, or one for each. Where a code is negative the stimulus
        has no influence.
    labels
        Class of each stimulus, from 0, where the information is that at fixed class and codes are those within it.

    Examples
    --------
    >>> import torch
    >>> responses = torch.tensor([[0], [0], [0], [1], [1], [1]])
    >>> properties = torch.tensor([[0], [0], [1], [1], [1], [0]])
    >>> [round(bits, 2) for bits in information_influence(responses, properties)[:, 0].tolist()]
    [0.33, 0.33, -0.67, 0.33, 0.33, -0.67]
    """
    units, rows, columns = responses.shape[1], bins_of(responses), bins_of(properties)
    known = ((responses >= 0) & (properties >= 0)).expand_as(responses)
    classes = 1 if labels is None else int(labels.max()) + 1
    cell = responses.long() * columns + properties.long()
    if labels is not None:
        cell = cell + labels[:, None].to(cell) * (rows * columns)
    place = cell + torch.arange(units, device=cell.device) * (classes * rows * columns)
    counts = torch.bincount(place[known], minlength=units * classes * rows * columns).double()
    tables = counts.view(units, classes, rows, columns)
    of_cells = less_margins(pointwise_information(tables), tables).float()
    share = len(responses) / known.sum(0).clamp_min(1)  # of a mean over those that have a property
    return of_cells.flatten()[place.clamp_min(0)].masked_fill(~known, 0.0) * share


def pointwise_information(tables: Tables) -> Tables:
    """Information of each cell of joint histograms, bits; 0 where it is empty.

    Examples
    --------
    >>> import torch
    >>> pointwise_information(torch.tensor([[3.0, 1.0], [0.0, 2.0]]))[1].tolist()  # of 2/6 over 2/6 times 3/6
    [0.0, 1.0]
    """
    total = tables.sum((-2, -1), keepdim=True)
    expected = tables.sum(-1, keepdim=True) * tables.sum(-2, keepdim=True) / total.clamp_min(1)
    return torch.where(tables > 0, (tables / expected.clamp_min(1e-300)).clamp_min(1e-300).log() / LN2, 0.0)


def less_margins(values: Tables, weights: Tables) -> Tables:
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


@dataclass(frozen=True)
class Influence:
    """Influence of each stimulus on each unit's information, bits.

    Attributes
    ----------
    found
        Shape (stimuli, units).
    by_chance
        The same with the property's values shuffled among the stimuli (of a class, at fixed class).
    """

    found: Float[Tensor, "stimuli units"]
    by_chance: Float[Tensor, "stimuli units"]

    @classmethod
    def of(
        cls,
        responses: Int[Tensor, "stimuli units"],
        properties: Int[Tensor, "stimuli columns"],
        labels: Int[Tensor, " stimuli"] | None = None,
        *,
        seed: int = 0,
    ) -> "Influence":
        """Of codes, as `information_influence` takes them; `seed` is that of the shuffle.

        Examples
        --------
        >>> import torch
        >>> codes = torch.arange(80)[:, None] % 2
        >>> Influence.of(codes, codes // 2).found.abs().max()
        tensor(0.)
        """
        order = torch.randperm(len(responses), generator=torch.Generator().manual_seed(seed))
        if labels is not None:
            within = torch.empty_like(order)
            within[labels.cpu().argsort(stable=True)] = order[labels.cpu()[order].argsort(stable=True)]
            order = within
        shuffled = properties[order.to(properties.device)]
        return cls(
            information_influence(responses, properties, labels), information_influence(responses, shuffled, labels)
        )

    def half_differences(
        self, weights: Float[Tensor, " units"], halves: Bool[Tensor, "splits stimuli"]
    ) -> tuple[float, ...]:
        """Half differences of a weighted sum of the units' information, less what chance alone adds to them.

        The influence is that of the table that was found, whose chance part enters twice: once as what the stimuli do,
        once as what they are held against (so does the jackknife's: Efron and Stein 1981). Of a property whose values
        are shuffled all is chance, and half of its variance is taken off; never more than half of what there is.

        Examples
        --------
        >>> import torch
        >>> halves = torch.tensor([[True, False], [False, True]])
        >>> influence = Influence(torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.5], [-0.5]]))
        >>> [round(half * half, 3) for half in influence.half_differences(torch.ones(1), halves)]  # 1 less 1/2 of 1/4
        [0.875, 0.875]
        """
        found, by_chance = self.found @ weights.to(self.found), self.by_chance @ weights.to(self.found)
        variance, chance = found.double().square().sum(), by_chance.double().square().sum()
        kept = (1 - chance / (2 * variance.clamp_min(1e-300))).clamp(_LEAST_SHARE, 1.0)
        return tuple((half_differences_of_mean(found, halves) * kept.sqrt().to(found)).tolist())
