"""Information at fixed identity, I(r; s | c): what units tell about a property once the class of the stimulus is known.

A property that goes with class, as luminance does where some objects are brighter, is told by every unit that tells the
class. Here responses and property are cut in bins within each class, so that neither tells the class, and the
information is the mean over classes, weighted by their stimuli. `information_about` with `given` is the door.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.conditional_chance import conditional_p_values
from pdtrain.estimators.conditional_tables import information_of_tables
from pdtrain.estimators.contingency import (
    bins_of,
    class_tables,
    members_of,
    over_responses,
)
from pdtrain.estimators.corrections import CORRECTIONS
from pdtrain.estimators.discretization import Kind, discretize, property_codes
from pdtrain.estimators.information import InformationTable, UnitInformation
from pdtrain.estimators.significance import with_shuffles

BINS = 4  # of responses and property: 25 stimuli each with 1,000 stimuli of ten classes
FEWEST_PER_CLASS_AND_VALUE = 20  # stimuli, on average: docs/conditional_information.md shows what fewer would give
_RARE = 10  # stimuli per value in one class
_TIE_TOLERANCE = 1e-7


def codes_within(
    values: Float[Tensor, "stimuli columns"] | Int[Tensor, "stimuli columns"],
    labels: Int[Tensor, " stimuli"],
    *,
    kind: Kind = "continuous",
    period: float | None = None,
    bins: int = BINS,
) -> Int[Tensor, "stimuli columns"]:
    """Bins within each class, by ranks there; of a circular variable arcs, of a discrete one its own values.

    Parameters
    ----------
    values
        Responses or properties, shape (stimuli, columns); NaN is not defined there.
    labels
        Class of each stimulus, shape (stimuli,); any numbers.
    kind, period, bins
        As in `pdtrain.estimators.information.information_about`.

    Returns
    -------
    Tensor
        int16, shape (stimuli, columns), from 0 in each class; negative where the value is NaN.

    Raises
    ------
    ValueError
        If the kind is unknown, or a circular property has no period above zero.

    Examples
    --------
    >>> import torch
    >>> luminance, labels = torch.tensor([[1.0], [2.0], [11.0], [12.0]]), torch.tensor([3, 3, 8, 8])
    >>> codes_within(luminance, labels, bins=2)[:, 0].tolist()
    [0, 1, 0, 1]
    """
    if kind != "continuous":  # arcs and values are the same in all classes
        return property_codes(values.double(), kind=kind, period=period, bins=bins).to(torch.int16)
    codes = torch.empty(values.shape, dtype=torch.int16, device=values.device)
    values = values if values.is_floating_point() else values.double()
    for classes in _of_like_size(members_of(labels)):
        # side by side, each a block of columns; of the smaller ones what is left over is not defined
        blocks = values.new_full((max(map(len, classes)), len(classes), values.shape[1]), torch.nan)
        for place, members in enumerate(classes):
            blocks[: len(members), place] = values[members]
        cut = discretize(blocks.flatten(1), bins).view(blocks.shape)
        for place, members in enumerate(classes):
            codes[members] = cut[: len(members), place]
    return codes


def _of_like_size(classes: Sequence[Tensor]) -> list[list[Tensor]]:
    """Classes in groups in which none is twice as large as another."""
    groups: dict[int, list[Tensor]] = {}
    for members in classes:
        groups.setdefault(len(members).bit_length(), []).append(members)
    return list(groups.values())


def information_at_fixed_class(
    responses: Float[Tensor, "stimuli units"],
    values: Float[Tensor, "..."] | Int[Tensor, "..."],
    labels: Int[Tensor, "..."],
    *,
    kind: Kind = "continuous",
    period: float | None = None,
    bins: int = BINS,
    correction: str = "permutation",
    shuffles: int = 0,
    seed: int = 0,
) -> UnitInformation:
    """Information of each unit about one property at fixed class: `information_about` with `given`, which checks.

    Examples
    --------
    >>> import torch
    >>> labels, luminance = torch.arange(800) // 400, torch.linspace(0, 1, 800)
    >>> units = torch.stack([luminance, labels.double()], 1)
    >>> [round(bits, 2) for bits in information_at_fixed_class(units, luminance, labels).information_bits.tolist()]
    [2.0, 0.0]
    """
    _check_labels(labels, len(responses))
    return conditional_information(
        codes_within(responses, labels, bins=bins),
        codes_within(values.double().view(len(values), -1), labels, kind=kind, period=period, bins=bins),
        labels,
        paired=values.dim() > 1,
        correction=correction,
        shuffles=shuffles,
        seed=seed,
        silent=(responses == responses[:1]).all(0),
    )[0]


def conditional_information(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli properties"],
    labels: Int[Tensor, " stimuli"],
    *,
    paired: bool = False,
    correction: str = "permutation",
    shuffles: int = 0,
    seed: int = 0,
    false_discovery_rate: float = 0.05,
    silent: Bool[Tensor, " units"] | None = None,
    memory_bytes: int = 2**28,
) -> list[UnitInformation]:
    """Information of each unit about each property at fixed class, from responses and properties binned within classes.

    Parameters
    ----------
    responses
        Codes from `codes_within`, shape (stimuli, units).
    properties
        Codes from `codes_within`, shape (stimuli, properties); with `paired`, column u is the property of unit u. A
        negative code leaves the stimulus out.
    labels
        Class of each stimulus, shape (stimuli,); any numbers, equally frequent or not.
    correction
        Of the bias, one of `pdtrain.estimators.corrections.CORRECTIONS`, within each class.
    shuffles, seed
        Shuffles of the stimuli within classes for p-values; 0 takes their law.
    silent
        Units whose raw response is the same for all stimuli, shape (units,): codes cannot tell them from units that
        carry the class. Without it, none.
    memory_bytes
        Bound on the working memory.

    Returns
    -------
    list of UnitInformation
        One per property; a single one with `paired`. `entropy_bits` is that of the property at fixed class. NaN, with a
        note, where the property varies within no class, or in those where it does there are fewer than
        `FEWEST_PER_CLASS_AND_VALUE` stimuli per class and value.

    Raises
    ------
    ValueError
        For an unknown correction, or labels that are not one whole number per stimulus.

    Examples
    --------
    >>> import torch
    >>> labels, position = torch.arange(800) // 400, torch.arange(800) % 4
    >>> units = torch.stack([position, labels], 1)  # one tells the position, the other the class
    >>> found = conditional_information(units, position[:, None], labels)[0]
    >>> [round(bits, 2) for bits in found.information_bits.tolist()]
    [2.0, 0.0]
    """
    table = conditional_information_table(
        responses, properties, labels, paired=paired, correction=correction, shuffles=shuffles, seed=seed,
        silent=silent, memory_bytes=memory_bytes,
    )  # fmt: skip
    return [
        table.about(place, false_discovery_rate=false_discovery_rate) for place in range(table.plugin_bits.shape[1])
    ]


def conditional_information_table(
    responses: Int[Tensor, "stimuli units"],
    properties: Int[Tensor, "stimuli properties"],
    labels: Int[Tensor, " stimuli"],
    *,
    paired: bool = False,
    correction: str = "permutation",
    shuffles: int = 0,
    seed: int = 0,
    silent: Bool[Tensor, " units"] | None = None,
    memory_bytes: int = 2**28,
) -> InformationTable:
    """As `conditional_information`, of units that are not all tested together.

    Examples
    --------
    >>> import torch
    >>> labels, position = torch.arange(800) // 400, torch.arange(800)[:, None] % 4
    >>> table = conditional_information_table(position, position, labels)
    >>> round(float(table.about(0).information_bits), 2)
    2.0
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"correction={correction}: choose from {', '.join(CORRECTIONS)}")
    _check_labels(labels, len(responses))
    if silent is None:
        silent = torch.zeros(responses.shape[1], dtype=torch.bool, device=responses.device)
    classes = len(labels.unique())
    found = [
        _block_information(r, p, labels, paired, correction, shuffles, seed, memory_bytes)
        for r, p in _blocks(responses, properties, paired, classes, memory_bytes)
    ]
    corrected, plugin, entropy, p_values, stimuli, values, rare = (
        torch.cat(parts) for parts in zip(*found, strict=True)
    )
    corrected, p_values = corrected.masked_fill(silent[:, None], 0.0), p_values.masked_fill(silent[:, None], 1.0)
    unknown = (stimuli < FEWEST_PER_CLASS_AND_VALUE * values) | (values == 0)
    corrected, p_values = corrected.masked_fill(unknown, torch.nan), p_values.masked_fill(unknown, torch.nan)
    defined = (properties >= 0).any(0)
    defined = defined[:, None] if paired else defined.expand(responses.shape[1], -1)

    def note(units: slice, place: int) -> str:
        return _note(*(of[units, place] for of in (unknown, defined, stimuli, values, rare)))

    return InformationTable(corrected, plugin, entropy, p_values, silent, note)


def _check_labels(labels: Tensor, stimuli: int) -> None:
    if labels.shape != (stimuli,) or labels.is_floating_point():
        shape = f"{tuple(labels.shape)} labels of {labels.dtype}"
        raise ValueError(f"given: {shape}: give one whole number for each of {stimuli} stimuli")


def _note(unknown: Tensor, defined: Tensor, stimuli: Tensor, values: Tensor, rare: Tensor) -> str:
    """Why units have no information, or what to keep in mind."""
    if bool(unknown.all()):
        if not bool(defined.any()):
            return "the property is not defined for any stimulus"
        if not bool(values.any()):
            return "the property does not vary within any class"
        each = float((stimuli / values)[values > 0].mean())
        least = FEWEST_PER_CLASS_AND_VALUE
        needed = math.ceil(least * float(values[values > 0].double().mean()))
        return f"{each:.1f} stimuli per class and value, fewer than {least}; needs {needed}"
    parts = []
    if missing := int(unknown.sum()):
        parts.append(f"{missing} units whose property varies within no class, or has too few stimuli, are left out")
    if rarest := int(rare[~unknown].max()):
        parts.append(f"{rarest} classes have fewer than {_RARE} stimuli per value: what is told there is hardly seen")
    return "; ".join(parts)


def _blocks(
    responses: Tensor, properties: Tensor, paired: bool, classes: int, memory_bytes: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of units, each with the properties it meets."""
    stimuli, units = responses.shape
    response_bins, property_bins = bins_of(responses), bins_of(properties)
    per_unit = 8 * stimuli * response_bins
    per_unit += 120 * classes * response_bins * property_bins * (1 if paired else properties.shape[1])
    step = int(min(max(memory_bytes // per_unit, 1), 1024))
    for start in range(0, units, step):
        block = slice(start, start + step)
        yield responses[:, block], properties[:, block] if paired else properties


def _block_information(
    responses: Tensor,
    properties: Tensor,
    labels: Tensor,
    paired: bool,
    correction: str,
    shuffles: int,
    seed: int,
    memory_bytes: int,
) -> tuple[Tensor, ...]:
    """Corrected and plug-in information, entropy, p-values; stimuli of the classes in which the property varies, its
    values there, summed over classes, and how many of these classes have few stimuli. All (units, properties).
    """
    tables = class_tables(responses, properties, labels, paired=paired)
    found = information_of_tables(tables, correction=correction)
    p_values = conditional_p_values(tables, found.class_plugin_bits, found.law)
    if shuffles:
        exceeded = _exceeded(responses, properties, labels, paired, tables, shuffles, seed, memory_bytes)
        p_values = with_shuffles(p_values, exceeded, shuffles)
    values, stimuli = (over_responses(tables) > 0).sum(-1), tables.sum((-2, -1))
    varies = values > 1
    values, stimuli = values * varies, (stimuli * varies).double()
    rare = (varies & (stimuli < _RARE * values)).sum(-1)
    return (
        found.corrected_bits, found.plugin_bits, found.entropy_bits, p_values, stimuli.sum(-1), values.sum(-1), rare,
    )  # fmt: skip


def _exceeded(
    responses: Tensor,
    properties: Tensor,
    labels: Tensor,
    paired: bool,
    tables: Tensor,
    shuffles: int,
    seed: int,
    memory_bytes: int,
) -> Tensor:
    """How many shuffles within classes had at least as much information, shape (units, properties)."""
    counts = torch.arange(len(labels) + 1, dtype=torch.float64, device=tables.device)
    n_log_n = torch.special.xlogy(counts, counts) / math.log(2)  # all that shuffling changes, but for 1/N

    def total(tables: Tensor) -> Tensor:
        return n_log_n[tables.int()].sum((-3, -2, -1))

    observed = total(tables)
    exceeded = torch.zeros_like(observed)
    generator = torch.Generator().manual_seed(seed)
    step = 1 if paired else max(1, memory_bytes // (20 * tables.numel()))
    for start in range(0, shuffles, step):
        keys = torch.rand(min(step, shuffles - start), len(labels), generator=generator, dtype=torch.float64)
        shuffled = torch.cat([_shuffled_within(properties, labels, key.to(labels.device)) for key in keys], 1)
        null = total(class_tables(responses, shuffled, labels, paired=paired))
        null = null.view(len(observed), len(keys), observed.shape[1])
        exceeded += (null >= observed[:, None] - _TIE_TOLERANCE).sum(1)
    return exceeded


def _shuffled_within(properties: Tensor, labels: Tensor, key: Tensor) -> Tensor:
    """Stimuli of each class in the order of `key`; those without the property stay where they are."""
    place = torch.unique(labels, return_inverse=True)[1]
    to, source = place.argsort(stable=True), (place + key).argsort()
    taken, shuffled = properties[source], torch.empty_like(properties)
    if bool(properties.min() >= 0):
        shuffled[to] = taken
        return shuffled
    # in either order each class has as many that know a column's property
    known = (properties >= 0).T
    taken = taken.T[known[:, source]]
    shuffled[to] = properties[to].T.masked_scatter(known[:, to], taken).T
    return shuffled
