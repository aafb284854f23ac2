"""Information that single units carry about properties: count, correct the bias, compare with chance.

Responses and properties come in bins (`discretization`). All units of a block meet all properties in one matrix
product of indicators; blocks bound the memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.significance import benjamini_hochberg, g_test_p_values, permutation_p_values, williams_factor

CORRECTIONS = ("none", "miller_madow", "panzeri_treves", "shuffle")
_NULL_TOLERANCE = 1e-4  # of N x bits: sums of c log c are float32 in the null, and ties are common


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
    informative: Bool[Tensor, " units"]
    silent: Bool[Tensor, " units"]


def joint_counts(
    responses: Int[Tensor, "stimuli units"], properties: Int[Tensor, "stimuli properties"]
) -> Float[Tensor, "units properties response_bins property_bins"]:
    """Joint histograms of every unit with every property, by one matrix product of indicators."""
    counts = _indicators(responses).T @ _indicators(properties)
    response_bins, property_bins = int(responses.max()) + 1, int(properties.max()) + 1
    return counts.view(-1, response_bins, properties.shape[1], property_bins).transpose(1, 2)


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


def _indicators(codes: Tensor) -> Tensor:
    """Which bin each stimulus falls in, 0 or 1, shape (stimuli, columns x bins)."""
    bins = int(codes.max()) + 1
    indicators = torch.zeros(len(codes), codes.shape[1], bins, device=codes.device)
    return indicators.scatter_(2, codes[..., None], 1.0).flatten(1)


def _entropy_bits(counts: Tensor) -> Tensor:
    probabilities = counts.double() / counts.sum(-1, keepdim=True)
    return -torch.special.xlogy(probabilities, probabilities).sum(-1) / np.log(2)


def plugin_information(
    counts: Float[Tensor, "*batch response_bins property_bins"],
) -> Float[Tensor, "*batch"]:
    """Mutual information of a joint histogram, bits, without bias correction."""
    joint = _entropy_bits(counts.flatten(-2))
    return (_entropy_bits(counts.sum(-1)) + _entropy_bits(counts.sum(-2)) - joint).clamp_min(0)


def response_entropy(counts: Float[Tensor, "*batch response_bins property_bins"]) -> Float[Tensor, "*batch"]:
    """Entropy of the binned response, bits: all that a unit without noise can say."""
    return _entropy_bits(counts.sum(-1))


def miller_madow_bias(counts: Float[Tensor, "*batch response_bins property_bins"]) -> Float[Tensor, "*batch"]:
    """First-order bias of the plug-in information from the numbers of occupied cells (Miller 1955), bits."""
    cells = (counts > 0).sum((-2, -1))
    rows, columns = (counts.sum(-1) > 0).sum(-1), (counts.sum(-2) > 0).sum(-1)
    return (cells - rows - columns + 1) / (2 * counts.sum((-2, -1)) * np.log(2))


def panzeri_treves_bias(
    counts: Float[Tensor, "*batch response_bins property_bins"],
) -> Float[Tensor, "*batch"]:
    """Bias of the plug-in information, bits: q [sum_s (R_s - 1) - (R - 1)] / (2 N ln 2), Panzeri and Treves (1996).

    R_s, the number of responses possible to property value s, is the expected number of the R occupied
    response bins: the naive count is raised by the bins that a sample of N_s would leave empty by chance
    if all R were as likely as in the whole, and never exceeds R. That is the first order in 1/N; the factor q adds the
    next one (`williams_factor`), without which bins of a few stimuli leave some thousandths of a bit.
    """
    total = counts.sum((-2, -1)).double()
    response = counts.sum(-1).double() / total[..., None]
    possible = (response > 0).sum(-1)
    trials = counts.sum(-2).double()
    occupied = (counts > 0).sum(-2).double()
    missed = torch.where(response[..., None] > 0, (1 - response[..., None]).pow(trials[..., None, :]), 0.0).sum(-2)
    relevant = torch.minimum(occupied + missed, possible[..., None].double())
    present = trials > 0
    first_order = ((relevant - 1) * present).sum(-1).sub(possible - 1) / (2 * total * np.log(2))
    return first_order * williams_factor(counts)


def unit_information(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli properties"],
    *,
    paired: bool = False,
    correction: str = "panzeri_treves",
    shuffles: int = 0,
    seed: int = 0,
    false_discovery_rate: float = 0.05,
    memory_bytes: int = 2**28,
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
        Permutations of the stimuli, the same for all units, that give the p-values. With 0 the p-values are those of
        the G-test.
    seed
        Seed of the permutations.
    memory_bytes
        Bound on the working memory.

    Returns
    -------
    list of UnitInformation
        One per property; a single one with `paired`.

    Raises
    ------
    ValueError
        For an unknown correction, or shuffle correction without shuffles.
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"correction={correction}: choose from {', '.join(CORRECTIONS)}")
    if correction == "shuffle" and not shuffles:
        raise ValueError("correction=shuffle needs shuffles > 0")
    orders = _shuffled_orders(len(responses), shuffles, seed, responses.device)
    blocks = _blocks(responses, properties, paired, memory_bytes)
    found = [_block_information(r, p, paired, correction, orders, memory_bytes) for r, p in blocks]
    plugin, bias, entropy, p_values = (torch.cat(parts) for parts in zip(*found, strict=True))
    silent = (responses == responses[:1]).all(0)
    corrected = torch.where(silent[:, None], 0.0, plugin - bias)
    return [
        UnitInformation(
            information_bits=corrected[:, i],
            plugin_bits=plugin[:, i],
            entropy_bits=entropy[:, i],
            p_values=p_values[:, i],
            informative=benjamini_hochberg(p_values[:, i], false_discovery_rate) & ~silent,
            silent=silent,
        )
        for i in range(plugin.shape[1])
    ]


def _shuffled_orders(stimuli: int, shuffles: int, seed: int, device: torch.device) -> Int[Tensor, "shuffles stimuli"]:
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(stimuli, generator=generator) for _ in range(shuffles)]
    return torch.stack(orders).to(device) if orders else torch.empty(0, stimuli, dtype=torch.long, device=device)


def _blocks(responses: Tensor, properties: Tensor, paired: bool, memory_bytes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of units, each with the properties it meets."""
    stimuli, units = responses.shape
    response_bins, property_bins = int(responses.max()) + 1, int(properties.max()) + 1
    # indicators of the responses; then the histograms in float64, some five of them at a time
    per_unit = 4 * stimuli * response_bins
    per_unit += 40 * response_bins * property_bins * (1 if paired else properties.shape[1])
    step = int(min(max(memory_bytes // per_unit, 1), 1024))
    for start in range(0, units, step):
        block = slice(start, start + step)
        yield responses[:, block], properties[:, block] if paired else properties


def _block_information(
    responses: Tensor, properties: Tensor, paired: bool, correction: str, orders: Tensor, memory_bytes: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Plug-in information, its bias, entropy of the property and p-values, each of shape (units, properties)."""
    counts = (paired_counts if paired else joint_counts)(responses, properties)
    plugin, entropy = plugin_information(counts), _entropy_bits(counts.sum(-2))
    null_mean, p_values = torch.zeros_like(plugin), None
    if len(orders):
        if paired:
            null_mean, exceeded = _paired_null(responses, properties, counts, orders)
        else:
            null_mean, exceeded = _shared_null(responses, properties, counts, orders, memory_bytes)
        p_values = permutation_p_values(exceeded, len(orders))
    bias = {
        "none": lambda: torch.zeros_like(plugin),
        "miller_madow": lambda: miller_madow_bias(counts),
        "panzeri_treves": lambda: panzeri_treves_bias(counts),
        "shuffle": lambda: null_mean,
    }[correction]()
    return plugin, bias, entropy, g_test_p_values(counts, plugin) if p_values is None else p_values


def _count_log_count(counts: Tensor) -> Tensor:
    """Sum of c log2(c) over the cells of each histogram: the part of the information that shuffling changes."""
    return counts.clamp_min(1).log2_().mul_(counts).sum((-2, -1))


def _shared_null(
    responses: Tensor, properties: Tensor, counts: Tensor, orders: Tensor, memory_bytes: int
) -> tuple[Tensor, Tensor]:
    """Mean information under shuffles, and how many had at least as much, for properties shared by all units."""
    stimuli, (units, columns, response_bins, property_bins) = len(responses), counts.shape
    observed = _count_log_count(counts)
    left, right = _indicators(responses).T.contiguous(), _indicators(properties)
    total, exceeded = torch.zeros_like(observed, dtype=torch.float64), torch.zeros_like(observed)
    step = max(1, memory_bytes // (8 * columns * property_bins * (units * response_bins + stimuli)))
    for start in range(0, len(orders), step):
        part = orders[start : start + step]
        shuffled = right[part].transpose(0, 1).reshape(stimuli, -1)
        tables = (left @ shuffled).view(units, response_bins, len(part), columns, property_bins)
        null = tables.clamp_min(1).log2_().mul_(tables).sum((1, 4))
        total += null.sum(1, dtype=torch.float64)
        exceeded += (null >= observed[:, None] - _NULL_TOLERANCE).sum(1)
    return _from_count_log_count(total / len(orders), counts), exceeded


def _paired_null(responses: Tensor, properties: Tensor, counts: Tensor, orders: Tensor) -> tuple[Tensor, Tensor]:
    """As `_shared_null`, where each unit has a property of its own."""
    observed = _count_log_count(counts)
    total, exceeded = torch.zeros_like(observed, dtype=torch.float64), torch.zeros_like(observed)
    for order in orders:
        null = _count_log_count(paired_counts(responses, properties[order]))
        total += null
        exceeded += null >= observed - _NULL_TOLERANCE
    return _from_count_log_count(total / len(orders), counts), exceeded


def _from_count_log_count(joint: Tensor, counts: Tensor) -> Tensor:
    """Information, bits, from the sum of c log2(c) over cells and the marginals, which shuffling keeps."""
    total = counts.sum((-2, -1)).double()
    marginals = _entropy_bits(counts.sum(-1)) + _entropy_bits(counts.sum(-2))
    return marginals - (total.log2() - joint / total)
