"""Listens to modules and functions while a model runs: which output of which call, and hooks that go away after it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pdtrain.activations.functions import hearing_functions


@contextmanager
def listening(
    model: nn.Module, places: Sequence[str] | None, receive: Callable[[str, int, Tensor, Any], None]
) -> Iterator[None]:
    """Call `receive(place, call, output, inputs)` whenever one of `places` has run.

    Places are names of modules, and of functions as `hearing_functions` gives them; None listens to all. Calls count
    from 1 per forward pass; one that gives no tensor is not heard. The model runs in evaluation mode without gradients,
    uncompiled, and is left as it was.
    """
    calls: dict[str, int] = {}
    known = {name: module for name, module in model.named_modules() if name}
    modules = list(known) if places is None else [place for place in places if place in known]
    functions = None if places is None else [place for place in places if place not in known]

    def hear(name: str, inputs: Any, output: Any) -> None:
        calls[name] = calls.get(name, 0) + 1
        if (tensor := first_tensor(output)) is not None:
            with torch._C.DisableTorchFunction():  # what listeners compute is no function of the network
                receive(name, calls[name], tensor, inputs)

    with hearing_functions(model, functions, hear):
        handles = [model.register_forward_pre_hook(lambda module, inputs: calls.clear())]
        handles += [known[name].register_forward_hook(lambda m, i, o, name=name: hear(name, i, o)) for name in modules]
        try:
            # hooks added to compiled modules would not run
            with evaluating(model), torch.compiler.set_stance("force_eager"):
                yield
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode, without gradients; afterwards each module is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    try:
        with torch.no_grad():
            model.eval()
            yield
    finally:
        for module in training:
            module.training = True


def bare(model: nn.Module) -> nn.Module:
    """The module itself inside `torch.compile` and distributed wrappers, with the names its author gave."""
    inner = model.module if isinstance(model, DistributedDataParallel) else getattr(model, "_orig_mod", None)
    return bare(inner) if isinstance(inner, nn.Module) else model


def example_tensor(model: nn.Module) -> Tensor:
    """A tensor of the device and floating type that the model computes in; the CPU's if it holds none."""
    return next(
        (held for held in chain(model.parameters(), model.buffers()) if held.is_floating_point()), torch.empty(0)
    )


def first_tensor(output: Any) -> Tensor | None:
    """The output itself, or the first tensor of a tuple, list or mapping; None if there is none."""
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return next((tensor for value in values if (tensor := first_tensor(value)) is not None), None)
