"""Stimuli of a script of one's own: images or a data set, with or without labels and a table of properties."""

from collections.abc import Mapping, Sequence, Sized
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from pdtrain.errors import InputError
from pdtrain.estimators.discretization import Kind
from pdtrain.random_streams import untouched_streams
from pdtrain.stimuli.normalization import Normalization, intensities
from pdtrain.stimuli.stimulus_set import UNLABELLED, Normalize, StimulusSet, random_sample, stacked

_MOST = 1000  # of a data set
_MODES = ("L", "RGB")  # of PIL's images
_ROUNDED = 1e-3  # how far beyond 0 and 1 intensities may be that were normalised and brought back


@runtime_checkable
class ImageDataset(Sized, Protocol):
    """A data set of torch, or any list: of images, or of tuples that begin with an image and its label."""

    def __getitem__(self, index: int, /) -> Any: ...


def stimuli_of(
    images: Tensor | ImageDataset,
    labels: Any = None,
    *,
    properties: pd.DataFrame | Mapping[str, Any] | None = None,
    circular: Mapping[str, int | float] | None = None,
    normalize: Normalize | None = None,
    normalized: Normalization | None = None,
    count: int | None = _MOST,
    seed: int = 0,
) -> StimulusSet:
    """Make stimuli of images that a script has.

    Reading a data set leaves the random streams as they were, so that a training that follows draws what it would have.

    Parameters
    ----------
    images
        Shape (images, channels, height, width); or a data set, or a list, of images (tensors, arrays or PIL's), each
        alone or in a tuple with its label.
    labels
        Class of each image, as numbers or names, in a tensor, array, column or list; None takes those of a data set,
        where it has any.
    properties
        A table with a line for each image, in their order, and a column for each property: numbers are continuous,
        names and true or false discrete.
    circular
        Columns that are circular, with their periods, such as ``{"angle": 180}``.
    normalize
        Makes of intensities 0 to 1, or bytes, what the network sees; None shows it intensities 0 to 1.
    normalized
        How the images given are normalised already, as by a transform of the data set; properties are then measured on
        the intensities before, and the network sees the images as they are given.
    count
        How many of a data set are drawn at most; None takes all. A tensor is always taken whole.
    seed
        Of which are drawn, and of what the data set draws at random, such as augmentation.

    Raises
    ------
    InputError
        If the images are no images, or their intensities neither bytes nor from 0 to 1; or labels or properties do not
        belong to them.

    Examples
    --------
    >>> import torch
    >>> images = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> stimuli = stimuli_of(images, properties={"tilt": range(200), "kind": ["face", "house"] * 100})
    >>> len(stimuli), stimuli.labelled, stimuli.property("kind").kind
    (200, False, 'discrete')
    """
    if normalize is not None and normalized is not None:
        raise InputError("stimuli: give normalize, or normalized for images that are so already, not both")
    check_numbered(images)
    total = len(images)
    chosen = None
    if isinstance(images, Tensor):
        pixels, own_labels = images.detach().cpu(), None
    else:
        if count is not None and count < total:
            chosen = random_sample(total, count, seed=seed)
        with untouched_streams(seed=seed):
            pixels, own_labels = _read(images, range(total) if chosen is None else chosen.tolist())
    pixels = _intensities(pixels, normalized)
    given = own_labels if labels is None else _chosen(_codes_of_labels(labels, total), chosen)
    parameters, kinds = _parameters(properties, circular or {}, total)
    return StimulusSet(
        pixels,
        torch.zeros(len(pixels), dtype=torch.long) if given is None else given,
        {name: _chosen(values, chosen) for name, values in parameters.items()},
        label_kind=UNLABELLED if given is None else "true",
        parameter_kinds=kinds,
        number_key="stimuli",
        normalize=normalized or normalize or intensities,
    )


def check_numbered(images: Any) -> None:
    """Raise InputError for what does not give its images by number, as a DataLoader."""
    if not isinstance(images, ImageDataset):  # a tensor is one
        raise InputError(
            f"stimuli: a {type(images).__name__} does not give its images by number; give a tensor, or a data set that "
            "has a length (of a DataLoader its .dataset)"
        )


class _Item(NamedTuple):
    image: Tensor
    label: Any


def _read(images: ImageDataset, places: Sequence[int]) -> tuple[Tensor, Int[Tensor, " images"] | None]:
    """Images of a data set, and their labels where all have one."""
    if not places:
        raise InputError("stimuli: the data set is empty; give at least a hundred images")
    items = [_item(images[place], place) for place in places]
    for place, item in zip(places, items, strict=True):
        if item.image.shape != items[0].image.shape:
            raise InputError(
                f"stimuli: image {place} is {_shape(item.image)}, and image {places[0]} {_shape(items[0].image)}; "
                "bring all to one size, as with torchvision.transforms.v2.Resize"
            )
    pixels = stacked((item.image for item in items), (len(items), *items[0].image.shape))
    labels = [item.label for item in items]
    return pixels, None if any(label is None for label in labels) else _codes_of_labels(labels, len(items))


def _item(item: Any, place: int) -> _Item:
    """The image of an item and, beside it in a tuple, its label if that is one."""
    image, *others = item if isinstance(item, tuple | list) else (item,)
    if isinstance(image, Image.Image):
        image = pil_to_tensor(image if image.mode in _MODES else image.convert("RGB"))
    elif isinstance(image, np.ndarray):
        image = torch.from_numpy(image)
    if not isinstance(image, Tensor) or image.dim() != 3:
        what = f"a tensor of {_shape(image)}" if isinstance(image, Tensor) else f"a {type(image).__name__}"
        raise InputError(
            f"stimuli: item {place} of the data set holds {what} in place of an image (channels x height x width); "
            "give a list of images, or of pairs of image and label"
        )
    return _Item(image, _label(others[0]) if others else None)


def _label(of: Any) -> int | str | None:
    """A whole number or a name; what else stands beside an image, such as a second view of it, is none."""
    if isinstance(of, Tensor | np.ndarray | np.generic) and np.ndim(of) == 0:
        of = of.item()
    return of if isinstance(of, int | str) else None


def _codes_of_labels(labels: Any, images: int) -> Int[Tensor, " images"]:
    """Whole numbers as they are, names by their place in the alphabet."""
    values = labels.cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if values.shape != (images,):
        raise InputError(f"stimuli: labels of {_shape(values)} for {images} images; give one for each")
    if not np.issubdtype(values.dtype, np.integer):
        if np.issubdtype(values.dtype, np.number):
            raise InputError("stimuli: labels are no whole numbers; give those, or names, or such values as properties")
        values = np.unique(values.astype(str), return_inverse=True)[1]
    return torch.from_numpy(values.astype(np.int64))


def _intensities(images: Tensor, normalized: Normalization | None) -> Tensor:
    """Bytes or intensities 0 to 1."""
    if images.dim() != 4 or not len(images):
        raise InputError(f"stimuli: images of {_shape(images)}; give them as images x channels x height x width")
    if images.dtype == torch.uint8:
        if normalized is None:
            return images
        raise InputError("stimuli: bytes are not normalized; give them with normalize=")
    if not images.is_floating_point():
        raise InputError(f"stimuli: values of type {images.dtype}; give bytes (uint8) or intensities from 0 to 1")
    slack = 0.0
    if normalized is not None:
        normalized.check_channels(images.shape[1])
        images, slack = normalized.undo(images.float()), _ROUNDED
    lowest, highest = float(images.amin()), float(images.amax())
    if not (-slack <= lowest and highest <= 1 + slack):  # NaN is in no range
        mend = "give the Normalization that was applied" if normalized else (
            "give them before they are normalised, and normalize=; or stimuli_of(images, "
            "normalized=Normalization(mean, standard_deviation)), as they were normalised"
        )  # fmt: skip
        raise InputError(f"stimuli: values from {lowest:.3g} to {highest:.3g} are no intensities from 0 to 1; {mend}")
    return images.clamp(0, 1) if slack else images


def _parameters(
    properties: pd.DataFrame | Mapping[str, Any] | None, circular: Mapping[str, int | float], images: int
) -> tuple[dict[str, Tensor], dict[str, tuple[Kind, float | None]]]:
    """Columns as tensors, and the kinds of those that are not continuous."""
    table = {} if properties is None else {str(name): np.asarray(column) for name, column in properties.items()}
    if unknown := [name for name in circular if name not in table]:
        raise InputError(f"stimuli: circular={unknown[0]}: properties have no such column")
    kinds: dict[str, tuple[Kind, float | None]] = {}
    parameters = {}
    for name, values in table.items():
        if values.shape != (images,):
            raise InputError(f"stimuli: property {name} is of {_shape(values)} for {images} images; give a value each")
        if np.issubdtype(values.dtype, np.number):
            parameters[name] = torch.from_numpy(values.astype(np.float64))
            if name in circular:
                kinds[name] = "circular", float(circular[name])
            elif not torch.isfinite(parameters[name]).all():
                raise InputError(f"stimuli: property {name} is missing or infinite for some images; fill it in")
        else:
            kinds[name] = "discrete", None
            codes = pd.factorize(cast(Any, values), sort=True)[0].astype(np.float64)
            parameters[name] = torch.from_numpy(np.where(codes < 0, np.nan, codes))
    return parameters, kinds


def _chosen(values: Tensor, chosen: Tensor | None) -> Tensor:
    return values if chosen is None else values[chosen]


def _shape(values: Any) -> str:
    return " x ".join(map(str, values.shape)) or "no shape"
