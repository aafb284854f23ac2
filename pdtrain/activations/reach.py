"""What reaches the units of a layer, and how it combines: boxes of pixels, of which every operation takes unions.

A box is kept as four bounds with such signs that the union is their minimum; what no pixel reaches has infinite bounds.
Beside them go the places on the map that the unit stands for, by which an average over the whole map is told from one
over a part.

What comes out of such an average is *set aside*: its bounds are raised so far above all others that a minimum takes
them only where there is nothing else. So it says nothing where it scales or shifts a map, and everything where it
stands alone, as in the layers of the gate itself or in the classifier.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.stimuli.receptive_field import ReceptiveFields

_ASIDE = 2.0**20  # beyond any bound, and small enough for float32 to hold their sum exactly


@dataclass(frozen=True)
class Reach:
    """What reaches each unit of a tensor; all tensors here have its shape, and lie on the CPU.

    Attributes
    ----------
    bounds
        Of the pixels that reach the unit: first row, minus the row after the last, first column, minus the column after
        the last.
    places
        First and minus the last of the places on the map that it stands for, one after a convolution, more after an
        average over a part of it; 0 is the first of all and 1 the last, and infinity none.
    """

    bounds: tuple[Float[Tensor, "*shape"], ...]
    places: tuple[Float[Tensor, "*shape"], ...]

    @classmethod
    def of_pixels(cls, channels: int, height: int, width: int) -> "Reach":
        """Each pixel of one image is reached by itself."""
        shape = (1, channels, height, width)
        rows = torch.arange(height, dtype=torch.float32)[:, None].expand(shape).contiguous()
        columns = torch.arange(width, dtype=torch.float32).expand(shape).contiguous()
        return cls((rows, -rows - 1, columns, -columns - 1), (rows, rows)).at_own_places(2).own()

    @classmethod
    def nowhere(cls, shape: Sequence[int]) -> "Reach":
        """Units that no pixel reaches, such as parameters."""
        nothing = torch.tensor(torch.inf).expand(tuple(shape))
        return cls((nothing,) * 4, (nothing,) * 2)

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> "Reach":
        """Bounds and places in one sequence, as `tensors` gives them."""
        return cls(tuple(tensors[:4]), tuple(tensors[4:]))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Bounds and places, all of which combine by their minimum."""
        return (*self.bounds, *self.places)

    @property
    def shape(self) -> torch.Size:
        """Shape of the tensor."""
        return self.bounds[0].shape

    def each(self, do: Callable[[Tensor], Tensor]) -> "Reach":
        """Do the same with all tensors."""
        return Reach.of([do(tensor) for tensor in self.tensors])

    def own(self) -> "Reach":
        """The same in memory of its own, so that what is written there shows nowhere else."""
        return self.each(lambda tensor: tensor.clone(memory_format=torch.contiguous_format))

    def overwrite(self, other: "Reach") -> None:
        """Write `other` over this, seen by all views of the same memory."""
        for mine, new in zip(self.tensors, other.tensors, strict=True):
            mine.copy_(new)

    def at_own_places(self, spatial: int) -> "Reach":
        """Number the places anew: those of a map whose last `spatial` dimensions are its extent."""
        size = self.shape[-spatial:]
        place = torch.linspace(0, 1, size.numel()).view(size).expand(self.shape)
        return Reach(self.bounds, (place, -place))

    def map_dimensions(self) -> set[int]:
        """Dimensions along which the place changes, from 0; none for a single place."""
        place = self.places[0]
        highest = place.masked_fill(torch.isinf(place), -torch.inf)
        return {d for d in range(place.dim()) if (highest.amax(d) > place.amin(d)).any()}

    def spans_map(self, dims: set[int]) -> bool:
        """Whether `dims` take in a map of more than one place, from its first place to its last."""
        extent = self.map_dimensions()
        if not extent or not extent <= dims:
            return False
        first, last = (place.amin(tuple(dims)) for place in self.places)
        known = torch.isfinite(first)
        return bool((first[known] == 0).all() and (last[known] == -1).all())

    def set_aside(self) -> "Reach":
        """The same, as what an average over the whole map gives: without place, and only where nothing else is."""
        aside = self._is_aside()
        bounds = tuple(torch.where(aside, bound, bound + _ASIDE) for bound in self.bounds)
        return Reach(bounds, Reach.nowhere(self.shape).places)

    def taken_back(self) -> "Reach":
        """The same, nothing set aside."""
        aside = self._is_aside()
        return Reach(tuple(torch.where(aside, bound - _ASIDE, bound) for bound in self.bounds), self.places)

    def sees(self) -> bool:
        """Whether anything reaches it other than what is set aside."""
        return bool((self.bounds[0] < _ASIDE / 2).any())

    def holds_aside(self) -> bool:
        """Whether anything in it is set aside."""
        return bool(self._is_aside().any())

    def fields(self, units: Int[Tensor, " units"]) -> ReceptiveFields:
        """Fields of some units, given by flat index; empty where no pixel reaches."""
        chosen = self.each(lambda tensor: tensor.flatten()[units.cpu()]).taken_back()
        bounds = torch.stack(chosen.bounds)
        reached = torch.isfinite(bounds[0])
        top, bottom, left, right = bounds.masked_fill(~reached, 0).long()
        return ReceptiveFields(top, -bottom, left, -right)

    def _is_aside(self) -> Tensor:
        return (self.bounds[0] > _ASIDE / 2) & torch.isfinite(self.bounds[0])


def union(*terms: Reach, shape: Sequence[int] | None = None) -> Reach:
    """What reaches a sum or product of terms, broadcast to one shape (`shape`, where other things take part in it)."""
    shape = torch.broadcast_shapes(*(term.shape for term in terms)) if shape is None else torch.Size(shape)
    if len(terms) == 1:
        return terms[0].each(lambda tensor: tensor.expand(shape))
    terms = together(*terms)
    bounds = tuple(_least([term.bounds[side].expand(shape) for term in terms]) for side in range(4))
    # the places of the map that is scaled, not those of what scales it
    maps = [term for term in terms if term.shape == shape and term.sees()][:1] or terms
    return Reach(bounds, tuple(_least([term.places[end].expand(shape) for term in maps]) for end in range(2)))


def together(*terms: Reach) -> tuple[Reach, ...]:
    """The terms as they are to be combined: on a single place nothing is set aside, for there is no map to scale."""
    sees, aside = any(term.sees() for term in terms), any(term.holds_aside() for term in terms)
    if sees and aside and not any(term.map_dimensions() for term in terms):
        return tuple(term.taken_back() for term in terms)
    return terms


def reduced(x: Reach, dims: Sequence[int], *, keepdim: bool = False) -> Reach:
    """What reaches an average, sum, maximum or norm over `dims` (all, if there are none)."""
    every = set(range(len(x.shape)))
    over = {dim % len(every) for dim in dims} or every
    if not over:
        return x.own()
    found = x.each(lambda tensor: tensor.amin(tuple(over), keepdim=keepdim))
    return found.set_aside() if x.spans_map(over) else found


def normalized(x: Reach, dims: Sequence[int]) -> Reach:
    """What reaches values that are scaled by a statistic of theirs over `dims`; one of the whole map is left out."""
    over = {dim % len(x.shape) for dim in dims}
    if x.spans_map(over):
        return x.own()
    return x.each(lambda tensor: tensor.amin(tuple(over), keepdim=True).expand(tensor.shape))


def _least(tensors: Sequence[Tensor]) -> Tensor:
    return reduce(torch.minimum, tensors)
