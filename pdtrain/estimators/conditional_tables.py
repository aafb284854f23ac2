"""What joint histograms within classes tell at fixed class, once chance is taken off."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.estimators.contingency import over_properties, over_responses, plugin_information, property_entropy
from pdtrain.estimators.corrections import corrected_information, permutation_bias
from pdtrain.estimators.permutation import PermutationLaw, permutation_law

_FEWER_THAN_CHANCE = 4.0  # standard deviations, as in `corrections`
_PRIOR_CELLS = 0.1  # cells that are taken to be possible beside those seen: decides where hardly any could be seen

ClassTables = Float[Tensor, "*batch classes response_bins property_bins"]


@dataclass(frozen=True)
class TableInformation:
    """What joint histograms within classes hold.

    Attributes
    ----------
    plugin_bits
        Information at fixed class before correction, bits, shape (*batch).
    corrected_bits
        After correction, bits, shape (*batch).
    entropy_bits
        Of the binned property at fixed class, H(s | c), bits, shape (*batch).
    class_plugin_bits
        Information within each class, bits, shape (*batch, classes); zero where there are no stimuli.
    law
        Of the information within each class under permutation there, bits, shape (*batch, classes).
    """

    plugin_bits: Float[Tensor, "*batch"]
    corrected_bits: Float[Tensor, "*batch"]
    entropy_bits: Float[Tensor, "*batch"]
    class_plugin_bits: Float[Tensor, "*batch classes"]
    law: PermutationLaw


def information_of_tables(tables: ClassTables, *, correction: str = "permutation") -> TableInformation:
    """Information at fixed class of histograms within classes, shape (..., classes, response bins, property bins).

    Neither plug-in nor corrected information is above the entropies at fixed class; with the default the corrected one
    is never further below zero than four standard deviations of chance.

    Examples
    --------
    >>> import torch
    >>> tables = torch.tensor([[[50.0, 0.0], [0.0, 50.0]], [[25.0, 25.0], [25.0, 25.0]]])  # told in one of two classes
    >>> found = information_of_tables(tables)
    >>> round(float(found.plugin_bits), 3), round(float(found.corrected_bits), 3), float(found.entropy_bits)
    (0.5, 0.499, 1.0)
    """
    weight = _weights(tables)
    law, plugin = permutation_law(tables), plugin_information(tables).nan_to_num(0.0)
    together = (weight * plugin).sum(-1)
    if correction == "permutation":
        deviation = (weight * law.deviation_bits).square().sum(-1).sqrt()
        corrected = torch.maximum(together - _bias(tables, law, weight), -_FEWER_THAN_CHANCE * deviation)
    else:
        corrected = (weight * corrected_information(tables, law, correction=correction).nan_to_num(0.0)).sum(-1)
    entropy = (weight * property_entropy(tables).nan_to_num(0.0)).sum(-1)
    return TableInformation(together, corrected, entropy, plugin, law)


def _weights(tables: Tensor) -> Tensor:
    """Share of each class in the stimuli."""
    stimuli = tables.sum((-2, -1)).double()
    return stimuli / stimuli.sum(-1, keepdim=True).clamp_min(1)


def _bias(tables: Tensor, law: PermutationLaw, weight: Tensor) -> Tensor:
    """Expectation under permutation within classes, times the share of the degrees of freedom that are left to chance.

    As `permutation_bias`, whose share is taken over all classes together where more than one varies: a class of few
    stimuli shows little of it, and a mean of shares that err would leave a bias, as their effect is not linear. It is
    the ratio of the cells that are filled, beyond what the marginals ask for, to those that chance would fill. This
    counts each class by what it can show, and is right on average where there is nothing to tell.
    """
    rows, columns = (over_properties(tables) > 0).sum(-1), (over_responses(tables) > 0).sum(-1)
    varies = (rows > 1) & (columns > 1)
    forced = rows + columns - 1
    filled = ((tables > 0).double().sum((-2, -1)) - forced).masked_fill(~varies, 0.0).sum(-1)
    by_chance = (law.values_met.sum(-1) - forced).clamp_min(0)
    by_chance = by_chance.masked_fill(~varies, 0.0).sum(-1)
    share = ((filled + _PRIOR_CELLS) / (by_chance + _PRIOR_CELLS)).clamp(0, 1)
    pooled = (weight * law.mean_bits).sum(-1) * (1 - (1 - share).square())
    alone = varies.sum(-1) <= 1
    if bool(alone.any()):
        pooled[alone] = (weight[alone] * permutation_bias(tables[alone], law.of(alone))).sum(-1)
    return pooled
