"""Layers whose units are measured together: many small steps become few.

What is measured of a unit does not depend on the others, but each step takes some time however few they are.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.activations.layers import INPUT
from pdtrain.activations.recorder import LayerResponse

_MOST_VALUES = 2**20  # responses of units that are measured together


@dataclass(frozen=True)
class JoinedLayers:
    """Consecutive layers.

    Attributes
    ----------
    responses
        Of each.
    first
        Place of the first among all layers.
    """

    responses: tuple[LayerResponse, ...]
    first: int

    @cached_property
    def sizes(self) -> list[int]:
        """How many units of each layer were sampled."""
        return [response.unit_responses.shape[1] for response in self.responses]

    @cached_property
    def places(self) -> list[slice]:
        """Which units are those of each layer."""
        return [slice(*ends) for ends in pairwise(accumulate(self.sizes, initial=0))]

    @cached_property
    def unit_responses(self) -> Float[Tensor, "stimuli units"]:
        """Of all sampled units."""
        return torch.cat([response.unit_responses for response in self.responses], 1)

    def unit_codes(self, bins: int) -> Int[Tensor, "stimuli units"]:
        """Bins of their responses."""
        return torch.cat([response.unit_codes(bins) for response in self.responses], 1)


def joined(responses: Iterable[LayerResponse]) -> Iterator[JoinedLayers]:
    """Join consecutive layers whose sampled units have at most a million responses; the input stays by itself."""
    group: list[LayerResponse] = []
    first = values = 0
    for index, response in enumerate(responses):
        more, apart = response.unit_responses.numel(), response.layer.module == INPUT
        if group and (apart or group[-1].layer.module == INPUT or values + more > _MOST_VALUES):
            yield JoinedLayers(tuple(group), first)
            group, first, values = [], index, 0
        group.append(response)
        values += more
    if group:
        yield JoinedLayers(tuple(group), first)
