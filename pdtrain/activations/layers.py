"""Which layers a model has, in order of execution, at what relative depth and with what receptive fields.

Depth is the number of convolution and linear operations up to a layer over their total (Ansuini et al. 2019);
the input is layer 0. Everything is read off one forward pass of a single image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise

import torch
from jaxtyping import Int
from torch import Tensor, nn

from pdtrain.errors import unknown_name
from pdtrain.stimuli.properties import Fields

INPUT = "input"
_WEIGHTED = (nn.Conv2d, nn.Linear)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.ELU)
_POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


@dataclass(frozen=True)
class Geometry:
    """Receptive field of the unit at (row, column): starts at `offset + row * jump`, `size` pixels wide."""

    size: int = 1
    jump: int = 1
    offset: int = 0


@dataclass(frozen=True)
class Layer:
    """A place in the network that can be probed.

    Attributes
    ----------
    name
        Module name, or "input".
    depth
        Relative depth, 0 to 1.
    shape
        Shape of one stimulus's response: (channels, rows, columns) or (features,).
    geometry
        Receptive-field geometry, or None where the field is the whole image.
    """

    name: str
    depth: float
    shape: tuple[int, ...]
    geometry: Geometry | None
    kind: str

    @property
    def units(self) -> int:
        """Number of scalars in the layer's response to one stimulus."""
        return int(torch.Size(self.shape).numel())

    def fields(self, units: Int[Tensor, " units"], height: int, width: int) -> Fields:
        """Receptive fields of units (flat indices), clipped to an image of height x width pixels."""
        if self.geometry is None or len(self.shape) != 3:
            zero = torch.zeros_like(units)
            return Fields(zero, zero + height, zero, zero + width)
        rows, columns = (units // self.shape[2]) % self.shape[1], units % self.shape[2]
        g = self.geometry
        top, left = g.offset + rows * g.jump, g.offset + columns * g.jump
        return Fields(
            top.clamp(0, height - 1),
            (top + g.size).clamp(1, height),
            left.clamp(0, width - 1),
            (left + g.size).clamp(1, width),
        )


def trace_layers(model: nn.Module, image: Tensor) -> list[Layer]:
    """List the leaf modules of `model` in order of their last call, after the input.

    Parameters
    ----------
    model
        Left as it was: mode restored, hooks removed.
    image
        One input, shape (1, channels, height, width).
    """
    calls: dict[str, tuple[str, tuple[int, ...], Geometry | None, int]] = {}
    by_tensor: dict[int, Geometry | None] = {id(image): Geometry()}
    alive: list[Tensor] = [image]  # ids are only unique among living tensors
    operations_so_far = 0
    latest: Geometry | None = Geometry()

    def note(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal operations_so_far, latest
        operations_so_far += isinstance(module, _WEIGHTED)
        before = by_tensor.get(id(inputs[0]), latest)
        after = _compose(before, module, output)
        by_tensor[id(output)] = latest = after
        alive.append(output)
        calls.pop(name, None)
        calls[name] = (_kind(module, inputs[0], output), tuple(output.shape[1:]), after, operations_so_far)

    handles = [
        module.register_forward_hook(lambda m, i, o, name=name: note(name, m, i, o))
        for name, module in model.named_modules()
        if not any(module.children())
    ]
    training = [module for module in model.modules() if module.training]
    try:
        with torch.no_grad():
            model.eval()(image)
    finally:
        for handle in handles:
            handle.remove()
        for module in training:
            module.training = True
    total = max(operations_so_far, 1)
    layers = [Layer(INPUT, 0.0, tuple(image.shape[1:]), Geometry(), "input")]
    for name, (kind, shape, geometry, operations) in calls.items():
        layers.append(Layer(name, operations / total, shape, geometry, kind))
    return layers


def select_layers(layers: Sequence[Layer], patterns: Sequence[str] | None) -> list[Layer]:
    """Choose layers by names or glob patterns; None chooses input, activations, poolings and output.

    An activation whose next probed layer is a pooling is the same stage, and the pooling stands for it.

    Raises
    ------
    InputError
        If a pattern matches no layer; the message lists the names.
    """
    if patterns is None:
        stages = [layer for layer in layers if layer.kind in ("input", "activation", "pooling")]
        pooled = [before for before, after in pairwise(stages) if before.depth == after.depth]
        chosen = [layer for layer in stages if layer not in pooled]
        return chosen if layers[-1] in chosen else [*chosen, layers[-1]]
    for pattern in patterns:
        if not any(fnmatchcase(layer.name, pattern) for layer in layers):
            raise unknown_name("layers.names", pattern, [layer.name for layer in layers], of="layer")
    return [layer for layer in layers if any(fnmatchcase(layer.name, pattern) for pattern in patterns)]


def _kind(module: nn.Module, given: Tensor, output: Tensor) -> str:
    if isinstance(module, _ACTIVATIONS):
        return "activation"
    # an adaptive pooling to the size its input has already changes nothing
    if isinstance(module, _POOLINGS) and given.shape != output.shape:
        return "pooling"
    return "linear" if isinstance(module, nn.Linear) else "other"


def _compose(before: Geometry | None, module: nn.Module, output: Tensor) -> Geometry | None:
    """Field after a module (Dumoulin and Visin 2016); None once the field is the whole image."""
    if before is None or output.dim() != 4 or isinstance(module, nn.AdaptiveAvgPool2d | nn.Linear):
        return None
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return before
    kernel, stride, padding = (_side(getattr(module, key)) for key in ("kernel_size", "stride", "padding"))
    dilation = _side(getattr(module, "dilation", 1))
    return Geometry(
        size=before.size + (kernel - 1) * dilation * before.jump,
        jump=before.jump * stride,
        offset=before.offset - padding * before.jump,
    )


def _side(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]
