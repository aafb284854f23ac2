"""Whether a network takes images and maps that have their channels last in memory, which CPUs convolve faster."""

from itertools import chain

import torch
from torch import nn

from pdtrain.activations.hooks import example_tensor
from pdtrain.activations.unchanged import unchanged


def refusal_of_channels_last(model: nn.Module, shape: tuple[int, int, int]) -> Exception | None:
    """What `model` raises of images with channels last, as where it takes a `view` of its maps; None if it takes them.

    Parameters
    ----------
    model
        With weights in the order that it is to run with, and in the mode: some take a view while they train, and not
        while they evaluate. Left as it was.
    shape
        Of an image: channels, height and width.

    Examples
    --------
    >>> class Viewing(nn.Module):
    ...     def forward(self, images):
    ...         return images.view(len(images), -1)
    >>> type(refusal_of_channels_last(Viewing(), (3, 4, 4)))
    <class 'RuntimeError'>
    >>> refusal_of_channels_last(nn.Flatten(), (3, 4, 4)) is None
    True
    """
    images = torch.zeros(2, *shape).to(example_tensor(model)).contiguous(memory_format=torch.channels_last)
    try:
        with unchanged(model), torch.no_grad():
            model(images)
    except Exception as error:  # networks, and what they are made of, say it in ways of their own
        return error
    return None


def put_channels_last(model: nn.Module) -> None:
    """Lay out the weights of `model` with channels last, in place: those of images, since others have no such order.

    Examples
    --------
    >>> convolutions = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv3d(2, 4, 3))
    >>> put_channels_last(convolutions)
    >>> [each.weight.is_contiguous() for each in convolutions]
    [False, True]
    """
    for held in chain(model.parameters(), model.buffers()):
        if held.dim() == 4:
            held.data = held.data.to(memory_format=torch.channels_last)
