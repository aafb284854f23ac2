"""Each operation against what really reaches the units: the pixels whose change changes them."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pdtrain.activations.fields import receptive_fields
from pdtrain.activations.layers import trace_layers
from pdtrain.errors import InputError

_SHAPE = (2, 15, 18)
Operation = Callable[[torch.Tensor], torch.Tensor]


class _Copy(nn.Module):
    """A layer of its own, as one that passes on what it is given is not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clone()


class _Around(nn.Module):
    """A convolution, the operation under test, and a module after it whose units are looked at."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.before, self.operation, self.after = nn.Conv2d(2, 4, 3, padding=1), operation, _Copy()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.after(self.operation(self.before(image)))


def _monotone(model: nn.Module) -> nn.Module:
    """The same geometry with positive weights: a brighter pixel makes every unit that it reaches larger."""
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return model.double().eval()


def _boxes(model: nn.Module, name: str) -> torch.Tensor:
    """Top, bottom, left and right of the pixels that change each unit of a layer, shape (units, 4)."""
    _, height, width = _SHAPE
    base = torch.rand(1, *_SHAPE, dtype=torch.float64)
    # so bright that maxima change too, wherever the pixel is
    brighter = 1e4 * torch.eye(height * width, dtype=torch.float64).view(-1, 1, height, width)
    seen: list[torch.Tensor] = []
    handle = model.get_submodule(name).register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        for image in [base, *(base + brighter).split(1)]:
            model(image.clone())
    handle.remove()
    changed = torch.stack([(one != seen[0]).flatten() for one in seen[1:]]).view(height, width, -1)
    rows, columns = changed.any(1), changed.any(0)
    boxes = torch.stack([_first(rows), height - _first(rows.flip(0)), _first(columns), width - _first(columns.flip(0))])
    return torch.where(changed.any((0, 1)), boxes, 0).T


def _first(which: torch.Tensor) -> torch.Tensor:
    return which.int().argmax(0)


def _assert_fields_are_true(model: nn.Module, name: str) -> None:
    torch.manual_seed(0)
    model = _monotone(model)
    layer = next(la for la in trace_layers(model, torch.rand(1, *_SHAPE).double()) if la.name == name)

    found = receptive_fields(model, _SHAPE, {layer: torch.arange(layer.units)})[name]

    ours = torch.stack([found.top, found.bottom, found.left, found.right], 1)
    assert torch.equal(ours, _boxes(model, name))


_CONVOLUTIONS = {
    **{f"padding_mode={mode}": nn.Conv2d(2, 3, 5, padding=2, padding_mode=mode)
       for mode in ("circular", "reflect", "replicate", "zeros")},
    "uneven circular": nn.Conv2d(2, 3, (3, 5), padding=(1, 3), padding_mode="circular", stride=(2, 1)),
    "padding=same": nn.Conv2d(2, 3, (4, 3), padding="same", dilation=(1, 2)),
    "padding=same and circular": nn.Conv2d(2, 3, 3, padding="same", padding_mode="circular"),
    "padding=valid": nn.Conv2d(2, 3, 3, padding="valid"),
    "stride beyond the kernel": nn.Conv2d(2, 3, 2, stride=4),
    "dilation": nn.Conv2d(2, 3, 3, dilation=(2, 3), padding=(3, 1)),
    "padding beyond the kernel": nn.Conv2d(2, 3, 2, padding=4),
    "depthwise": nn.Conv2d(2, 6, 3, groups=2),
    "transposed": nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1),
    "transposed with groups and dilation": nn.ConvTranspose2d(2, 4, (2, 3), stride=(3, 1), dilation=2, groups=2),
    "max pooling": nn.MaxPool2d(3, 2, 1, dilation=2),
    "max pooling, ceil": nn.MaxPool2d(2, 2, ceil_mode=True),
    "average pooling": nn.AvgPool2d((3, 2), 2, 1, ceil_mode=True, count_include_pad=False),
    "adaptive pooling": nn.AdaptiveAvgPool2d((4, 7)),
    "adaptive max pooling": nn.AdaptiveMaxPool2d((4, 5)),
    "power pooling": nn.LPPool2d(2, 3, 2),
    "nearest upsampling": nn.Upsample(scale_factor=(1.5, 2)),
    "zero padding": nn.ZeroPad2d((1, 2, 3, 0)),
    "negative padding": nn.ZeroPad2d((-1, 2, -3, 1)),
    "circular padding": nn.CircularPad2d((2, 0, 1, 3)),
    "prelu": nn.PReLU(2),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", _CONVOLUTIONS)
def test_fields_of_modules_are_the_pixels_that_change_their_units(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(2, 2, (2, 1)), _CONVOLUTIONS[name], nn.Conv2d(_channels(name), 1, 2))

    _assert_fields_are_true(model, "1")
    _assert_fields_are_true(model, "2")


def _channels(name: str) -> int:
    module = _CONVOLUTIONS[name]
    return module.out_channels if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) else 2


def _added_in_place(x: torch.Tensor) -> torch.Tensor:
    x[:, :1].add_(x[:, 1:2].roll(3, 2))
    x.mul_(2)
    return x


def _assigned(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[:, 0, 2:5] = x[:, 1, 7:10].clone()
    x[:, 2] = 0.5
    x[:, 3, ::2] += x[:, 3, 1::2][:, :1]
    return x


def _assigned_by_index(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[:, torch.tensor([0, 2])] = x[:, torch.tensor([3, 3])]
    return x


def _collected(x: torch.Tensor) -> torch.Tensor:
    out = x.new_zeros(x.shape)
    out[..., 1:] = x[..., :-1]
    return out


def _copy_is_a_copy(x: torch.Tensor) -> torch.Tensor:
    y = torch.sigmoid(x * 1e-6)
    y += x.flip(2)
    return x


def _view_is_a_view(x: torch.Tensor) -> torch.Tensor:
    y = x.view(1, 4, -1)
    y += y.flip(-1)
    return x


def _data_is_the_tensor(x: torch.Tensor) -> torch.Tensor:
    x.data.mul_(x.roll(2, 3))
    return x


_OPERATIONS: dict[str, Operation] = {
    "add_ on a view": _added_in_place,
    "assignment to a slice": _assigned,
    "assignment by index": _assigned_by_index,
    "assignment to a new tensor": _collected,
    "a copy changed in place": _copy_is_a_copy,
    "a view changed in place": _view_is_a_view,
    "data changed in place": _data_is_the_tensor,
    "relu_ and hardtanh_": lambda x: F.hardtanh_(F.relu_(x), 0, 1e9),
    "cat with zeros": lambda x: torch.cat([x, torch.zeros(1, 2, 15, 18).double()], 1),
    "cat with zeros first": lambda x: torch.cat([torch.zeros(1, 2, 15, 18).double(), x], 1),
    "stack with zeros": lambda x: torch.stack([torch.zeros(1, 4, 15, 18).double(), x], 2).flatten(1, 2),
    "shortcut padded in channels": lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)),
    "padded by reflection": lambda x: F.pad(x, (3, 0, 1, 2), mode="reflect"),
    "padded around": lambda x: F.pad(x, (3, 0, 1, 2), mode="circular"),
    "padded by ones": lambda x: F.pad(x, (3, -1, 1, 2), value=1.0),
    "roll": lambda x: x.roll((2, -5), (2, 3)),
    "flip": lambda x: x.flip(3),
    "channels last": lambda x: F.linear(x.permute(0, 2, 3, 1), torch.ones(3, 4).double()).permute(0, 3, 1, 2),
    "layer norm over channels": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
    "softmax over channels": lambda x: (x * 1e-6).softmax(1),
    "mean over channels": lambda x: x * x.mean(1, keepdim=True),
    "mean over rows": lambda x: x + x.mean(2, keepdim=True),
    "maximum of two": lambda x: torch.maximum(x, x.roll(1, 2)),
    "where": lambda x: torch.where(x > 100, x, x.roll(2, 3)),
    "number minus": lambda x: 1 - x,
    "number over": lambda x: 1 / (x + 1),
    "clamp": lambda x: x.clamp(min=-1),
    "matrix product": lambda x: x @ torch.ones(18, 5).double(),
    "batched product": lambda x: torch.bmm(torch.ones(1, 3, 4).double(), x.flatten(2)).view(1, 3, 15, 18),
    "einsum": lambda x: torch.einsum("bchw,cd->bdhw", x, torch.ones(4, 3).double()),
    "pixel shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel unshuffle": lambda x: F.pixel_unshuffle(x[..., 1:, :], 2),
    "channel shuffle": lambda x: F.channel_shuffle(x, 2),
    "shuffle by reshaping": lambda x: x.view(1, 2, 2, 15, 18).transpose(1, 2).reshape(1, 4, 15, 18),
    "local response norm": lambda x: F.local_response_norm(x, 3, alpha=1e-9),
    "patches": lambda x: F.unfold(x, (2, 3), padding=1, stride=2),
    "windows by unfolding": lambda x: x.unfold(2, 3, 2).mean(-1),
    "gather": lambda x: x.gather(2, torch.tensor([4, 0]).view(1, 1, 2, 1).expand(len(x), 4, 2, 18)),
    "index": lambda x: x[:, [3, 0]][..., [1, 1, 5]],
    "repeat": lambda x: x.repeat(1, 2, 1, 2),
    "chunk": lambda x: x.chunk(2, 1)[1] * x.chunk(2, 1)[0],
    "amax over rows": lambda x: x.amax(2),
    "max over rows": lambda x: x.max(2).values,
    "norm over channels": lambda x: F.normalize(x, dim=1),
    "convolution along rows": lambda x: F.conv1d(x[..., 3], torch.ones(2, 4, 3).double(), padding=1),
}  # fmt: skip


@pytest.mark.parametrize("name", _OPERATIONS)
def test_fields_after_an_operation_are_the_pixels_that_change_the_units(name: str) -> None:
    _assert_fields_are_true(_Around(_OPERATIONS[name]), "after")


def _into_a_tensor_made_beforehand(x: torch.Tensor) -> torch.Tensor:
    made = torch.zeros(x.shape, dtype=x.dtype)
    made[:, :2] = x[:, 2:]
    return made


def _with_other_data(x: torch.Tensor) -> torch.Tensor:
    x.data = x.roll(1, 2)
    return x


_UNKNOWN: dict[str, tuple[Operation, str]] = {
    "into a tensor made beforehand": (_into_a_tensor_made_beforehand, "copy_"),
    "out=": (lambda x: torch.add(x, x.roll(1, 2), out=torch.zeros_like(x)), "add"),
    "an index that activations give": (lambda x: x.gather(2, x.argmax(2, keepdim=True)), "argmax"),
    "a place that activations give": (lambda x: x.sort(2).values, "sort"),
    "bilinear interpolation": (lambda x: F.interpolate(x, (20, 20), mode="bilinear"), "upsample_bilinear2d"),
    "folding": (lambda x: F.fold(F.unfold(x, 2), (15, 18), 2), "col2im"),
    "cumulative sum": (lambda x: x.cumsum(2), "cumsum"),
    "an activation as a number": (lambda x: x * x.sum().item(), "_local_scalar_dense"),
    "a view of the bits": (lambda x: x.view(torch.int64).double(), "view"),
    "strides": (lambda x: x.as_strided((1, 4, 15, 17), (1080, 270, 18, 1)), "as_strided"),
    "added up by index": (lambda x: x.clone().index_add_(2, torch.tensor([1]), x[:, :, :1]), "index_add_"),
    "triangle": (lambda x: x.tril(), "tril"),
    "numbers outside of PyTorch": (lambda x: torch.from_numpy(x.numpy().copy()), r"this network \(.*numpy"),
    "other data": (_with_other_data, r"an assignment to \.data"),
    "grid sample": (lambda x: F.grid_sample(x, torch.zeros(1, 3, 3, 2).double(), align_corners=False), "grid_sample"),
}


@pytest.mark.parametrize("name", _UNKNOWN)
def test_an_operation_that_is_not_known_is_refused_by_name(name: str) -> None:
    operation, refused = _UNKNOWN[name]
    model = _monotone(_Around(operation))
    layer = trace_layers(model, torch.rand(1, *_SHAPE).double())[-1]

    with pytest.raises(InputError, match=rf"receptive field through {refused}.* is not known; leave out"):
        receptive_fields(model, _SHAPE, {layer: torch.tensor([0])})
