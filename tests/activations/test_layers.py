import pytest
import torch
from torch import nn

from pdtrain.activations.layers import select_layers, trace_layers
from pdtrain.errors import InputError
from pdtrain.training.models import small_vgg, torchvision_model


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
