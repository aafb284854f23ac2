"""Information that single units carry about a property: discretise, count, correct the bias, test against chance."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import chi2
from torch import Tensor

CORRECTIONS = ("none", "miller_madow", "panzeri_treves", "shuffle")
_COUNT_ELEMENTS = 2**25


@dataclass(frozen=True)
class UnitInformation:
    """Information of every unit about one property.

    Attributes
    ----------
    information_bits
        Mutual information after bias correction, bits, shape (units,). May fall slightly below zero.
    plugin_bits
        Before correction, bits, shape (units,).
    entropy_bits
        Entropy of the binned property, bits, shape (units,) (one value repeated for a shared property).
    p_values
        Probability of as much information by chance, shape (units,).
    informative
        Significant at `false_discovery_rate` by Benjamini-Hochberg over the units, shape (units,).
    silent
        No variance over the stimuli, shape (units,).
    """

    information_bits: Float[Tensor, " units"]
    plugin_bits: Float[Tensor, " units"]
    entropy_bits: Float[Tensor, " units"]
    p_values: Float[Tensor, " units"]
    informative: Tensor
    silent: Tensor


def discretize(
    values: Float[Tensor, "stimuli units"], bins: int = 8, *, zero_bin: bool = True
) -> Int[Tensor, "stimuli units"]:
    """Cut each column in equally populated bins, numbered from 0.

    Equal values always share a bin, so that no information is invented by ranking ties. Where more than
    1/bins of a column is exactly zero (a ReLU unit), zeros take a bin of their own and the others share
    the remaining bins - 1.
    """
    count = len(values)
    codes = _equal_population_codes(values, torch.full((values.shape[1],), bins, device=values.device))
    if not zero_bin:
        return codes
    sparse = ((values == 0).sum(0) > count / bins) & (values != 0).any(0)
    if sparse.any():
        codes[:, sparse] = _zero_inflated_codes(values[:, sparse], bins)
    return codes


def discretize_circular(angles: Float[Tensor, " stimuli"], period: float, bins: int = 8) -> Int[Tensor, " stimuli"]:
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


def joint_counts(
    responses: Int[Tensor, "stimuli units"], properties: Int[Tensor, "stimuli properties"]
) -> Float[Tensor, "units properties response_bins property_bins"]:
    """Joint histograms of every unit with every property, by one matrix product of indicator matrices."""
    response_bins, property_bins = int(responses.max()) + 1, int(properties.max()) + 1
    indicators = torch.nn.functional.one_hot(properties, property_bins).flatten(1).float()
    step = max(1, _COUNT_ELEMENTS // (len(responses) * response_bins))
    parts = []
    for start in range(0, responses.shape[1], step):
        block = torch.nn.functional.one_hot(responses[:, start : start + step], response_bins).flatten(1).float()
        counts = (block.T @ indicators).view(-1, response_bins, properties.shape[1], property_bins)
        parts.append(counts.transpose(1, 2))
    return torch.cat(parts)


def paired_counts(
    responses: Int[Tensor, "stimuli units"], properties: Int[Tensor, "stimuli units"]
) -> Float[Tensor, "units 1 response_bins property_bins"]:
    """Joint histogram of each unit with its own property (the receptive-field scope)."""
    units = responses.shape[1]
    response_bins, property_bins = int(responses.max()) + 1, int(properties.max()) + 1
    cell = responses * property_bins + properties
    offset = torch.arange(units, device=responses.device) * response_bins * property_bins
    counts = torch.bincount((cell + offset).flatten(), minlength=units * response_bins * property_bins)
    return counts.view(units, 1, response_bins, property_bins).float()


def _entropy_bits(counts: Tensor) -> Tensor:
    probabilities = counts.double() / counts.sum(-1, keepdim=True)
    return -torch.special.xlogy(probabilities, probabilities).sum(-1) / np.log(2)


def plugin_information(
    counts: Float[Tensor, "*batch response_bins property_bins"],
) -> Float[Tensor, "*batch"]:
    """Mutual information of a joint histogram, bits, without bias correction."""
    joint = _entropy_bits(counts.flatten(-2))
    return (_entropy_bits(counts.sum(-1)) + _entropy_bits(counts.sum(-2)) - joint).clamp_min(0)


def miller_madow_bias(counts: Float[Tensor, "*batch response_bins property_bins"]) -> Float[Tensor, "*batch"]:
    """First-order bias of the plug-in information from the numbers of occupied cells (Miller 1955), bits."""
    cells = (counts > 0).sum((-2, -1))
    rows, columns = (counts.sum(-1) > 0).sum(-1), (counts.sum(-2) > 0).sum(-1)
    return (cells - rows - columns + 1) / (2 * counts.sum((-2, -1)) * np.log(2))


def panzeri_treves_bias(
    counts: Float[Tensor, "*batch response_bins property_bins"],
) -> Float[Tensor, "*batch"]:
    """Bias of the plug-in information, bits: [sum_s (R_s - 1) - (R - 1)] / (2 N ln 2), Panzeri and Treves (1996).

    R_s, the number of responses possible to property value s, is the expected number of the R occupied
    response bins: the naive count is raised by the bins that a sample of N_s would leave empty by chance
    if all R were as likely as in the whole, and never exceeds R.
    """
    total = counts.sum((-2, -1)).double()
    response = counts.sum(-1).double() / total[..., None]
    possible = (response > 0).sum(-1)
    trials = counts.sum(-2).double()
    occupied = (counts > 0).sum(-2).double()
    missed = torch.where(response[..., None] > 0, (1 - response[..., None]).pow(trials[..., None, :]), 0.0).sum(-2)
    relevant = torch.minimum(occupied + missed, possible[..., None].double())
    present = trials > 0
    return ((relevant - 1) * present).sum(-1).sub(possible - 1) / (2 * total * np.log(2))


def unit_information(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli properties"],
    *,
    paired: bool = False,
    correction: str = "panzeri_treves",
    shuffles: int = 0,
    seed: int = 0,
    false_discovery_rate: float = 0.05,
) -> list[UnitInformation]:
    """Information of each unit about each property, from binned responses and properties.

    Parameters
    ----------
    responses
        Codes from `discretize`, shape (stimuli, units).
    properties
        Codes, shape (stimuli, properties); with `paired`, column u is the property of unit u.
    correction
        One of `CORRECTIONS`; "shuffle" subtracts the mean of the shuffled information and needs `shuffles`.
    shuffles
        Permutations of the stimuli, the same for all units, that give the p-values. With 0 the p-values are
        those of the G-test: 2 N ln(2) I is chi-squared with (R-1)(S-1) degrees of freedom under independence.
    seed
        Seed of the permutations.

    Returns
    -------
    list of UnitInformation
        One per property; a single one with `paired`.
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"correction={correction}: choose from {', '.join(CORRECTIONS)}")
    if correction == "shuffle" and not shuffles:
        raise ValueError("correction=shuffle needs shuffles > 0")
    count_tables = paired_counts if paired else joint_counts
    counts = count_tables(responses, properties)
    plugin = plugin_information(counts)
    null_mean, p_values = torch.zeros_like(plugin), _chi_squared_p_values(counts, plugin)
    if shuffles:
        generator = torch.Generator().manual_seed(seed)
        exceeded = torch.zeros_like(plugin)
        for _ in range(shuffles):
            order = torch.randperm(len(responses), generator=generator).to(responses.device)
            null = plugin_information(count_tables(responses, properties[order]))
            null_mean += null / shuffles
            exceeded += null >= plugin - 1e-12
        p_values = (exceeded + 1) / (shuffles + 1)
    bias = {
        "none": lambda: torch.zeros_like(plugin),
        "miller_madow": lambda: miller_madow_bias(counts),
        "panzeri_treves": lambda: panzeri_treves_bias(counts),
        "shuffle": lambda: null_mean,
    }[correction]()
    silent = (responses == responses[:1]).all(0)
    corrected = torch.where(silent[:, None], 0.0, plugin - bias)
    entropy = _entropy_bits(counts.sum(-2))
    return [
        UnitInformation(
            information_bits=corrected[:, i],
            plugin_bits=plugin[:, i],
            entropy_bits=entropy[:, i],
            p_values=p_values[:, i],
            informative=benjamini_hochberg(p_values[:, i], false_discovery_rate) & ~silent,
            silent=silent,
        )
        for i in range(counts.shape[1])
    ]


def _chi_squared_p_values(counts: Tensor, plugin: Tensor) -> Tensor:
    rows, columns = (counts.sum(-1) > 0).sum(-1), (counts.sum(-2) > 0).sum(-1)
    freedom = ((rows - 1) * (columns - 1)).cpu().numpy()
    statistic = (2 * counts.sum((-2, -1)) * np.log(2) * plugin).cpu().numpy()
    p_values = np.where(freedom > 0, chi2.sf(statistic, np.maximum(freedom, 1)), 1.0)
    return torch.as_tensor(p_values, device=plugin.device)


def benjamini_hochberg(p_values: Float[Tensor, " tests"], rate: float) -> Tensor:
    """Which tests are significant at false discovery `rate` (Benjamini and Hochberg 1995), shape (tests,)."""
    ordered, order = p_values.sort()
    threshold = rate * torch.arange(1, len(p_values) + 1, device=p_values.device) / len(p_values)
    passing = (ordered <= threshold).nonzero()
    significant = torch.zeros(len(p_values), dtype=torch.bool, device=p_values.device)
    if len(passing):
        significant[order[: int(passing[-1]) + 1]] = True
    return significant
