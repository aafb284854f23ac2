import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pdtrain.activations.hooks import listening
from pdtrain.activations.layers import Layer, reduce_layers, trace_layers
from pdtrain.activations.recipes import select_layers
from pdtrain.errors import InputError
from pdtrain.training.models import small_vgg, torchvision_model


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


def test_blocks_that_add_something_are_layers_and_those_that_do_not_are_none() -> None:
    layers = trace_layers(torchvision_model(10, 3, name="googlenet"), torch.rand(1, 3, 64, 64))
    known = {layer.name: layer for layer in layers}

    assert "inception3a" in known, "a concatenation"
    assert "conv1" not in known and known["conv1.relu"].closes == ("conv1",), "it ends with a function"
    assert "inception3a.branch2" not in known, "two blocks one after the other"
    assert known["inception3a.branch2.1.relu"].closes == ("inception3a.branch2.1", "inception3a.branch2")


def test_modules_that_pass_on_what_they_are_given_are_no_layers() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout(), nn.Flatten(), nn.Linear(8, 3), nn.Identity())

    layers = trace_layers(model, torch.rand(1, 1, 4, 4))

    assert [(layer.name, layer.closes) for layer in layers[1:]] == [("0", ("1", "2")), ("3", ("4",))]


def test_a_network_of_functions_has_its_activations_and_poolings_at_their_depth() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu, self.hidden, self.output = (
                nn.Conv2d(1, 4, 3),
                nn.ReLU(),
                nn.Linear(4, 5),
                nn.Linear(5, 2),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.max_pool2d(self.conv(x).relu_(), kernel_size=2)
            x = F.silu(input=x).mean((2, 3))
            x = torch.relu(self.relu(self.hidden(x)))
            return self.output(torch.tanh(F.avg_pool1d(x, 3, 1, 1)) + x.mean())

    layers = trace_layers(Net(), torch.rand(1, 1, 16, 16))

    assert [(la.name, la.kind, round(la.depth, 2), la.source) for la in layers[1:]] == [
        ("conv", "convolution", 0.33, "input"),
        ("relu()#1", "activation", 0.33, "conv"),  # the name is that of a module
        ("max_pool2d", "pooling", 0.33, "relu()#1"),
        ("silu", "activation", 0.33, "max_pool2d"),
        ("mean", "pooling", 0.33, "silu"),
        ("hidden", "linear", 0.67, "mean"),
        ("relu", "activation", 0.67, "hidden"),
        ("relu()#2", "activation", 0.67, "relu"),
        ("tanh", "activation", 0.67, ""),
        ("output", "linear", 1.0, ""),
    ]


class _Windows(nn.Module):
    """Looks at quarters of the image by themselves, and adds a table that no image changes."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.table, self.act, self.output = nn.Linear(4, 4), nn.Linear(2, 1), nn.ReLU(), nn.Linear(16, 2)
        self.register_buffer("places", torch.rand(1, 16, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        windows = self.inside(x.reshape(-1, 4)).view(len(x), 16)
        return self.output(windows + self.act(self.table(self.places)).view(1, 16))


def test_what_is_not_one_response_for_each_image_is_no_layer() -> None:
    layers = trace_layers(_Windows(), torch.rand(1, 1, 4, 4))

    assert [(layer.name, layer.depth) for layer in layers] == [("input", 0.0), ("output", 1.0)]
    assert trace_layers(_Windows(), torch.rand(1, 1, 2, 8))[1:] == layers[1:], "whatever the shape of the image"


def test_functions_are_heard_without_changing_what_the_network_computes() -> None:
    torch.manual_seed(0)
    model, images = torchvision_model(10, 3, name="googlenet").eval(), torch.rand(2, 3, 64, 64)
    heard: list[tuple[str, int]] = []

    with torch.no_grad():
        expected = model(images)
        with listening(
            model, ["conv1.relu", "inception3a.branch1.relu"], lambda name, call, *_: heard.append((name, call))
        ):
            found = [model(images) for _ in range(2)]
        after = model(images)

    assert all(torch.equal(one, expected) for one in (*found, after))
    assert heard == [("conv1.relu", 1), ("inception3a.branch1.relu", 1)] * 2
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_model_that_fails_within_does_not_confuse_the_next_pass() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Conv2d(1, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(x)
            if len(x) > 1:
                self.inner(x[0, 0, 0])
            return F.relu(self.inner(x))

    model, heard = Fails(), []

    with listening(model, None, lambda name, call, *_: heard.append(f"{name}#{call}")):
        with pytest.raises(RuntimeError):
            model(torch.rand(2, 1, 4, 4))
        heard.clear()
        model(torch.rand(1, 1, 4, 4))

    assert heard == ["relu#1", "inner.0#1", "inner#1", "relu#2"]


class _TurnedWithin(nn.Module):
    """A block of ConvNeXt, with as many channels as rows and columns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.LayerNorm(4)
        self.wide, self.act, self.narrow = nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.narrow(self.act(self.wide(self.norm(self.conv(x).movedim(1, 3))))).movedim(3, 1)


def test_a_block_that_turns_its_maps_within_gives_them_as_it_was_given_them() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 2, 2), _TurnedWithin(), _TurnedWithin())

    found = {layer.name: layer.channels_last for layer in trace_layers(network, torch.rand(1, 3, 8, 8))}

    within = {"conv": False, "norm": True, "wide": True, "act": True, "narrow": True}
    blocks = {f"{i}.{name}": last for i in (1, 2) for name, last in within.items()}
    assert found == {"input": False, "0": False, "1": False, "2": False, **blocks}


_MAPS = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
_TOKENS = torch.arange(2 * 21 * 3.0).view(2, 21, 3)
_REDUCED = {
    ("channels first", "mean"): (_MAPS, False, 0, _MAPS.mean((2, 3))),
    ("channels first", "centre"): (_MAPS, False, 0, _MAPS[:, :, 2, 2]),
    ("channels last", "mean"): (_MAPS.movedim(1, 3), True, 0, _MAPS.mean((2, 3))),
    ("channels last", "centre"): (_MAPS.movedim(1, 3), True, 0, _MAPS[:, :, 2, 2]),
    ("tokens", "mean"): (_TOKENS, False, 1, _TOKENS[:, 1:].mean(1)),
    ("tokens", "centre"): (_TOKENS, False, 1, _TOKENS[:, 1 + 2 * 5 + 2]),  # patches of 4 rows and 5 columns
    ("tokens", "class_token"): (_TOKENS, False, 1, _TOKENS[:, 0]),
    ("maps beside tokens", "class_token"): (_MAPS, False, 0, _MAPS.mean((2, 3))),
    ("vector", "mean"): (_MAPS[:, :, 0, 0], False, 0, _MAPS[:, :, 0, 0]),
}


@pytest.mark.parametrize("case", _REDUCED, ids=" ".join)
def test_places_are_reduced_as_they_say(case: tuple[str, str]) -> None:
    responses, channels_last, prefix, expected = _REDUCED[case]
    shape = tuple(responses.shape[1:])
    whole = Layer("a", "a", 1, 0.5, shape, "activation", channels_last=channels_last, prefix_tokens=prefix)
    others = [
        Layer("input", "input", 1, 0.0, (3, 40, 50), "input"),
        Layer("b", "b", 1, 1.0, (2, 2), "other", prefix_tokens=1),
    ]

    image, layer, _ = reduce_layers([others[0], whole, others[1]], case[1])

    found = responses if layer.reduction is None else layer.reduction(responses)
    torch.testing.assert_close(found, expected)
    assert image == others[0] and layer.shape == (3,) and layer.units == 3


def test_a_reduction_that_is_not_known_or_not_there_is_refused() -> None:
    layers = trace_layers(small_vgg(10, 1), torch.zeros(1, 1, 32, 32))

    with pytest.raises(InputError, match=r"^layers\.reduce=center: .*did you mean centre\?"):
        reduce_layers(layers, "center")
    with pytest.raises(InputError, match=r"^layers\.reduce=class_token: no layer .* choose mean or centre"):
        reduce_layers(layers, "class_token")
