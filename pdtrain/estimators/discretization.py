"""Cuts responses and properties in bins: values that many stimuli share apart, all others equally populated.

A rectified unit is zero on most stimuli, a saturating one at its top, an image's background white: such a value is a
bin of its own wherever it lies, and what lies between two of them is cut at mid-ranks. So no bin is small unless the
values are rare, and a negated unit has the same bins.
"""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Kind = Literal["continuous", "circular", "discrete"]
KINDS: tuple[str, ...] = get_args(Kind)
UNDEFINED = -1  # code of a value that is NaN: its stimulus is left out
_BLOCK_VALUES = 2**20  # values sorted at a time
_ALL_BUT_SIGN = 2**31 - 1
_PLACE_BITS = 32


def discretize(values: Float[Tensor, "stimuli columns"], bins: int = 8) -> Int[Tensor, "stimuli columns"]:
    """Cut each column in bins of about (stimuli / bins) stimuli, numbered from 0.

    A value shared by more than 1/bins of the stimuli is a bin of its own. The m values between two of those, or
    beyond the outermost, are cut at their mid-ranks in round(m bins / stimuli) equal parts; where that is zero (too few
    for half a bin) they all share one bin. Equal values are never parted, increasing maps and negation change no bin
    (but that the middle value of an odd number may change sides), and columns are independent of each other. With two
    bins or more a column has a single code only if its values are all equal.

    Parameters
    ----------
    values
        Shape (stimuli, columns), any floating type; NaN is not defined there, and counts for nothing.
    bins
        How many bins a column without shared values gets.

    Returns
    -------
    Tensor
        int16, shape (stimuli, columns); `UNDEFINED` where the value is NaN.

    Examples
    --------
    >>> import torch
    >>> rectified = torch.tensor([[0.0], [3.0], [0.0], [0.0], [1.0], [0.0], [0.0], [2.0]])
    >>> discretize(rectified, bins=3)[:, 0].tolist()
    [0, 1, 0, 0, 1, 0, 0, 1]
    """
    step = max(1, _BLOCK_VALUES // max(len(values), 1))
    parts = [_discretize_block(values[:, start : start + step], bins) for start in range(0, values.shape[1], step)]
    return torch.cat(parts, 1) if parts else torch.empty(values.shape, dtype=torch.int16, device=values.device)


def discretize_circular(
    angles: Float[Tensor, "stimuli columns"], period: float, bins: int = 8
) -> Int[Tensor, "stimuli columns"]:
    """Cut a circular variable of `period` in equal arcs; the first is centred on zero. Not finite is `UNDEFINED`.

    Examples
    --------
    >>> import torch
    >>> degrees = torch.tensor([[0.0], [44.0], [90.0], [180.0], [350.0], [torch.nan]])
    >>> discretize_circular(degrees, period=360.0, bins=4)[:, 0].tolist()
    [0, 0, 1, 2, 0, -1]
    """
    codes = (angles / period * bins).round().nan_to_num(0, 0, 0).long() % bins
    return codes.masked_fill(~angles.isfinite(), UNDEFINED).to(torch.int16)


def discretize_discrete(values: Float[Tensor, "stimuli columns"]) -> Int[Tensor, "stimuli columns"]:
    """Number the values that occur in all columns together, from 0; NaN is `UNDEFINED`.

    Examples
    --------
    >>> import torch
    >>> discretize_discrete(torch.tensor([[7.0], [3.0], [7.0], [torch.nan]]))[:, 0].tolist()
    [1, 0, 1, -1]
    """
    undefined = values.isnan()
    codes = torch.unique(values.masked_fill(undefined, torch.inf), return_inverse=True)[1]
    return codes.masked_fill(undefined, UNDEFINED).to(torch.int16 if codes.numel() < 2**15 else torch.int32)


def stretches(
    values: Float[Tensor, "stimuli columns"] | Int[Tensor, "stimuli columns"],
    codes: Int[Tensor, "stimuli columns"],
    bins: int,
    labels: Int[Tensor, " stimuli"] | None = None,
) -> Int[Tensor, "classes columns bins"]:
    """Which bins of `discretize` share a stretch that is cut at ranks: other stimuli do not change how full they are.

    A bin of one value, or of the few beside such, is a stretch of its own: how full it is depends on the stimuli.

    Parameters
    ----------
    values, codes
        What was cut, and its bins.
    bins
        How many there are, over all columns.
    labels
        Class of each stimulus, any numbers, where bins are those within it; None where all are of one.

    Returns
    -------
    Tensor
        Number of each bin's stretch, from 0 in each class and column; classes in the order of the labels.

    Examples
    --------
    >>> import torch
    >>> values = torch.cat([torch.zeros(8), torch.arange(1.0, 9.0)])[:, None]
    >>> codes = discretize(values, 4)
    >>> stretches(values, codes, 3).tolist()  # the zeros, and the others cut in two
    [[[0, 1, 1]]]
    """
    columns = values.shape[1]
    values = values if values.is_floating_point() else values.double()
    place, classes = torch.arange(columns, device=codes.device) * bins + codes, 1
    if labels is not None:
        which = labels.unique(return_inverse=True)[1]
        place, classes = place + which[:, None] * (columns * bins), int(which.max()) + 1
    known = codes >= 0
    place, values = (place, values) if bool(known.all()) else (place[known], values[known])
    low, high = (
        torch.full((classes * columns * bins,), fill, dtype=values.dtype, device=codes.device)
        .scatter_reduce(0, place.flatten(), values.flatten(), how)
        .view(classes, columns, bins)
        for fill, how in ((math.inf, "amin"), (-math.inf, "amax"))
    )
    cut = low < high
    goes_on = cut[..., 1:] & cut[..., :-1] & (low[..., 1:] > high[..., :-1])
    return torch.nn.functional.pad((~goes_on).cumsum(-1), (1, 0))


def property_codes(
    values: Float[Tensor, "stimuli columns"], *, kind: Kind = "continuous", period: float | None = None, bins: int = 8
) -> Int[Tensor, "stimuli columns"]:
    """Bins of a property of the given kind.

    Raises
    ------
    ValueError
        If the kind is unknown, or a circular property has no period above zero.

    Examples
    --------
    >>> import torch
    >>> values = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> property_codes(values, bins=2)[:, 0].tolist(), property_codes(values, kind="discrete")[:, 0].tolist()
    ([0, 0, 1, 1], [0, 1, 2, 3])
    """
    check_kind(kind, period)
    if kind == "discrete":
        return discretize_discrete(values)
    if kind == "circular":
        return discretize_circular(values, period or 1.0, bins)
    return discretize(values, bins)


def check_kind(kind: str, period: float | None) -> None:
    """Raise ValueError for an unknown kind, or a circular one without a period above zero.

    Examples
    --------
    >>> check_kind("angle", None)
    Traceback (most recent call last):
    ValueError: kind=angle: choose from continuous, circular, discrete
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind}: choose from {', '.join(KINDS)}")
    if kind == "circular" and not (period is not None and 0 < period < math.inf):
        raise ValueError(f"period={period}: a circular property needs a period above zero, in units of its values")


def _discretize_block(values: Tensor, bins: int) -> Tensor:
    if values.dtype in (torch.float16, torch.bfloat16):  # in which the sum of two values may overflow, and is rounded
        values = values.float()
    ordered, order = _sorted(values.T.contiguous())
    defined = (~ordered.isnan()).sum(1, keepdim=True, dtype=torch.int32)
    place = torch.arange(ordered.shape[1], dtype=torch.int32, device=values.device).expand_as(ordered)
    low, high = _tied_ranks(ordered, place)
    shared = (high - low) * bins > defined
    start = torch.where(shared, high, 0).cummax(1).values  # of the stretch between two shared values
    end = torch.where(shared, low, defined).flip(1).cummin(1).values.flip(1)
    parts = (2 * (end - start) * bins + defined).div(2 * defined.clamp_min(1), rounding_mode="floor")
    part = _part_of(low + high - 2 * start, parts, end - start)
    on_middle_cut = (low + high == start + end) & ~shared & (parts & 1 == 0)
    row, column = on_middle_cut.nonzero().T
    if len(row):
        leans_up = _leans_up(ordered, row, start[row, column], end[row, column], defined[row, 0])
        part[row, column] -= (~leans_up).to(part)
    rare = ~shared & (parts == 0)
    bin_start = torch.where(shared, low, start) * (2 * bins + 2) + torch.where(shared, 0, 1 + part)
    begins = (bin_start.diff(dim=1, prepend=bin_start[:, :1] - 1) != 0) & ~rare & (place < defined)
    codes = begins.cumsum(1, dtype=torch.int32) - 1
    codes = torch.where(rare, begins.sum(1, keepdim=True, dtype=torch.int32), codes).masked_fill(
        place >= defined, UNDEFINED
    )
    return torch.empty_like(codes).scatter_(1, order, codes).T.to(torch.int16)


def _sorted(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Each row in order, NaN last, and the order: which of equal values comes first does not matter."""
    if rows.device.type != "cpu" or rows.dtype != torch.float32 or not len(rows):
        return rows.sort(1)
    # numbers of one kind are sorted several times as fast as places by value: the value's bits, whose order as whole
    # numbers is that of the values, above the place
    bits = rows.masked_fill(rows.isnan(), torch.nan).view(torch.int32)
    keys = torch.where(bits < 0, bits ^ _ALL_BUT_SIGN, bits).long().bitwise_left_shift_(_PLACE_BITS)
    keys += torch.arange(rows.shape[1])
    keys.numpy().sort(1)
    order = keys.bitwise_and_(2**_PLACE_BITS - 1)
    return rows.gather(1, order), order


def _tied_ranks(ordered: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Number of values below each of a sorted row, and of those not above it."""
    changes = ordered[:, 1:] != ordered[:, :-1]
    first = torch.nn.functional.pad(changes, (1, 0), value=True)
    last = torch.nn.functional.pad(changes, (0, 1), value=True)
    low = torch.where(first, place, 0).cummax(1).values
    high = torch.where(last, place + 1, ordered.shape[1]).flip(1).cummin(1).values.flip(1)
    return low, high


def _part_of(twice_rank: Tensor, parts: Tensor, size: Tensor) -> Tensor:
    """Which of `parts` equal parts of a stretch a mid-rank (times two) falls in.

    A rank on a cut goes towards the middle, from either end, so that turning the values round turns the parts round; on
    the middle cut, to the upper part.
    """
    scaled, unit = twice_rank * parts, (2 * size).clamp_min(1)
    part = scaled.div(unit, rounding_mode="floor")
    return part.sub_(((part * unit == scaled) & (twice_rank > size)).to(part))


def _leans_up(
    ordered: Float[Tensor, "rows stimuli"],
    row: Int[Tensor, " cases"],
    start: Int[Tensor, " cases"],
    end: Int[Tensor, " cases"],
    defined: Int[Tensor, " cases"],
) -> Bool[Tensor, " cases"]:
    """Whether the middle value of a stretch joins those above: where more stimuli lie above the stretch than below.

    Where as many do, where its middle value is nearer to its top. Either turns round with the values.
    """
    below, above = start, defined - end
    lowest, middle, highest = (ordered[row, place] for place in (start, (start + end) // 2, end - 1))
    return (above > below) | ((above == below) & (2 * middle > lowest + highest))
