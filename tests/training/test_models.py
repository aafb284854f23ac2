from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision

from pdtrain.errors import InputError
from pdtrain.training.models import check_image_size, small_vgg, timm_model, torchvision_model
from pdtrain.training.published import published_of


def test_small_vgg_is_small() -> None:
    model = small_vgg(10, 1)

    assert sum(p.numel() for p in model.parameters()) < 500_000
    assert model(torch.rand(2, 1, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    "name", ["alexnet", "vgg11_bn", "resnet18", "squeezenet1_1", "densenet121", "mobilenet_v2", "googlenet"]
)
def test_torchvision_models_give_logits_while_training(name: str) -> None:
    logits = torchvision_model(7, 1, name=name).train()(torch.rand(2, 1, 64, 64))

    assert logits.shape == (2, 7)


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "resnet18"])
def test_small_forms_take_32_pixels(name: str) -> None:
    model = torchvision_model(7, 3, name=name, small_images=True).eval()

    assert model(torch.rand(1, 3, 32, 32)).shape == (1, 7)


def test_a_model_without_a_small_form_says_so() -> None:
    with pytest.raises(InputError, match="small_images=true: densenet121 has no small-image form"):
        torchvision_model(7, 3, name="densenet121", small_images=True)


def test_weights_are_loaded_from_a_local_file_and_the_output_is_replaced(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = torchvision.models.squeezenet1_1()
    monkeypatch.setattr(torchvision.models.SqueezeNet1_1_Weights, "get_state_dict", lambda *a, **k: source.state_dict())

    model = torchvision_model(7, 3, name="squeezenet1_1", weights="DEFAULT")

    assert torch.equal(model.features[0].weight, source.features[0].weight)
    assert model.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 7)


def test_unknown_weights_list_the_names() -> None:
    with pytest.raises(InputError, match=r"weights=IMAGENET: no such weights of alexnet; .*choose from IMAGENET1K_V1"):
        torchvision_model(7, 3, name="alexnet", weights="IMAGENET")


def test_weights_that_cannot_be_had_say_where_to_put_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models.AlexNet_Weights, "get_state_dict", unreachable)

    with pytest.raises(InputError, match=r"weights=DEFAULT: cannot be downloaded.*alexnet.*\.pth into"):
        torchvision_model(7, 3, name="alexnet", weights="DEFAULT")


def test_timm_models_take_any_channels_and_classes() -> None:
    model = timm_model(7, 1, name="resnet10t").eval()

    assert model(torch.rand(1, 1, 64, 64)).shape == (1, 7)


def test_an_unknown_timm_model_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"model.network.name=resnet19: no such timm model; did you mean resnet1"):
        timm_model(7, 1, name="resnet19")


def test_networks_for_one_size_of_images_say_which_or_are_shown_it() -> None:
    for size in (64, [64, 64]):
        model = timm_model(7, 3, name="vit_tiny_patch16_224", img_size=size, depth=1)

        assert check_image_size(model, published_of(model).preprocessing.shape) == 7
        with pytest.raises(
            InputError, match=r"data\.pixels=96: this model takes images of another size \(.*64.*\); give"
        ):
            check_image_size(model, (3, 96, 96), key="data.pixels")


@pytest.mark.parametrize("build", [torchvision_model, timm_model])
def test_weights_come_from_a_file(build: Callable[..., torch.nn.Module], tmp_path: Path) -> None:
    classes = 1000 if build is torchvision_model else 7
    source = build(classes, 3, name="resnet18")
    torch.save(source.state_dict(), tmp_path / "weights.pth")

    model = build(7, 3, name="resnet18", weights=str(tmp_path / "weights.pth"))

    assert torch.equal(model.state_dict()["layer1.0.conv1.weight"], source.state_dict()["layer1.0.conv1.weight"])
    assert model.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 7)
    with pytest.raises(InputError, match=r"model.network.weights=.*another architecture"):
        build(7, 3, name="resnet34", weights=str(tmp_path / "weights.pth"))


def test_torchvision_weights_come_from_the_torch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.SqueezeNet1_1_Weights.DEFAULT
    source = torchvision.models.squeezenet1_1()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(source.state_dict(), tmp_path / "hub" / "checkpoints" / weights.url.rpartition("/")[2])

    model = torchvision_model(7, 3, name="squeezenet1_1", weights="DEFAULT")

    assert torch.equal(model.state_dict()["features.0.weight"], source.state_dict()["features.0.weight"])
