"""Leaves a model and the random streams as they were, whatever its forward pass does to its buffers or draws."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from pdtrain.random_streams import untouched_streams


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Put the buffers of `model` and all random streams back afterwards.

    A network may write to buffers in evaluation mode too, as queues and counters do, and draw at random.

    Examples
    --------
    >>> import torch
    >>> norm = nn.BatchNorm1d(2)
    >>> with unchanged(norm):
    ...     seen = norm(torch.randn(8, 2)).shape
    >>> int(norm.num_batches_tracked), norm.running_mean.tolist()
    (0, [0.0, 0.0])
    """
    held = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    with untouched_streams():
        try:
            yield
        finally:
            with torch.no_grad():
                for module, name, buffer, before in held:
                    module._buffers[name] = buffer  # it may have been replaced
                    if not torch.equal(buffer, before):
                        buffer.copy_(before)
