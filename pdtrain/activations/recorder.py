"""Records the responses of chosen layers to the stimuli in one forward pass, within a memory budget.

A layer that fits its share of the budget is kept exactly. A larger one is projected as it streams by a seeded
sparse random projection (count sketch, Charikar et al. 2002), which keeps squared distances in expectation;
its sampled units stay exact values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pdtrain.activations.layers import INPUT, Layer
from pdtrain.stimuli.stimulus_set import random_sample

_PROJECTED_FEATURES = 4096


@dataclass(frozen=True)
class LayerResponse:
    """Responses of one layer to all stimuli.

    Attributes
    ----------
    representation
        Shape (stimuli, features): the responses themselves, or their projection.
    projected
        Whether `representation` is a random projection.
    units
        Flat indices of the sampled units, shape (units,), the same at every probe point.
    unit_responses
        Exact responses of the sampled units, shape (stimuli, units), float32.
    """

    layer: Layer
    representation: Float[Tensor, "stimuli features"]
    projected: bool
    units: Int[Tensor, " units"]
    unit_responses: Float[Tensor, "stimuli units"]


class Recorder:
    """Runs stimuli through a model and keeps what the probes need.

    Parameters
    ----------
    layers
        Layers to record.
    max_units
        Units sampled per layer; all if it has fewer.
    memory_bytes
        Budget for all representations together.
    batch_size
        Stimuli per forward pass; results do not depend on it beyond float tolerance.
    seed
        Seed of unit samples and projections.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        max_units: int = 1024,
        memory_bytes: int = 2**30,
        batch_size: int = 100,
        seed: int = 0,
    ) -> None:
        self.layers = list(layers)
        self.batch_size = batch_size
        self._share = memory_bytes // max(len(self.layers), 1)
        self._seed = seed
        self._units = {
            layer.name: random_sample(layer.units, max_units, seed=seed + index)
            for index, layer in enumerate(self.layers)
        }

    def record(self, model: nn.Module, images: Float[Tensor, "stimuli channels height width"]) -> list[LayerResponse]:
        """Record all layers' responses to `images`; the model is left as it was, its hooks removed."""
        kept = {layer.name: _Store(layer, self._units[layer.name], len(images), self) for layer in self.layers}
        modules = dict(model.named_modules())
        device = next(model.parameters()).device
        current: dict[str, Tensor] = {}

        def keep(name: str, output: Tensor) -> None:
            # copied: a later in-place operation must not change what is kept; of several calls the last counts
            current[name] = output.detach().flatten(1).float().cpu().clone()

        handles = [
            modules[layer.name].register_forward_hook(lambda m, i, o, name=layer.name: keep(name, o))
            for layer in self.layers
            if layer.name != INPUT
        ]
        training = [module for module in model.modules() if module.training]
        try:
            with torch.no_grad():
                model.eval()
                for start in range(0, len(images), self.batch_size):
                    batch = images[start : start + self.batch_size]
                    if INPUT in kept:
                        keep(INPUT, batch)
                    model(batch.to(device))
                    for name, output in current.items():
                        kept[name].put(start, output)
        finally:
            for handle in handles:
                handle.remove()
            for module in training:
                module.training = True
        return [store.response() for store in kept.values()]


class _Store:
    """Rows of one layer as they stream in."""

    def __init__(self, layer: Layer, units: Tensor, stimuli: int, recorder: Recorder) -> None:
        self.layer, self.units = layer, units
        self.projected = stimuli * layer.units * 4 > recorder._share
        features = min(_PROJECTED_FEATURES, layer.units) if self.projected else layer.units
        self.rows = torch.zeros(stimuli, features)
        self.unit_rows = torch.empty(stimuli, len(units))
        if self.projected:
            generator = torch.Generator().manual_seed(recorder._seed)
            self.bucket = torch.randint(features, (layer.units,), generator=generator)
            self.sign = torch.randint(2, (layer.units,), generator=generator).float() * 2 - 1

    def put(self, start: int, output: Tensor) -> None:
        rows = slice(start, start + len(output))
        self.unit_rows[rows] = output[:, self.units]
        if self.projected:
            self.rows[rows] = self.rows[rows].index_add(1, self.bucket, output * self.sign)
        else:
            self.rows[rows] = output

    def response(self) -> LayerResponse:
        return LayerResponse(self.layer, self.rows, self.projected, self.units, self.unit_rows)
