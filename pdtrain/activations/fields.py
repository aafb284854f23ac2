"""Receptive fields of units: which pixels can reach them, for any network of the usual operations.

The network itself is run, on bounds in place of numbers: every unit carries the first and last row and column
that can reach it. A convolution or pooling takes the smallest and largest bounds in its window, an addition those
of its terms, a concatenation keeps each channel's own. Padding, dilation, groups and branches need no formula.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from pdtrain.activations.hooks import bare, listening
from pdtrain.activations.layers import INPUT, Layer
from pdtrain.errors import InputError
from pdtrain.stimuli.local_properties import Fields


def receptive_fields(
    model: nn.Module, image_shape: tuple[int, int, int], units: Mapping[Layer, Int[Tensor, " units"]]
) -> dict[str, Fields]:
    """Find the receptive fields of some units of some layers.

    Parameters
    ----------
    model
        Left as it was.
    image_shape
        (channels, height, width).
    units
        Flat indices of the units of each layer.

    Returns
    -------
    dict
        By the layer's name: rows and columns in pixels; a unit that no pixel reaches has an empty field.

    Raises
    ------
    InputError
        If the network uses an operation whose reach is not known here.
    """
    model = bare(model)
    wanted = {(layer.module, layer.call): layer for layer in units}
    found: dict[str, Fields] = {}

    def keep(name: str, call: int, output: Tensor) -> None:
        layer = wanted.get((name, call))
        if layer is not None:
            bounds = output.as_subclass(Tensor).flatten(1)[:, units[layer].to(output.device)]
            found[layer.name] = _fields(bounds, image_shape)

    image = _pixels(image_shape).to(next(model.parameters()).device)
    keep(INPUT, 1, image)
    modules = list(dict.fromkeys(layer.module for layer in units if layer.module != INPUT))
    with listening(model, modules, keep):
        model(image.as_subclass(_Bounds))
    return found


def _pixels(shape: tuple[int, int, int]) -> Tensor:
    """Bounds of the pixels themselves, shape (4, channels, height, width): top, -bottom, left, -right.

    With these signs every combination of bounds is a minimum.
    """
    channels, height, width = shape
    rows = torch.arange(height, dtype=torch.float32)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.float32)[None].expand(height, width)
    return torch.stack([rows, -rows - 1, columns, -columns - 1])[:, None].expand(4, channels, height, width)


def _fields(bounds: Tensor, shape: tuple[int, int, int]) -> Fields:
    reached = torch.isfinite(bounds[0])
    top, bottom, left, right = bounds.masked_fill(~reached, 0).long().cpu()
    return Fields(top, -bottom, left, -right)


class _Bounds(Tensor):
    """Bounds in place of activations; operations on them follow `_RULES`."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", str(func))
        with torch._C.DisableTorchFunctionSubclass():
            if name in _SHAPE_ONLY:
                result = func(*args, **(kwargs or {}))
            elif name in _RULES:
                result = _RULES[name](*args, **(kwargs or {}))
            else:
                raise InputError(
                    f"probes.unit_information.properties: the receptive field through {name}() is not known; "
                    "leave out the properties with @receptive_field"
                )
        return _mark(result)


def _mark(result: Any) -> Any:
    if isinstance(result, Tensor):
        return result.as_subclass(_Bounds)
    return type(result)(_mark(item) for item in result) if type(result) in (tuple, list) else result


def _unchanged(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return x


def _union(*terms: Any, **kwargs: Any) -> Tensor:
    """Bounds of a sum or product; numbers and parameters reach nowhere."""
    bounds = [term for term in terms if isinstance(term, _Bounds)]
    others = [term for term in terms if isinstance(term, Tensor) and not isinstance(term, _Bounds)]
    shape = torch.broadcast_shapes(*(t.shape for t in bounds), *(t.shape for t in others))
    smallest = bounds[0].expand(shape)
    for term in bounds[1:]:
        smallest = torch.minimum(smallest, term)
    return smallest


def _window(
    x: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil: bool = False
) -> Tensor:
    """Smallest bounds in each window; what lies outside the image reaches nowhere."""
    if ceil:  # the last window may hang over the edge: the pooling itself knows how far
        return -nn.functional.max_pool2d(-x, kernel, stride, padding, dilation, ceil_mode=True)
    (top, left) = (padding, padding) if isinstance(padding, int) else tuple(padding)
    padded = nn.functional.pad(x, (left, left, top, top), value=torch.inf)
    return -nn.functional.max_pool2d(-padded, kernel, stride, 0, dilation)


def _convolution(
    x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    if isinstance(padding, str):
        raise InputError(f"the receptive field of a convolution with padding={padding} is not known; give numbers")
    per_group = x.unflatten(1, (groups, -1)).amin(2)
    windows = _window(per_group, tuple(weight.shape[2:]), stride, padding, dilation)
    return windows.repeat_interleave(weight.shape[0] // groups, 1)


def _max_pool(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    return _window(x, kernel_size, stride or kernel_size, padding, dilation, ceil_mode)


def _average_pool(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    return _window(x, kernel_size, stride or kernel_size, padding, 1, ceil_mode)


def _adaptive_pool(x: Tensor, output_size: Any, *args: Any) -> Tensor:
    return -nn.functional.adaptive_max_pool2d(-x, output_size)


def _linear(x: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    return x.amin(-1, keepdim=True).expand(*x.shape[:-1], weight.shape[0])


def _reduction(x: Tensor, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Tensor:
    return x.flatten(1).amin(1) if dim is None else x.amin(dim, keepdim=keepdim)


def _layer_norm(x: Tensor, normalized_shape: Any, *args: Any, **kwargs: Any) -> Tensor:
    dims = tuple(range(-len(normalized_shape), 0))
    return x.amin(dims, keepdim=True).expand(x.shape)


def _group_norm(x: Tensor, num_groups: int, *args: Any, **kwargs: Any) -> Tensor:
    grouped = x.unflatten(1, (num_groups, -1))
    return grouped.amin(tuple(range(2, grouped.dim())), keepdim=True).expand(grouped.shape).flatten(1, 2)


def _softmax(x: Tensor, dim: int, *args: Any, **kwargs: Any) -> Tensor:
    return x.amin(dim, keepdim=True).expand(x.shape)


def _pad(x: Tensor, pad: Any, *args: Any, **kwargs: Any) -> Tensor:
    return nn.functional.pad(x, tuple(pad), value=torch.inf)


_SHAPE_ONLY = {
    "__get__", "__getitem__", "size", "dim", "numel", "view", "reshape", "flatten", "unflatten", "permute", "transpose",
    "contiguous", "chunk", "split", "unbind", "cat", "concat", "concatenate", "stack", "squeeze", "unsqueeze", "expand",
    "expand_as", "roll", "clone", "detach", "to", "float", "__len__", "is_floating_point", "type",
}  # fmt: skip
_RULES: dict[str, Callable[..., Any]] = (
    dict.fromkeys(
        ["relu", "relu_", "relu6", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "elu", "elu_", "selu", "silu",
         "silu_", "gelu", "mish", "hardswish", "hardswish_", "hardsigmoid", "sigmoid", "sigmoid_", "tanh", "softplus",
         "clamp", "dropout", "dropout_", "dropout2d", "feature_dropout", "batch_norm", "sqrt", "pow", "exp", "neg",
         "__neg__"],
        _unchanged,
    )
    | dict.fromkeys(
        ["add", "add_", "__add__", "__radd__", "__iadd__", "sub", "sub_", "__sub__", "__rsub__", "__isub__", "mul",
         "mul_", "__mul__", "__rmul__", "__imul__", "div", "div_", "__truediv__", "__itruediv__", "minimum", "maximum"],
        _union,
    )
    | dict.fromkeys(["mean", "sum", "amax", "amin"], _reduction)
    | {
        "conv2d": _convolution,
        "max_pool2d": _max_pool,
        "max_pool2d_with_indices": _max_pool,
        "avg_pool2d": _average_pool,
        "adaptive_avg_pool2d": _adaptive_pool,
        "adaptive_max_pool2d": _adaptive_pool,
        "linear": _linear,
        "layer_norm": _layer_norm,
        "group_norm": _group_norm,
        "softmax": _softmax,
        "pad": _pad,
    }
)  # fmt: skip
