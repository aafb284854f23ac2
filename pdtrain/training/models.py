"""Builds networks: the small default one, and any torchvision classifier, also in small-image form."""

from collections import OrderedDict
from typing import Any

import torch
import torchvision
from torch import nn

from pdtrain.errors import InputError, unknown_name


def small_vgg(
    num_classes: int, channels: int, *, widths: tuple[int, ...] = (16, 32, 64), hidden: int = 128
) -> nn.Module:
    """Build pairs of 3x3 convolutions with batch norm and pooling, then one hidden layer; any image from 8 pixels.

    Parameters
    ----------
    num_classes, channels
        Outputs; channels of the image.
    widths
        Channels of each pair of convolutions.
    hidden
        Units of the hidden layer.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    before, index = channels, 0
    for stage, width in enumerate(widths, start=1):
        for _ in range(2):
            index += 1
            modules[f"conv{index}"] = nn.Conv2d(before, width, 3, padding=1, bias=False)
            modules[f"norm{index}"] = nn.BatchNorm2d(width)
            modules[f"relu{index}"] = nn.ReLU()
            before = width
        modules[f"pool{stage}"] = nn.MaxPool2d(2)
    modules["resize"] = nn.AdaptiveAvgPool2d(4)
    modules["flatten"] = nn.Flatten()
    modules["hidden"] = nn.Linear(before * 16, hidden)
    modules[f"relu{index + 1}"] = nn.ReLU()
    modules["output"] = nn.Linear(hidden, num_classes)
    return nn.Sequential(modules)


def torchvision_model(
    num_classes: int,
    channels: int,
    *,
    name: str,
    weights: str | None = None,
    small_images: bool = False,
    **options: Any,
) -> nn.Module:
    """Build a torchvision classification model by name.

    Parameters
    ----------
    num_classes, channels
        Outputs, replacing the last layer where `weights` has another number; grey images are repeated to 3 channels.
    weights
        Name of torchvision weights, e.g. "DEFAULT"; None for an untrained network.
    small_images
        For ResNets: a 3x3 stem without pooling, as for images of 32 pixels.

    Raises
    ------
    InputError
        For an unknown model, or a small-image form that does not exist.
    """
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise unknown_name("model.network.name", name, names, of="torchvision classification model")
    if weights is None:
        network = torchvision.models.get_model(name, num_classes=num_classes, **options)
    else:
        network = torchvision.models.get_model(name, weights=weights, **options)
        _replace_output(network, num_classes)
    if small_images:
        if not isinstance(network, torchvision.models.ResNet):
            raise InputError(
                f"model.network.small_images=true: {name} has no small-image form; use a ResNet or small_vgg"
            )
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network if channels == 3 else nn.Sequential(OrderedDict(repeat=RepeatChannels(), network=network))


class RepeatChannels(nn.Module):
    """Shows a grey image to all three channels of a colour network."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Expand shape (images, 1, height, width) to (images, 3, height, width)."""
        return images.expand(-1, 3, -1, -1)


def check_image_size(network: nn.Module, shape: tuple[int, int, int]) -> None:
    """Raise InputError if `network` cannot take an image of `shape` (channels, height, width)."""
    training = [module for module in network.modules() if module.training]
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *shape))
    except RuntimeError as error:
        raise InputError(
            f"data.pixels={shape[1]}: the image is too small for this model ({str(error).splitlines()[0]}); "
            "raise data.pixels or choose model=small_vgg"
        ) from error
    finally:
        for module in training:
            module.training = True


def _replace_output(network: nn.Module, num_classes: int) -> None:
    name, last = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
    if last.out_features != num_classes:
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Linear(last.in_features, num_classes))
