"""Listens to modules while a model runs: which output of which call, and hooks that go away whatever happens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def listening(model: nn.Module, modules: Sequence[str], receive: Callable[[str, int, Tensor], None]) -> Iterator[None]:
    """Call `receive(module name, call, output)` whenever one of `modules` has run; calls count from 1 per forward pass.

    The model runs in evaluation mode without gradients, uncompiled, and is left as it was.
    """
    calls: dict[str, int] = {}
    known = dict(model.named_modules())

    def hear(name: str, output: Any) -> None:
        calls[name] = calls.get(name, 0) + 1
        receive(name, calls[name], first_tensor(output))

    handles = [model.register_forward_pre_hook(lambda module, inputs: calls.clear())]
    handles += [known[name].register_forward_hook(lambda m, i, o, name=name: hear(name, o)) for name in modules]
    training = [module for module in model.modules() if module.training]
    try:
        # hooks added to compiled modules would not run
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            model.eval()
            yield
    finally:
        for handle in handles:
            handle.remove()
        for module in training:
            module.training = True


def bare(model: nn.Module) -> nn.Module:
    """The module itself inside `torch.compile` and distributed wrappers, with the names its author gave."""
    while True:
        if isinstance(model, DistributedDataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def first_tensor(output: Any) -> Tensor:
    """The output itself, or the first tensor of a tuple, list or mapping.

    Raises
    ------
    TypeError
        If there is none.
    """
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    for value in values:
        try:
            return first_tensor(value)
        except TypeError:
            continue
    raise TypeError(f"an output of type {type(output).__name__} holds no tensor")
