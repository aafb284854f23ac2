"""Hears activation functions and poolings that a network calls as functions, `F.relu(x)` in place of a module.

A mode of PyTorch sees every call while the network runs, so that nothing has to be traced: it hears the same calls as
torchvision's symbolic tracing (`torchvision.models.feature_extraction`) in all its families, and gives them the same
names, but also in networks that tracing refuses (timm's vision transformers, MobileViT, TinyViT) or takes seconds for,
and what it hears is the very forward pass that was asked for. Functions inside scripted code are not heard.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

ACTIVATIONS = {
    "relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "silu", "gelu", "mish", "hardswish", "hardtanh",
    "hardsigmoid", "sigmoid", "tanh", "softplus", "softsign", "logsigmoid", "threshold", "glu",
}  # fmt: skip
POOLINGS = {"max_pool2d", "avg_pool2d", "lp_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "mean"}
_HEARD = ACTIVATIONS | POOLINGS


@contextmanager
def hearing_functions(
    model: nn.Module, wanted: Sequence[str] | None, hear: Callable[[str, Sequence[Any], Tensor], None]
) -> Iterator[None]:
    """Call `hear(name, arguments, output)` whenever a module that contains others has called one of the functions.

    The name is that of the module and the function, "conv1.relu"; with "()" behind it where a module is called so. What
    a module without children computes is its own output, and not heard. `wanted` are the names to be heard, or None for
    all; where there are none the network runs as it is.
    """
    if wanted is not None and not wanted:
        yield
        return
    mode = _Mode({name for name, _ in model.named_modules()}, wanted, hear)
    handles = []
    for name, module in model.named_modules():
        enter = partial(mode.enter, name if any(module.children()) else None)
        handles.append(module.register_forward_pre_hook(enter))
        # before hooks that listen to the module, which work with its output outside of it
        handles.append(module.register_forward_hook(mode.leave, always_call=True))
    try:
        with mode:
            yield
    finally:
        for handle in handles:
            handle.remove()


class _Mode(TorchFunctionMode):
    """Knows which module is running, None for one that is not to be heard."""

    def __init__(
        self, modules: set[str], wanted: Sequence[str] | None, hear: Callable[[str, Sequence[Any], Tensor], None]
    ) -> None:
        super().__init__()
        self._modules, self._wanted, self._hear = modules, wanted, hear
        self._running: list[str | None] = []

    def enter(self, name: str | None, *_: Any) -> None:
        self._running.append(name)

    def leave(self, *_: Any) -> None:
        self._running.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        function = getattr(func, "__name__", "").rstrip("_")  # in place or not
        if function in _HEARD and isinstance(output, Tensor) and self._running:
            inside = self._running[-1]
            if inside is not None:
                name = f"{inside}.{function}".lstrip(".")
                name += "()" * (name in self._modules)
                if self._wanted is None or name in self._wanted:
                    self._hear(name, (*args, *(kwargs or {}).values()), output)
        return output
