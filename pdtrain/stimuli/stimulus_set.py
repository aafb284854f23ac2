"""StimulusSet: the images shown to probe a network, with everything known about them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.errors import InputError, unknown_name
from pdtrain.stimuli.local_properties import LOCAL_PROPERTIES
from pdtrain.stimuli.properties import PROPERTIES

IDENTITY = "identity"
RECEPTIVE_FIELD = "receptive_field"
IMAGE = "image"


@dataclass(frozen=True)
class StimulusSet:
    """Stimuli and what is known of them.

    Attributes
    ----------
    images
        As shown to the network, shape (stimuli, channels, height, width), float32.
    pixels
        The same images before normalisation, intensities 0 to 1: properties are measured on these.
    labels
        Class of each stimulus, shape (stimuli,).
    parameters
        Known transformation parameters of rendered stimuli, each of shape (stimuli,).
    """

    images: Float[Tensor, "stimuli channels height width"]
    pixels: Float[Tensor, "stimuli channels height width"]
    labels: Int[Tensor, " stimuli"]
    parameters: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def values(self, name: str) -> Float[Tensor, " stimuli"]:
        """Value of a whole-image property, a transformation parameter or the identity, shape (stimuli,)."""
        if name == IDENTITY:
            return self.labels.float()
        if name in self.parameters:
            return self.parameters[name].float()
        return PROPERTIES[name].measure(self.pixels)

    def check_properties(self, names: Sequence[str], *, key: str = "probes.unit_information.properties") -> None:
        """Raise InputError for a name, given as `key`, that is no property of these stimuli."""
        for name in names:
            base, _, scope = name.partition("@")
            if scope and (scope != RECEPTIVE_FIELD or base not in LOCAL_PROPERTIES):
                allowed = ", ".join(f"{local}@{RECEPTIVE_FIELD}" for local in LOCAL_PROPERTIES)
                raise InputError(f"{key}={name}: choose the local ones from {allowed}")
            if base not in {*PROPERTIES, *self.parameters, IDENTITY}:
                allowed_names = [*PROPERTIES, *self.parameters, IDENTITY]
                raise unknown_name(key, name, allowed_names, of="property")


def random_sample(count: int, size: int, *, seed: int) -> Int[Tensor, " size"]:
    """Choose `size` of `count` items without replacement, in ascending order."""
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:size]
    return chosen.sort().values
