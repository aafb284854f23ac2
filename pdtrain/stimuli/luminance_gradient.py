"""A luminance added to each image, the same at all its pixels: one more direction, in which images vary most.

Ansuini et al. (2019, Fig. 6) so showed that the dimension of the input is not that of what a network makes of it.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pdtrain.stimuli.normalization import intensities

LUMINANCE_GRADIENT = "luminance_gradient"  # name of the parameter


def luminance_gradient(images: int, strength: float, *, seed: int) -> Float[Tensor, " images"]:
    """What is added to each image, drawn uniformly from 0 to `strength` times the range of intensities.

    Examples
    --------
    >>> added = luminance_gradient(1000, 100.0, seed=0)
    >>> added.shape, 0 <= float(added.min()) < 1, 99 < float(added.max()) < 100
    (torch.Size([1000]), True, True)
    """
    return strength * torch.rand(images, generator=torch.Generator().manual_seed(seed))


class WithLuminance:
    """Reads images with a luminance added to each.

    What comes out is divided by 1 + `strength`, so that it lies between 0 and 1 and nothing is clipped, and is kept in
    float32: 256 levels would leave two or three of an image at strength 100. Dimensions do not depend on scale.

    Parameters
    ----------
    read
        Returns the image at an index.
    added
        Luminance of each image, in intensities, 0 to `strength`.
    strength
        Largest that can be added.

    Examples
    --------
    >>> import torch
    >>> black_and_white = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2)
    >>> read = WithLuminance(lambda index: black_and_white, torch.tensor([0.0, 3.0]), strength=3.0)
    >>> read(0).flatten().tolist(), read(1).flatten().tolist()
    ([0.0, 0.25], [0.75, 1.0])
    """

    def __init__(
        self,
        read: Callable[[int], UInt8[Tensor, "channels height width"]],
        added: Float[Tensor, " images"],
        strength: float,
    ) -> None:
        self._read, self._added, self._strength = read, added, strength

    def __call__(self, index: int) -> Float[Tensor, "channels height width"]:
        """The image at an index, with its luminance."""
        return (intensities(self._read(index)) + self._added[index]) / (1 + self._strength)
