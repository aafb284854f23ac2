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
    """Mean intensity, 0 to 1.

    Examples
    --------
    >>> import torch
    >>> half_white = torch.tensor([0.0, 1.0]).repeat_interleave(4).expand(1, 1, 8, 8)
    >>> luminance(half_white).tolist()
    [0.5]
    """
    return images.mean((1, 2, 3))


def contrast(images: Images) -> Values:
    """Root-mean-square contrast: standard deviation of the grey image's intensity.

    Examples
    --------
    >>> import torch
    >>> half_white = torch.tensor([0.0, 1.0]).repeat_interleave(4).expand(1, 1, 8, 8)
    >>> contrast(half_white).tolist()
    [0.5]
    """
    return grey(images).std((1, 2), correction=0)


def dark_fraction(images: Images) -> Values:
    """Share of pixels below one quarter of full intensity.

    Examples
    --------
    >>> import torch
    >>> steps = torch.tensor([0.0, 0.2, 0.5, 1.0]).expand(1, 1, 4, 4)
    >>> dark_fraction(steps).tolist()
    [0.5]
    """
    return (grey(images) < 0.25).float().mean((1, 2))


def bright_fraction(images: Images) -> Values:
    """Share of pixels above three quarters of full intensity.

    Examples
    --------
    >>> import torch
    >>> steps = torch.tensor([0.0, 0.2, 0.5, 1.0]).expand(1, 1, 4, 4)
    >>> bright_fraction(steps).tolist()
    [0.25]
    """
    return (grey(images) > 0.75).float().mean((1, 2))


def colourfulness(images: Images) -> Values:
    """Spread and mean of the opponent channels (Hasler and Suesstrunk 2003); zero for grey images.

    Examples
    --------
    >>> import torch
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    >>> round(float(colourfulness(red)), 3)  # no spread, and a mean of (1, 1/2): 0.3 sqrt(5/4)
    0.335
    """
    if images.shape[1] != 3:
        return torch.zeros(len(images))
    red, green, blue = images.unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue], 1)
    spread = opponents.var((2, 3), correction=0).sum(1).sqrt()
    return spread + 0.3 * opponents.mean((2, 3)).square().sum(1).sqrt()


def spectral_slope(images: Images) -> Values:
    """Slope of log power on log spatial frequency (about -2 for natural images); zero for a uniform image.

    Examples
    --------
    >>> import torch
    >>> axis = torch.fft.fftfreq(32)
    >>> amplitude = 1 / torch.hypot(axis[:, None], axis).clamp_min(1 / 32)
    >>> round(float(spectral_slope(torch.fft.ifft2(amplitude).real[None, None])), 2)
    -2.0
    """
    power, frequency = _power(images)
    band = (frequency > 0) & (frequency <= 0.5)
    x = frequency[band].log()
    x = x - x.mean()
    floor = power[:, band].amax(1, keepdim=True).clamp_min(1e-12) * 1e-10
    return ((power[:, band] + floor).log() @ x) / x.square().sum()


def spatial_frequency(images: Images) -> Values:
    """Centroid of the power spectrum, cycles per pixel; zero for a uniform image.

    Examples
    --------
    >>> import torch
    >>> grating = 0.5 + 0.5 * torch.cos(2 * torch.pi * torch.arange(32) / 8).expand(1, 1, 32, 32)
    >>> round(float(spatial_frequency(grating)), 3)  # one cycle in eight pixels
    0.125
    """
    power, frequency = _power(images)
    total = power.sum((1, 2))
    return torch.where(total > 1e-8, (power * frequency).sum((1, 2)) / total.clamp_min(1e-12), 0.0)


def edge_energy(images: Images) -> Values:
    """Mean squared intensity gradient, per pixel.

    Examples
    --------
    >>> import torch
    >>> ramp = (torch.arange(8) / 10).expand(1, 1, 8, 8)  # a tenth more in each column
    >>> round(float(edge_energy(ramp)), 3)
    0.01
    """
    dx, dy = gradient(images)
    return (dx.square() + dy.square()).mean((1, 2))


def orientation(images: Images) -> Values:
    """Dominant orientation of the contours, radians in [0, pi) from the horizontal, counter-clockwise as seen.

    NaN where there is none: for a blank image, or one that is alike in all directions.

    Examples
    --------
    >>> import torch
    >>> axis = torch.arange(16.0)
    >>> upright, rising = axis.cos().expand(16, 16), (axis[:, None] + axis).cos()
    >>> orientation(torch.stack([upright, rising])[:, None]).rad2deg().round().tolist()
    [90.0, 45.0]
    """
    xx, yy, xy = _structure_tensor(images)
    return contour_angle(xx, yy, xy, pixels=(images.shape[2] - 2) * (images.shape[3] - 2))


def orientation_coherence(images: Images) -> Values:
    """Anisotropy of the structure tensor: 0 for no preferred orientation, 1 for a single one.

    Examples
    --------
    >>> import torch
    >>> stripes = torch.arange(16.0).cos().expand(1, 1, 16, 16)
    >>> round(float(orientation_coherence(stripes)), 2)
    1.0
    """
    xx, yy, xy = _structure_tensor(images)
    return torch.hypot(xx - yy, 2 * xy) / (xx + yy).clamp_min(1e-12)


def corner_energy(images: Images) -> Values:
    """Mean positive Harris response (k = 0.05, 3x3 window).

    Examples
    --------
    >>> import torch
    >>> axis = torch.arange(-2, 3).abs() / 4
    >>> tip = (axis[:, None] + axis)[None, None]
    >>> round(float(corner_energy(tip)), 4)  # both squared gradients are 1/16 in two of three places, their product 0
    0.0014
    """
    return corner_map(images).mean((1, 2))


def curvature(images: Images) -> Values:
    """Mean absolute second derivative along the contours: high where edges bend or end, zero for gratings.

    Examples
    --------
    >>> import torch
    >>> axis = torch.arange(1.0, 8.0)
    >>> bowl = (axis[:, None].square() + axis.square())[None, None] / 100
    >>> round(float(curvature(bowl)), 3)  # the second derivative is 2/100 in every direction
    0.02
    """
    intensity = grey(images)
    dx, dy = gradient(images)
    xx = intensity[:, 1:-1, 2:] - 2 * intensity[:, 1:-1, 1:-1] + intensity[:, 1:-1, :-2]
    yy = intensity[:, 2:, 1:-1] - 2 * intensity[:, 1:-1, 1:-1] + intensity[:, :-2, 1:-1]
    xy = (intensity[:, 2:, 2:] + intensity[:, :-2, :-2] - intensity[:, 2:, :-2] - intensity[:, :-2, 2:]) / 4
    along = xx * dy.square() - 2 * xy * dx * dy + yy * dx.square()
    return (along.abs() / (dx.square() + dy.square()).clamp_min(1e-6)).mean((1, 2))


def symmetry(images: Images) -> Values:
    """Correlation of the grey image with its left-right mirror image, -1 to 1; zero for a uniform image.

    Examples
    --------
    >>> import torch
    >>> ramp = torch.linspace(0, 1, 8)
    >>> images = torch.stack([ramp, (ramp - 0.5).abs()])[:, None, None].expand(2, 1, 8, 8)
    >>> [round(value, 2) for value in symmetry(images).tolist()]
    [-1.0, 1.0]
    """
    centred = grey(images) - grey(images).mean((1, 2), keepdim=True)
    variance = centred.square().sum((1, 2))
    return torch.where(variance > 1e-8, (centred * centred.flip(2)).sum((1, 2)) / variance.clamp_min(1e-12), 0.0)


def entropy(images: Images) -> Values:
    """Entropy of the grey-level histogram in 32 levels, bits.

    Examples
    --------
    >>> import torch
    >>> four_levels = torch.tensor([0.0, 0.25, 0.5, 0.75]).expand(1, 1, 4, 4)
    >>> round(float(entropy(four_levels)), 2)
    2.0
    """
    levels = (grey(images) * 32).long().clamp(0, 31).flatten(1)
    share = torch.zeros(len(images), 32).scatter_add_(1, levels, torch.ones(levels.shape)) / levels.shape[1]
    return -torch.special.xlogy(share, share).sum(1) / math.log(2)


def grey(images: Images) -> Float[Tensor, "images height width"]:
    """Mean over the channels.

    Examples
    --------
    >>> import torch
    >>> grey(torch.tensor([0.25, 0.5, 0.75]).view(1, 3, 1, 1)).tolist()
    [[[0.5]]]
    """
    return images.mean(1)


def gradient(images: Images) -> tuple[Float[Tensor, "images h w"], Float[Tensor, "images h w"]]:
    """Central differences of the grey image per pixel, along columns and rows, without the border of one pixel.

    Examples
    --------
    >>> import torch
    >>> ramp = (torch.arange(8) / 10).expand(1, 1, 8, 8)  # a tenth more in each column
    >>> across, down = gradient(ramp)
    >>> tuple(across.shape), round(float(across.mean()), 3), float(down.mean())
    ((1, 6, 6), 0.1, 0.0)
    """
    intensity = grey(images)
    across = (intensity[:, 1:-1, 2:] - intensity[:, 1:-1, :-2]) / 2
    return across, (intensity[:, 2:, 1:-1] - intensity[:, :-2, 1:-1]) / 2


def corner_map(images: Images) -> Float[Tensor, "images h w"]:
    """Positive Harris response per pixel, without the border of two pixels.

    Examples
    --------
    >>> import torch
    >>> axis = torch.arange(-2, 3).abs() / 4
    >>> tip = (axis[:, None] + axis)[None, None]
    >>> [[[round(float(value), 4) for value in row] for row in image] for image in corner_map(tip)]
    [[[0.0014]]]
    """
    dx, dy = gradient(images)
    xx, yy, xy = (
        torch.nn.functional.avg_pool2d(product[:, None], 3, 1)[:, 0] for product in (dx * dx, dy * dy, dx * dy)
    )
    return (xx * yy - xy.square() - 0.05 * (xx + yy).square()).clamp_min(0)


def contour_angle(xx: Tensor, yy: Tensor, xy: Tensor, *, pixels: int | Tensor) -> Tensor:
    """Orientation of contours, radians in [0, pi), from the mean components of the structure tensor over `pixels`.

    NaN where no direction stands out: there the angle would be one of rounding errors.

    Examples
    --------
    >>> import torch
    >>> one, none = torch.ones(1), torch.zeros(1)
    >>> contour_angle(one, none, none, pixels=1).rad2deg().round().tolist()  # intensity changes along the rows
    [90.0]
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
