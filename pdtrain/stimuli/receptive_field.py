"""Properties within the receptive field of each unit, from integral images: a thousand units cost about as much as one.

Each equals the whole-image property of the patch that the field cuts out; a field too small for it (two pixels have
no gradient) gives zero, and NaN for an orientation.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.stimuli.whole_image import Images, contour_angle, corner_map, gradient, grey


@dataclass(frozen=True)
class ReceptiveFields:
    """Receptive fields in pixels, within the image: rows [top, bottom) and columns [left, right), each (units,).

    Examples
    --------
    >>> import torch
    >>> corners = torch.tensor([[0, 8, 0, 4], [0, 8, 2, 6]])  # a row of top, bottom, left and right for each unit
    >>> ReceptiveFields(*corners.unbind(1)).right.tolist()
    [4, 6]
    """

    top: Int[Tensor, " units"]
    bottom: Int[Tensor, " units"]
    left: Int[Tensor, " units"]
    right: Int[Tensor, " units"]


LocalValues = Float[Tensor, "images units"]


def local_luminance(images: Images, fields: ReceptiveFields) -> LocalValues:
    """Mean intensity within each field.

    Examples
    --------
    >>> import torch
    >>> half_white = torch.tensor([0.0, 1.0]).repeat_interleave(4).expand(1, 1, 8, 8)
    >>> fields = ReceptiveFields(*torch.tensor([[0, 8, 0, 4], [0, 8, 2, 6]]).unbind(1))
    >>> local_luminance(half_white, fields).tolist()
    [[0.0, 0.5]]
    """
    return _means(grey(images), fields).float()


def local_contrast(images: Images, fields: ReceptiveFields) -> LocalValues:
    """Standard deviation of intensity within each field.

    Examples
    --------
    >>> import torch
    >>> half_white = torch.tensor([0.0, 1.0]).repeat_interleave(4).expand(1, 1, 8, 8)
    >>> fields = ReceptiveFields(*torch.tensor([[0, 8, 0, 4], [0, 8, 2, 6]]).unbind(1))
    >>> local_contrast(half_white, fields).tolist()
    [[0.0, 0.5]]
    """
    # about the mean of the image, so that the difference of squares loses fewer digits
    intensity = grey(images).double()
    intensity = intensity - intensity.mean((1, 2), keepdim=True)
    variance = _means(intensity.square(), fields) - _means(intensity, fields).square()
    # float64 sums leave about 1e-13 where a field is uniform
    return torch.where(variance > 1e-10, variance, 0.0).sqrt().float()


def local_edge_energy(images: Images, fields: ReceptiveFields) -> LocalValues:
    """Mean squared intensity gradient within each field, per pixel.

    Examples
    --------
    >>> import torch
    >>> image = torch.cat([torch.zeros(5), torch.arange(5) / 10]).expand(1, 1, 8, 10)  # blank, then a ramp
    >>> fields = ReceptiveFields(*torch.tensor([[0, 8, 0, 5], [0, 8, 5, 10]]).unbind(1))
    >>> [round(value, 3) for value in local_edge_energy(image, fields)[0].tolist()]
    [0.0, 0.01]
    """
    dx, dy = gradient(images)
    return _means(dx.square() + dy.square(), fields, border=1).float()


def local_corner_energy(images: Images, fields: ReceptiveFields) -> LocalValues:
    """Mean positive Harris response within each field.

    Examples
    --------
    >>> import torch
    >>> axis = torch.arange(-2, 3).abs() / 4
    >>> tip = (axis[:, None] + axis)[None, None]
    >>> fields = ReceptiveFields(*torch.tensor([[0, 5, 0, 5], [0, 4, 0, 4]]).unbind(1))
    >>> [round(value, 4) for value in local_corner_energy(tip, fields)[0].tolist()]  # the smaller has no room for any
    [0.0014, 0.0]
    """
    return _means(corner_map(images), fields, border=2).float()


def local_orientation(images: Images, fields: ReceptiveFields) -> LocalValues:
    """Dominant orientation of the contours within each field, radians in [0, pi); NaN where there is none.

    See `orientation`.

    Examples
    --------
    >>> import torch
    >>> axis = torch.arange(16.0)
    >>> image = torch.cat([axis.cos().expand(16, 16), (axis[:, None] + axis).cos()], 1)[None, None]
    >>> fields = ReceptiveFields(*torch.tensor([[0, 16, 0, 16], [0, 16, 16, 32]]).unbind(1))
    >>> local_orientation(image, fields).rad2deg().round().tolist()
    [[90.0, 45.0]]
    """
    dx, dy = gradient(images)
    xx, yy, xy = (_means(product, fields, border=1) for product in (dx.square(), dy.square(), dx * dy))
    return contour_angle(xx, yy, xy, pixels=_pixels(fields, border=1)).float()


def _means(maps: Tensor, fields: ReceptiveFields, *, border: int = 0) -> Tensor:
    """Mean of each map within each field; maps lack `border` pixels on each side, and so does what a field shows."""
    integral = torch.nn.functional.pad(maps.double().cumsum(1).cumsum(2), (1, 0, 1, 0))
    bottom, right = (fields.bottom - 2 * border), (fields.right - 2 * border)
    empty = _pixels(fields, border=border) == 0
    top, left = fields.top.masked_fill(empty, 0), fields.left.masked_fill(empty, 0)
    bottom, right = bottom.masked_fill(empty, 0), right.masked_fill(empty, 0)
    total = integral[:, bottom, right] - integral[:, top, right] - integral[:, bottom, left] + integral[:, top, left]
    return total / _pixels(fields, border=border).clamp_min(1)


def _pixels(fields: ReceptiveFields, *, border: int) -> Int[Tensor, " units"]:
    """Number of pixels that each field shows of maps without their border."""
    rows = (fields.bottom - fields.top - 2 * border).clamp_min(0)
    return rows * (fields.right - fields.left - 2 * border).clamp_min(0)
