"""Whether a network's answer to a stimulus depends on what is shown beside it, or on chance.

In evaluation mode it should not: but batch norm without kept statistics, a mean over the batch or dropout that was left
on make it so, and then no value belongs to the stimulus alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pdtrain.activations.hooks import bare, example_tensor, listening
from pdtrain.activations.layers import INPUT, Layer
from pdtrain.activations.recorder import LayerResponse, Recorder
from pdtrain.stimuli.normalization import NormalizedImages

_TOGETHER = 4  # stimuli shown again at once, twice so many in all: what all share in one batch differs in the other
_OF_VARIATION = 1e-3  # what changes by a smaller share of what varies between stimuli changes no result
_ROUNDING = 1e-5  # of the mean response: what other kernels for other batches may change in float32
_ROUNDINGS = 4  # of the coarsest type that a network computes in, as they add up over layers
_GPU = 2.0**-10  # relative rounding of TF32, in which GPUs may multiply


@dataclass(frozen=True)
class BatchDependence:
    """What of a layer's responses depends on more than the stimulus.

    Attributes
    ----------
    layer
        The layer.
    share
        Mean change of its units' responses, over their mean distance from their mean over stimuli.
    shown, together
        How many stimuli were shown at once again, and how many before.
    random
        Whether they change where nothing does, from one showing to the next.
    """

    layer: Layer
    share: float
    shown: int
    together: int
    random: bool


def batch_dependence(
    recorder: Recorder,
    model: nn.Module,
    images: Float[Tensor, "stimuli channels height width"] | NormalizedImages,
    responses: Sequence[LayerResponse],
) -> list[BatchDependence]:
    """Show the first few stimuli once more in batches of another size, and compare; empty for ordinary networks.

    Parameters
    ----------
    recorder
        Which layers and units.
    model
        Left as it was, but for random streams that it draws from.
    images
        All stimuli.
    responses
        What `recorder` recorded of them, in batches of its size.
    """
    together = min(recorder.batch_size, len(images))
    shown = min(_TOGETHER, together // 2) if together > 3 else together + 1
    again, rounding = _shown_again(recorder, model, images, shown)
    changed = {
        response.layer: share
        for response in responses
        if response.layer in again and (share := _share(response.unit_responses, again[response.layer], rounding))
    }
    if not changed:
        return []
    once_more, _ = _shown_again(recorder, model, images, shown)
    return [
        BatchDependence(
            layer, share, shown, together, bool(_share(again[layer], once_more[layer], rounding, of_variation=0.0))
        )
        for layer, share in changed.items()
    ]


_Again = tuple[dict[Layer, Tensor], float]


def _share(first: Tensor, again: Tensor, rounding: float, of_variation: float = _OF_VARIATION) -> float:
    """How much the first stimuli's responses have changed, as a share of what varies; 0 where that is rounding."""
    change = float((first[: len(again)] - again).abs().mean())
    varies = float((first - first.mean(0)).abs().mean())
    if not (change > rounding * float(again.abs().mean()) and change > of_variation * varies):
        return 0.0
    return change / varies if varies else 1.0


def _shown_again(recorder: Recorder, model: nn.Module, images: Tensor | NormalizedImages, at_once: int) -> _Again:
    """Responses of the sampled units to the first stimuli, in two batches, and the relative rounding they may show."""
    model = bare(model)
    example = example_tensor(model)
    by_call = {(layer.module, layer.call): layer for layer in recorder.layers if layer.module != INPUT}
    found: dict[Layer, list[Tensor]] = {layer: [] for layer in by_call.values()}
    roundings = [_GPU if example.device.type == "cuda" else 0.0]

    def keep(name: str, call: int, output: Tensor, inputs: Any) -> None:
        if output.is_floating_point():
            roundings.append(torch.finfo(output.dtype).eps)
        if (layer := by_call.get((name, call))) is not None:
            part = output.detach() if layer.reduction is None else layer.reduction(output.detach())
            found[layer].append(part.reshape(len(part), -1)[:, recorder.units[layer].to(part.device)].float().cpu())

    with listening(model, None, keep):
        for start in (0, at_once):
            model(images[start : start + at_once].to(example))
    return {layer: torch.cat(parts) for layer, parts in found.items()}, max(_ROUNDING, _ROUNDINGS * max(roundings))
