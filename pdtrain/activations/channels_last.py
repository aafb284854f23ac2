"""Whether a network takes images and maps that have their channels last in memory, which CPUs convolve faster."""

import torch
from torch import nn

from pdtrain.activations.hooks import evaluating, example_tensor
from pdtrain.activations.unchanged import unchanged


def takes_channels_last(model: nn.Module, shape: tuple[int, int, int]) -> bool:
    """Whether `model` runs on maps with channels last: not if it takes a `view` of them, which needs them in order.

    Parameters
    ----------
    model
        With weights in the order that it is to run with; left as it was.
    shape
        Of an image: channels, height and width.

    Examples
    --------
    >>> class Viewing(nn.Module):
    ...     def forward(self, images):
    ...         return images.view(len(images), -1)
    >>> takes_channels_last(Viewing(), (3, 4, 4)), takes_channels_last(nn.Flatten(), (3, 4, 4))
    (False, True)
    """
    images = torch.zeros(2, *shape).to(example_tensor(model)).contiguous(memory_format=torch.channels_last)
    try:
        with unchanged(model), evaluating(model):
            model(images)
    except RuntimeError as error:
        return not needs_order(error)
    return True


def needs_order(error: RuntimeError) -> bool:
    """Whether it was raised by a `view` of values that do not lie in their order in memory."""
    return "view size is not compatible" in str(error)
