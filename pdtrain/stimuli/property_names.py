"""Which names a property of stimuli can have: told without measuring any, so that a mistyped one is seen at once."""

from collections.abc import Iterable, Sequence

from pdtrain.errors import InputError, unknown_name
from pdtrain.stimuli.identity import IDENTITY

RECEPTIVE_FIELD = "receptive_field"  # after an @: of each unit's own field
LOCAL = ("luminance", "contrast", "edge_energy", "orientation", "corner_energy")
"""Of those of the package, the ones that are also measured within receptive fields."""
OF_IMAGES = (
    "luminance", "contrast", "dark_fraction", "bright_fraction", "colourfulness", "spectral_slope",
    "spatial_frequency", "edge_energy", "orientation", "orientation_coherence", "corner_energy", "curvature",
    "symmetry", "entropy",
)  # fmt: skip
"""Those of the package; others are added to `PROPERTIES` of `pdtrain.stimuli.properties`."""


def check_property_names(
    names: Iterable[str], *, of_images: Sequence[str], local: Sequence[str], parameters: Sequence[str], key: str
) -> None:
    """Raise InputError for a name, given as `key`, that is no property.

    Parameters
    ----------
    names
        Of properties, parameters, the identity, or "<local property>@receptive_field".
    of_images, local
        Properties that there are, and those of them that are measured within receptive fields.
    parameters
        Of the stimuli.

    Examples
    --------
    >>> among = {"of_images": OF_IMAGES, "local": LOCAL, "parameters": ["size"], "key": "probes.index_property"}
    >>> check_property_names(["entropy", "luminance@receptive_field", "size", "identity"], **among)
    >>> check_property_names(["entropi"], **among)
    Traceback (most recent call last):
        ...
    pdtrain.errors.InputError: probes.index_property=entropi: no such property; did you mean entropy? the nearest of ...
    """
    allowed = list(dict.fromkeys([*of_images, *parameters, IDENTITY]))
    for name in names:
        base, _, scope = name.partition("@")
        if scope and (scope != RECEPTIVE_FIELD or base not in local):
            choices = ", ".join(f"{other}@{RECEPTIVE_FIELD}" for other in local)
            raise InputError(f"{key}={name}: choose the local ones from {choices}")
        if base not in allowed:
            lists = "python -c 'from pdtrain.stimuli.properties import PROPERTIES; print(*PROPERTIES)'"
            raise unknown_name(key, name, allowed, of="property", rest=lists)
