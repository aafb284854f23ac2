"""What is published with weights: how images are shown to them, and how accurate they are."""

from dataclasses import dataclass
from typing import Any

import torchvision
from torch import nn

from pdtrain.errors import InputError
from pdtrain.stimuli.preprocessing import Preprocessing


@dataclass(frozen=True)
class Published:
    """What the publisher of weights says of them.

    Attributes
    ----------
    preprocessing
        Of images.
    weights
        Name of the weights that this is said of.
    accuracy, accuracy_of_five
        Share of ImageNet's validation images whose class comes first, or among the first five; None if it is not said.
    """

    preprocessing: Preprocessing
    weights: str
    accuracy: float | None = None
    accuracy_of_five: float | None = None


def published_of(network: nn.Module) -> Published | None:
    """What is published of a network; None where nothing is. Any builder may set the attribute `published`."""
    found = getattr(network, "published", None)
    return found if isinstance(found, Published) else None


def published_by_torchvision(name: str, weights: str | None) -> Published | None:
    """What torchvision says of weights by their name, or where that is none of its own, of the first of a model."""
    known: Any = torchvision.models.get_model_weights(name)
    offered = list(known.__members__)  # DEFAULT too
    if not offered:
        return None
    named = (weights or "").rpartition(".")[2]
    chosen = known[named if named in offered else offered[0]]
    shown, measured = chosen.transforms(), chosen.meta["_metrics"].get("ImageNet-1K", {})
    preprocessing = Preprocessing(
        pixels=shown.crop_size[0],
        resize_to=shown.resize_size[0],
        interpolation=shown.interpolation.value,
        mean=tuple(shown.mean),
        standard_deviation=tuple(shown.std),
    )
    one, five = (measured.get(key) for key in ("acc@1", "acc@5"))
    return Published(preprocessing, f"torchvision's {name} {chosen.name}", *(v and v / 100 for v in (one, five)))


def published_by_timm(network: Any, *, img_size: Any = None) -> Published:
    """What timm says of the weights of a model that it built, for images of `img_size` where that was given to it.

    Raises
    ------
    InputError
        If they want images in a way that is not offered here.
    """
    import timm

    sides = [img_size] * 2 if isinstance(img_size, int) else img_size  # which timm's network does not keep
    shown = timm.data.resolve_data_config({"input_size": sides and (3, *sides)}, model=network)
    mode, pixels = shown["crop_mode"], shown["input_size"][-1]
    if mode not in ("center", "squash", ""):
        raise InputError(f"model.network.name: its weights want images of crop mode {mode}, which is not offered")
    name = network.pretrained_cfg["architecture"]
    tag = network.pretrained_cfg.get("tag", "")
    return Published(
        Preprocessing(
            pixels=pixels,
            resize_to=int(pixels / shown["crop_pct"]),
            interpolation=shown["interpolation"],
            mean=tuple(shown["mean"]),
            standard_deviation=tuple(shown["std"]),
            squash=mode == "squash",
        ),
        f"timm's {name} {tag}".strip(),
    )
