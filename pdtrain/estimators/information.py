"""Information that single units carry about properties: count, correct the bias, compare with chance.

`information_about` is the door: raw responses and values in. Blocks of units bound the memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.contingency import (
    bins_of,
    indicators,
    joint_counts,
    over_responses,
    paired_counts,
    plugin_information,
    property_entropy,
)
from pdtrain.estimators.corrections import CORRECTIONS, corrected_information
from pdtrain.estimators.discretization import Kind, discretize, property_codes
from pdtrain.estimators.finite import refuse_non_finite
from pdtrain.estimators.permutation import permutation_law
from pdtrain.estimators.significance import benjamini_hochberg, permutation_p_values, with_shuffles

FEWEST_PER_VALUE = 10  # stimuli per value of the property, on average; with fewer, bias and information are alike
_FEW_PER_VALUE = 30
_BINS, _BINS_WITHIN_CLASS = 8, 4
_TIE_TOLERANCE = 1e-7  # of sums of n log n in float64: they are below 1e6, and ties are common


@dataclass(frozen=True)
class UnitInformation:
    """Information of every unit about one property.

    Attributes
    ----------
    information_bits
        Mutual information after bias correction, bits, shape (units,). May fall slightly below zero; zero for a silent
        unit, NaN where it cannot be estimated.
    plugin_bits
        Before correction, bits, shape (units,).
    entropy_bits
        Entropy of the binned property, bits, shape (units,) (one value repeated for a shared property).
    p_values
        Probability of as much information by chance, shape (units,); NaN where there is no information.
    informative
        Significant at `false_discovery_rate` by Benjamini-Hochberg over the units, shape (units,).
    silent
        No variance over the stimuli, shape (units,).
    note
        Why there is no number, or what to keep in mind; else empty.
    """

    information_bits: Float[Tensor, " units"]
    plugin_bits: Float[Tensor, " units"]
    entropy_bits: Float[Tensor, " units"]
    p_values: Float[Tensor, " units"]
    informative: Bool[Tensor, " units"]
    silent: Bool[Tensor, " units"]
    note: str = ""


@dataclass(frozen=True)
class InformationTable:
    """Information of units about properties, before units are compared with each other.

    Attributes
    ----------
    information_bits, plugin_bits, entropy_bits, p_values
        As in `UnitInformation`, shape (units, properties).
    silent
        Shape (units,).
    note
        Of some units and a property.
    """

    information_bits: Float[Tensor, "units properties"]
    plugin_bits: Float[Tensor, "units properties"]
    entropy_bits: Float[Tensor, "units properties"]
    p_values: Float[Tensor, "units properties"]
    silent: Bool[Tensor, " units"]
    note: Callable[[slice, int], str]

    def about(
        self, property: int, units: slice = slice(None), *, false_discovery_rate: float = 0.05
    ) -> UnitInformation:
        """Of a property, and of units that are tested together, such as those of a layer."""
        p_values, silent = self.p_values[units, property], self.silent[units]
        return UnitInformation(
            information_bits=self.information_bits[units, property],
            plugin_bits=self.plugin_bits[units, property],
            entropy_bits=self.entropy_bits[units, property],
            p_values=p_values,
            informative=benjamini_hochberg(p_values, false_discovery_rate) & ~silent,
            silent=silent,
            note=self.note(units, property),
        )


def information_about(
    responses: Float[Tensor, "..."],
    values: Float[Tensor, "..."] | Int[Tensor, "..."],
    *,
    kind: Kind = "continuous",
    period: float | None = None,
    given: Int[Tensor, "..."] | None = None,
    bins: int | None = None,
    correction: str = "permutation",
    shuffles: int = 0,
    seed: int = 0,
) -> UnitInformation:
    """Information of each unit about one property.

    Parameters
    ----------
    responses
        Raw responses, shape (stimuli, units).
    values
        The property's value for each stimulus, shape (stimuli,), or that of each unit's own property, shape
        (stimuli, units). NaN where it is not defined: the stimulus is then left out.
    kind
        "continuous" (cut in bins), "circular" (cut in arcs of `period`) or "discrete" (each value its own bin).
    period
        Of a circular property, in the units of its values.
    given
        Class of each stimulus, shape (stimuli,): information at fixed class (`conditional_information`). Responses and
        property are then cut in bins within each class, and stimuli are shuffled there.
    bins
        Of responses and property (`discretize`); 8, and 4 with `given`.
    correction
        Of the bias, one of `pdtrain.estimators.corrections.CORRECTIONS`.
    shuffles
        Shuffles of the stimuli for p-values; 0 takes their law under permutation, which costs nothing.
    seed
        Seed of the shuffles.

    Returns
    -------
    UnitInformation
        NaN, with a note, where the property does not vary or has fewer than `FEWEST_PER_VALUE` stimuli per value; with
        `given`, where it varies within no class or has fewer than 20 per class and value.

    Raises
    ------
    ValueError
        If a response is not finite (it names stimulus and unit), shapes do not fit, there are no responses, or an
        option is unknown or out of range.

    Examples
    --------
    >>> import torch
    >>> luminance = torch.linspace(0, 1, 800)
    >>> units = torch.stack([luminance, (luminance - 0.875).relu(), torch.zeros(800)], 1)
    >>> found = information_about(units, luminance)
    >>> [round(bits, 2) for bits in found.information_bits.tolist()], found.silent.tolist()
    ([3.0, 0.54, 0.0], [False, False, True])
    >>> contrast, classes = torch.arange(800) % 10, torch.arange(800) // 400
    >>> units = torch.stack([contrast + 20 * classes, classes], 1).double()  # both tell the class, one the contrast
    >>> found = information_about(units, contrast + classes, given=classes)
    >>> [round(bits, 2) for bits in found.information_bits.tolist()]
    [1.97, 0.0]
    """
    bins = bins if bins is not None else (_BINS if given is None else _BINS_WITHIN_CLASS)
    if (
        responses.dim() != 2
        or len(values) != len(responses)
        or values.shape not in (responses.shape[:1], responses.shape)
    ):
        shapes = f"{tuple(responses.shape)} responses and {tuple(values.shape)} values"
        raise ValueError(f"{shapes}: give (stimuli, units), and one value per stimulus, or one per stimulus and unit")
    if responses.numel() == 0 or bins < 2 or shuffles < 0:
        raise ValueError(
            f"{tuple(responses.shape)} responses, bins={bins}, shuffles={shuffles}: give at least one response, 2 bins "
            "and no negative number of shuffles"
        )
    refuse_non_finite(responses)
    if given is not None:
        from pdtrain.estimators.conditional_information import information_at_fixed_class  # which builds on this module

        return information_at_fixed_class(
            responses, values, given, kind=kind, period=period, bins=bins, correction=correction, shuffles=shuffles,
            seed=seed,
        )  # fmt: skip
    codes = property_codes(values.double().view(len(values), -1), kind=kind, period=period, bins=bins)
    return unit_information(
        discretize(responses, bins), codes, paired=values.dim() > 1, correction=correction, shuffles=shuffles, seed=seed
    )[0]


def unit_information(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli properties"],
    *,
    paired: bool = False,
    correction: str = "permutation",
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
        Codes from `property_codes`, shape (stimuli, properties); with `paired`, column u is the property of unit u. A
        negative code leaves the stimulus out.
    correction, shuffles, seed
        As in `information_about`; the shuffles are the same for all units.
    memory_bytes
        Bound on the working memory.

    Returns
    -------
    list of UnitInformation
        One per property; a single one with `paired`.

    Raises
    ------
    ValueError
        For an unknown correction.

    Examples
    --------
    >>> import torch
    >>> codes = torch.arange(800)[:, None] % 4
    >>> found = unit_information(codes, torch.cat([codes, codes % 2], 1))  # about all four values, and odd or even
    >>> [round(float(about.information_bits), 2) for about in found]
    [2.0, 1.0]
    """
    table = information_table(
        responses, properties, paired=paired, correction=correction, shuffles=shuffles, seed=seed,
        memory_bytes=memory_bytes,
    )  # fmt: skip
    return [
        table.about(place, false_discovery_rate=false_discovery_rate) for place in range(table.plugin_bits.shape[1])
    ]


def information_table(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli properties"],
    *,
    paired: bool = False,
    correction: str = "permutation",
    shuffles: int = 0,
    seed: int = 0,
    memory_bytes: int = 2**28,
) -> InformationTable:
    """As `unit_information`, of units that are not all tested together.

    Examples
    --------
    >>> import torch
    >>> codes = torch.arange(800)[:, None] % torch.tensor([4, 2])  # two units, of a layer each
    >>> table = information_table(codes, codes[:, :1])
    >>> [round(float(table.about(0, slice(unit, unit + 1)).information_bits), 2) for unit in (0, 1)]
    [2.0, 1.0]
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"correction={correction}: choose from {', '.join(CORRECTIONS)}")
    orders = _shuffled_orders(len(responses), shuffles, seed, responses.device)
    blocks = _blocks(responses, properties, paired, memory_bytes)
    found = [_block_information(r, p, paired, correction, orders, memory_bytes) for r, p in blocks]
    corrected, plugin, entropy, p_values, per_value, rare = (torch.cat(parts) for parts in zip(*found, strict=True))
    silent = (responses == responses[:1]).all(0)
    corrected, p_values = corrected.masked_fill(silent[:, None], 0.0), p_values.masked_fill(silent[:, None], 1.0)
    unknown = (per_value < FEWEST_PER_VALUE) | ~(entropy > 0)
    corrected, p_values = corrected.masked_fill(unknown, torch.nan), p_values.masked_fill(unknown, torch.nan)
    return InformationTable(
        corrected, plugin, entropy, p_values, silent,
        note=lambda units, place: _note(entropy[units, place], per_value[units, place], rare[units, place]),
    )  # fmt: skip


def _note(entropy: Tensor, per_value: Tensor, rare: Tensor) -> str:
    """Why units have no information, or what to keep in mind."""
    undefined, constant, few = per_value == 0, ~(entropy > 0), per_value < FEWEST_PER_VALUE
    unknown = constant | few
    if bool(unknown.all()):
        if bool(undefined.all()):
            return "the property is not defined for any stimulus"
        if bool(constant.all()):
            return "the property does not vary"
        return f"{float(per_value.mean()):.1f} stimuli per value, fewer than {FEWEST_PER_VALUE}"
    parts = []
    if missing := int(unknown.sum()):
        parts.append(f"{missing} units whose property does not vary, or has too few stimuli, are left out")
    least = float(per_value[~unknown].min())
    if least < _FEW_PER_VALUE:
        parts.append(f"{least:.0f} stimuli per value: up to 15% too low")
    if rarest := int(rare[~unknown].max()):
        parts.append(f"{rarest} values have fewer than {FEWEST_PER_VALUE} stimuli: what is told of them is hardly seen")
    return "; ".join(parts)


def _shuffled_orders(stimuli: int, shuffles: int, seed: int, device: torch.device) -> Int[Tensor, "shuffles stimuli"]:
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(stimuli, generator=generator) for _ in range(shuffles)]
    return torch.stack(orders).to(device) if orders else torch.empty(0, stimuli, dtype=torch.long, device=device)


def _blocks(responses: Tensor, properties: Tensor, paired: bool, memory_bytes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of units, each with the properties it meets."""
    stimuli, units = responses.shape
    response_bins, property_bins = bins_of(responses), bins_of(properties)
    # indicators of the responses; then the histograms in float64, some ten of them at a time
    per_unit = 4 * stimuli * response_bins
    per_unit += 80 * response_bins * property_bins * (1 if paired else properties.shape[1])
    step = int(min(max(memory_bytes // per_unit, 1), 1024))
    for start in range(0, units, step):
        block = slice(start, start + step)
        yield responses[:, block], properties[:, block] if paired else properties


def _block_information(
    responses: Tensor, properties: Tensor, paired: bool, correction: str, orders: Tensor, memory_bytes: int
) -> tuple[Tensor, ...]:
    """Corrected and plug-in information, entropy of the property, p-values, stimuli per property value, and how many
    values have few.

    Each of shape (units, properties).
    """
    counts = (paired_counts if paired else joint_counts)(responses, properties)
    plugin, law = plugin_information(counts), permutation_law(counts)
    p_values = permutation_p_values(counts, plugin, law)
    if len(orders):
        exceeded = (_paired_exceeded if paired else _shared_exceeded)(
            responses, properties, counts, orders, memory_bytes
        )
        p_values = with_shuffles(p_values, exceeded, len(orders))
    corrected = corrected_information(counts, law, correction=correction)
    stimuli = over_responses(counts)
    per_value = stimuli.sum(-1).double() / (stimuli > 0).sum(-1).clamp_min(1)
    rare = ((stimuli > 0) & (stimuli < FEWEST_PER_VALUE)).sum(-1)
    return corrected, plugin, property_entropy(counts), p_values, per_value, rare


def _shared_exceeded(
    responses: Tensor, properties: Tensor, counts: Tensor, orders: Tensor, memory_bytes: int
) -> Tensor:
    """How many shuffles had at least as much information, for properties shared by all units."""
    stimuli, (units, columns, response_bins, property_bins) = len(responses), counts.shape
    count_log_count = _CountLogCount(stimuli, counts.device)
    observed = count_log_count(counts).sum((-2, -1))
    left, right = indicators(responses).flatten(1).T.contiguous(), indicators(properties)
    exceeded = torch.zeros_like(observed)
    step = max(1, memory_bytes // (20 * columns * property_bins * (units * response_bins + stimuli)))
    for start in range(0, len(orders), step):
        part = orders[start : start + step]
        shuffled = right[part].transpose(0, 1).reshape(stimuli, -1)
        tables = (left @ shuffled).view(response_bins, units, len(part), property_bins, columns)
        null = count_log_count(tables).sum((0, 3))
        exceeded += (null >= observed[:, None] - _TIE_TOLERANCE).sum(1)
    return exceeded


def _paired_exceeded(
    responses: Tensor, properties: Tensor, counts: Tensor, orders: Tensor, memory_bytes: int
) -> Tensor:
    """As `_shared_exceeded`, where each unit has a property of its own."""
    count_log_count = _CountLogCount(len(responses), counts.device)
    observed = count_log_count(counts).sum((-2, -1))
    exceeded = torch.zeros_like(observed)
    for order in orders:
        null = count_log_count(paired_counts(responses, properties[order])).sum((-2, -1))
        exceeded += null >= observed - _TIE_TOLERANCE
    return exceeded


class _CountLogCount:
    """n log2 n of each count, float64, looked up: the part of the information that shuffling changes, but for 1/N."""

    def __init__(self, stimuli: int, device: torch.device) -> None:
        counts = torch.arange(stimuli + 1, dtype=torch.float64, device=device)
        self._table = torch.special.xlogy(counts, counts) / torch.log(torch.tensor(2.0, dtype=torch.float64))

    def __call__(self, counts: Tensor) -> Tensor:
        return self._table[counts.int()]
