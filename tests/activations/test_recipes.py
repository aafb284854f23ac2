import logging
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pdtrain.activations.layers import Layer, trace_layers
from pdtrain.activations.recipes import RECIPES, select_layers
from pdtrain.errors import InputError
from pdtrain.training.models import small_vgg, timm_model, torchvision_model


def test_default_layers_of_small_vgg_run_from_input_to_output() -> None:
    layers = select_layers(trace_layers(small_vgg(10, 1), torch.zeros(1, 1, 32, 32)), None)

    names = [layer.name for layer in layers]
    assert names == ["input", "relu1", "pool1", "relu3", "pool2", "relu5", "pool3", "relu7", "output"]
    assert layers[0].depth == 0 and layers[-1].depth == 1


def test_of_an_unknown_layer_the_nearest_names_are_said() -> None:
    layers = trace_layers(small_vgg(10, 1), torch.zeros(1, 1, 32, 32))

    with pytest.raises(InputError, match=r"layers\.names=conv9.*did you mean conv6\? the nearest of 26 are conv6"):
        select_layers(layers, ["conv9"])


def _chosen(model: nn.Module, *shape: int) -> list[Layer]:
    return select_layers(trace_layers(model, torch.rand(1, *shape)), None)


def _names(model: nn.Module, *shape: int) -> list[str]:
    return [layer.name for layer in _chosen(model, *shape)]


def test_the_input_is_there_where_a_network_begins_with_a_pooling() -> None:
    model = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))

    assert _names(model, 1, 16, 16) == ["input", "0", "2", "4"]


def test_a_pooling_stands_for_the_layer_that_it_pools_and_for_no_other() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.act, self.pool = nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)
            self.left, self.act_left, self.right = nn.Conv2d(4, 4, 2, 2), nn.ReLU(), nn.AvgPool2d(2)
            self.output = nn.Conv2d(8, 2, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.pool(self.act(self.stem(x)))
            return self.output(torch.cat([self.act_left(self.left(x)), self.right(x)], 1))

    assert _names(Branches(), 1, 16, 16) == ["input", "pool", "act_left", "right", "output"]


class _Functional(nn.Module):
    """LeNet, its activations functions."""

    def __init__(self, activation: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv1, self.norm1, self.conv2 = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3)
        self.pool, self.hidden, self.output = nn.MaxPool2d(2), nn.Linear(288, 16), nn.Linear(16, 3)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.norm1(self.conv1(x)))
        x = self.pool(self.activation(self.conv2(x)))
        return self.output(self.activation(self.hidden(x.flatten(1))))


def test_activations_that_are_functions_are_found() -> None:
    assert _names(_Functional(F.relu), 1, 16, 16) == ["input", "relu#1", "pool", "relu#3", "output"]


def test_where_activations_cannot_be_heard_other_stages_take_their_place_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = _names(_Functional(lambda x: x.clamp(min=0)), 1, 16, 16)

    assert names == ["input", "norm1", "pool", "hidden", "output"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "probing in place of others norm1, pool, hidden" in record.message
    assert (
        record.message.startswith("layers.names=null: 0 activations heard for 3") and "layers.names" in record.message
    )


def test_what_is_said_of_the_default_layers_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Conv2d(1, 7, 3), nn.Conv2d(7, 5, 3), nn.Flatten(), nn.Linear(5 * 144, 3))

    first, second = (_names(model, 1, 16, 16) for _ in range(2))

    assert first == second == ["input", "0", "1", "3"] and len(caplog.records) == 1


_STAGES = {
    "googlenet": (torchvision_model, 62, ["maxpool1", "conv2.relu", "inception4a.branch1.relu", "avgpool", "fc"]),
    "inception_v3": (torchvision_model, 97, ["Conv2d_1a_3x3.relu", "maxpool2", "Mixed_7c.branch1x1.relu", "fc"]),
    "densenet121": (
        torchvision_model,
        126,
        ["features.pool0", "features.denseblock4.denselayer16.relu2", "adaptive_avg_pool2d"],
    ),
    "efficientnet_b0": (torchvision_model, 35, ["features.0.2", "features.7.0.block.1.2", "avgpool"]),
    "mobilenet_v3_small": (torchvision_model, 26, ["features.0.2", "avgpool", "classifier.1", "classifier.3"]),
    "regnet_y_400mf": (torchvision_model, 51, ["stem.2", "trunk_output.block1.block1-0.activation", "avgpool"]),
    "convnext_tiny": (torchvision_model, 21, ["features.1.0.block.4", "avgpool", "classifier.2"]),
    "squeezenet1_1": (torchvision_model, 29, ["features.2", "features.3.expand3x3_activation", "classifier.3"]),
    "shufflenet_v2_x0_5": (torchvision_model, 39, ["maxpool", "stage4.3.branch2.7", "mean", "fc"]),
    "mnasnet0_5": (torchvision_model, 37, ["layers.2", "mean", "classifier.1"]),
    "tf_efficientnet_b0": (timm_model, 35, ["bn1.act", "blocks.6.0.bn2.act", "global_pool.pool", "classifier"]),
    "convnext_atto": (timm_model, 15, ["stages.0.blocks.0.mlp.act", "head.global_pool.pool", "head.fc"]),
    "regnety_002": (timm_model, 42, ["stem.bn.act", "s1.b1.act3", "head.global_pool.pool"]),
}


@pytest.mark.parametrize("name", _STAGES)
def test_the_default_layers_of_the_usual_networks_are_their_stages(name: str) -> None:
    build, count, some = _STAGES[name]

    chosen = _chosen(build(10, 3, name=name), 3, 96, 96)

    names = [layer.name for layer in chosen]
    assert names[0] == "input" and len(names) == count and not set(some) - set(names)
    assert chosen[-1].depth == 1, "the output"
    # the stages leave no large part of the network out
    assert max(b.depth - a.depth for a, b in pairwise(chosen)) < 0.2


def test_gates_are_no_stages_at_any_image_size() -> None:
    chosen = _chosen(torchvision_model(10, 3, name="efficientnet_b0"), 3, 32, 32)

    assert not [layer.name for layer in chosen if ".fc1" in layer.name or layer.name.endswith("block.2.activation")]
    assert len(chosen) == 35


_ANSUINI = {
    # names, depth in operations: their code counts one more from the first linear layer on
    "alexnet": (
        ["input", "features.2", "features.5", "features.12", "classifier.1", "classifier.4", "classifier.6"],
        [0, 1, 2, 5, 6, 7, 8],
    ),
    "vgg16": (
        ["input", *(f"features.{i}" for i in (4, 9, 16, 23, 30)), *(f"classifier.{i}" for i in (0, 3, 6))],
        [0, 2, 4, 7, 10, 13, 14, 15, 16],
    ),
    "resnet34": (
        ["input", "maxpool", *(f"layer{i}" for i in (1, 2, 3, 4)), "avgpool", "fc"],
        [0, 1, 7, 16, 29, 36, 36, 37],
    ),
}


@pytest.mark.parametrize("name", _ANSUINI)
def test_the_places_of_ansuini_are_those_of_their_figure(name: str) -> None:
    modules, operations = _ANSUINI[name]
    layers = trace_layers(torchvision_model(10, 3, name=name), torch.rand(1, 3, 224, 224))

    chosen = select_layers(layers, None, "ansuini")

    rectified = {"classifier.0": "classifier.1", "classifier.3": "classifier.4"} if name == "vgg16" else {}
    rectified |= {"classifier.1": "classifier.2", "classifier.4": "classifier.5"} if name == "alexnet" else {}
    assert chosen == select_layers(layers, [rectified.get(module, module) for module in modules])
    assert [round(layer.depth * operations[-1]) for layer in chosen] == operations


def _by_recipe(model: nn.Module, recipe: str, *shape: int) -> list[str]:
    return [layer.name for layer in select_layers(trace_layers(model, torch.rand(1, *shape)), None, recipe)]


def test_the_recipes_of_small_vgg() -> None:
    chosen = {recipe: _by_recipe(small_vgg(10, 1), recipe, 1, 32, 32) for recipe in RECIPES}

    relus, convolutions = [f"relu{i}" for i in range(1, 8)], [f"conv{i}" for i in range(1, 7)]
    assert chosen == {
        "default": ["input", "relu1", "pool1", "relu3", "pool2", "relu5", "pool3", "relu7", "output"],
        "ansuini": ["input", "pool1", "pool2", "pool3", "relu7", "output"],
        "stages": ["input", "relu2", "relu4", "relu6", "pool3", "relu7", "output"],
        "all_relu": ["input", *relus, "output"],
        "convolutions": ["input", *convolutions, "hidden", "output"],
    }


def test_the_stages_of_blocks_end_before_the_maps_shrink() -> None:
    mobile = _by_recipe(torchvision_model(10, 3, name="mobilenet_v2"), "stages", 3, 96, 96)
    vision_transformer = _by_recipe(timm_model(10, 3, name="test_vit", img_size=32), "stages", 3, 32, 32)

    assert mobile == [
        "input", "features.1.conv.2", "features.3", "features.6", "features.13", "features.18.2", "adaptive_avg_pool2d",
        "classifier.1",
    ]  # fmt: skip
    blocks = [f"blocks.{i}" for i in range(6)]
    assert vision_transformer == ["input", "patch_embed.proj", *blocks, "norm", "head"], (
        "its resolution does not change"
    )


def test_a_pooling_to_one_place_is_no_gate_where_the_next_enlarges_it() -> None:
    head = [nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 4), nn.ReLU(), nn.Linear(4, 3)]
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *head)

    assert _by_recipe(network, "default", 1, 4, 4) == ["input", "2", "6", "7"]
    assert _by_recipe(network, "ansuini", 1, 4, 4) == ["input", "2", "6", "7"]


def test_the_pooled_vector_is_a_stage_where_the_head_is_a_module() -> None:
    for name in ("regnety_002", "convnext_atto"):
        layers = trace_layers(timm_model(10, 3, name=name), torch.rand(1, 3, 64, 64))
        for recipe in ("stages", "ansuini"):
            chosen = [layer.name for layer in select_layers(layers, None, recipe)]
            assert chosen[-2:] == ["head.global_pool.pool", "head.fc"] and not chosen[-3].startswith("head.")


class _TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.pool = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        self.hidden, self.act2 = nn.Linear(4, 3), nn.ReLU()
        self.head, self.norm, self.head_dist = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act2(self.hidden(self.pool(self.act(self.conv(x))).flatten(1)))
        return (self.head(x) + self.head_dist(self.norm(x))) / 2


def test_the_first_of_two_outputs_is_no_hidden_layer() -> None:
    chosen = {recipe: _by_recipe(_TwoHeads().eval(), recipe, 1, 8, 8) for recipe in RECIPES}

    assert all(names[-1] == "head_dist" and not {"head", "norm"} & set(names) for names in chosen.values())
    assert all(names[-2] == "act2" for recipe, names in chosen.items() if recipe != "convolutions")
    assert chosen["convolutions"][-2] == "hidden", "as many as the network gives, yet used"


def test_patterns_choose_what_they_match_in_each_network(caplog: pytest.LogCaptureFixture) -> None:
    resnet = trace_layers(torchvision_model(10, 3, name="resnet18"), torch.rand(1, 3, 64, 64))
    vgg = trace_layers(small_vgg(10, 1), torch.rand(1, 1, 32, 32))
    patterns = ["layer?", "pool?", "in*"]

    assert [la.name for la in select_layers(vgg, patterns)] == ["input", "pool1", "pool2", "pool3"]
    assert [la.closes[-1] for la in select_layers(resnet, patterns)[1:]] == [f"layer{i}" for i in (1, 2, 3, 4)]
    assert [record.message for record in caplog.records] == [
        f"layers.names={pattern}: no such layer in this network, whose others are probed" for pattern in patterns[:2]
    ]
    with pytest.raises(InputError, match=r"^layers\.names=layer\?, block\*: no such layer"):
        select_layers(vgg, ["layer?", "block*"])


def test_an_unknown_recipe_lists_the_recipes() -> None:
    layers = trace_layers(small_vgg(10, 1), torch.zeros(1, 1, 32, 32))

    with pytest.raises(
        InputError, match=r"^layers\.recipe=stage: .*did you mean stages\? choose from default, ansuini"
    ):
        select_layers(layers, None, "stage")
