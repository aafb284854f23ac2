"""Where stimuli come from: held-out or training images of the data, rendered objects, or an image folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from torch import Tensor
from torchvision.transforms import v2

from pdtrain.errors import InputError
from pdtrain.stimuli.image_files import classes_of, read_image, sample_files
from pdtrain.stimuli.objects import RenderedObjects, render_factorial, render_objects
from pdtrain.stimuli.stimulus_set import StimulusSet, stacked
from pdtrain.stimuli.transformations import Transformations


@runtime_checkable
class Sees(Protocol):
    """What says how a network sees images: a data set, or what stands in for one.

    It may have a method `resize`, from an image of any size, uint8 of shape (channels, height, width), to one of
    `shape`; without it images are scaled to the height and cropped.
    """

    shape: tuple[int, int, int]

    def normalize(self, image: Tensor) -> Tensor:
        """Turn uint8 intensities into what the network sees."""


@runtime_checkable
class HoldsOut(Sees, Protocol):
    """A data set that can give stimuli."""

    def held_out(self, count: int, *, seed: int) -> StimulusSet:
        """Choose held-out images."""


@runtime_checkable
class Trains(Sees, Protocol):
    """A data set that can give its training images as stimuli."""

    def trained_on(self, count: int, *, labels: str, seed: int) -> StimulusSet:
        """Choose training images."""


def held_out(data: Sees, *, count: int, seed: int) -> StimulusSet:
    """Take held-out images of the training data; their labels are true in every case.

    Raises
    ------
    InputError
        If there is no data set that holds images out.
    """
    if not isinstance(data, HoldsOut):
        raise InputError("stimuli=held_out: there is no data set to hold images out; choose other stimuli, or a data=")
    return data.held_out(count, seed=seed)


def training(data: Sees, *, count: int, seed: int, labels: str = "trained") -> StimulusSet:
    """Take images that the network was trained on, not augmented.

    `labels` are those it was "trained" on or the "true" ones. The two differ where `data.shuffled_labels` is set:
    only these images show what such a network has memorised.

    Raises
    ------
    InputError
        If there is no data set to train on.
    """
    if not isinstance(data, Trains):
        raise InputError("stimuli=training: there is no data set that was trained on; choose other stimuli, or a data=")
    return data.trained_on(count, labels=labels, seed=seed)


def objects(
    data: Sees,
    *,
    count: int,
    seed: int,
    identities: int = 10,
    transformations: Mapping[str, Any] | None = None,
) -> StimulusSet:
    """Render objects at the size of the training images, each view drawn at random within the ranges."""
    rendered = render_objects(
        count,
        identities=identities,
        pixels=data.shape[1],
        transformations=Transformations.from_config(transformations, key="stimuli.transformations"),
        seed=seed,
    )
    return _stimuli(data, rendered)


def factorial_objects(
    data: Sees, *, levels: Mapping[str, Sequence[float]], seed: int, identities: int = 10, background: float = 0.1
) -> StimulusSet:
    """Render every object at every combination of the levels of its transformations."""
    rendered = render_factorial(levels, identities=identities, pixels=data.shape[1], background=background, seed=seed)
    return replace(_stimuli(data, rendered), number_key="stimuli.levels")


def _stimuli(data: Sees, rendered: RenderedObjects) -> StimulusSet:
    images = rendered.images.expand(-1, data.shape[0], -1, -1)
    return StimulusSet(images, rendered.labels, rendered.parameters, normalize=data.normalize)


def image_folder(data: Sees, *, root: str, count: int, seed: int) -> StimulusSet:
    """Read images below a folder (class folders or not), resized and cropped to the size of the training images.

    What is transparent in them is mid-grey.
    """
    files = sample_files(root, count, seed=seed, asked=f"stimuli.count={count}")
    resize = resizing(data)
    images = (resize(read_image(file, channels=data.shape[0])) for file in files)
    return StimulusSet(stacked(images, (count, *data.shape)), classes_of(files), normalize=data.normalize)


def resizing(data: Sees) -> Callable[[Tensor], Tensor]:
    """How the data bring an image to their size; scaled to the height and cropped, unless they have a way of their own.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> data = SimpleNamespace(shape=(3, 8, 8), normalize=torch.Tensor.float)
    >>> resizing(data)(torch.zeros(3, 20, 10, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """
    _, height, width = data.shape
    cropped = v2.Compose([v2.Resize(height, antialias=True), v2.CenterCrop((height, width))])
    return getattr(data, "resize", cropped)
