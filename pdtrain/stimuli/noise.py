"""Noise behind objects, with the amplitude spectrum of natural scenes."""

import torch
from jaxtyping import Float
from torch import Tensor


def pink_noise(count: int, shape: tuple[int, int], generator: torch.Generator) -> Float[Tensor, "images height width"]:
    """Noise with the 1/f amplitude spectrum of natural scenes, zero mean and unit variance per image.

    Examples
    --------
    >>> import torch
    >>> noise = pink_noise(2, (16, 24), torch.Generator().manual_seed(0))
    >>> tuple(noise.shape), bool(noise.mean((1, 2)).abs().max() < 1e-6), noise.std((1, 2)).tolist()
    ((2, 16, 24), True, [1.0, 1.0])
    """
    height, width = shape
    white = torch.fft.rfft2(torch.randn(count, height, width, generator=generator))
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])
    frequency[0, 0] = torch.inf
    noise = torch.fft.irfft2(white / frequency, s=shape)
    return noise / noise.std((1, 2), keepdim=True)
