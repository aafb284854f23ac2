"""Random changes of whole batches of images at once, what is drawn for each being a function of its own seed alone.

Draws and parameters are in double precision, and sums of intensities exact: neither the size of a batch nor the other
images in it change an image.
"""

from collections.abc import Callable, Sequence
from math import radians
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

Images = Shaped[Tensor, "images channels height width"]
Seeds = Int[Tensor, " images"]
BatchChange = Callable[[Any, Tensor], Tensor]  # images (a list, if of several sizes) and their seeds in, a batch out

_APART = 64  # numbers that a stream holds, more than any change draws
_GREY = (0.2989, 0.587, 0.114)
# SplitMix64 (Steele, Lea and Flood 2014), in two's complement
_GAMMA, _FACTORS, _SHIFTS = -0x61C8864680B583EB, (-0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15), (30, 27, 31)
_DIGITS = 53  # of a double


def uniform(seeds: Seeds, stream: int, count: int) -> Float[Tensor, "count images"]:
    """Numbers from 0 to below 1, drawn by SplitMix64 from each seed and the number of a stream.

    Examples
    --------
    >>> seeds = torch.tensor([7, 8, 9])
    >>> drawn = uniform(seeds, 0, 1000)
    >>> drawn.shape, bool((0 <= drawn).all() and (drawn < 1).all()), round(float(drawn.mean()), 1)
    (torch.Size([1000, 3]), True, 0.5)
    >>> torch.equal(uniform(seeds[1:2], 0, 1000)[:, 0], drawn[:, 1])
    True
    """
    places = torch.arange(1, count + 1) + _APART * stream
    mixed = seeds + places[:, None] * _GAMMA
    for shift, factor in zip(_SHIFTS, (*_FACTORS, 1), strict=True):
        mixed = (mixed ^ _shifted(mixed, shift)) * factor
    return _shifted(mixed, 64 - _DIGITS).double() / 2**_DIGITS


def _shifted(bits: Tensor, by: int) -> Tensor:
    """To the right, zeros following."""
    return (bits >> by) & (2 ** (64 - by) - 1)


def one_by_one(images: Sequence[Tensor] | Tensor, seeds: Seeds, *, step: nn.Module, stream: int) -> Images:
    """A step that draws from the global stream, with each image; the stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        return torch.stack(
            [_seeded(step, image, seed + stream) for image, seed in zip(images, seeds.tolist(), strict=True)]
        )


def _seeded(step: nn.Module, image: Tensor, seed: int) -> Tensor:
    torch.default_generator.manual_seed(seed)
    changed: Tensor = step(image)
    return changed


def crop_of_padded(images: Images, seeds: Seeds, *, padding: int, stream: int) -> Images:
    """Of each image within so many zeros, a part of its size."""
    height, width = images.shape[2:]
    top, left = (uniform(seeds, stream, 2) * (2 * padding + 1)).long()[..., None]
    padded = nn.functional.pad(images, (padding,) * 4)
    rows, columns = top + torch.arange(height), left + torch.arange(width)
    places = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
    return _at(padded, places)


def mirror(images: Images, seeds: Seeds, *, stream: int) -> Images:
    """One image in two, left to right."""
    turned = (uniform(seeds, stream, 1)[0] < 0.5).tolist()
    return torch.stack([image.flip(2) if turn else image for image, turn in zip(images, turned, strict=True)])


def move(images: Images, seeds: Seeds, *, strength: int | float, stream: int) -> Images:
    """Turn by up to 15 degrees, shift by up to 0.15 of a side and scale by up to 0.15, at strength 1; zeros outside."""
    height, width = images.shape[2:]
    turn, right, down, larger = 2 * uniform(seeds, stream, 4) - 1
    angle, scale = turn * radians(15 * strength), 1 + 0.15 * strength * larger
    shifts = [(way * 0.15 * strength * side).round() for way, side in ((right, width), (down, height))]
    return moved(images, angle, shifts[0], shifts[1], scale)


def moved(images: Images, angle: Tensor, right: Tensor, down: Tensor, scale: Tensor) -> Images:
    """Turn each image clockwise by an angle (radians) about its centre, scale it and shift it by pixels; nearest pixel.

    Parameters
    ----------
    images
        What is moved.
    angle, right, down, scale
        One of each for every image, shape (images,).

    Examples
    --------
    >>> image = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]]).view(1, 1, 3, 3)
    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> moved(image, zero, one, zero, one)[0, 0].tolist()
    [[0, 1, 2], [0, 4, 5], [0, 7, 8]]
    """
    height, width = images.shape[2:]
    x = (torch.arange(width) - (width - 1) / 2) - right[:, None, None].float()
    y = (torch.arange(height)[:, None] - (height - 1) / 2) - down[:, None, None].float()
    cosine, sine = ((of / scale).float()[:, None, None] for of in (angle.double().cos(), angle.double().sin()))
    column = (cosine * x + sine * y + (width - 1) / 2).round().long()
    row = (cosine * y - sine * x + (height - 1) / 2).round().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = _at(images, row.clamp(0, height - 1) * width + column.clamp(0, width - 1))
    return found * inside[:, None]


def change_light(images: Images, seeds: Seeds, *, strength: int | float, stream: int) -> Images:
    """Brightness and contrast by up to half at strength 1, in a random order."""
    brightness, contrast, order = uniform(seeds, stream, 3)
    factors = (1 + 0.5 * strength * (2 * of - 1) for of in (brightness, contrast))
    bright, contrasted = (_by_image(factor.float()) for factor in factors)
    first = _by_image(order < 0.5)
    images = _within_range(images * torch.where(first, bright, 1), images)
    images = _within_range(images * contrasted + (1 - contrasted) * _mean_grey(images), images)
    return _within_range(images * torch.where(first, 1, bright), images)


def _mean_grey(images: Images) -> Tensor:
    if images.shape[1] == 3:
        images = _whole(torch.einsum("nchw,c->nhw", images.float(), torch.tensor(_GREY)), images)[:, None]
    return _by_image(images.double().mean((1, 2, 3)).float())


def _within_range(changed: Tensor, images: Images) -> Images:
    """Bytes stay bytes, from 0 to 255; intensities that are none are from 0 to 1."""
    return changed.clamp(0, 1 if images.is_floating_point() else 255).to(images.dtype)


def _whole(values: Tensor, images: Images) -> Tensor:
    return values if images.is_floating_point() else values.floor()


def _by_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _at(images: Images, places: Tensor) -> Images:
    """Pixels at places of each flattened image, shape (images, height, width)."""
    channels = images.shape[1]
    found = images.flatten(2).gather(2, places.flatten(1)[:, None].expand(-1, channels, -1))
    return found.unflatten(2, places.shape[1:])
