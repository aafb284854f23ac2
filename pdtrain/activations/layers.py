"""Which layers a model has, in order of execution, and at what relative depth.

Depth is the number of convolution and linear operations up to a layer over their total (Ansuini et al. 2019);
the input is layer 0. Everything is read off one forward pass of a single image.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from pdtrain.activations.hooks import bare, first_tensor, listening
from pdtrain.errors import InputError, unknown_name

INPUT = "input"
_log = logging.getLogger(__name__)
_WEIGHTED = (nn.Conv2d, nn.Linear)
# by the names of their classes, as timm has its own of each
_ACTIVATIONS = {
    "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "CELU", "SELU", "SiLU", "Swish", "GELU", "GELUTanh", "QuickGELU",
    "Mish", "Hardswish", "HardSwish", "HardMish", "Softplus", "Tanh",
    "Sigmoid", "Hardsigmoid", "Hardtanh", "RReLU", "Softsign", "LogSigmoid", "Threshold", "GLU",
}  # fmt: skip
_POOLINGS = {
    "MaxPool2d", "AvgPool2d", "LPPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "FastAdaptiveAvgPool",
    "AvgPool2dSame", "MaxPool2dSame", "BlurPool2d",
}  # fmt: skip
# of modules that scale maps by their averages: what is inside is no stage of the network
_GATES = {
    "SqueezeExcitation", "SqueezeExcite", "SEModule", "SEBlock", "SELayer", "EffectiveSEModule", "EcaModule",
    "CecaModule", "GlobalContext", "CbamModule", "LightCbamModule", "SelectiveKernelAttn",
}  # fmt: skip
_FEWEST_ACTIVATIONS = 0.2  # per convolution and linear operation; fewer, and functions stand for the modules
_LARGEST_BLOCK = 0.25  # share of those operations; a block of more is most of the network, not a stage of it


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
        "input", "activation", "pooling", "convolution", "linear", "normalization", "gate" (inside
        squeeze-and-excitation and its kin), "block" (a module that contains others and gives something that none of
        them gave) or "other".
    source
        Name of the layer whose output it is given; "" where that is something else.
    """

    name: str
    module: str
    call: int
    depth: float
    shape: tuple[int, ...]
    kind: str
    source: str = ""

    @property
    def units(self) -> int:
        """Number of scalars in the layer's response to one stimulus."""
        return int(torch.Size(self.shape).numel())

    @property
    def map_size(self) -> int:
        """Number of places (rows times columns) of the layer's maps; 1 where it has none."""
        return self.shape[1] * self.shape[2] if len(self.shape) == 3 else 1


def trace_layers(model: nn.Module, image: Tensor) -> list[Layer]:
    """List the calls of the modules of `model` in order, after the input.

    Modules that contain others are listed where they do something of their own to what those gave, such as an
    activation function, a sum or a concatenation.

    Parameters
    ----------
    model
        Left as it was: mode restored, hooks removed.
    image
        One input, shape (1, channels, height, width).
    """
    model = bare(model)
    modules = {name: module for name, module in model.named_modules() if name}
    gates = tuple(f"{name}." for name, module in modules.items() if type(module).__name__ in _GATES)
    heard: list[_Heard] = []
    outputs = _Outputs()
    outputs.note(INPUT, image)

    def hear(name: str, call: int, output: Tensor, inputs: Any) -> None:
        module, given = modules[name], first_tensor(inputs)
        leaf = not any(module.children())
        if not leaf and outputs.name_of(output) is not None:
            return
        source = outputs.name_of(given) or ""
        kind = "gate" if name.startswith(gates) else _kind(module, given, output) if leaf else "block"
        heard.append(_Heard(name, call, tuple(output.shape[1:]), kind, isinstance(module, _WEIGHTED), source))
        # what passes on what it was given, as dropout does here, leaves the name that it has
        if outputs.name_of(output) is None:
            outputs.note(f"{name}#{call}", output)

    with listening(model, list(modules), hear):
        model(image)
    return _layers(heard, tuple(image.shape[1:]))


@dataclass(frozen=True)
class _Heard:
    """A call of a module, as it happened; `source` is the call whose output it was given."""

    name: str
    call: int
    shape: tuple[int, ...]
    kind: str
    weighted: bool
    source: str


class _Outputs:
    """Which call gave a tensor: by its memory, and how often that has been written to."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, int, int], str] = {}
        self._kept: list[Tensor] = []  # memory that is in use is not given to another tensor

    def note(self, name: str, tensor: Tensor) -> None:
        self._names[self._key(tensor)] = name
        self._kept.append(tensor)

    def name_of(self, tensor: Tensor | None) -> str | None:
        return None if tensor is None else self._names.get(self._key(tensor))

    def _key(self, tensor: Tensor) -> tuple[int, int, int]:
        return tensor.data_ptr(), tensor.numel(), tensor._version


def _layers(heard: Sequence[_Heard], image_shape: tuple[int, ...]) -> list[Layer]:
    calls = Counter(call.name for call in heard)
    labels = {f"{h.name}#{h.call}": h.name if calls[h.name] == 1 else f"{h.name}#{h.call}" for h in heard}
    operations, total = 0, sum(call.weighted for call in heard)
    layers = [Layer(INPUT, INPUT, 1, 0.0, image_shape, "input")]
    for h in heard:
        operations += h.weighted
        label, source = labels[f"{h.name}#{h.call}"], labels.get(h.source, h.source)
        layers.append(Layer(label, h.name, h.call, operations / max(total, 1), h.shape, h.kind, source))
    return layers


def select_layers(layers: Sequence[Layer], patterns: Sequence[str] | None) -> list[Layer]:
    """Choose layers by names or glob patterns; None chooses input, activations, poolings and output.

    The name of a module that is called several times chooses all its calls.

    Raises
    ------
    InputError
        If a pattern matches no layer; the message lists the names.
    """
    if patterns is None:
        return _default_layers(layers)
    if not patterns:
        raise InputError("layers.names=[]: name at least one layer, or null for the default ones")
    for pattern in patterns:
        if not any(_matches(layer, pattern) for layer in layers):
            raise unknown_name("layers.names", pattern, [layer.name for layer in layers], of="layer")
    return [layer for layer in layers if any(_matches(layer, pattern) for pattern in patterns)]


def _default_layers(layers: Sequence[Layer]) -> list[Layer]:
    """Input, activations and poolings, the last hidden stage whatever it is, and the output.

    A layer that is pooled, and goes nowhere else, is the same stage as its pooling, which stands for it. Layers of a
    gate, which scales maps by their averages, are no stages. Where activations are functions, which cannot be listened
    to, other stages take their place, and that is said.
    """
    hidden = [layer for layer in layers[1:] if not _of_a_gate(layer, layers)]
    stages = [layer for layer in hidden if layer.kind in ("activation", "pooling")]
    weighted = sum(layer.kind in ("convolution", "linear") for layer in layers[:-1])
    activations = sum(layer.kind == "activation" for layer in stages)
    if activations < _FEWEST_ACTIVATIONS * weighted:
        stages = _last_of_each_depth(_outside_blocks(hidden))
        _say_once(
            f"layers.names=null: {activations} activation modules for {weighted} convolutions and linear layers, so "
            f"that activations are functions, perhaps; probing in their place {', '.join(la.name for la in stages)} "
            "(convolutions, normalizations and linear layers before their activation); choose others with layers.names"
        )
    elif (last := _last_hidden(hidden)) is not None and all(layer.depth < last.depth for layer in stages):
        stages.append(last)
        _say_once(
            "layers.names=null: no activation or pooling module after the last hidden convolution or linear layer; "
            f"probing {last.name}, before its activation if that is a function; choose others with layers.names"
        )
    users = Counter(layer.source for layer in layers if layer.kind not in ("block", "other"))
    pooled = {layer.source for layer in stages if layer.kind == "pooling" and users[layer.source] == 1}
    chosen = [layers[0], *(layer for layer in stages if layer.name not in pooled)]
    return chosen if layers[-1] in chosen else [*chosen, layers[-1]]


@cache
def _say_once(message: str) -> None:
    """Layers are chosen again for each run of a sweep, and more than once in a run."""
    _log.warning(message)


def _of_a_gate(layer: Layer, layers: Sequence[Layer]) -> bool:
    """Whether it is inside one that is known, or has a single place while maps are still to come."""
    if layer.kind == "gate":
        return True
    if layer.map_size > 1 or len(layer.shape) == 2:
        return False
    return any(later.map_size > 1 for later in layers[layers.index(layer) :])


def _outside_blocks(layers: Sequence[Layer]) -> list[Layer]:
    """The layers without what is inside a block, the outermost that holds at most a part of the network."""
    weighted = [layer for layer in layers if layer.kind in ("convolution", "linear")]

    def share(block: Layer) -> float:
        return sum(_inside(layer, block) for layer in weighted) / max(len(weighted), 1)

    blocks = [layer for layer in layers if layer.kind == "block" and share(layer) <= _LARGEST_BLOCK]
    return [layer for layer in layers if not any(_inside(layer, block) for block in blocks)]


def _inside(layer: Layer, block: Layer) -> bool:
    return layer.module.startswith(f"{block.module}.")


def _last_of_each_depth(layers: Sequence[Layer]) -> list[Layer]:
    """The last of the layers after each convolution or linear operation, those of the output left out."""
    last = {layer.depth: layer for layer in layers if layer.kind != "other" and 0 < layer.depth < 1}
    return list(last.values())


def _last_hidden(layers: Sequence[Layer]) -> Layer | None:
    stages = _last_of_each_depth(layers)
    return stages[-1] if stages else None


def _matches(layer: Layer, pattern: str) -> bool:
    return fnmatchcase(layer.name, pattern) or fnmatchcase(layer.module, pattern)


def _kind(module: nn.Module, given: Tensor | None, output: Tensor) -> str:
    names = {kind.__name__ for kind in type(module).__mro__}
    if names & _ACTIVATIONS:
        return "activation"
    # an adaptive pooling to the size its input has already changes nothing
    if names & _POOLINGS and (given is None or given.shape != output.shape):
        return "pooling"
    if isinstance(module, _WEIGHTED):
        return "linear" if isinstance(module, nn.Linear) else "convolution"
    return "normalization" if "Norm" in type(module).__name__ else "other"
