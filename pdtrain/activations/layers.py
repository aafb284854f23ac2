"""Which layers a model has, in order of execution, and at what relative depth.

Depth is the number of convolution and linear operations up to a layer over their total (Ansuini et al. 2019);
the input is layer 0. Everything is read off one forward pass of a single image.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise

import torch
from torch import Tensor, nn

from pdtrain.activations.hooks import bare, listening
from pdtrain.errors import InputError, unknown_name

INPUT = "input"
_WEIGHTED = (nn.Conv2d, nn.Linear)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.ELU)
_POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


@dataclass(frozen=True)
class Layer:
    """A place in the network that can be probed: one call of one module.

    Attributes
    ----------
    name
        Module name, or "input"; a module that is called several times has a layer for each call, "relu#1", "relu#2" ...
    module, call
        The module's name and which of its calls in a forward pass, from 1.
    depth
        Relative depth, 0 to 1.
    shape
        Shape of one stimulus's response: (channels, rows, columns), (features,) or any other.
    kind
        "input", "activation", "pooling", "linear" or "other".
    """

    name: str
    module: str
    call: int
    depth: float
    shape: tuple[int, ...]
    kind: str

    @property
    def units(self) -> int:
        """Number of scalars in the layer's response to one stimulus."""
        return int(torch.Size(self.shape).numel())

    @property
    def map_size(self) -> int:
        """Number of places (rows times columns) of the layer's maps; 1 where it has none."""
        return self.shape[1] * self.shape[2] if len(self.shape) == 3 else 1


def trace_layers(model: nn.Module, image: Tensor) -> list[Layer]:
    """List the calls of the leaf modules of `model` in order, after the input.

    Parameters
    ----------
    model
        Left as it was: mode restored, hooks removed.
    image
        One input, shape (1, channels, height, width).
    """
    model = bare(model)
    leaves = {name: module for name, module in model.named_modules() if not any(module.children())}
    heard: list[tuple[str, int, int, tuple[int, ...]]] = []
    operations = 0

    def note(name: str, call: int, output: Tensor) -> None:
        nonlocal operations
        operations += isinstance(leaves[name], _WEIGHTED)
        heard.append((name, call, operations, tuple(output.shape[1:])))

    with listening(model, list(leaves), note):
        model(image)
    calls = Counter(name for name, *_ in heard)
    layers = [Layer(INPUT, INPUT, 1, 0.0, tuple(image.shape[1:]), "input")]
    for name, call, so_far, shape in heard:
        label = name if calls[name] == 1 else f"{name}#{call}"
        kind = _kind(leaves[name], layers[-1].shape, shape)
        layers.append(Layer(label, name, call, so_far / max(operations, 1), shape, kind))
    return layers


def select_layers(layers: Sequence[Layer], patterns: Sequence[str] | None) -> list[Layer]:
    """Choose layers by names or glob patterns; None chooses input, activations, poolings and output.

    The name of a module that is called several times chooses all its calls. An activation whose next probed layer is
    a pooling is the same stage, and the pooling stands for it.

    Raises
    ------
    InputError
        If a pattern matches no layer; the message lists the names.
    """
    if patterns is None:
        stages = [layer for layer in layers if layer.kind in ("input", "activation", "pooling")]
        pooled = [a for a, b in pairwise(stages) if a.depth == b.depth and b.kind == "pooling"]
        chosen = [layer for layer in stages if layer not in pooled]
        return chosen if layers[-1] in chosen else [*chosen, layers[-1]]
    if not patterns:
        raise InputError("layers.names=[]: name at least one layer, or null for the default ones")
    for pattern in patterns:
        if not any(_matches(layer, pattern) for layer in layers):
            raise unknown_name("layers.names", pattern, [layer.name for layer in layers], of="layer")
    return [layer for layer in layers if any(_matches(layer, pattern) for pattern in patterns)]


def _matches(layer: Layer, pattern: str) -> bool:
    return fnmatchcase(layer.name, pattern) or fnmatchcase(layer.module, pattern)


def _kind(module: nn.Module, before: tuple[int, ...], after: tuple[int, ...]) -> str:
    if isinstance(module, _ACTIVATIONS):
        return "activation"
    # an adaptive pooling to the size its input has already changes nothing
    if isinstance(module, _POOLINGS) and before != after:
        return "pooling"
    return "linear" if isinstance(module, nn.Linear) else "other"
