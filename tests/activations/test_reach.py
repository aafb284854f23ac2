"""What a network computes from averages over a whole map scales it, and does not widen the fields of its units."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pdtrain.activations.fields import receptive_fields
from pdtrain.activations.layers import trace_layers

_SIZE = 12
_WHOLE = (0, _SIZE, 0, _SIZE)
Operation = Callable[[torch.Tensor], torch.Tensor]


class _Scaled(nn.Module):
    """A 3x3 convolution with 4 channels, and what the operation makes of it."""

    def __init__(self, operation: Operation, stride: int = 1) -> None:
        super().__init__()
        self.before, self.operation, self.after = nn.Conv2d(1, 4, 3, stride, 1), operation, nn.Identity()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.after(self.operation(self.before(image)))


def _field(model: nn.Module, layer: str, unit: int, size: int = _SIZE) -> tuple[int, ...]:
    chosen = next(la for la in trace_layers(model, torch.rand(1, 1, size, size)) if layer in (la.name, *la.closes))
    found = receptive_fields(model, (1, size, size), {chosen: torch.tensor([unit])})[chosen.name]
    return tuple(int(side) for side in (found.top, found.bottom, found.left, found.right))


def _unit(row: int, column: int, columns: int = _SIZE) -> int:
    return row * columns + column


def _excited(x: torch.Tensor) -> torch.Tensor:
    return x * F.linear(x.mean((2, 3)), torch.ones(4, 4)).sigmoid()[:, :, None, None]


def _by_context(x: torch.Tensor) -> torch.Tensor:
    weights = x.mean(1).flatten(1).softmax(1)[:, :, None]
    return x + (x.flatten(2) @ weights)[..., None]


def _last_channels(operation: Operation) -> Operation:
    return lambda x: operation(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


_LEFT_OUT: dict[str, Operation] = {
    "excitation": _excited,
    "excitation by expanding": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid().expand_as(x),
    "excitation by pooling": lambda x: x * F.adaptive_avg_pool2d(x, 1),
    "by pooling with a kernel": lambda x: x * F.avg_pool2d(x, x.shape[2]),
    "by the maximum": lambda x: x * F.adaptive_max_pool2d(x, 1) + x.amax((2, 3), keepdim=True),
    "in place": lambda x: x.mul_(x.mean((2, 3), keepdim=True)),
    "one dimension after the other": lambda x: x * x.mean(3, keepdim=True).mean(2, keepdim=True),
    "along channels": lambda x: x * F.conv1d(x.mean((2, 3))[:, None], torch.ones(1, 1, 3), padding=1).view(1, 4, 1, 1),
    "channels last": _last_channels(lambda x: x * x.norm(dim=(1, 2), keepdim=True)),
    "attention over places": _by_context,
    "shifted and scaled": lambda x: (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True),
    "group norm": lambda x: F.group_norm(x, 2),
    "instance norm": F.instance_norm,
    "batch norm without stored statistics": lambda x: F.batch_norm(x, None, None, training=True),
    "layer norm over everything": lambda x: F.layer_norm(x, x.shape[1:]),
    "softmax over places": lambda x: x.flatten(2).softmax(2).view(x.shape),
    "concatenated and convolved": lambda x: F.conv2d(
        torch.cat([x, x.mean((2, 3), keepdim=True).expand_as(x)], 1), torch.ones(4, 8, 1, 1)
    ),
    "filters made for the image": lambda x: F.conv2d(x, x.mean((2, 3)).sigmoid().view(1, 4, 1, 1).expand(4, 4, 1, 1)),
}


@pytest.mark.parametrize("name", _LEFT_OUT)
def test_what_scales_a_map_by_its_averages_is_left_out(name: str) -> None:
    model = _Scaled(_LEFT_OUT[name])

    assert _field(model, "after", _unit(5, 7)) == (4, 7, 6, 9)


_COUNTED: dict[str, tuple[Operation, tuple[int, ...]]] = {
    "average of rows": (lambda x: x * x.mean(2, keepdim=True), (0, 12, 6, 9)),
    "average of a part": (lambda x: x + x[:, :, 2:6].mean((2, 3), keepdim=True), (1, 7, 0, 12)),
    "average in quarters": (lambda x: x + F.interpolate(F.adaptive_avg_pool2d(x, 2), (12, 12)), (0, 7, 5, 12)),
    "attention over the map": (lambda x: x * x.mean(1, keepdim=True).roll(3, 2), (1, 7, 6, 9)),
    "weights for all places": (
        lambda x: x * F.linear(x.flatten(1), torch.ones(4, 576)).view(1, 4, 1, 1),
        _WHOLE,
    ),
    "mixing of places": (lambda x: x + F.linear(x.flatten(2), torch.ones(144, 144)).view(x.shape), _WHOLE),
    "layer norm of each row": (lambda x: F.layer_norm(x, (12,)), (4, 7, 0, 12)),
    "softmax of each row": (lambda x: x.softmax(3), (4, 7, 0, 12)),
}


@pytest.mark.parametrize("name", _COUNTED)
def test_what_looks_at_a_part_of_the_map_or_weighs_its_places_counts(name: str) -> None:
    operation, expected = _COUNTED[name]

    assert _field(_Scaled(operation), "after", _unit(5, 7)) == expected


def test_an_average_over_the_map_sees_all_of_it_where_it_stands_alone() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1), nn.Flatten())

    assert [_field(model, layer, 1) for layer in ("1", "2", "3")] == [_WHOLE] * 3


def test_on_a_single_place_nothing_is_left_out() -> None:
    """The branch that is pooled to one place looks at more than the one beside it, and is no gate."""
    model = _Scaled(lambda x: F.avg_pool2d(x, 3) + F.avg_pool2d(x[:, :, :1, :1], 1), stride=4)

    assert _field(model, "after", 0) == (0, 10, 0, 10)


def test_a_unit_that_no_pixel_reaches_has_an_empty_field() -> None:
    assert _field(_Scaled(lambda x: F.pad(x, (5, 5, 5, 5))), "after", 0) == (0, 0, 0, 0)
