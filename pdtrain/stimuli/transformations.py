"""What objects and images are transformed by: ranges, and the parameters drawn from them; nothing is drawn here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pdtrain.errors import InputError, unknown_name
from pdtrain.stimuli.ranges import Ranges

NEUTRAL = {
    "position_x": 0.0,
    "position_y": 0.0,
    "size": 0.7,
    "rotation_plane": 0.0,
    "rotation_depth": 0.0,
    "object_luminance": 0.8,
    "object_contrast": 1.0,
}
"""Parameters of a rendered object that is not transformed."""


@dataclass(frozen=True)
class Transformations(Ranges):
    """Ranges of the transformations; each image draws uniformly within them.

    Attributes
    ----------
    position
        Largest shift from the centre, in half image widths.
    size
        Smallest and largest radius of the object, in half image widths.
    rotation_plane, rotation_depth
        Largest rotation either way in the image plane and about the vertical axis, in degrees.
    luminance
        Smallest and largest reflectance of the object, 0 to 1.
    contrast
        Smallest and largest depth of the shading, 0 (flat) to 1.
    background
        Standard deviation of the 1/f background, in units of pixel intensity.
    """

    position: float = 0.25
    size: tuple[float, float] = (0.5, 0.75)
    rotation_plane: float = 45.0
    rotation_depth: float = 45.0
    luminance: tuple[float, float] = (0.4, 1.0)
    contrast: tuple[float, float] = (0.5, 1.0)
    background: float = 0.1


@dataclass(frozen=True)
class ImageTransformations(Ranges):
    """Ranges of the transformations; each view draws uniformly within them.

    Attributes
    ----------
    position
        Largest shift from the centre, in half image widths and heights.
    size
        Smallest and largest size of the object; at 1 it just fits into the image.
    rotation_plane
        Largest rotation either way in the image plane, in degrees.
    luminance
        Smallest and largest factor on the object's intensities; what comes out above 1 is cut off.
    contrast
        Smallest and largest factor on their distance from their mean.
    background_luminance
        Smallest and largest mean intensity of the background.
    background
        Standard deviation of the 1/f noise in the background, in units of pixel intensity.
    """

    at_most: ClassVar[Mapping[str, float]] = {"background_luminance": 1}

    position: float = 0.25
    size: tuple[float, float] = (0.5, 0.75)
    rotation_plane: float = 45.0
    luminance: tuple[float, float] = (0.4, 1.0)
    contrast: tuple[float, float] = (0.5, 1.0)
    background_luminance: tuple[float, float] = (0.3, 0.7)
    background: float = 0.1

    @classmethod
    def from_config(cls, ranges: Mapping[str, Any] | None, *, key: str) -> "ImageTransformations":
        """Build as all ranges are; of no object is nothing left to be seen."""
        built = super().from_config(ranges, key=key)
        if not built.size[0] > 0:
            raise InputError(f"{key}.size={list(built.size)}: give sizes above 0")
        return built


def check_levels(levels: Iterable[str]) -> None:
    """Raise InputError for levels of a parameter that rendered objects do not have."""
    for name in levels:
        if name not in NEUTRAL:
            raise unknown_name("stimuli.levels", name, NEUTRAL, of="transformation")


@dataclass(frozen=True)
class View:
    """How an object is seen; unless told otherwise, as it is.

    Attributes
    ----------
    position_x, position_y
        Shift from the centre, right and down, in half image widths and heights.
    size
        1 where the object just fits into the image.
    rotation_plane
        Clockwise as seen, in degrees.
    object_luminance, object_contrast
        Factors on the object's intensities, and on their distance from their mean.
    """

    position_x: float = 0.0
    position_y: float = 0.0
    size: float = 1.0
    rotation_plane: float = 0.0
    object_luminance: float = 1.0
    object_contrast: float = 1.0
