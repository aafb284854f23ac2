"""Any images under identity-preserving transformations with known parameters: each image an object, seen in many views.

In images as they are found properties go with the class. Here the parameters of the views are drawn by themselves, so
that they tell nothing of the object, and what a network tells of them it tells of nothing else.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from pdtrain.errors import InputError
from pdtrain.stimuli.image_files import classes_of, read_with_alpha, sample_files
from pdtrain.stimuli.noise import pink_noise
from pdtrain.stimuli.normalization import intensities
from pdtrain.stimuli.sources import HoldsOut, Sees, resizing
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.stimuli.transformations import ImageTransformations, View

_KEY = "stimuli.transformations"
_FINEST = 2  # samples of a view's pixel along each side


def transformed(
    data: Sees,
    *,
    objects: int,
    views: int,
    seed: int,
    root: str | None = None,
    transformations: Mapping[str, Any] | None = None,
) -> StimulusSet:
    """Show images in views drawn at random within the ranges.

    Parameters
    ----------
    data
        Its held-out images are shown; of a folder, their size and normalisation are taken.
    objects, views
        Number of images, each of which is an object and a label; and of views of each.
    seed
        Of the choice of images, the parameters and the backgrounds.
    root
        Folder of images; None takes held-out images of the data. Where an image is transparent the background is seen,
        and it is resampled from its own resolution. One that is nowhere transparent is brought to the size of the data
        first, as the network sees it, and lies on the background like a print.
    transformations
        Ranges, see `ImageTransformations`.

    Returns
    -------
    StimulusSet
        Its parameters are those of the views and, where images are of several classes or folders, `class`.

    Raises
    ------
    InputError
        If there are too few images, or a range is not of its form or outside what is allowed.
    """
    ranges = ImageTransformations.from_config(transformations, key=_KEY)
    images, classes = _of_data(data, objects, seed) if root is None else _of_folder(data, root, objects, seed)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(objects * views) % objects
    parameters = _draw(ranges, len(labels), generator)
    pixels = torch.empty((len(labels), *data.shape), dtype=torch.uint8)
    for label, image in enumerate(images):
        for place in range(label, len(labels), objects):
            view = View(**{of.name: float(parameters[of.name][place]) for of in fields(View)})
            noise = ranges.background * pink_noise(1, data.shape[1:], generator)[0]
            shown = transform(image, view, parameters["background_luminance"][place] + noise)
            pixels[place] = (shown * 255).round().byte()
    if len(classes.unique()) > 1:
        parameters["class"] = classes[labels]
    return StimulusSet(
        pixels, labels, parameters, parameter_kinds={"class": ("discrete", None)}, number_key="stimuli.views",
        normalize=data.normalize,
    )  # fmt: skip


def _draw(ranges: ImageTransformations, count: int, generator: torch.Generator) -> dict[str, Float[Tensor, " views"]]:
    """Parameters of so many views: those of `View`, and the luminance of the background."""
    bounds = {
        "position_x": (-ranges.position, ranges.position),
        "position_y": (-ranges.position, ranges.position),
        "size": ranges.size,
        "rotation_plane": (-ranges.rotation_plane, ranges.rotation_plane),
        "object_luminance": ranges.luminance,
        "object_contrast": ranges.contrast,
        "background_luminance": ranges.background_luminance,
    }
    return {name: low + (high - low) * torch.rand(count, generator=generator) for name, (low, high) in bounds.items()}


def transform(
    image: Float[Tensor, "channels_and_alpha rows columns"], view: View, background: Float[Tensor, "height width"]
) -> Float[Tensor, "channels height width"]:
    """An image in a view, before a background; as large as that.

    Parameters
    ----------
    image
        Intensities 0 to 1, and how opaque they are, 0 to 1, in the last channel.
    view
        Shift, size and rotation are one resampling: bilinear, of four samples a pixel where the view is smaller than
        the image, which then has been brought to no more than twice the size of the view, antialiased.
    background
        Intensities.

    Examples
    --------
    >>> import torch
    >>> white = torch.ones(2, 4, 4)  # and opaque
    >>> transform(white, View(position_x=1.0, object_luminance=0.5), torch.zeros(4, 4))[0, 0].tolist()
    [0.0, 0.0, 0.5, 0.5]
    """
    alpha = image[-1:]
    visible = torch.cat([image[:-1] * alpha, alpha])  # what is transparent has no colour to blend in
    mean = visible[:-1].mean() / alpha.mean().clamp_min(1e-6)
    drawn, coverage = _resampled(visible, view, (background.shape[0], background.shape[1])).split([len(image) - 1, 1])
    contrasted = view.object_contrast * drawn + (1 - view.object_contrast) * mean * coverage
    return (view.object_luminance * contrasted + (1 - coverage) * background).clamp(0, 1)


def _resampled(
    image: Float[Tensor, "channels rows columns"], view: View, shape: tuple[int, int]
) -> Float[Tensor, "channels height width"]:
    (height, width), (rows, columns) = shape, image.shape[1:]
    scale = view.size * min(height / rows, width / columns)  # pixels of the view for each of the image
    if (fold := _FINEST * scale) < 1:
        smaller = (max(1, round(fold * rows)), max(1, round(fold * columns)))
        image = functional.interpolate(image[None], smaller, mode="bilinear", antialias=True)[0]
    finer = 1 if scale >= 1 else _FINEST
    angle = math.radians(view.rotation_plane)
    cos, sin = math.cos(angle), math.sin(angle)
    # from places in the view to those in the image, both -1 to 1 from edge to edge
    turned_back = torch.tensor([[cos * width, sin * height], [-sin * width, cos * height]])
    turned_back = turned_back / (scale * torch.tensor([[columns], [rows]]))
    shift = turned_back @ torch.tensor([[view.position_x], [view.position_y]])
    grid = functional.affine_grid(
        torch.cat([turned_back, -shift], 1)[None], [1, 1, finer * height, finer * width], align_corners=False
    )
    sampled = functional.grid_sample(image[None], grid, padding_mode="zeros", align_corners=False)
    return functional.avg_pool2d(sampled, finer)[0]


def _of_data(data: Sees, count: int, seed: int) -> tuple[Iterator[Tensor], Int[Tensor, " objects"]]:
    if not isinstance(data, HoldsOut):
        raise InputError("stimuli.root=null: there is no data set to hold images out; give a folder of images")
    try:
        held_out = data.held_out(count, seed=seed)
    except InputError as error:
        raise InputError(f"stimuli.objects={count}: {str(error).partition(': ')[2]}") from None
    if held_out.pixels.is_floating_point():
        raise InputError("stimuli=transformed: leave out data.luminance_gradient, or give a folder of images")
    return (_opaque(intensities(image)) for image in held_out.pixels), held_out.labels


def _of_folder(data: Sees, root: str, count: int, seed: int) -> tuple[Iterator[Tensor], Int[Tensor, " objects"]]:
    files = sample_files(root, count, seed=seed, asked=f"stimuli.objects={count}")
    images = (read_with_alpha(file, channels=data.shape[0]) for file in files)
    resize = resizing(data)
    return (_object(image, resize) for image in images), classes_of(files)


def _object(
    image: UInt8[Tensor, "channels_and_alpha rows columns"], resize: Callable[[Tensor], Tensor]
) -> Float[Tensor, "channels_and_alpha h w"]:
    opaque = bool((image[-1] == 255).all())
    return _opaque(intensities(resize(image[:-1]))) if opaque else intensities(image)


def _opaque(image: Float[Tensor, "channels rows columns"]) -> Float[Tensor, "channels_and_alpha rows columns"]:
    return torch.cat([image, torch.ones_like(image[:1])])
