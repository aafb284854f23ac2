"""Builds networks: the small default one, one for MNIST, and any torchvision classifier, also in small-image form."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from pdtrain.errors import InputError, unknown_name
from pdtrain.limits import check_value
from pdtrain.training.checkpoints import load_weights, network_weights, read_checkpoint
from pdtrain.training.published import published_by_timm, published_by_torchvision
from pdtrain.training.state_dicts import outputs_of


def small_vgg(
    num_classes: int,
    channels: int,
    *,
    widths: tuple[int, ...] = (16, 32, 64),
    hidden: int = 128,
    dropout: float = 0.0,
    batch_norm: bool = True,
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
    dropout
        Share of the hidden units silenced at random in training.
    batch_norm
        Normalise after each convolution, which then needs no bias.
    """
    check_value("model.network.widths", list(widths))
    check_value("model.network.dropout", dropout)
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    before, index = channels, 0
    for stage, width in enumerate(widths, start=1):
        for _ in range(2):
            index += 1
            modules[f"conv{index}"] = nn.Conv2d(before, width, 3, padding=1, bias=not batch_norm)
            if batch_norm:
                modules[f"norm{index}"] = nn.BatchNorm2d(width)
            modules[f"relu{index}"] = nn.ReLU()
            before = width
        modules[f"pool{stage}"] = nn.MaxPool2d(2)
    modules["resize"] = nn.AdaptiveAvgPool2d(4)
    modules["flatten"] = nn.Flatten()
    modules["hidden"] = nn.Linear(before * 16, hidden)
    modules[f"relu{index + 1}"] = nn.ReLU()
    if dropout:
        modules["dropout"] = nn.Dropout(dropout)
    modules["output"] = nn.Linear(hidden, num_classes)
    return nn.Sequential(modules)


def mnist_cnn(num_classes: int, channels: int) -> nn.Module:
    """Build the network that Ansuini et al. (2019) trained on MNIST, for images of 28 pixels: two convolutions.

    Examples
    --------
    >>> import torch
    >>> mnist_cnn(10, 1)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 32, 3),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 64, 3),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            hidden=nn.Linear(1600, 128),
            relu3=nn.ReLU(),
            output=nn.Linear(128, num_classes),
        )
    )


def torchvision_model(
    num_classes: int | None,
    channels: int,
    *,
    name: str,
    weights: str | None = None,
    small_images: bool = False,
    transform_input: bool | None = None,
    **options: Any,
) -> nn.Module:
    """Build a torchvision classification model by name.

    Parameters
    ----------
    num_classes, channels
        Outputs, replacing the last layer where `weights` has another number, None keeping those of the weights, or of
        the model; grey images are repeated to 3 channels.
    weights
        Name of torchvision weights, e.g. "DEFAULT", or a file with a state dict; None for an untrained network.
    small_images
        For AlexNet, VGGs and ResNets: the form for images of about 32 pixels (`_SMALL_FORMS`).
    transform_input
        For GoogLeNet and Inception: normalize images as torchvision's own weights want it; None does where there are
        `weights`.

    Raises
    ------
    InputError
        For an unknown model, weights that do not exist or cannot be had, or a small-image form that does not exist.
    """
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        lists = "python -c 'from torchvision import models; print(*models.list_models(models))'"
        raise unknown_name("model.network.name", name, names, of="torchvision classification model", rest=lists)
    if name in NORMALIZING:
        wanted = weights is not None if transform_input is None else transform_input
        options = {"init_weights": weights is None, "transform_input": wanted, **options}
    if weights is None:
        network = torchvision.models.get_model(name, num_classes=num_classes or _OF_IMAGENET, **options)
    else:
        network, outputs = _pretrained(name, weights, options)
        if num_classes not in (None, outputs):
            _replace_output(network, outputs, num_classes)
    if name in _WITH_AUXILIARY_OUTPUTS:
        _drop_auxiliary_outputs(network)
    if small_images:
        _make_small(network, name)
    if channels != 3:
        network = nn.Sequential(OrderedDict(repeat=RepeatChannels(), network=network))
    # of another form nothing is published
    network.published = None if small_images else published_by_torchvision(name, weights)
    return network


_OF_IMAGENET = 1000  # classes
_WEIGHT_FILES = (".pth", ".pt", ".ckpt", ".tar", ".safetensors")
NORMALIZING = _WITH_AUXILIARY_OUTPUTS = ("googlenet", "inception_v3")  # their own weights want `transform_input`
AUXILIARY = frozenset({"aux1", "aux2", "AuxLogits"})  # outputs that are for training alone


def _pretrained(name: str, weights: str, options: dict[str, Any]) -> tuple[nn.Module, int]:
    """The network with its weights, and how many outputs these have."""
    if Path(weights).suffix in _WEIGHT_FILES:
        return _from_file(weights, lambda outputs: torchvision.models.get_model(name, num_classes=outputs, **options))
    known = [w.name for w in torchvision.models.get_model_weights(name)] + ["DEFAULT"]
    if weights.rpartition(".")[2] not in known:
        raise unknown_name("model.network.weights", weights, known, of=f"weights of {name}")
    try:
        return torchvision.models.get_model(name, weights=weights.rpartition(".")[2], **options), _OF_IMAGENET
    except OSError as error:  # URLError and socket errors among them
        url = torchvision.models.get_model_weights(name)[weights.rpartition(".")[2]].url
        raise InputError(
            f"model.network.weights={weights}: cannot be downloaded ({error}); connect to the network, or put the file "
            f"of {url} into {torch.hub.get_dir()}/checkpoints"
        ) from error


def _from_file(path: str, build: Callable[[int], nn.Module]) -> tuple[nn.Module, int]:
    """What `build` gives, with as many outputs as the weights of a file have, and with these weights."""
    weights = network_weights(read_checkpoint(path, key="model.network.weights"))
    outputs = outputs_of(weights, build) or _OF_IMAGENET
    network = build(outputs)
    load_weights(network, weights, path, key="model.network.weights")
    return network, outputs


# timm's own ways to files and addresses of weights, which it may read as programs
_OTHER_WEIGHTS = {"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}


def timm_model(
    num_classes: int | None, channels: int, *, name: str, weights: str | None = None, **options: Any
) -> nn.Module:
    """Build a timm classification model by name (`pip install timm`).

    Parameters
    ----------
    num_classes, channels
        Outputs, None keeping those of the weights; channels of the image.
    weights
        "DEFAULT" downloads timm's own; a file gives a state dict; None is an untrained network.
    options
        As `timm.create_model`, but for its other ways to weights.

    Raises
    ------
    InputError
        If timm is not installed, or for an unknown model, or weights that do not fit or cannot be had.
    """
    try:
        import timm
    except ImportError as error:
        raise InputError("model=timm: timm is not installed; pip install timm") from error
    if not timm.is_model(name):
        lists = "python -c 'import timm; print(*timm.list_models())'"
        raise unknown_name("model.network.name", name, timm.list_models(), of="timm model", rest=lists)
    if others := options.keys() & _OTHER_WEIGHTS:
        raise InputError(f"model.network.{min(others)}: give a file of weights as model.network.weights")
    pretrained = weights == "DEFAULT"
    if weights is not None and not pretrained and Path(weights).suffix not in _WEIGHT_FILES:
        raise InputError(f"model.network.weights={weights}: give DEFAULT, or a file with a state dict")

    def build(outputs: int | None) -> Any:
        return timm.create_model(name, pretrained, num_classes=outputs, in_chans=channels, **options)

    try:
        if weights is None or pretrained:
            network: Any = build(num_classes)
        else:
            loaded, outputs = _from_file(weights, build)
            network = loaded
            if num_classes not in (None, outputs):
                network.reset_classifier(num_classes)
        network.published = published_by_timm(network, img_size=options.get("img_size"))
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"model.network.weights={weights}: cannot be had ({str(error).splitlines()[0]}); connect to the network, "
            "or give a file with a state dict"
        ) from error
    return network


def _drop_auxiliary_outputs(network: Any) -> None:
    """Make GoogLeNet and Inception return logits alone while training, as all other models do."""
    network.aux_logits = False
    for auxiliary in AUXILIARY:
        if hasattr(network, auxiliary):
            setattr(network, auxiliary, None)


def _make_small(network: Any, name: str) -> None:
    """Give a network built for 224 pixels its form for about 32."""
    for family, change in _SMALL_FORMS.items():
        if isinstance(network, family):
            change(network)
            return
    raise InputError(
        f"model.network.small_images=true: {name} has no small-image form; use AlexNet, a VGG, a ResNet or small_vgg"
    )


def _small_alexnet(network: Any) -> None:
    network.features[0] = nn.Conv2d(3, 64, 3, padding=1)


def _small_vgg_head(network: Any) -> None:
    """Of 32 pixels one is left after five poolings; the 224-pixel head would repeat it 49 times."""
    network.avgpool = nn.AdaptiveAvgPool2d(1)
    network.classifier[0] = nn.Linear(512, network.classifier[0].out_features)


def _small_resnet(network: Any) -> None:
    """He et al. (2016), section 4.2: a 3x3 stem without pooling."""
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()


_SMALL_FORMS: dict[type[nn.Module], Callable[[Any], None]] = {
    torchvision.models.AlexNet: _small_alexnet,
    torchvision.models.VGG: _small_vgg_head,
    torchvision.models.ResNet: _small_resnet,
}


class RepeatChannels(nn.Module):
    """Shows a grey image to all three channels of a colour network."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Expand shape (images, 1, height, width) to (images, 3, height, width)."""
        return images.expand(-1, 3, -1, -1)


def check_image_size(network: nn.Module, shape: tuple[int, int, int], *, key: str | None = None) -> int:
    """Number of outputs for an image of `shape` (channels, height, width); raise InputError if `network` takes none.

    `key` sets the size; None where it is the data's own, and only another network helps.
    """
    training = [module for module in network.modules() if module.training]
    try:
        with torch.no_grad():
            return len(network.eval()(torch.zeros(1, *shape))[0])
    except (RuntimeError, ValueError, AssertionError) as error:
        given = f"model.network: {shape[1]} x {shape[2]} pixels" if key is None else f"{key}={shape[1]}"
        said = str(error).partition("\n")[0]
        if isinstance(error, AssertionError):  # so vision transformers say it
            mend = "" if key is None else f"give its size as {key}, or "
            raise InputError(
                f"{given}: this model takes images of another size ({said}); {mend}choose another model"
            ) from error
        mend = "" if key is None else f"raise {key}, or "
        raise InputError(
            f"{given}: the image is too small for this model ({said}); "
            f"{mend}choose model.network.small_images=true (AlexNet, VGG, ResNet) or model=small_vgg"
        ) from error
    finally:
        for module in training:
            module.training = True


def _replace_output(network: nn.Module, outputs: int, num_classes: int) -> None:
    """Replace the layer that gives the logits: the last linear one, or in SqueezeNet the last convolution."""
    layers = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    name, last = [(n, m) for n, m in layers if _outputs(m) == outputs and "aux" not in n.lower()][-1]
    parent, _, child = name.rpartition(".")
    new = nn.Linear(last.in_features, num_classes) if isinstance(last, nn.Linear) else nn.Conv2d(512, num_classes, 1)
    setattr(network.get_submodule(parent), child, new)


def _outputs(layer: nn.Linear | nn.Conv2d) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
