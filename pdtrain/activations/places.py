"""Places of a layer, those of a map or of a sequence of tokens, and what of them a response is made of."""

from dataclasses import dataclass
from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.activations.reach import Reach, reduced


@dataclass(frozen=True)
class Reduction:
    """A response of a window of places: their mean, for each channel or feature.

    Attributes
    ----------
    window
        For each dimension of one stimulus's response, the first and the one after the last that is taken.
    dimensions
        Those of them that are places.
    """

    window: tuple[tuple[int, int], ...]
    dimensions: tuple[int, ...]

    def __call__(self, responses: Float[Tensor, "stimuli ..."]) -> Float[Tensor, "stimuli ..."]:
        """Reduce responses to all stimuli, to float32.

        Examples
        --------
        >>> import torch
        >>> maps = torch.arange(8.0).view(1, 2, 2, 2)
        >>> Reduction(((0, 2), (0, 2), (0, 2)), (1, 2))(maps).tolist()  # the mean over all places of each channel
        [[1.5, 5.5]]
        >>> Reduction(((0, 2), (1, 2), (1, 2)), (1, 2))(maps).tolist()  # one place
        [[3.0, 7.0]]
        """
        return self._cut(responses).mean(self._over, dtype=torch.float32)

    def reach(self, reach: Reach) -> Reach:
        """What reaches the reduced units: all that reaches any of the places."""
        return reduced(reach.each(self._cut), self._over)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the reduced response to one stimulus."""
        return tuple(e - s for d, (s, e) in enumerate(self.window) if d not in self.dimensions)

    @property
    def _over(self) -> list[int]:
        return [dimension + 1 for dimension in self.dimensions]

    def _cut(self, responses: Tensor) -> Tensor:
        return responses[(slice(None), *(slice(start, stop) for start, stop in self.window))]


def is_grid(rows: int, columns: int, image_shape: tuple[int, ...]) -> bool:
    """Whether so many places can be those of an image of shape (channels, height, width).

    They are as many to a side as its pixels, but for rounding where it is not square.

    Examples
    --------
    >>> is_grid(7, 7, (3, 224, 224)), is_grid(7, 96, (3, 224, 224)), is_grid(4, 6, (3, 64, 86))
    (True, False, True)
    """
    _, height, width = image_shape
    return abs(rows * width - columns * height) <= (height != width) * max(height, width)


def is_channels_last(shape: tuple[int, ...], image_shape: tuple[int, ...], *, unless_known: bool) -> bool:
    """Whether a response of this shape is (rows, columns, channels) and not (channels, rows, columns).

    Where both can be it is as `unless_known` says.

    Examples
    --------
    >>> is_channels_last((7, 7, 96), (3, 224, 224), unless_known=False)
    True
    >>> is_channels_last((7, 7, 7), (3, 224, 224), unless_known=False)
    False
    """
    if len(shape) != 3:
        return unless_known
    first, last = is_grid(shape[1], shape[2], image_shape), is_grid(shape[0], shape[1], image_shape)
    return last if first != last else unless_known


def token_grid(tokens: int, image_shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Rows and columns of patches, (14, 14) of 196 tokens of a square image; None if they are no grid.

    Examples
    --------
    >>> token_grid(196, (3, 224, 224)), token_grid(197, (3, 224, 224)), token_grid(8, (3, 64, 128))
    ((14, 14), None, (2, 4))
    """
    divisors = [d for d in range(1, isqrt(tokens) + 1) if tokens % d == 0]
    grids = [grid for d in divisors for grid in ((d, tokens // d), (tokens // d, d)) if is_grid(*grid, image_shape)]
    return grids[-1] if grids else None
