"""What each operation of a network does to the reach of its units, by the operation's name in ATen.

ATen is what all of PyTorch's functions and methods come down to: a few hundred operations with fixed arguments, of
which those in `MOVES` and `RULES` are known here. Its arguments come by name, and what a tensor calls itself (`self`,
`input`) is `x`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pdtrain.activations.reach import Reach, normalized, reduced, together, union

Rule = Callable[..., Reach]


def reach_of(value: "Reach | Tensor") -> Reach:
    """The reach of an activation; parameters and buffers are reached from nowhere."""
    return value if isinstance(value, Reach) else Reach.nowhere(value.shape)


def _elementwise(**arguments: Any) -> Reach:
    """Numbers and parameters are reached from nowhere, but may give the result its shape."""
    shapes = [value.shape for value in arguments.values() if isinstance(value, Reach | Tensor)]
    terms = [value for value in arguments.values() if isinstance(value, Reach)]
    return union(*terms, shape=torch.broadcast_shapes(*shapes))


def _written_over(x: Reach, **values: Any) -> Reach:
    """What is copied or filled in; numbers and parameters are reached from nowhere."""
    new = [reach_of(value) for value in values.values() if isinstance(value, Reach | Tensor)] or [Reach.nowhere(())]
    return new[0].each(lambda tensor: tensor.expand(x.shape))


def _written_at(x: Reach, indices: Sequence[Any], values: "Reach | Tensor", accumulate: bool = False) -> Reach:
    if accumulate or any(isinstance(index, Reach) for index in indices):
        raise NotImplementedError
    written = tuple(slice(None) if index is None else index.cpu() for index in indices)
    target, new = x.own(), reach_of(values)
    for mine, value in zip(target.tensors, new.tensors, strict=True):
        mine[written] = value
    return target


def _filled_with_numbers(x: Reach, size: Sequence[int] | None = None, **_: Any) -> Reach:
    return Reach.nowhere(x.shape if size is None else size)


def _joined(tensors: Sequence["Reach | Tensor"], dim: int = 0, *, join: Callable[..., Tensor]) -> Reach:
    parts = [reach_of(part) for part in tensors]
    return Reach.of([join(same, dim) for same in zip(*(part.tensors for part in parts), strict=True)])


def _reduction(x: Reach, dim: Any = (), keepdim: bool = False, **_: Any) -> Reach:
    return reduced(x, [dim] if isinstance(dim, int) else dim or (), keepdim=keepdim)


def _softmax(x: Reach, dim: int, **_: Any) -> Reach:
    return normalized(x, [dim])


def _layer_norm(x: Reach, normalized_shape: Sequence[int], **_: Any) -> Reach:
    return normalized(x, range(-len(normalized_shape), 0))


def _group_norm(x: Reach, group: int, **_: Any) -> Reach:
    """Its statistics are those of the whole map; on a single place they are those of the group's channels."""
    if x.map_dimensions():
        return x
    groups = x.each(lambda tensor: tensor.unflatten(1, (group, -1)).flatten(2))
    return normalized(groups, [2]).each(lambda tensor: tensor.reshape(x.shape))


def _unchanged(x: Reach, **_: Any) -> Reach:
    """Batch norm among others: a statistic of the whole map, like one stored, scales and shifts."""
    return x


def _pooling(
    x: Reach,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
    **_: Any,
) -> Reach:
    spatial = len(kernel_size)
    kernel, step, edge, spread = (_as_many(v, spatial) for v in (kernel_size, stride or kernel_size, padding, dilation))
    found = x.each(lambda tensor: _windows(tensor, kernel, step, edge, spread, ceil_mode))
    if kernel == list(x.shape[-spatial:]) and not any(edge):
        return _of_whole_map(x, found)
    # volumes come from normalisations over neighbouring channels, where the place is that of the window
    return found.at_own_places(spatial) if spatial < 3 else found


def _adaptive_pooling(x: Reach, output_size: Sequence[int], **_: Any) -> Reach:
    found = x.each(lambda tensor: -nn.functional.adaptive_max_pool2d(-tensor, tuple(output_size)))
    return _of_whole_map(x, found) if max(output_size) == 1 else found.at_own_places(2)


def _of_whole_map(x: Reach, found: Reach) -> Reach:
    """A single window over everything, like an average."""
    spatial = {len(x.shape) - 2, len(x.shape) - 1}
    return found.set_aside() if x.spans_map(spatial) else found


def _windows(
    tensor: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool = False,
) -> Tensor:
    """Smallest value in each window; what lies outside the map is reached from nowhere."""
    pool = (nn.functional.max_pool1d, nn.functional.max_pool2d, nn.functional.max_pool3d)[len(kernel) - 1]
    return -pool(-tensor, tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), ceil_mode=ceil_mode)


def _convolution(
    x: "Reach | Tensor",
    weight: "Reach | Tensor",
    bias: "Reach | Tensor | None",
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Reach:
    (seen,) = together(reach_of(x))
    spatial = len(weight.shape) - 2
    kernel = weight.shape[2:]
    step, edge, spread, extra = (_as_many(v, spatial) for v in (stride, padding, dilation, output_padding))
    filters = weight.shape[1] if transposed else weight.shape[0] // groups

    def apply(tensor: Tensor) -> Tensor:
        per_group = tensor.unflatten(1, (groups, -1)).amin(2)
        if transposed:
            spaced = _spaced(per_group, step)
            reach = [d * (k - 1) - p for d, k, p in zip(spread, kernel, edge, strict=True)]
            framed = _framed(spaced, reach, [r + e for r, e in zip(reach, extra, strict=True)])
            windows = _windows(framed, kernel, [1] * spatial, [0] * spatial, spread)
        else:
            windows = _windows(_framed(per_group, edge, edge), kernel, step, [0] * spatial, spread)
        return windows.repeat_interleave(filters, 1)

    found = seen.each(apply).at_own_places(spatial)
    per_channel = (1, -1, *[1] * spatial)
    if isinstance(weight, Reach):  # filters that are made for each image
        if transposed:
            raise NotImplementedError
        found = union(found, weight.each(lambda tensor: tensor.flatten(1).amin(1).view(per_channel)))
    return union(found, bias.each(lambda tensor: tensor.view(per_channel))) if isinstance(bias, Reach) else found


def _spaced(tensor: Tensor, stride: Sequence[int]) -> Tensor:
    """The map with so many places to a place, all but the first reached from nowhere."""
    size = [(n - 1) * s + 1 for n, s in zip(tensor.shape[2:], stride, strict=True)]
    spaced = tensor.new_full((*tensor.shape[:2], *size), torch.inf)
    steps: Any = (..., *(slice(None, None, s) for s in stride))
    spaced[steps] = tensor
    return spaced


def _framed(tensor: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
    pads = [pad for pair in zip(reversed(before), reversed(after), strict=True) for pad in pair]
    return nn.functional.pad(tensor, pads, value=torch.inf)


def _constant_pad(x: Reach, pad: Sequence[int], **_: Any) -> Reach:
    return x.each(lambda tensor: nn.functional.pad(tensor, list(pad), value=torch.inf))


def _patches(x: Reach, kernel_size: Any, dilation: Any, padding: Sequence[int], stride: Any) -> Reach:
    edge = _as_many(padding, 2)
    return x.each(lambda t: nn.functional.unfold(_framed(t, edge, edge), kernel_size, dilation, 0, stride))


def _product(x: "Reach | Tensor", mat2: "Reach | Tensor") -> Reach:
    """A matrix product: what reaches the row of the one or the column of the other."""
    shape = (*x.shape[:-1], mat2.shape[-1])
    parts = [_smallest_along(part, dim) for part, dim in ((x, -1), (mat2, -2)) if isinstance(part, Reach)]
    found = union(*parts, shape=shape)
    if not (isinstance(x, Reach) and isinstance(mat2, Reach)):
        return found
    # an average over the whole map with weights that the image gives
    weighted = len(x.shape) - 1 in x.map_dimensions() and len(mat2.shape) - 2 in mat2.map_dimensions()
    return found.set_aside() if weighted and not found.map_dimensions() else found


def _smallest_along(x: Reach, dim: int) -> Reach:
    (seen,) = together(x)
    return seen.each(lambda tensor: tensor.amin(dim, keepdim=True))


def _product_and_sum(x: "Reach | Tensor", mat1: Any = None, mat2: Any = None, **batches: Any) -> Reach:
    product = _product(mat1, mat2) if mat1 is not None else _product(batches["batch1"], batches["batch2"])
    return union(product, x) if isinstance(x, Reach) else product


def _as_many(values: Sequence[int], count: int) -> list[int]:
    """One number for each dimension of the map; one alone holds for all."""
    return list(values) * count if len(values) == 1 else list(values)


# operations that move units about or copy them: their reach moves with them. Only the first tensor is an activation
MOVES = {
    "view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "transpose", "t", "expand", "squeeze", "unsqueeze",
    "slice", "select", "split", "split_with_sizes", "unbind", "unfold", "diagonal", "roll", "flip", "repeat", "clone",
    "detach", "alias", "index", "index_select", "gather", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
    "replication_pad2d", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle",
    "upsample_nearest1d", "upsample_nearest2d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
}  # fmt: skip

COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge", "logical_not", "logical_and", "logical_or", "isnan", "isinf"}

_ELEMENTWISE = {
    "relu", "hardtanh", "leaky_relu", "elu", "celu", "silu", "gelu", "mish", "hardswish", "hardsigmoid", "sigmoid",
    "tanh", "softplus", "threshold", "_prelu_kernel", "clamp", "clamp_min", "clamp_max", "abs", "neg", "sqrt", "rsqrt",
    "pow", "exp", "expm1", "log", "log1p", "sin", "cos", "erf", "sign", "reciprocal", "round", "floor", "add", "sub",
    "rsub", "mul", "div", "maximum", "minimum", "lerp", "addcmul", "addcdiv", "where", "masked_fill", "_to_copy",
    *COMPARISONS,
}  # fmt: skip

_REDUCTIONS = {
    "mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean", "norm", "linalg_vector_norm",
    "logsumexp", "prod",
}  # fmt: skip

_NEW = {
    "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "new_zeros", "new_ones",
    "new_empty", "new_full",
}  # fmt: skip

RULES: dict[str, Rule] = (
    dict.fromkeys(_ELEMENTWISE, _elementwise)
    | dict.fromkeys(_REDUCTIONS, _reduction)
    | dict.fromkeys(_NEW, _filled_with_numbers)
    | dict.fromkeys(["_softmax", "_log_softmax"], _softmax)
    | dict.fromkeys(["native_layer_norm", "_fused_rms_norm"], _layer_norm)
    | dict.fromkeys(
        ["native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm",
         "miopen_batch_norm", "_batch_norm_with_update", "_batch_norm_no_update"],
        _unchanged,
    )
    | dict.fromkeys(["max_pool2d_with_indices", "avg_pool2d", "avg_pool3d", "max_pool3d_with_indices"], _pooling)
    | dict.fromkeys(["_adaptive_avg_pool2d", "adaptive_max_pool2d"], _adaptive_pooling)
    | dict.fromkeys(["mm", "bmm"], _product)
    | dict.fromkeys(["addmm", "baddbmm"], _product_and_sum)
    | dict.fromkeys(["copy", "fill", "zero"], _written_over)
    | {
        "native_group_norm": _group_norm,
        "convolution": _convolution,
        "constant_pad_nd": _constant_pad,
        "im2col": _patches,
        "index_put": _written_at,
        "cat": lambda tensors, dim=0: _joined(tensors, dim, join=torch.cat),
        "stack": lambda tensors, dim=0: _joined(tensors, dim, join=torch.stack),
    }
)  # fmt: skip
