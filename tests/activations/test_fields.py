import pytest
import torch
from torch import nn

from pdtrain.activations.fields import receptive_fields
from pdtrain.activations.layers import Layer, trace_layers
from pdtrain.errors import InputError
from pdtrain.training.models import small_vgg, torchvision_model

_SHAPE = (3, 97, 110)  # not square, and not a multiple of any stride
_FAMILIES = [
    "alexnet", "vgg11_bn", "resnet18", "resnext50_32x4d", "densenet121", "googlenet", "squeezenet1_1", "mobilenet_v2",
    "shufflenet_v2_x0_5", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny", "mnasnet0_5",
]  # fmt: skip


def _transparent(model: nn.Module) -> nn.Module:
    """The same geometry, with gradients that neither cancel nor die: positive weights, averages in place of maxima."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.MaxPool2d):
                average = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(module, name, average)
            if isinstance(child, nn.ReLU6):
                setattr(module, name, nn.ReLU())
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan = module.weight[0].numel()
            nn.init.uniform_(module.weight, 0.5 / fan, 1.5 / fan)
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.01)
    return model.double().eval()


def _support(unit: torch.Tensor, image: torch.Tensor) -> tuple[int, int, int, int]:
    (gradient,) = torch.autograd.grad(unit, image, retain_graph=True)
    reached = gradient[0].abs().sum(0) > 0
    rows, columns = reached.any(1).nonzero()[:, 0], reached.any(0).nonzero()[:, 0]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _check(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """Compare fields with gradients for some units of a dozen layers; return how many were compared."""
    layers = [layer for layer in trace_layers(model, torch.zeros(1, *shape).double()) if len(layer.shape) == 3][1:]
    generator = torch.Generator().manual_seed(0)
    units = {la: torch.randint(la.units, (4,), generator=generator) for la in layers[:: max(1, len(layers) // 12)]}
    outputs: dict[tuple[str, int], torch.Tensor] = {}

    def keep(name: str, output: torch.Tensor) -> None:
        calls = sum(known == name for known, _ in outputs)
        outputs[name, calls + 1] = output

    handles = [m.register_forward_hook(lambda m, i, o, n=n: keep(n, o)) for n, m in model.named_modules()]
    image = torch.rand(1, *shape, dtype=torch.float64, requires_grad=True)
    model(image)
    for handle in handles:
        handle.remove()

    fields = receptive_fields(model, shape, units)

    for layer, chosen in units.items():
        flat, found = outputs[layer.module, layer.call].flatten(1)[0], fields[layer.name]
        for i, unit in enumerate(chosen):
            ours = tuple(int(side[i]) for side in (found.top, found.bottom, found.left, found.right))
            assert ours == _support(flat[unit], image), (layer.name, int(unit))
    return 4 * len(units)


@pytest.mark.parametrize("name", _FAMILIES)
def test_fields_of_torchvision_models_equal_the_support_of_the_gradient(name: str) -> None:
    torch.manual_seed(0)

    assert _check(_transparent(torchvision_model(10, 3, name=name)), _SHAPE) >= 40


def test_fields_with_dilation_groups_and_uneven_kernels() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, (3, 5), stride=(2, 1), padding=(1, 4), dilation=(1, 2)),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=3, dilation=3, groups=2),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.Conv2d(4, 2, 2),
    )

    assert _check(_transparent(model), (2, 33, 40)) >= 20


def test_the_field_of_the_input_is_the_pixel_and_of_the_output_the_image() -> None:
    model = small_vgg(10, 1)
    layers = trace_layers(model, torch.zeros(1, 1, 32, 32))
    units = {layers[0]: torch.tensor([32 * 5 + 7]), layers[-1]: torch.tensor([3])}

    fields = receptive_fields(model, (1, 32, 32), units)

    pixel, whole = fields["input"], fields["output"]
    assert (int(pixel.top), int(pixel.bottom), int(pixel.left), int(pixel.right)) == (5, 6, 7, 8)
    assert (int(whole.top), int(whole.bottom), int(whole.left), int(whole.right)) == (0, 32, 0, 32)


def test_an_operation_of_unknown_reach_is_named() -> None:
    model = torchvision_model(10, 3, name="vit_b_16")
    layer = Layer("encoder.ln", "encoder.ln", 1, 1.0, (197, 768), "other")

    with pytest.raises(InputError, match=r"receptive field through .*\(\) is not known"):
        receptive_fields(model, (3, 224, 224), {layer: torch.tensor([0])})
