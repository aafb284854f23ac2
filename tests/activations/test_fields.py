"""Fields of whole networks against the support of the gradient, what is left out on purpose detached from it."""

from collections.abc import Callable

import pytest
import torch
from timm.layers.grn import GlobalResponseNorm
from timm.layers.selective_kernel import SelectiveKernelAttn
from torch import nn

from pdtrain.activations.fields import receptive_fields
from pdtrain.activations.layers import Layer, reduce_layers, trace_layers
from pdtrain.errors import InputError
from pdtrain.training.models import small_vgg, timm_model, torchvision_model

_SHAPE = (3, 75, 86)  # not square, and not a multiple of any stride
_FAMILIES = [
    "alexnet", "vgg11_bn", "resnet18", "resnext50_32x4d", "densenet121", "googlenet", "inception_v3", "squeezenet1_1",
    "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny",
    "mnasnet0_5",
]  # fmt: skip
_SMALL_SHAPE = (3, 49, 62)
_EVEN_SHAPE = (3, 96, 128)  # some take no other
_TIMM_FAMILIES = [
    "mobilenetv2_050", "mobilenetv3_small_050", "tf_mobilenetv3_small_minimal_100", "tf_efficientnet_b0", "regnetx_002",
    "regnety_002", "convnext_atto", "convnextv2_atto", "seresnet18", "resnetblur18",
]  # fmt: skip
_MORE_TIMM_FAMILIES = [
    "efficientnet_b0", "tf_efficientnet_cc_b0_4e", "ecaresnet26t", "resnest14d", "skresnet18", "resnetv2_50",
    "gcresnet33ts", "densenet121", "inception_v3", "hrnet_w18_small", "gernet_s", "mixnet_s", "dla34",
    "res2net50_14w_8s", "ghostnet_100", "mobilenetv4_conv_small", "repvgg_a0", "cspresnet50",
]  # fmt: skip
# modules whose outputs scale or shift whole maps by their own averages, by the names that both libraries give them
_GATES = {"gate", "scale_activation", "rsoftmax", "routing_fn", "mlp_add"}


def _transparent(model: nn.Module) -> nn.Module:
    """The same geometry, with gradients that neither cancel nor die: positive weights, averages in place of maxima."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.MaxPool2d):
                average = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(module, name, average)
            if isinstance(child, nn.ReLU6):
                setattr(module, name, nn.ReLU())
            if isinstance(child, nn.Hardsigmoid):
                setattr(module, name, nn.Sigmoid())
    for module in model.modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if isinstance(weight, nn.Parameter) and weight.dim() > 1:
            fan = weight[0].numel()
            nn.init.uniform_(weight, 0.5 / fan, 1.5 / fan)
            if bias is not None:
                nn.init.constant_(bias, 0.01)
        elif isinstance(weight, nn.Parameter):  # of a normalisation: some begin with zero, which hides a branch
            nn.init.ones_(weight)
    return model.double().eval()


def _detach_gates(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in _GATES or isinstance(module, SelectiveKernelAttn):
            module.register_forward_hook(lambda module, inputs, output: output.detach())
        if isinstance(module, GlobalResponseNorm):
            module.forward = _with_constant_norm(module)  # type: ignore[method-assign]


def _with_constant_norm(module: GlobalResponseNorm) -> Callable[[torch.Tensor], torch.Tensor]:
    """Global response normalisation as in timm, its norm of the map detached."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        norm = x.norm(p=2, dim=module.spatial_dim, keepdim=True).detach()
        scale = norm / (norm.mean(dim=module.channel_dim, keepdim=True) + module.eps)
        weight, bias = module.weight.view(module.wb_shape), module.bias.view(module.wb_shape)
        return x + torch.addcmul(bias, weight, x * scale)

    return forward


def _support(unit: torch.Tensor, image: torch.Tensor) -> tuple[int, int, int, int]:
    (gradient,) = torch.autograd.grad(unit, image, retain_graph=True)
    reached = gradient[0].abs().sum(0) > 0
    rows, columns = reached.any(1).nonzero()[:, 0], reached.any(0).nonzero()[:, 0]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _check(model: nn.Module, shape: tuple[int, int, int], *, stages: int = 10, sample: int = 2) -> int:
    """Compare fields with gradients for some units of some layers; return how many were compared."""
    layers = [layer for layer in trace_layers(model, torch.zeros(1, *shape).double()) if len(layer.shape) == 3][1:]
    heard = {name for name, _ in model.named_modules()}  # by the hooks below, as functions are not
    layers = [layer for layer in layers if layer.kind != "gate" and heard & {layer.module, *layer.closes}]
    generator = torch.Generator().manual_seed(0)
    every = max(1, len(layers) // stages)
    units = {la: torch.randint(la.units, (sample,), generator=generator) for la in layers[every - 1 :: every]}
    fields = receptive_fields(model, shape, units)
    outputs: dict[tuple[str, int], torch.Tensor] = {}

    def keep(name: str, output: object) -> None:
        calls = sum(known == name for known, _ in outputs)
        if isinstance(output, torch.Tensor):  # blocks of several branches give several
            outputs[name, calls + 1] = output + 0  # an operation in place may follow

    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, i, o, name=name: keep(name, o))
    _detach_gates(model)
    image = torch.rand(1, *shape, dtype=torch.float64, requires_grad=True)
    model(image)

    for layer, chosen in units.items():
        of_module = (layer.module, layer.call)  # a function's output is that of the module that it closes
        output = outputs[of_module if of_module in outputs else (layer.closes[0], 1)]
        flat, found = output.flatten(1)[0], fields[layer.name]
        for i, unit in enumerate(chosen):
            ours = tuple(int(side[i]) for side in (found.top, found.bottom, found.left, found.right))
            assert ours == _support(flat[unit], image), (layer.name, int(unit))
    return sample * len(units)


@pytest.mark.parametrize("name", _FAMILIES)
def test_fields_of_torchvision_models_equal_the_support_of_the_gradient(name: str) -> None:
    torch.manual_seed(0)
    model = torchvision_model(10, 3, name=name)
    if name in ("alexnet", "vgg11_bn"):
        model.classifier = nn.Identity()  # large, and without maps to compare

    assert _check(_transparent(model), _SHAPE) >= 16


@pytest.mark.parametrize("name", _TIMM_FAMILIES)
def test_fields_of_timm_models_equal_the_support_of_the_gradient(name: str) -> None:
    torch.manual_seed(0)

    assert _check(_transparent(timm_model(10, 3, name=name)), _SMALL_SHAPE) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("name", _MORE_TIMM_FAMILIES)
def test_fields_of_more_timm_models_equal_the_support_of_the_gradient(name: str) -> None:
    torch.manual_seed(0)

    assert _check(_transparent(timm_model(10, 3, name=name)), _EVEN_SHAPE) >= 20


def test_fields_with_dilation_groups_and_uneven_kernels() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, (3, 5), stride=(2, 1), padding=(1, 4), dilation=(1, 2)),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=3, dilation=3, groups=2),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.Conv2d(4, 2, 2),
    )

    assert _check(_transparent(model), (2, 33, 40), sample=5) == 25


def test_the_field_of_the_input_is_the_pixel_and_of_the_output_the_image() -> None:
    model = small_vgg(10, 1)
    layers = trace_layers(model, torch.zeros(1, 1, 32, 32))
    units = {layers[0]: torch.tensor([32 * 5 + 7]), layers[-1]: torch.tensor([3])}

    fields = receptive_fields(model, (1, 32, 32), units)

    pixel, whole = fields["input"], fields["output"]
    assert (int(pixel.top), int(pixel.bottom), int(pixel.left), int(pixel.right)) == (5, 6, 7, 8)
    assert (int(whole.top), int(whole.bottom), int(whole.left), int(whole.right)) == (0, 32, 0, 32)


def test_the_field_of_a_mean_is_that_of_all_its_places_and_of_the_centre_that_place() -> None:
    model = small_vgg(10, 1)
    layers = trace_layers(model, torch.zeros(1, 1, 32, 32))
    relu3 = next(place for place, layer in enumerate(layers) if layer.name == "relu3")
    whole, mean, centre = (reduce_layers(layers, how)[relu3] for how in ("none", "mean", "centre"))

    of_whole, of_mean, of_centre = (
        receptive_fields(model, (1, 32, 32), {layer: units})["relu3"]
        for layer, units in (
            (whole, torch.tensor([5 * 256 + 8 * 16 + 8])),
            (mean, torch.tensor([5])),
            (centre, torch.tensor([5])),
        )
    )

    assert [int(side) for side in (of_mean.top, of_mean.bottom, of_mean.left, of_mean.right)] == [0, 32, 0, 32]
    assert of_centre == of_whole and int(of_centre.bottom - of_centre.top) < 12


def test_an_operation_of_unknown_reach_is_named() -> None:
    model = torchvision_model(10, 3, name="vit_b_16")
    layer = Layer("encoder.ln", "encoder.ln", 1, 1.0, (197, 768), "other")

    with pytest.raises(InputError, match=r"receptive field through .*\(\) is not known"):
        receptive_fields(model, (3, 224, 224), {layer: torch.tensor([0])})
