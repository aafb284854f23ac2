"""Renders multi-lobed solid objects under identity-preserving transformations, over 1/f backgrounds.

Each identity is a union of ellipsoids. Rays are parallel, so a ray meets an ellipsoid where a quadratic in
depth vanishes: closed form, exact, and the same on any device.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.stimuli.noise import pink_noise
from pdtrain.stimuli.transformations import NEUTRAL, Transformations, check_levels

_CHUNK = 100  # images drawn together; fixed, so that the random stream does not depend on memory
_LIGHT = (-0.45, -0.65, 0.62)


@dataclass(frozen=True)
class RenderedObjects:
    """Images and what made them.

    Attributes
    ----------
    images
        Shape (images, 1, pixels, pixels), uint8.
    labels
        Identity of each image, shape (images,), int64.
    parameters
        Value of each transformation, each of shape (images,); angles in degrees.
    """

    images: Tensor
    labels: Tensor
    parameters: dict[str, Tensor] = field(default_factory=dict)


def render_objects(
    count: int,
    *,
    identities: int = 10,
    pixels: int = 32,
    transformations: Transformations | None = None,
    seed: int = 0,
    identity_seed: int = 0,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> RenderedObjects:
    """Render `count` random views, identities in balance.

    Parameters
    ----------
    count, identities, pixels
        Number of images, of objects, and image side in pixels.
    transformations
        Ranges drawn from.
    seed
        Seed of the views; `identity_seed` is that of the objects' shapes, common to training and probing.
    progress
        Wraps the sequence of portions drawn, to show how far the work is.
    """
    generator = torch.Generator().manual_seed(seed)
    ranges = transformations or Transformations()
    labels = torch.arange(count) % identities
    labels = labels[torch.randperm(count, generator=generator)]
    parameters = _draw_parameters(count, ranges, generator)
    lobes = _lobes(identities, identity_seed)
    return _draw(lobes, labels, parameters, pixels, ranges.background, generator, progress)


def render_factorial(
    levels: Mapping[str, Sequence[float]],
    *,
    identities: int = 10,
    pixels: int = 32,
    background: float = 0.1,
    seed: int = 0,
    identity_seed: int = 0,
) -> RenderedObjects:
    """Render every identity at every combination of the transformations' levels.

    Parameters
    ----------
    levels
        Levels of each transformation; one that is missing takes its neutral value (`NEUTRAL`).
    identities, pixels, background, seed, identity_seed
        As in `render_objects`; `seed` is that of the backgrounds.

    Raises
    ------
    InputError
        For a transformation that does not exist.
    """
    check_levels(levels)
    axes: list[Sequence[float]] = [range(identities)]
    axes += [levels.get(name, [neutral]) for name, neutral in NEUTRAL.items()]
    table = torch.tensor(list(product(*axes)), dtype=torch.float32)
    parameters = dict(zip(NEUTRAL, table[:, 1:].unbind(1), strict=True))
    generator = torch.Generator().manual_seed(seed)
    return _draw(_lobes(identities, identity_seed), table[:, 0].long(), parameters, pixels, background, generator)


def _draw(
    lobes: "_Lobes",
    labels: Tensor,
    parameters: dict[str, Tensor],
    pixels: int,
    background: float,
    generator: torch.Generator,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> RenderedObjects:
    count = len(labels)
    images = torch.empty(count, 1, pixels, pixels, dtype=torch.uint8)
    for start in progress(range(0, count, _CHUNK)):
        chunk = slice(start, start + _CHUNK)
        part = {name: values[chunk] for name, values in parameters.items()}
        drawn = _render(lobes, labels[chunk], part, pixels)
        noise = pink_noise(len(labels[chunk]), (pixels, pixels), generator) * background
        image = drawn[:, 0] * drawn[:, 1] + (1 - drawn[:, 1]) * (0.5 + noise)
        images[chunk, 0] = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    return RenderedObjects(images, labels, parameters)


def _draw_parameters(count: int, ranges: Transformations, generator: torch.Generator) -> dict[str, Tensor]:
    bounds = {
        "position_x": (-ranges.position, ranges.position),
        "position_y": (-ranges.position, ranges.position),
        "size": ranges.size,
        "rotation_plane": (-ranges.rotation_plane, ranges.rotation_plane),
        "rotation_depth": (-ranges.rotation_depth, ranges.rotation_depth),
        "object_luminance": ranges.luminance,
        "object_contrast": ranges.contrast,
    }
    return {name: low + (high - low) * torch.rand(count, generator=generator) for name, (low, high) in bounds.items()}


@dataclass(frozen=True)
class _Lobes:
    """Ellipsoids of all identities in the object's frame: centres (I, L, 3) and quadratic forms (I, L, 3, 3)."""

    centres: Tensor
    forms: Tensor


def _lobes(identities: int, seed: int, lobes: int = 5) -> _Lobes:
    """Draw each object: a body and lobes on its surface, pointing outwards, scaled to fit the unit sphere."""
    generator = torch.Generator().manual_seed(7919 * (seed + 1))
    outward = torch.nn.functional.normalize(torch.randn(identities, lobes, 3, generator=generator), dim=-1)
    distance = 0.42 + 0.16 * torch.rand(identities, lobes, 1, generator=generator)
    distance[:, 0] = 0.05
    axes = 0.16 + 0.16 * torch.rand(identities, lobes, 3, generator=generator)
    axes[..., 0] += 0.14
    axes[:, 0] += 0.12
    frame = torch.randn(identities, lobes, 3, 3, generator=generator)
    frame[..., 0] = outward
    rotation = torch.linalg.qr(frame).Q
    forms = rotation @ torch.diag_embed(axes**-2) @ rotation.transpose(-1, -2)
    return _Lobes(outward * distance, forms)


def _rotations(plane: Tensor, depth: Tensor) -> Tensor:
    """Rotation about the vertical axis by `depth`, then in the image plane by `plane` (degrees), (N, 3, 3)."""
    p, d = torch.deg2rad(plane), torch.deg2rad(depth)
    zero, one = torch.zeros_like(p), torch.ones_like(p)
    in_plane = torch.stack([p.cos(), -p.sin(), zero, p.sin(), p.cos(), zero, zero, zero, one], 1)
    in_depth = torch.stack([d.cos(), zero, d.sin(), zero, one, zero, -d.sin(), zero, d.cos()], 1)
    return in_plane.view(-1, 3, 3) @ in_depth.view(-1, 3, 3)


def _render(lobes: _Lobes, labels: Tensor, parameters: dict[str, Tensor], pixels: int) -> Float[Tensor, "n 2 h w"]:
    """Shade the objects; channel 0 is the intensity of the object, channel 1 its coverage of the pixel."""
    turn = _rotations(parameters["rotation_plane"], parameters["rotation_depth"])
    size = parameters["size"][:, None]
    shift = torch.stack([parameters["position_x"], parameters["position_y"], torch.zeros(len(labels))], 1)
    centres = torch.einsum("nij,nlj->nli", turn, lobes.centres[labels]) * size[..., None] + shift[:, None]
    forms = turn[:, None] @ lobes.forms[labels] @ turn[:, None].transpose(-1, -2) / size[..., None, None] ** 2

    axis = (torch.arange(pixels) + 0.5) * 2 / pixels - 1
    x, y = axis[None, None, :], axis[None, :, None]
    light = torch.tensor(_LIGHT) / math.sqrt(sum(c * c for c in _LIGHT))
    front = torch.full((len(labels), pixels, pixels), -torch.inf)
    lambert = torch.zeros_like(front)
    coverage = torch.zeros_like(front)
    for lobe in range(centres.shape[1]):
        centre, a = centres[:, lobe, :, None, None], forms[:, lobe, :, :, None, None]
        dx, dy = x - centre[:, 0], y - centre[:, 1]
        # depth z solves a33 z^2 + 2 b z + c = 0; eliminating z leaves the silhouette ellipse 1 = d'Sd.
        b = (a[:, 0, 2] * dx + a[:, 1, 2] * dy) / a[:, 2, 2]
        s11 = a[:, 0, 0] - a[:, 0, 2] ** 2 / a[:, 2, 2]
        s12 = a[:, 0, 1] - a[:, 0, 2] * a[:, 1, 2] / a[:, 2, 2]
        s22 = a[:, 1, 1] - a[:, 1, 2] ** 2 / a[:, 2, 2]
        gx, gy = s11 * dx + s12 * dy, s12 * dx + s22 * dy
        inside = 1 - (gx * dx + gy * dy)
        # distance to the outline in pixels, to first order: antialiased silhouettes without oversampling
        edge = inside / (2 * torch.hypot(gx, gy)).clamp_min(1e-6) * pixels / 2
        coverage = torch.maximum(coverage, (edge + 0.5).clamp(0, 1))
        dz = (inside.clamp_min(0) / a[:, 2, 2]).sqrt() - b
        nx = a[:, 0, 0] * dx + a[:, 0, 1] * dy + a[:, 0, 2] * dz
        ny = a[:, 0, 1] * dx + a[:, 1, 1] * dy + a[:, 1, 2] * dz
        nz = a[:, 0, 2] * dx + a[:, 1, 2] * dy + a[:, 2, 2] * dz
        shade = (nx * light[0] + ny * light[1] + nz * light[2]) / (nx * nx + ny * ny + nz * nz).sqrt()
        depth = torch.where(edge > -0.5, centre[:, 2] + dz, -torch.inf)
        nearer = depth > front
        front = torch.where(nearer, depth, front)
        lambert = torch.where(nearer, shade.clamp_min(0), lambert)
    contrast = parameters["object_contrast"][:, None, None]
    intensity = parameters["object_luminance"][:, None, None] * (1 - contrast + contrast * (0.15 + 0.85 * lambert))
    return torch.stack([intensity, coverage], 1)
