from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pdtrain.activations.layers import Layer, reduce_layers, trace_layers
from pdtrain.activations.recipes import select_layers
from pdtrain.activations.recorder import LayerResponse, Recorder, _fastest_batch
from pdtrain.errors import InputError
from pdtrain.training.models import small_vgg, torchvision_model


def _record(model: nn.Module, images: torch.Tensor, names: list[str], **options: int) -> list[LayerResponse]:
    layers = select_layers(trace_layers(model, images[:1]), names)
    return Recorder(layers, len(images), **options).record(model, images)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return small_vgg(10, 1).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(70, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def test_responses_do_not_depend_on_the_batch_size(model: nn.Module, images: torch.Tensor) -> None:
    small, large = (_record(model, images, ["input", "relu1", "output"], batch_size=size) for size in (7, 70))

    for a, b in zip(small, large, strict=True):
        torch.testing.assert_close(a.representation, b.representation, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(small[2].representation, model(images).detach(), atol=1e-5, rtol=1e-5)
    assert torch.equal(small[0].representation, images.flatten(1))


class _Viewing(nn.Module):
    """A network that takes a view of its maps, which are to lie in order for it."""

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.relu, self.output = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4 * 14 * 14, 5)
        self.orders: list[tuple[int, bool]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.orders.append((len(images), images.is_contiguous()))
        return self.output(self.relu(self.maps(images)).view(len(images), -1))


class _Reshaping(_Viewing):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.orders.append((len(images), images.is_contiguous()))
        return self.output(self.relu(self.maps(images)).flatten(1))


@pytest.mark.parametrize("memory_bytes", [2**20, 60_000])
def test_maps_are_kept_alike_in_either_order_in_memory(memory_bytes: int) -> None:
    torch.manual_seed(0)
    viewing, reshaping = _Viewing().eval(), _Reshaping().eval()
    reshaping.load_state_dict(viewing.state_dict())
    images = torch.rand(30, 3, 16, 16)
    options = {"max_units": 9, "memory_bytes": memory_bytes, "batch_size": 20}

    first, last = (_record(model, images, ["maps", "output"], **options) for model in (viewing, reshaping))

    # after the trace, which shows one image or two: all in batches, and again in order where the other was refused
    shown = [[of for of in model.orders if of[0] > 2] for model in (viewing, reshaping)]
    assert shown == [[(20, False), (20, True), (10, True)], [(20, False), (10, False)]]
    assert [response.projected for response in last] == [memory_bytes < 2**20, False]
    for a, b in zip(first, last, strict=True):
        torch.testing.assert_close(a.representation, b.representation)
        torch.testing.assert_close(a.unit_responses, b.unit_responses)
    with torch.no_grad():
        exact = viewing.maps(images).flatten(1)
    torch.testing.assert_close(last[0].unit_responses, exact[:, last[0].units])
    distances = torch.pdist(last[0].representation) / torch.pdist(exact)
    assert abs(float(distances.mean()) - 1) < 0.02


@pytest.mark.parametrize(("pixels", "expected"), [(16, 100), (224, 6), (2000, 1)])
def test_as_many_stimuli_are_shown_at_once_as_stay_in_the_cache(pixels: int, expected: int) -> None:
    model = _Reshaping().eval()
    layers = select_layers(trace_layers(model, torch.zeros(1, 3, 16, 16)), ["output"])
    recorder, asked = (Recorder(layers, 3, batch_size=size) for size in (None, 2))
    images = torch.zeros(3, 3, 16, 16)

    assert _fastest_batch(3 * pixels**2, on_cpu=True) == expected and _fastest_batch(3 * pixels**2, on_cpu=False) == 100
    for each in (recorder, asked):
        each.record(model, images)
    assert (recorder.batch_size, asked.batch_size) == (100, 2)


def test_a_network_without_parameters_is_recorded_too(images: torch.Tensor) -> None:
    found = _record(nn.Sequential(nn.AvgPool2d(2), nn.ReLU()), images, ["1"])

    torch.testing.assert_close(found[0].representation, nn.functional.avg_pool2d(images, 2).flatten(1))


def test_small_layers_are_exact_and_large_ones_projected_within_the_budget(
    model: nn.Module, images: torch.Tensor
) -> None:
    names, budget = ["input", "relu1", "relu3", "output"], 2_000_000

    exact = _record(model, images, names, max_units=50)
    tight = _record(model, images, names, max_units=50, memory_bytes=budget)

    assert [r.projected for r in tight] == [False, True, True, False]
    kept = sum(4 * (r.representation.numel() + r.unit_responses.numel()) for r in tight)
    assert 0.9 * budget < kept <= budget
    for a, b in zip(exact, tight, strict=True):
        assert torch.equal(a.unit_responses, b.unit_responses)
    ratio = torch.pdist(tight[1].representation) / torch.pdist(exact[1].representation)
    assert abs(float(ratio.mean()) - 1) < 0.02 and float(ratio.std()) < 0.05


@pytest.mark.parametrize(("how", "expected"), [("mean", lambda x: x.mean((2, 3))), ("centre", lambda x: x[:, :, 8, 8])])
def test_maps_are_reduced_as_they_stream(
    model: nn.Module, images: torch.Tensor, how: str, expected: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    layers = [
        la for la in reduce_layers(trace_layers(model, images[:1]), how) if la.name in ("input", "relu3", "output")
    ]
    # the maps alone would take 2.3 MB
    recorder = Recorder(layers, len(images), max_units=5, memory_bytes=400_000, batch_size=30)

    pixels, maps, output = recorder.record(model, images)

    with torch.no_grad():
        whole = model[: list(dict(model.named_children())).index("relu3") + 1](images)
    torch.testing.assert_close(maps.representation, expected(whole), atol=1e-5, rtol=1e-5)
    assert maps.method == "exact" and torch.equal(maps.unit_responses, maps.representation[:, maps.units])
    assert torch.equal(pixels.representation, images.flatten(1)), "the input stays whole"
    torch.testing.assert_close(output.representation, model(images).detach(), atol=1e-5, rtol=1e-5)


def test_functions_are_recorded_and_projected_like_modules() -> None:
    torch.manual_seed(0)
    model, images = torchvision_model(5, 3, name="googlenet").eval(), torch.rand(6, 3, 32, 32)

    whole, again = (_record(model, images, ["conv1.relu"], batch_size=size)[0] for size in (2, 6))

    with torch.no_grad():
        torch.testing.assert_close(whole.representation, model.conv1(images).flatten(1))
    torch.testing.assert_close(whole.representation, again.representation)


def test_a_budget_that_is_too_small_names_what_would_do(model: nn.Module, images: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"layers\.memory_bytes=10000: too little for 2 layers; give at least \d+"):
        _record(model, images, ["relu1", "relu3"], memory_bytes=10_000)


def test_an_operation_in_place_does_not_reach_what_was_recorded(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(3600, 2)).eval()

    recorded = _record(model, images, ["0"])[0].representation

    assert (recorded < 0).any()
    torch.testing.assert_close(recorded, model[0](images).detach().flatten(1))


def test_the_named_call_of_a_shared_module_is_recorded() -> None:
    torch.manual_seed(0)
    model = torchvision_model(5, 3, name="resnet18").eval()
    images = torch.rand(4, 3, 32, 32)

    first, second = _record(model, images, ["layer1.0.relu"])

    with torch.no_grad():
        block = model.layer1[0]
        inside = block.relu(block.bn1(block.conv1(model.maxpool(model.relu(model.bn1(model.conv1(images)))))))
    torch.testing.assert_close(first.representation, inside.flatten(1))
    assert (first.layer.name, second.layer.name) == ("layer1.0.relu#1", "layer1.0.relu#2")
    assert not torch.equal(first.representation, second.representation)


def test_compiled_models_are_recorded_by_their_own_names(model: nn.Module, images: torch.Tensor) -> None:
    plain = _record(model, images, ["relu3"])[0].representation

    outside = torch.compile(model, backend="eager")
    outside(images)
    inside = small_vgg(10, 1).eval()
    inside.load_state_dict(model.state_dict())
    inside.relu3.compile(backend="eager")
    with torch.no_grad():
        inside(images)

    assert torch.equal(_record(outside, images, ["relu3"])[0].representation, plain)
    assert torch.equal(_record(inside, images, ["relu3"])[0].representation, plain)


def test_distributed_wrappers_are_seen_through(model: nn.Module, images: torch.Tensor, tmp_path: object) -> None:
    plain = _record(model, images, ["relu3"])[0].representation
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(model)
        assert torch.equal(_record(wrapped, images, ["relu3"])[0].representation, plain)
    finally:
        torch.distributed.destroy_process_group()


def test_autocast_and_channels_last_give_float32_in_the_usual_order(model: nn.Module, images: torch.Tensor) -> None:
    plain = _record(model, images, ["relu3"])[0].representation

    last = _record(model.to(memory_format=torch.channels_last), images, ["relu3"])[0].representation
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = _record(model, images, ["relu3"])[0].representation

    torch.testing.assert_close(last, plain, atol=1e-5, rtol=1e-5)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, plain, atol=0.1, rtol=0.05)  # bfloat16 has 8 bits


def test_a_model_in_half_precision_is_shown_images_in_its_own(model: nn.Module, images: torch.Tensor) -> None:
    plain = _record(model, images, ["output"])[0].representation

    half = model.to(torch.bfloat16)
    layers = select_layers(trace_layers(half, images[:1].bfloat16()), ["output"])
    found = Recorder(layers, len(images)).record(half, images)[0].representation

    torch.testing.assert_close(found, plain, atol=0.1, rtol=0.1)


def test_the_first_tensor_of_a_tuple_is_recorded(images: torch.Tensor) -> None:
    class Pair(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[None, tuple[torch.Tensor, torch.Tensor]]:
            return None, (x * 2, x * 3)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair, self.scale = Pair(), nn.Linear(32, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.scale(self.pair(x)[1][1])

    recorded = _record(Net(), images, ["pair"])[0].representation

    assert torch.equal(recorded, (images * 2).flatten(1))


def test_batch_norm_statistics_and_modes_are_left_alone(images: torch.Tensor) -> None:
    model = small_vgg(10, 1).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    _record(model, images, ["relu1"])

    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())


def test_units_are_the_same_every_time() -> None:
    layer = Layer("a", "a", 1, 0.5, (8, 20, 20), "activation")

    first, second = (Recorder([layer], 10, max_units=30).units[layer] for _ in range(2))

    assert torch.equal(first, second) and len(first.unique()) == 30


def test_the_units_of_a_layer_do_not_depend_on_the_other_layers() -> None:
    layers = [Layer(name, name, 1, 0.5, (8, 20, 20), "activation") for name in ("a", "b", "c")]

    together = Recorder(layers, 10, max_units=30)
    alone = Recorder(layers[2:], 10, max_units=30)

    assert torch.equal(together.units[layers[2]], alone.units[layers[2]])
    assert not torch.equal(together.units[layers[0]], together.units[layers[1]])
    assert not torch.equal(Recorder(layers, 10, max_units=30, seed=1).units[layers[0]], together.units[layers[0]])


def test_the_units_of_a_layer_are_those_of_every_other_process() -> None:
    """Python's own hash differs from process to process."""
    layer = Layer("relu1", "relu1", 1, 0.5, (16, 32, 32), "activation")

    assert Recorder([layer], 10, max_units=5).units[layer].tolist() == [146, 3941, 7198, 8423, 10810]


def test_given_units_are_recorded_in_place_of_a_sample(model: nn.Module, images: torch.Tensor) -> None:
    layers = select_layers(trace_layers(model, images[:1]), ["relu1", "output"])
    given = torch.tensor([7, 11, 4000])

    first, second = Recorder(layers, len(images), max_units=3, given_units={"relu1": given}).record(model, images)

    assert torch.equal(first.units, given) and torch.equal(first.unit_responses, first.representation[:, given])
    assert torch.equal(second.units, Recorder(layers[1:], len(images), max_units=3).units[layers[1]])


class _SmallDevice(nn.Module):
    """A network whose device holds the activations of 16 images, no more."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.network[:4](images)
        if len(images) > 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.network[4:](features)


def test_a_full_device_memory_halves_the_batches_and_changes_nothing(
    model: nn.Module, images: torch.Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["network.relu1", "network.output"]
    expected = _record(_SmallDevice(model), images, names, batch_size=10)

    found = _record(_SmallDevice(model), images, names, batch_size=64)

    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.representation, b.representation, atol=1e-5, rtol=1e-5)
    assert [record.message for record in caplog.records] == [
        f"the device's memory is full: probing with {size} stimuli at once" for size in (32, 16)
    ]
