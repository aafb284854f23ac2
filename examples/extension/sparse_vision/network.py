"""A small network."""

from collections import OrderedDict

from torch import nn


def small_net(num_classes: int, channels: int, *, width: int = 8) -> nn.Module:
    """Build two convolutions with pooling and one hidden layer; any image from 8 pixels.

    Parameters
    ----------
    num_classes, channels
        Outputs; channels of the image. Every network is given these two.
    width
        Channels of the first convolution; the second has twice as many.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, width, 5, padding=2),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(width, 2 * width, 3, padding=1),
            relu2=nn.ReLU(),
            pool2=nn.AdaptiveMaxPool2d(4),
            flatten=nn.Flatten(),
            hidden=nn.Linear(2 * width * 4 * 4, 4 * width),
            relu3=nn.ReLU(),
            output=nn.Linear(4 * width, num_classes),
        )
    )
