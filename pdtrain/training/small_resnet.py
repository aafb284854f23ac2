"""A residual network of a size that trains in minutes on a CPU."""

from collections import OrderedDict

from torch import nn
from torchvision.models.resnet import BasicBlock

from pdtrain.limits import check_value


def small_resnet(
    num_classes: int, channels: int, *, widths: tuple[int, ...] = (16, 32, 64), blocks: int = 1
) -> nn.Module:
    """Build the residual network of He et al. (2016, section 4.2) for images of about 32 pixels: 6 n + 2 layers.

    Parameters
    ----------
    num_classes, channels
        Outputs; channels of the image.
    widths
        Channels of each stage; from the second on stages halve the image.
    blocks
        n, blocks of two convolutions in each stage. Where the shape changes the way around a block is a 1x1
        convolution, as in torchvision, where He et al. have zeros.

    Examples
    --------
    >>> import torch
    >>> small_resnet(10, 1)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 10])
    """
    check_value("model.network.widths", list(widths))
    check_value("model.network.blocks", blocks)
    modules: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(channels, widths[0], 3, padding=1, bias=False), norm1=nn.BatchNorm2d(widths[0]), relu=nn.ReLU()
    )
    before = widths[0]
    for stage, width in enumerate(widths, start=1):
        stride = 1 if stage == 1 else 2
        of_stage = [_block(before, width, stride), *(_block(width, width, 1) for _ in range(blocks - 1))]
        modules[f"stage{stage}"] = nn.Sequential(*of_stage)
        before = width
    modules["pool"] = nn.AdaptiveAvgPool2d(1)
    modules["flatten"] = nn.Flatten()
    modules["output"] = nn.Linear(before, num_classes)
    return nn.Sequential(modules)


def _block(before: int, width: int, stride: int) -> BasicBlock:
    around = None
    if stride > 1 or before != width:
        around = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))
    return BasicBlock(before, width, stride, around)
