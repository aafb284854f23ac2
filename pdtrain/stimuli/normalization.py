"""Normalization of intensities, one mean and deviation for all channels or one for each; of many images in portions."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from pdtrain.limits import check_value
from pdtrain.stimuli.channel_values import ChannelValues, channel_values, check_alike, check_channels

_IN_CACHE = 2**18  # values that are normalised at once, five times as fast as a batch of large images


@dataclass(frozen=True)
class Normalization:
    """Turns images into what a network sees: intensities from 0 to 1, less their mean, over their deviation.

    Parameters
    ----------
    mean, standard_deviation
        Of intensities from 0 to 1: one value for all channels, or one for each.

    Raises
    ------
    InputError
        If a deviation is not above 0, or the two have different numbers of values.

    Examples
    --------
    >>> import torch
    >>> black_and_white = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    >>> Normalization(mean=0.5, standard_deviation=0.25)(black_and_white).flatten().tolist()
    [-2.0, 2.0]
    >>> Normalization([0.5, 0.0, 0.0], [0.5, 1.0, 2.0])(black_and_white.expand(-1, 3, 1, 1))[1].flatten().tolist()
    [1.0, 1.0, 0.5]
    """

    mean: ChannelValues = 0.0
    standard_deviation: ChannelValues = 1.0

    def __post_init__(self) -> None:
        check_value("data.standard_deviation", self.standard_deviation)
        check_alike(self.mean, self.standard_deviation)

    def check_channels(self, channels: int) -> None:
        """Raise InputError if the values are neither one nor one for each of so many channels."""
        check_channels(self.mean, self.standard_deviation, channels)

    def undo(
        self, images: Float[Tensor, "*images channels height width"]
    ) -> Float[Tensor, "*images channels height width"]:
        """The intensities of images that are normalised so.

        Examples
        --------
        >>> import torch
        >>> Normalization(mean=0.5, standard_deviation=0.25).undo(torch.tensor([-2.0, 2.0]).view(2, 1, 1)).tolist()
        [[[0.0]], [[1.0]]]
        """
        mean, deviation = self._tensors(images.device)
        return images * deviation + mean

    def _tensors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        mean, deviation = (
            torch.tensor(channel_values(of), device=device).view(-1, 1, 1)
            for of in (self.mean, self.standard_deviation)
        )
        return mean, deviation

    def __call__(
        self, images: Shaped[Tensor, "*images channels height width"]
    ) -> Float[Tensor, "*images channels height width"]:
        """Normalize bytes, or intensities that are between 0 and 1 already."""
        mean, deviation = self._tensors(images.device)
        if images.dim() != 4 or images.device.type != "cpu":
            return (intensities(images) - mean).div_(deviation)
        normalized = torch.empty(images.shape)
        portion = max(1, _IN_CACHE // max(1, images.shape[1:].numel()))
        for into, of in zip(normalized.split(portion), images.split(portion), strict=True):
            torch.sub(intensities(of), mean, out=into).div_(deviation)
        return normalized


def intensities(
    images: Shaped[Tensor, "*images channels height width"],
) -> Float[Tensor, "*images channels height width"]:
    """Intensities from 0 to 1 of images that are kept as bytes, or are intensities already.

    Examples
    --------
    >>> import torch
    >>> intensities(torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1)).flatten().tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    return images.float().div_(255) if images.dtype == torch.uint8 else images.float()


@dataclass(frozen=True)
class NormalizedImages:
    """Images as the network sees them, of which only what is asked for is ever made.

    Attributes
    ----------
    pixels
        As they are kept, shape (images, channels, height, width).
    normalize
        Turns them into what the network sees.

    Examples
    --------
    >>> import torch
    >>> images = NormalizedImages(torch.full((5, 1, 2, 2), 255, dtype=torch.uint8), Normalization(0.5, 0.25))
    >>> len(images), images.shape, images[3:].mean().item()
    (5, torch.Size([5, 1, 2, 2]), 2.0)
    """

    pixels: Shaped[Tensor, "images channels height width"]
    normalize: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, chosen: int | slice | Tensor) -> Float[Tensor, "*images channels height width"]:
        return self.normalize(self.pixels[chosen])

    @property
    def shape(self) -> torch.Size:
        """(images, channels, height, width)."""
        return self.pixels.shape
