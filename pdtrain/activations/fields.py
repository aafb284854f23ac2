"""Receptive fields of units: which pixels can reach them, for any network of the usual operations.

The network itself is run, with what reaches each unit (`reach`) in place of its activation: a convolution or pooling
takes what reaches its window, an addition what reaches its terms, a concatenation keeps each channel's own
(`field_rules`). So padding, dilation, groups and branches need no formula. A field is the smallest rectangle around the
pixels that reach the unit. An operation that is not known is refused by name.

A field says where a unit looks, not what scales it. What a network computes from averages over a whole map alone
(also from sums, maxima and norms over it) is left out where it scales or shifts a map of more than one place, or is
added to it by a convolution over both: the gates of squeeze-and-excitation and its kin. For the same reason the
statistics of group, instance and batch norm, of layer norm over all places, and of global response normalisation are
left out. A layer norm over channels looks at one place, and is taken for what it is; so are gates that change over the
map (spatial, coordinate attention) and weights learned over all places (a linear layer on the flattened map).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from pdtrain.activations.field_rules import COMPARISONS, MOVES, RULES
from pdtrain.activations.hooks import bare, example_tensor, listening
from pdtrain.activations.layers import INPUT, Layer
from pdtrain.activations.reach import Reach
from pdtrain.errors import InputError
from pdtrain.stimuli.receptive_field import ReceptiveFields


def receptive_fields(
    model: nn.Module, image_shape: tuple[int, int, int], units: Mapping[Layer, Int[Tensor, " units"]]
) -> dict[str, ReceptiveFields]:
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
    found: dict[str, ReceptiveFields] = {}

    def keep(name: str, call: int, output: Tensor, inputs: object = None) -> None:
        layer = wanted.get((name, call))
        if layer is None:
            return
        # what no activation goes into, a table of positions for example, is reached from nowhere
        reach = output.reach if isinstance(output, _Activation) else Reach.nowhere(output.shape)
        if layer.reduction is not None:
            reach = layer.reduction.reach(reach)
        if reach.shape[1:] != layer.shape:
            raise _refusal(f"layer {layer.name}")
        found[layer.name] = reach.fields(units[layer])

    example = example_tensor(model)
    image = _Activation(Reach.of_pixels(*image_shape), example.dtype, example.device)
    keep(INPUT, 1, image)
    places = list(dict.fromkeys(layer.module for layer in units if layer.module != INPUT))
    try:
        with listening(model, places, keep):
            model(image)
    except InputError:
        raise
    except Exception as error:  # the network has run on an image before: it asks for what only numbers can give
        raise _refusal(f"this network ({str(error).splitlines()[0]})") from error
    return found


class _Activation(Tensor):
    """A tensor of the network that holds, in place of numbers, what reaches each."""

    reach: Reach
    # all comes down to ATen's operations, and is met there
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, reach: Reach, dtype: torch.dtype, device: torch.device) -> "_Activation":
        tensor = reach.bounds[0]
        made = Tensor._make_wrapper_subclass(cls, tensor.shape, strides=tensor.stride(), dtype=dtype, device=device)
        made.reach = reach
        return made

    @property
    def data(self) -> Tensor:
        """The same memory, as PyTorch has it; what is put in its place would go unseen."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        raise _refusal("an assignment to .data")

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        operation = func.overloadpacket.__name__
        schema = func._schema
        arguments = _by_name(schema, args, kwargs or {})
        try:
            if func.namespace != "aten" or any(argument.is_out for argument in schema.arguments):
                raise NotImplementedError
            if operation == "as_strided_":
                return _as_it_is(**arguments)
            if operation in MOVES and func._overloadname != "dtype":
                return _moved(func, args, kwargs or {})
            in_place = operation.endswith("_") and operation.rstrip("_") in RULES
            given = {name: value for name, value in arguments.items() if name not in _NO_REACH}
            result = RULES[operation.rstrip("_") if in_place else operation](
                **tree_map_only(_Activation, lambda activation: activation.reach, given)
            )
            if in_place:
                return _overwritten(args[0], result)
        except (NotImplementedError, KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise _refusal(f"{operation}()") from error
        first = _activations(arguments)[0]
        dtype = torch.bool if operation in COMPARISONS else arguments.get("dtype") or first.dtype
        made = [cls(result.own(), dtype, arguments.get("device") or first.device) for _ in schema.returns]
        return made[0] if len(made) == 1 else tuple(made)


_NO_REACH = {"dtype", "device", "layout", "pin_memory", "memory_format", "non_blocking"}
_X = {"self", "input"}


def _by_name(schema: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an operation by their names, its defaults included."""
    given = dict(zip((argument.name for argument in schema.arguments), args, strict=False)) | dict(kwargs)
    named = {a.name: given.get(a.name, a.default_value) for a in schema.arguments}
    return {"x" if name in _X else name: value for name, value in named.items()}


def _activations(arguments: Any) -> list[_Activation]:
    return [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, _Activation)]


def _moved(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Do with what reaches the units as with the units themselves; views stay views."""
    first, *others = args
    if not isinstance(first, _Activation) or _activations([others, kwargs]):
        raise NotImplementedError
    others = tree_map_only(Tensor, lambda tensor: tensor.cpu(), others)
    moved = [func(tensor, *others, **kwargs) for tensor in first.reach.tensors]
    if isinstance(moved[0], Tensor):
        return _Activation(Reach.of(moved), first.dtype, first.device)
    return [_Activation(Reach.of(part), first.dtype, first.device) for part in zip(*moved, strict=True)]


def _overwritten(target: Any, result: Reach) -> Tensor:
    if not isinstance(target, _Activation) or target.shape != result.shape:
        raise NotImplementedError  # a tensor made beforehand holds numbers, and cannot hold what reaches it
    target.reach.overwrite(result.own())
    return target


def _as_it_is(x: Any, size: Sequence[int], stride: Sequence[int], storage_offset: int | None) -> Tensor:
    """Strides of dimensions of one place, which pooling sets, mean nothing; others are another tensor."""
    told = [s for s, n in zip(stride, size, strict=True) if n > 1]
    kept = [s for s, n in zip(x.stride(), x.shape, strict=True) if n > 1]
    if tuple(size) != tuple(x.shape) or told != kept or storage_offset:
        raise NotImplementedError
    return x


def _refusal(what: str) -> InputError:
    return InputError(
        f"probes.unit_information.properties: the receptive field through {what} is not known; "
        "leave out the properties with @receptive_field"
    )
