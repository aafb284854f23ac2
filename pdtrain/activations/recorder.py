"""Records the responses of chosen layers to the stimuli in one forward pass, within a memory budget.

A layer that fits its share of the budget is kept exactly. A larger one is projected as it streams (`SignedFold`), to as
many features as its share holds; its sampled units stay exact values.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pdtrain.activations.channels_last import needs_order
from pdtrain.activations.hooks import bare, example_tensor, listening
from pdtrain.activations.layers import INPUT, Layer
from pdtrain.activations.sharding import Shards, current_shards
from pdtrain.errors import InputError, RunError
from pdtrain.estimators.discretization import discretize
from pdtrain.estimators.projection import SignedFold
from pdtrain.stimuli.normalization import NormalizedImages
from pdtrain.stimuli.receptive_field import ReceptiveFields
from pdtrain.stimuli.stimulus_set import random_sample

MOST_UNITS = 256  # sampled of a layer
_log = logging.getLogger(__name__)
_FEWEST_FEATURES = 256  # below this a projection says little
_AT_ONCE = 100  # stimuli, at most
_IN_CACHE = 2**20  # values of the stimuli shown at once on a CPU: what is computed of them stays near it
_CHUNK_BYTES = 64 * 2**20  # outputs are converted and projected in portions of about this size
_FLOAT_BYTES = 4


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
    device
        Where the model runs: heavy estimators may move there. All tensors here are on the CPU.
    fields
        Receptive fields of the sampled units; None if no probe needs them.
    constant
        What a response that is 1 in every unit is projected to, shape (features,), so that the mean over units can be
        taken off a projection; None where there is none.
    """

    layer: Layer
    representation: Float[Tensor, "stimuli features"]
    projected: bool
    units: Int[Tensor, " units"]
    unit_responses: Float[Tensor, "stimuli units"]
    device: torch.device
    fields: ReceptiveFields | None = None
    constant: Float[Tensor, " features"] | None = None

    @property
    def method(self) -> str:
        """How the representation was kept: "exact" or "projected"."""
        return "projected" if self.projected else "exact"

    def unit_codes(self, bins: int) -> Int[Tensor, "stimuli units"]:
        """Bins of the sampled units' responses (`discretize`), cut once for all probes."""
        if bins not in self._codes:
            self._codes[bins] = discretize(self.unit_responses, bins)
        return self._codes[bins]

    @cached_property
    def _codes(self) -> dict[int, Int[Tensor, "stimuli units"]]:
        return {}


class Recorder:
    """Runs stimuli through a model and keeps what the probes need.

    Parameters
    ----------
    layers
        Layers to record.
    stimuli
        Number of stimuli that will be shown.
    max_units
        Units sampled per layer; all if it has fewer.
    memory_bytes
        Budget for all that is kept.
    batch_size
        Stimuli per forward pass; None takes as many as are fastest. Results do not depend on it beyond float tolerance.
    seed
        Seed of unit samples and projections. The sample of a layer depends on it and the layer's name alone, not on
        which other layers are recorded.
    given_units
        By a layer's name, units to take in place of a sample.

    Attributes
    ----------
    units
        Flat indices of the sampled units of each layer.
    fields
        Receptive fields of those units by layer name, to be handed on with the responses; empty until set.
    batch_size
        Stimuli per forward pass, known once some were shown: fewer than asked for where the device's memory was full.

    Raises
    ------
    InputError
        If the budget is too small for the unit samples and a useful projection of every layer.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        stimuli: int,
        *,
        max_units: int = MOST_UNITS,
        memory_bytes: int = 2**30,
        batch_size: int | None = None,
        seed: int = 0,
        given_units: Mapping[str, Int[Tensor, " units"]] = MappingProxyType({}),
    ) -> None:
        self.layers = list(layers)
        self.units = {
            layer: given_units[layer.name]
            if layer.name in given_units
            else random_sample(layer.units, max_units, seed=_seed_of(layer.name, seed))
            for layer in self.layers
        }
        self.fields: Mapping[str, ReceptiveFields] = {}
        self.stimuli, self.seed = stimuli, seed
        self.batch_size = batch_size or 0
        self._features = self._plan(memory_bytes)

    def _plan(self, memory_bytes: int) -> dict[str, int]:
        """Features to keep of each layer: small layers whole, the others an equal share of what is left."""
        per_feature = self.stimuli * _FLOAT_BYTES
        left = memory_bytes // per_feature - sum(len(units) for units in self.units.values())
        features = {}
        for place, layer in enumerate(sorted(self.layers, key=lambda layer: layer.units)):
            share = left // (len(self.layers) - place)
            features[layer.name] = min(layer.units, share)
            if features[layer.name] < min(layer.units, _FEWEST_FEATURES):
                needed = per_feature * sum(min(_FEWEST_FEATURES, la.units) + len(u) for la, u in self.units.items())
                raise InputError(
                    f"layers.memory_bytes={memory_bytes}: too little for {len(self.layers)} layers; give at least "
                    f"{needed}, or lower stimuli.count, layers.max_units or the number of layers"
                )
            left -= features[layer.name]
        return features

    def record(
        self,
        model: nn.Module,
        images: Float[Tensor, "stimuli channels height width"] | NormalizedImages,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[LayerResponse]:
        """Record all layers' responses to `images`; the model is left as it was, its hooks removed.

        In a data-parallel run each process shows its share of the images, and all but the first return nothing.
        `progress` hears how many images of how many have been shown.
        """
        model, shards = bare(model), current_shards()
        example = example_tensor(model)
        on_cpu = example.device.type == "cpu"
        order = torch.channels_last if on_cpu else torch.preserve_format  # CPUs convolve faster so
        self.batch_size = self.batch_size or _fastest_batch(images.shape[1:].numel(), on_cpu=on_cpu)
        mine = shards.block(len(images))
        # the first process keeps what the others send; they keep their own share only
        rows = range(len(images)) if shards.rank == 0 else mine
        kept = {layer: _Kept(layer, self, self._features[layer.name], rows) for layer in self.layers}
        by_call = {(layer.module, layer.call): store for layer, store in kept.items()}
        start = mine.start

        def keep(name: str, call: int, output: Tensor, inputs: object = None) -> None:
            # taken at once: a later in-place operation may change the output
            if (store := by_call.get((name, call))) is not None:
                store.put(start, output)

        places = list(dict.fromkeys(layer.module for layer in self.layers if layer.module != INPUT))
        with shards.same_buffers(model), listening(model, places, keep):
            while start < mine.stop:
                batch = images[start : min(start + self.batch_size, mine.stop)]
                try:
                    keep(INPUT, 1, batch)
                    model(batch.to(example, memory_format=order))
                except RuntimeError as error:
                    if _is_out_of_memory(error):
                        self._halve_batches()
                    elif order is torch.channels_last and needs_order(error):
                        order = torch.contiguous_format
                    else:
                        raise
                else:
                    start += len(batch)
                    progress(start - mine.start, len(mine))
        for store in kept.values():
            store.collect(shards)
        if shards.rank:
            return []
        return [kept[layer].response(example.device, self.fields.get(layer.name)) for layer in self.layers]

    def _halve_batches(self) -> None:
        """Show fewer stimuli at once from now on; they give the same responses."""
        if self.batch_size == 1:
            largest = max(self.layers, key=lambda layer: layer.units)
            raise RunError(
                "the device's memory does not suffice to show a single stimulus: of the layers that are probed "
                f"{largest.name} alone takes {largest.units * _FLOAT_BYTES:,} bytes; show smaller images"
            )
        self.batch_size //= 2
        torch.cuda.empty_cache()
        _log.warning("the device's memory is full: probing with %d stimuli at once", self.batch_size)


def _fastest_batch(values: int, *, on_cpu: bool) -> int:
    """How many images of so many values are best shown at once."""
    return max(1, min(_AT_ONCE, _IN_CACHE // values)) if on_cpu else _AT_ONCE


def _is_out_of_memory(error: RuntimeError) -> bool:
    """The CPU's allocator has no error of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _seed_of(layer: str, seed: int) -> int:
    """A seed for one layer: the same wherever and whenever it is asked for, unlike Python's own hash."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{layer}".encode()).digest()[:8])


def _is_map(layer: Layer) -> bool:
    """Whether its responses are channels of rows and columns, in this order."""
    return len(layer.shape) == 3 and not layer.channels_last


class _Kept:
    """Rows of one layer, those of the stimuli `rows`, as they stream in."""

    def __init__(self, layer: Layer, recorder: Recorder, features: int, rows: range) -> None:
        self._layer, self._units = layer, recorder.units[layer]
        self._places = torch.unravel_index(self._units, layer.shape)
        self._fold: SignedFold | None = None
        if features < layer.units:
            # maps are read place by place, as they lie in memory where channels are last
            period = layer.shape[0] if _is_map(layer) else layer.units // layer.shape[0]
            self._fold = SignedFold(layer.units, features, period=period, seed=recorder.seed)
            features = self._fold.features
        self._first = rows.start
        self._responses = torch.empty(len(rows), features)
        self._unit_rows = torch.empty(len(rows), len(self._units))

    def put(self, start: int, output: Tensor) -> None:
        """Keep the responses to the stimuli from `start` on."""
        step = max(1, _CHUNK_BYTES // (self._layer.units * _FLOAT_BYTES))
        for first in range(0, len(output), step):
            part = output[first : first + step].detach()
            if self._layer.reduction is not None:
                part = self._layer.reduction(part)
            begin = start - self._first + first
            rows = slice(begin, begin + len(part))
            if self._fold is None:  # its type, device and layout change in one pass
                kept = self._responses[rows]
                kept.view(part.shape).copy_(part)
                self._unit_rows[rows] = kept[:, self._units]
            else:
                chosen: tuple[slice | Tensor, ...] = (slice(None), *(each.to(part.device) for each in self._places))
                self._unit_rows[rows] = part[chosen].float().cpu()
                placewise = part.movedim(1, -1) if _is_map(self._layer) else part
                self._responses[rows] = self._fold(placewise.flatten(1)).cpu()

    def collect(self, shards: Shards) -> None:
        """Bring the rows of all processes together in the first."""
        shards.collect(self._responses)
        shards.collect(self._unit_rows)

    def response(self, device: torch.device, fields: ReceptiveFields | None) -> LayerResponse:
        """What was kept."""
        constant = None if self._fold is None else self._fold(torch.ones(1, self._layer.units))[0]
        return LayerResponse(
            self._layer,
            self._responses,
            constant is not None,
            self._units,
            self._unit_rows,
            device,
            fields,
            constant,
        )
