import pytest
import torch

from pdtrain.activations.layers import select_layers, trace_layers
from pdtrain.activations.recorder import Recorder
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


def test_tracing_leaves_the_model_in_its_mode() -> None:
    model = small_vgg(10, 1)
    model.norm2.eval()

    trace_layers(model, torch.zeros(1, 1, 32, 32))

    assert model.norm1.training and not model.norm2.training


@pytest.mark.parametrize("name", ["alexnet", "vgg11"])
def test_receptive_field_contains_the_gradient_and_nothing_less(name: str) -> None:
    torch.manual_seed(0)
    model = torchvision_model(10, 3, name=name).eval()
    image = torch.rand(1, 3, 96, 96)
    layer = next(layer for layer in trace_layers(model, image) if layer.name == "features.5")
    support = torch.zeros(96, 96, dtype=torch.bool)
    row, column = layer.shape[1] // 2, layer.shape[2] // 2
    found: list[torch.Tensor] = []
    handle = model.features[5].register_forward_hook(lambda m, i, o: found.append(o))
    for _ in range(12):
        inputs = torch.randn_like(image).requires_grad_()
        model(inputs)
        found.pop()[0, :, row, column].sum().backward()
        support |= inputs.grad[0].abs().sum(0) > 0
    handle.remove()

    fields = layer.fields(torch.tensor([row * layer.shape[2] + column]), 96, 96)

    rows, columns = support.any(1).nonzero()[:, 0], support.any(0).nonzero()[:, 0]
    assert (int(fields.top), int(fields.bottom)) == (int(rows[0]), int(rows[-1]) + 1)
    assert (int(fields.left), int(fields.right)) == (int(columns[0]), int(columns[-1]) + 1)


def test_recorder_keeps_layers_exactly_or_projects_them_with_exact_units() -> None:
    torch.manual_seed(0)
    model, images = small_vgg(10, 1).eval(), torch.rand(70, 1, 32, 32)
    layers = select_layers(trace_layers(model, images[:1]), ["relu1", "output"])

    exact = Recorder(layers, max_units=50, batch_size=32).record(model, images)
    projected = Recorder(layers, max_units=50, batch_size=70, memory_bytes=2**20).record(model, images)

    torch.testing.assert_close(exact[1].representation, model(images).detach(), atol=1e-5, rtol=1e-5)
    assert [r.projected for r in projected] == [True, False]
    torch.testing.assert_close(exact[0].unit_responses, projected[0].unit_responses, atol=1e-5, rtol=1e-5)
    ratio = torch.pdist(projected[0].representation) / torch.pdist(exact[0].representation)
    assert abs(float(ratio.mean()) - 1) < 0.05
    assert not model.relu1._forward_hooks
