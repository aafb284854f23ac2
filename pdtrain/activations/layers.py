"""Which layers a model has, in order of execution, and at what relative depth.

Depth is the number of convolution and linear operations up to a layer over their total (Ansuini et al. 2019);
the input is layer 0. Everything is read off one forward pass of a single image.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from pdtrain.activations.functions import ACTIVATIONS
from pdtrain.activations.hooks import bare, first_tensor, listening
from pdtrain.activations.places import Reduction, is_channels_last, token_grid
from pdtrain.errors import InputError
from pdtrain.limits import check_value

INPUT = "input"
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
_CLASS_TOKENS = {"class_token", "cls_token"}  # names that torchvision and timm give it


@dataclass(frozen=True)
class Layer:
    """A place in the network that can be probed: one call of one module, or of an activation function or pooling.

    Attributes
    ----------
    name
        Module name, or "input"; a module that is called several times has a layer for each call, "relu#1", "relu#2" ...
        A function is called by the module that calls it and its own name, "conv1.relu".
    module, call
        The module's or function's name and which of its calls in a forward pass, from 1.
    depth
        Relative depth, 0 to 1.
    shape
        Shape of one stimulus's response: (channels, rows, columns), (tokens, features), (features,) or any other.
    kind
        "input", "activation", "pooling", "convolution", "linear", "normalization", "gate" (inside
        squeeze-and-excitation and its kin), "block" (a module that contains others and gives something that none of
        them gave) or "other".
    source
        Name of the layer whose output it is given; "" where that is something else.
    closes
        Other modules whose output it is, innermost first: "layer1.1" and "layer1" of a ResNet's "layer1.1.relu#2".
    channels_last
        Whether its maps are (rows, columns, channels).
    prefix_tokens
        Tokens before those of the places: the class token, perhaps registers.
    reduction
        What of its places the response is made of; None for all of them.
    """

    name: str
    module: str
    call: int
    depth: float
    shape: tuple[int, ...]
    kind: str
    source: str = ""
    closes: tuple[str, ...] = ()
    channels_last: bool = False
    prefix_tokens: int = 0
    reduction: Reduction | None = None

    @property
    def units(self) -> int:
        """Number of scalars in the layer's response to one stimulus."""
        return int(torch.Size(self.shape).numel())

    @property
    def place_dimensions(self) -> tuple[int, ...]:
        """Which dimensions of `shape` are places: rows and columns of a map, or tokens; none of a vector."""
        if len(self.shape) == 3:
            return (0, 1) if self.channels_last else (1, 2)
        return (0,) if len(self.shape) == 2 else ()

    @property
    def places(self) -> int:
        """Number of places of the layer's maps, or of its tokens; 1 where it has none."""
        return prod(self.shape[dimension] for dimension in self.place_dimensions)


def trace_layers(model: nn.Module, image: Tensor) -> list[Layer]:
    """List the calls of the modules of `model`, and of activation functions and poolings, in order, after the input.

    Modules that contain others are listed where they do something of their own to what those gave, such as a sum or a
    concatenation; and none that passes on what it was given, as dropout does here. What is not one response for each
    image, such as a table of positions or the windows that some transformers attend within, is no layer either.

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
    for_each_image = _given_for_each_image(model, image)
    heard: list[_Heard] = []
    outputs = _Outputs()
    outputs.note(INPUT, image)

    def hear(name: str, call: int, output: Tensor, inputs: Any) -> None:
        module, given = modules.get(name), first_tensor(inputs)
        kind = _kind_of_function(name, given, output) if module is None else _kind(module, given, output)
        known = outputs.name_of(output)
        if known is not None and kind in ("block", "other"):
            outputs.closed.setdefault(known, []).append(name)
            return
        if kind is None:
            return
        kind = "gate" if name.startswith(gates) else kind
        listed = output.shape[:1] == (1,) and (for_each_image is None or (name, call) in for_each_image)
        source = outputs.name_of(given) or outputs.name_before(given, output) or ""
        weighted, last = isinstance(module, _WEIGHTED), _gives_channels_last(module)
        heard.append(_Heard(name, call, tuple(output.shape[1:]), kind, weighted, source, listed, last))
        if listed:
            outputs.note(heard[-1].key, output)

    with listening(model, None, hear):
        model(image)
    return _layers(heard, outputs.closed, tuple(image.shape[1:]), _prefix_tokens(model))


def _given_for_each_image(model: nn.Module, image: Tensor) -> set[tuple[str, int]] | None:
    """Calls that give two responses to two images, unlike a table of positions; None if the network takes only one."""
    found = set()

    def hear(name: str, call: int, output: Tensor, inputs: Any) -> None:
        if output.shape[:1] == (2,):
            found.add((name, call))

    try:
        with listening(model, None, hear):
            model(torch.cat([image, image]))
    except RuntimeError:
        return None
    return found


def reduce_layers(layers: Sequence[Layer], how: str) -> list[Layer]:
    """Take of each layer the mean over its places, one place, or nothing away.

    Parameters
    ----------
    layers
        All that were traced, the input first, which stays as it is: it is the stimulus.
    how
        "none"; "mean" over the places of a map or the tokens of its patches; "centre" for the place in the middle (of
        an even number, the one after it); "class_token" for that token, and the mean where a layer has none.

    Raises
    ------
    InputError
        For another name, or class_token where no layer has one.
    """
    check_value("layers.reduce", how)
    if how == "none":
        return list(layers)
    if how == "class_token" and not any(layer.prefix_tokens for layer in layers):
        raise InputError("layers.reduce=class_token: no layer of this network has one; choose mean or centre")
    return [layers[0], *(_reduced(layer, how, layers[0].shape) for layer in layers[1:])]


def _reduced(layer: Layer, how: str, image_shape: tuple[int, ...]) -> Layer:
    dimensions = layer.place_dimensions
    if not dimensions:
        return layer
    window = [(0, size) for size in layer.shape]
    if len(dimensions) == 2:
        middle = [layer.shape[dimension] // 2 for dimension in dimensions]
    else:
        first, tokens = layer.prefix_tokens, layer.shape[0] - layer.prefix_tokens
        window[0] = (first, first + tokens)
        rows, columns = token_grid(tokens, image_shape) or (1, tokens)
        middle = [first + rows // 2 * columns + columns // 2]
    if how == "centre":
        for dimension, place in zip(dimensions, middle, strict=True):
            window[dimension] = (place, place + 1)
    if how == "class_token" and layer.prefix_tokens:
        window[0] = (0, 1)
    reduction = Reduction(tuple(window), dimensions)
    return replace(layer, shape=reduction.shape, reduction=reduction)


@dataclass(frozen=True)
class _Heard:
    """A call, as it happened.

    `source` is the call whose output it was given, `listed` whether it is to be a layer, `channels_last` what its
    module alone says of its maps; None for nothing.
    """

    name: str
    call: int
    shape: tuple[int, ...]
    kind: str
    weighted: bool
    source: str
    listed: bool
    channels_last: bool | None

    @property
    def key(self) -> str:
        return f"{self.name}#{self.call}"


class _Outputs:
    """Which call gave a tensor: by its memory, and how often that has been written to; and the modules it closes."""

    def __init__(self) -> None:
        self.closed: dict[str, list[str]] = {}
        self._names: dict[tuple[int, int, int], str] = {}
        self._kept: list[Tensor] = []  # memory that is in use is not given to another tensor

    def note(self, name: str, tensor: Tensor) -> None:
        self._names[self._key(tensor)] = name
        self._kept.append(tensor)

    def name_of(self, tensor: Tensor | None) -> str | None:
        return None if tensor is None else self._names.get(self._key(tensor))

    def name_before(self, given: Tensor | None, output: Tensor) -> str | None:
        """Name of what has been written over by the one operation that gave the output."""
        if given is None or given.data_ptr() != output.data_ptr():
            return None
        memory, size, version = self._key(given)
        return self._names.get((memory, size, version - 1))

    def _key(self, tensor: Tensor) -> tuple[int, int, int]:
        return tensor.data_ptr(), tensor.numel(), tensor._version


def _layers(
    heard: Sequence[_Heard], closed: Mapping[str, Sequence[str]], image_shape: tuple[int, ...], prefix_tokens: int
) -> list[Layer]:
    calls = Counter(call.name for call in heard)
    labels = {h.key: h.name if calls[h.name] == 1 else h.key for h in heard}
    operations, total = 0, sum(call.weighted for call in heard)
    layers = [Layer(INPUT, INPUT, 1, 0.0, image_shape, "input")]
    channels_last = False
    of_source: dict[str, bool] = {}
    for h in heard:
        operations += h.weighted
        if not h.listed:
            continue
        # a block may turn its maps within and gives them as it was given them
        likely = of_source.get(h.source, channels_last) if h.channels_last is None else h.channels_last
        channels_last = of_source[h.key] = is_channels_last(h.shape, image_shape, unless_known=likely)
        layers.append(
            Layer(
                labels[h.key],
                h.name,
                h.call,
                operations / max(total, 1),
                h.shape,
                h.kind,
                labels.get(h.source, h.source),
                tuple(closed.get(h.key, ())),
                channels_last,
                prefix_tokens if _has_prefix(h.shape, prefix_tokens, image_shape) else 0,
            )
        )
    return layers


def _gives_channels_last(module: nn.Module | None) -> bool | None:
    """What its operation works on says so; kinds of `LayerNorm` by other names turn maps within."""
    if isinstance(module, nn.Conv2d):
        return False
    if isinstance(module, nn.LayerNorm) and type(module).__name__ == "LayerNorm":
        return True if len(module.normalized_shape) == 1 else None
    return True if isinstance(module, nn.Linear) else None


def _prefix_tokens(model: nn.Module) -> int:
    """How many tokens go before those of the patches: as timm's models say, or one where there is a class token."""
    said = getattr(model, "num_prefix_tokens", None)
    if isinstance(said, int):
        return said
    return int(any(name.rpartition(".")[2] in _CLASS_TOKENS for name, _ in model.named_parameters()))


def _has_prefix(shape: tuple[int, ...], prefix_tokens: int, image_shape: tuple[int, ...]) -> bool:
    """In some networks it comes after the first blocks: without it patches are a grid, and with it they are none."""
    if len(shape) != 2 or not 0 < prefix_tokens < shape[0]:
        return False
    return token_grid(shape[0], image_shape) is None and token_grid(shape[0] - prefix_tokens, image_shape) is not None


def _kind(module: nn.Module, given: Tensor | None, output: Tensor) -> str:
    if any(module.children()):
        return "block"
    names = {kind.__name__ for kind in type(module).__mro__}
    if names & _ACTIVATIONS:
        return "activation"
    if names & _POOLINGS and _has_fewer(output, given):
        return "pooling"
    if isinstance(module, _WEIGHTED):
        return "linear" if isinstance(module, nn.Linear) else "convolution"
    return "normalization" if "Norm" in type(module).__name__ else "other"


def _kind_of_function(name: str, given: Tensor | None, output: Tensor) -> str | None:
    """None for one that is no layer: a mean that is none over all places, a pooling that leaves their number."""
    function = name.removesuffix("()").rpartition(".")[2]
    if function in ACTIVATIONS:
        return "activation"
    is_vector = function != "mean" or output.dim() == 2
    return "pooling" if is_vector and _has_fewer(output, given) else None


def _has_fewer(output: Tensor, given: Tensor | None) -> bool:
    """An adaptive pooling to the size that its input has, or a larger one, pools nothing."""
    return given is None or output.numel() < given.numel()
