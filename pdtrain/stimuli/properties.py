"""The one table of image properties: of the whole image, within receptive fields, with period and unit."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pdtrain.estimators.discretization import Kind
from pdtrain.stimuli.receptive_field import (
    ReceptiveFields,
    local_contrast,
    local_corner_energy,
    local_edge_energy,
    local_luminance,
    local_orientation,
)
from pdtrain.stimuli.whole_image import (
    bright_fraction,
    colourfulness,
    contrast,
    corner_energy,
    curvature,
    dark_fraction,
    edge_energy,
    entropy,
    luminance,
    orientation,
    orientation_coherence,
    spatial_frequency,
    spectral_slope,
    symmetry,
)


@dataclass(frozen=True)
class Property:
    """How a property is measured, and in what.

    To add one, list it in `PROPERTIES` under a name of its own, in any module that is imported before the probes are
    prepared, such as that of a model's `_target_`. `probes.unit_information.properties` then takes its name as those of
    the package. Its functions are pure: an image gives the same value, whatever was measured before or beside it. They
    are given a portion of the stimuli at a time.

    Attributes
    ----------
    whole
        From images, shape (images, channels, height, width), intensities 0 to 1, to one value per image, shape
        (images,); NaN where the property is not defined.
    local
        From such images and `ReceptiveFields` to the value within each field, shape (images, units); None if it is
        measured on whole images only. With it the property has a second name, such as "luminance@receptive_field".
    period
        Of a circular property, in the units of its values.
    unit
        Of its values; empty if they have none.
    level
        "low" of what the indices of all low-level properties together are made of, else "middle".

    Examples
    --------
    >>> import torch
    >>> PROPERTIES["redness"] = Property(whole=lambda images: images[:, 0].mean((1, 2)))
    >>> PROPERTIES.pop("redness").whole(torch.full((2, 3, 8, 8), 0.25)).tolist()
    [0.25, 0.25]
    """

    whole: Callable[[Tensor], Tensor]
    local: Callable[[Tensor, ReceptiveFields], Tensor] | None = None
    period: float | None = None
    unit: str = ""
    level: str = "middle"

    @property
    def kind(self) -> Kind:
        """How its values are to be compared: "circular" or "continuous"."""
        return "circular" if self.period else "continuous"


PROPERTIES: dict[str, Property] = {
    "luminance": Property(luminance, local_luminance, level="low"),
    "contrast": Property(contrast, local_contrast, level="low"),
    "dark_fraction": Property(dark_fraction, level="low"),
    "bright_fraction": Property(bright_fraction, level="low"),
    "colourfulness": Property(colourfulness, level="low"),
    "spectral_slope": Property(spectral_slope, level="low"),
    "spatial_frequency": Property(spatial_frequency, unit="cycles per pixel", level="low"),
    "edge_energy": Property(edge_energy, local_edge_energy, unit="per square pixel"),
    "orientation": Property(orientation, local_orientation, period=math.pi, unit="radians"),
    "orientation_coherence": Property(orientation_coherence),
    "corner_energy": Property(corner_energy, local_corner_energy, unit="per pixel to the fourth"),
    "curvature": Property(curvature, unit="per square pixel"),
    "symmetry": Property(symmetry),
    "entropy": Property(entropy, unit="bit"),
}
"""All properties by name: a plain dictionary, so that other packages can add theirs (see `Property`)."""
