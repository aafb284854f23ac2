import pytest
import torch
import torchvision
from omegaconf import OmegaConf

from pdtrain.errors import InputError
from pdtrain.stimuli.preprocessing import Preprocessing
from pdtrain.training.models import timm_model, torchvision_model
from pdtrain.training.published import published_by_torchvision, published_of

_IMAGE = torch.randint(256, (3, 300, 400), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
_ONE_LEVEL = 1.01 / 255 / 0.224  # resizing rounds differently from library to library
_GIVEN = {key: None for key in ("pixels", "resize_to", "interpolation", "mean", "standard_deviation", "squash")}


@pytest.mark.parametrize("weights", ["IMAGENET1K_V1", "IMAGENET1K_V2", "DEFAULT"])
def test_images_are_shown_as_torchvision_shows_them(weights: str) -> None:
    published = published_by_torchvision("resnet50", weights)
    assert published is not None
    ours = published.preprocessing

    theirs = torchvision.models.get_model_weights("resnet50")[weights].transforms()(_IMAGE)

    assert ours.shape == tuple(theirs.shape)
    assert float((ours.normalize(ours.resize(_IMAGE)) - theirs).abs().max()) < _ONE_LEVEL
    assert published.accuracy is not None and 0.7 < published.accuracy < 0.9 < (published.accuracy_of_five or 0)


def test_images_are_shown_as_timm_shows_them() -> None:
    timm = pytest.importorskip("timm")
    network = timm_model(None, 3, name="resnet10t")
    published = published_of(network)
    assert published is not None
    ours = published.preprocessing

    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=network), is_training=False)
    theirs = transform(torchvision.transforms.v2.functional.to_pil_image(_IMAGE))

    assert ours.shape == tuple(theirs.shape)
    assert float((ours.normalize(ours.resize(_IMAGE)) - theirs).abs().max()) < _ONE_LEVEL


def test_a_network_without_weights_of_its_own_is_shown_images_as_the_first_of_its_kind() -> None:
    published = published_of(torchvision_model(10, 1, name="alexnet"))

    assert published is not None and published.preprocessing.pixels == 224


def test_what_is_given_counts() -> None:
    published = Preprocessing(pixels=224, resize_to=256)

    changed = published.changed(_GIVEN | {"pixels": 112, "mean": OmegaConf.create([0.5] * 3)})

    assert (changed.pixels, changed.resize_to, changed.mean) == (112, 128, (0.5, 0.5, 0.5))
    assert Preprocessing.of(_GIVEN | {"pixels": 32, "mean": [0.5], "standard_deviation": [0.25]}).shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"interpolation": "cubic"}, "preprocessing.interpolation=cubic: no such interpolation; did you mean bicubic"),
        ({"interpolation": "box"}, "preprocessing.interpolation=box: no such interpolation"),
        ({"pixels": 0}, "preprocessing.pixels=0: give 1 or more"),
        (
            {"standard_deviation": [0, 1, 1]},
            r"preprocessing.standard_deviation=\[0.0, 1.0, 1.0\]: give numbers",
        ),
        ({"mean": [0.5] * 2, "standard_deviation": [1, 1]}, r"preprocessing.mean=\[0.5, 0.5\]: give 3 values, or 1"),
        ({"pixels": 300, "resize_to": 200}, "preprocessing.resize_to=200: 300 pixels are cut out of it"),
        ({"mean": [0.5]}, "preprocessing.mean: give as many values as preprocessing.standard_deviation has"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing(pixels=224, resize_to=256).changed(_GIVEN | given)
