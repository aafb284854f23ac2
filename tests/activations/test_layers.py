import logging
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pdtrain.activations.layers import Layer, select_layers, trace_layers
from pdtrain.errors import InputError
from pdtrain.training.models import small_vgg, timm_model, torchvision_model


def test_default_layers_of_small_vgg_run_from_input_to_output() -> None:
    layers = select_layers(trace_layers(small_vgg(10, 1), torch.zeros(1, 1, 32, 32)), None)

    names = [layer.name for layer in layers]
    assert names == ["input", "relu1", "pool1", "relu3", "pool2", "relu5", "pool3", "relu7", "output"]
    assert layers[0].depth == 0 and layers[-1].depth == 1


def test_unknown_layer_lists_the_names() -> None:
    layers = trace_layers(small_vgg(10, 1), torch.zeros(1, 1, 32, 32))

    with pytest.raises(InputError, match=r"layers\.names=conv9.*choose from input, conv1"):
        select_layers(layers, ["conv9"])


def test_tracing_leaves_the_model_as_it_was() -> None:
    model = small_vgg(10, 1)
    model.norm2.eval()
    statistics = model.norm1.running_mean.clone()

    trace_layers(model, torch.rand(1, 1, 32, 32))

    assert model.norm1.training and not model.norm2.training and not model.relu1._forward_hooks
    assert torch.equal(model.norm1.running_mean, statistics)


def test_each_call_of_a_module_is_a_layer_of_its_own() -> None:
    layers = trace_layers(torchvision_model(10, 3, name="resnet18"), torch.zeros(1, 3, 64, 64))
    names = [layer.name for layer in layers]

    assert "layer1.0.relu#1" in names and "layer1.0.relu#2" in names and "layer1.0.relu" not in names
    assert [layer.name for layer in select_layers(layers, ["layer1.0.relu"])] == ["layer1.0.relu#1", "layer1.0.relu#2"]
    assert [layer.call for layer in select_layers(layers, ["layer1.0.relu#2"])] == [2]


def test_hooks_are_removed_when_the_model_fails() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(f"no: {self.first(x).shape}")

    model = Fails().train()

    with pytest.raises(RuntimeError, match="no:"):
        trace_layers(model, torch.zeros(1, 1, 4, 4))

    assert not model.first._forward_hooks and not model._forward_pre_hooks and model.training


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

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1, self.conv2 = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3)
        self.pool, self.hidden, self.output = nn.MaxPool2d(2), nn.Linear(288, 16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return self.output(F.relu(self.hidden(x.flatten(1))))


def test_where_activations_are_functions_other_stages_take_their_place_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = _names(_Functional(), 1, 16, 16)

    assert names == ["input", "norm1", "pool", "hidden", "output"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "probing in their place norm1, pool, hidden" in record.message
    assert (
        record.message.startswith("layers.names=null: 0 activation modules for 3") and "layers.names" in record.message
    )


def test_what_is_said_of_the_default_layers_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Conv2d(1, 7, 3), nn.Conv2d(7, 5, 3), nn.Flatten(), nn.Linear(5 * 144, 3))

    first, second = (_names(model, 1, 16, 16) for _ in range(2))

    assert first == second == ["input", "0", "1", "3"] and len(caplog.records) == 1


def test_blocks_that_add_a_function_are_layers_and_those_that_do_not_are_none() -> None:
    names = [layer.name for layer in trace_layers(torchvision_model(10, 3, name="googlenet"), torch.rand(1, 3, 64, 64))]

    assert "conv1" in names, "convolution, normalisation and a ReLU in place"
    assert "inception3a" in names, "a concatenation"
    assert "inception3a.branch2" not in names, "two blocks one after the other"


_STAGES = {
    "googlenet": (torchvision_model, 14, ["maxpool1", "conv2", "inception4a", "avgpool", "fc"]),
    "inception_v3": (torchvision_model, 18, ["Conv2d_1a_3x3", "maxpool2", "Mixed_5b", "Mixed_7c", "fc"]),
    "densenet121": (
        torchvision_model,
        126,
        ["features.pool0", "features.denseblock4.denselayer16.relu2", "features.norm5"],
    ),
    "efficientnet_b0": (torchvision_model, 35, ["features.0.2", "features.7.0.block.1.2", "avgpool"]),
    "mobilenet_v3_small": (torchvision_model, 26, ["features.0.2", "avgpool", "classifier.1", "classifier.3"]),
    "regnet_y_400mf": (torchvision_model, 51, ["stem.2", "trunk_output.block1.block1-0.activation", "avgpool"]),
    "convnext_tiny": (torchvision_model, 21, ["features.1.0.block.4", "avgpool", "classifier.2"]),
    "squeezenet1_1": (torchvision_model, 29, ["features.2", "features.3.expand3x3_activation", "classifier.3"]),
    "shufflenet_v2_x0_5": (torchvision_model, 39, ["maxpool", "stage4.3.branch2.7", "conv5.2", "fc"]),
    "mnasnet0_5": (torchvision_model, 37, ["layers.2", "layers.16", "classifier.1"]),
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
