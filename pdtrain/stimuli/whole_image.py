"""Properties of whole images with known definitions; each a pure function from images to one value per image.

Images are float, shape (images, channels, height, width), intensities 0 to 1. `properties.PROPERTIES` lists them.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

# Of squared gradients summed over pixels. The smallest step of 8 bits, in one pixel of one of three channels, makes
# gradients of 1/1530, 4e-7 squared; differences of float64 integral images leave about 1e-10 where there is nothing.
_LEAST_GRADIENT = 1e-8
# float32 means of as many pixels as an image has are right to about 1e-6
_LEAST_COHERENCE = 1e-5

Images = Float[Tensor, "images channels height width"]
Values = Float[Tensor, " images"]


def luminance(images: Images) -> Values:
    """Mean intensity, 0 to 1."""
    return images.mean((1, 2, 3))


def contrast(images: Images) -> Values:
    """Root-mean-square contrast: standard deviation of the grey image's intensity."""
    return grey(images).std((1, 2), correction=0)


def dark_fraction(images: Images) -> Values:
    """Share of pixels below one quarter of full intensity."""
    return (grey(images) < 0.25).float().mean((1, 2))


def bright_fraction(images: Images) -> Values:
    """Share of pixels above three quarters of full intensity."""
    return (grey(images) > 0.75).float().mean((1, 2))


def colourfulness(images: Images) -> Values:
    """Spread and mean of the opponent channels (Hasler and Suesstrunk 2003); zero for grey images."""
    if images.shape[1] != 3:
        return torch.zeros(len(images))
    red, green, blue = images.unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue], 1)
    spread = opponents.var((2, 3), correction=0).sum(1).sqrt()
    return spread + 0.3 * opponents.mean((2, 3)).square().sum(1).sqrt()


def spectral_slope(images: Images) -> Values:
    """Slope of log power on log spatial frequency (about -2 for natural images); zero for a uniform image."""
    power, frequency = _power(images)
    band = (frequency > 0) & (frequency <= 0.5)
    x = frequency[band].log()
    x = x - x.mean()
    floor = power[:, band].amax(1, keepdim=True).clamp_min(1e-12) * 1e-10
    return ((power[:, band] + floor).log() @ x) / x.square().sum()


def spatial_frequency(images: Images) -> Values:
    """Centroid of the power spectrum, cycles per pixel; zero for a uniform image."""
    power, frequency = _power(images)
    total = power.sum((1, 2))
    return torch.where(total > 1e-8, (power * frequency).sum((1, 2)) / total.clamp_min(1e-12), 0.0)


def edge_energy(images: Images) -> Values:
    """Mean squared intensity gradient, per pixel."""
    dx, dy = gradient(images)
    return (dx.square() + dy.square()).mean((1, 2))


def orientation(images: Images) -> Values:
    """Dominant orientation of the contours, radians in [0, pi) from the horizontal, counter-clockwise as seen.

    NaN where there is none: for a blank image, or one that is alike in all directions.
    """
    xx, yy, xy = _structure_tensor(images)
    return contour_angle(xx, yy, xy, pixels=(images.shape[2] - 2) * (images.shape[3] - 2))


def orientation_coherence(images: Images) -> Values:
    """Anisotropy of the structure tensor: 0 for no preferred orientation, 1 for a single one."""
    xx, yy, xy = _structure_tensor(images)
    return torch.hypot(xx - yy, 2 * xy) / (xx + yy).clamp_min(1e-12)


def corner_energy(images: Images) -> Values:
    """Mean positive Harris response (k = 0.05, 3x3 window)."""
    return corner_map(images).mean((1, 2))


def curvature(images: Images) -> Values:
    """Mean absolute second derivative along the contours: high where edges bend or end, zero for gratings."""
    intensity = grey(images)
    dx, dy = gradient(images)
    xx = intensity[:, 1:-1, 2:] - 2 * intensity[:, 1:-1, 1:-1] + intensity[:, 1:-1, :-2]
    yy = intensity[:, 2:, 1:-1] - 2 * intensity[:, 1:-1, 1:-1] + intensity[:, :-2, 1:-1]
    xy = (intensity[:, 2:, 2:] + intensity[:, :-2, :-2] - intensity[:, 2:, :-2] - intensity[:, :-2, 2:]) / 4
    along = xx * dy.square() - 2 * xy * dx * dy + yy * dx.square()
    return (along.abs() / (dx.square() + dy.square()).clamp_min(1e-6)).mean((1, 2))


def symmetry(images: Images) -> Values:
    """Correlation of the grey image with its left-right mirror image, -1 to 1; zero for a uniform image."""
    centred = grey(images) - grey(images).mean((1, 2), keepdim=True)
    variance = centred.square().sum((1, 2))
    return torch.where(variance > 1e-8, (centred * centred.flip(2)).sum((1, 2)) / variance.clamp_min(1e-12), 0.0)


def entropy(images: Images) -> Values:
    """Entropy of the grey-level histogram in 32 levels, bits."""
    levels = (grey(images) * 32).long().clamp(0, 31).flatten(1)
    share = torch.zeros(len(images), 32).scatter_add_(1, levels, torch.ones(levels.shape)) / levels.shape[1]
    return -torch.special.xlogy(share, share).sum(1) / math.log(2)


def grey(images: Images) -> Float[Tensor, "images height width"]:
    """Mean over the channels."""
    return images.mean(1)


def gradient(images: Images) -> tuple[Float[Tensor, "images h w"], Float[Tensor, "images h w"]]:
    """Central differences of the grey image per pixel, along columns and rows, without the border of one pixel."""
    intensity = grey(images)
    across = (intensity[:, 1:-1, 2:] - intensity[:, 1:-1, :-2]) / 2
    return across, (intensity[:, 2:, 1:-1] - intensity[:, :-2, 1:-1]) / 2


def corner_map(images: Images) -> Float[Tensor, "images h w"]:
    """Positive Harris response per pixel, without the border of two pixels."""
    dx, dy = gradient(images)
    xx, yy, xy = (
        torch.nn.functional.avg_pool2d(product[:, None], 3, 1)[:, 0] for product in (dx * dx, dy * dy, dx * dy)
    )
    return (xx * yy - xy.square() - 0.05 * (xx + yy).square()).clamp_min(0)


def contour_angle(xx: Tensor, yy: Tensor, xy: Tensor, *, pixels: int | Tensor) -> Tensor:
    """Orientation of contours, radians in [0, pi), from the mean components of the structure tensor over `pixels`.

    NaN where no direction stands out: there the angle would be one of rounding errors.
    """
    along_gradient = 0.5 * torch.atan2(2 * xy, xx - yy)
    # the contour is at right angles to the gradient; rows grow downwards, so the angle changes sign
    angle = torch.remainder(math.pi / 2 - along_gradient, math.pi)
    noise = _LEAST_GRADIENT / torch.as_tensor(pixels).clamp_min(1) + _LEAST_COHERENCE * (xx + yy)
    return torch.where(torch.hypot(xx - yy, 2 * xy) > noise, angle, torch.nan)


def _structure_tensor(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    dx, dy = gradient(images)
    return dx.square().mean((1, 2)), dy.square().mean((1, 2)), (dx * dy).mean((1, 2))


def _power(images: Tensor) -> tuple[Tensor, Tensor]:
    intensity = grey(images)
    power = torch.fft.fft2(intensity - intensity.mean((1, 2), keepdim=True)).abs().square()
    rows, columns = torch.fft.fftfreq(intensity.shape[1]), torch.fft.fftfreq(intensity.shape[2])
    return power, torch.hypot(rows[:, None], columns[None])
