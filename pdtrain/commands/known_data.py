"""What a configuration alone says of its data and stimuli: channels, classes, ranges and parameters.

Of those that are others' nothing is known before they are built.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pdtrain.data_sets import DATA_SETS
from pdtrain.stimuli.ranges import Ranges
from pdtrain.stimuli.transformations import NEUTRAL, ImageTransformations, Transformations, View

IMAGE_FOLDERS = "pdtrain.training.image_sets.ImageFolderData"
RENDERED = "pdtrain.training.objects_data.ObjectsData"
HELD_OUT = "pdtrain.stimuli.sources.held_out"
_DOWNLOADED = "pdtrain.training.image_sets.TorchvisionData"
FACTORIAL = "pdtrain.stimuli.sources.factorial_objects"
_OBJECTS = "pdtrain.stimuli.sources.objects"
_TRANSFORMED = "pdtrain.stimuli.transformed.transformed"
_OF_DATA = (HELD_OUT, "pdtrain.stimuli.sources.training")
_GRADIENT = "luminance_gradient"  # of data, the key and the parameter

RANGES: dict[str, type[Ranges]] = {
    RENDERED: Transformations,
    _OBJECTS: Transformations,
    _TRANSFORMED: ImageTransformations,
}
"""What the `transformations` of a `_target_` are."""

_PARAMETERS: dict[str, tuple[str, ...]] = {
    RENDERED: tuple(NEUTRAL),
    _DOWNLOADED: (),
    IMAGE_FOLDERS: (),
    _OBJECTS: tuple(NEUTRAL),
    FACTORIAL: tuple(NEUTRAL),
    "pdtrain.stimuli.sources.image_folder": (),
    _TRANSFORMED: (*(parameter.name for parameter in fields(View)), "background_luminance", "class"),
}


def channels_of(data: Mapping[str, Any]) -> int | None:
    """Channels of the images of a group `data`.

    Examples
    --------
    >>> channels_of({"_target_": RENDERED}), channels_of({"_target_": "mine.Data"})
    (1, None)
    """
    target, named = data.get("_target_"), DATA_SETS.get(str(data.get("name")))
    if target == _DOWNLOADED and named is not None:
        return named.channels
    return {RENDERED: 1, IMAGE_FOLDERS: 3}.get(str(target))


def classes_of(data: Mapping[str, Any]) -> int | None:
    """Classes of the images of a group `data`.

    Examples
    --------
    >>> classes_of({"_target_": RENDERED, "identities": 5}), classes_of({"_target_": IMAGE_FOLDERS})
    (5, None)
    """
    target, named = data.get("_target_"), DATA_SETS.get(str(data.get("name")))
    if target == _DOWNLOADED and named is not None:
        return named.classes
    identities = data.get("identities")
    return identities if target == RENDERED and type(identities) is int else None


def parameters_of(data: Mapping[str, Any], stimuli: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the parameters that stimuli of a group `stimuli` can have.

    Examples
    --------
    >>> parameters_of({"_target_": RENDERED}, {"_target_": HELD_OUT})[:3]
    ('position_x', 'position_y', 'size')
    """
    if stimuli.get("_target_") not in _OF_DATA:
        return _PARAMETERS.get(str(stimuli.get("_target_")))
    own = _PARAMETERS.get(str(data.get("_target_")))
    return own if own is None or not data.get(_GRADIENT) else (*own, _GRADIENT)
