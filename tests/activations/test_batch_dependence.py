"""Networks whose answer depends on what is shown beside, or on chance, are told from ordinary ones in any precision."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pdtrain.activations.batch_dependence import BatchDependence, batch_dependence
from pdtrain.activations.layers import trace_layers
from pdtrain.activations.recipes import select_layers
from pdtrain.activations.recorder import Recorder
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.prober import Prober
from pdtrain.results.caveats import UNSTEADY, caveats_at, caveats_of
from pdtrain.results.reader import load
from pdtrain.results.rows import UNTRAINED
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.models import small_vgg, torchvision_model


class _Then(nn.Module):
    """A convolution, a function of its maps, and a layer after it."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.convolution, self.relu, self.output = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Linear(8, 10)
        self._function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.relu(self._function(self.convolution(images))).mean((2, 3)))


class _Always(nn.BatchNorm2d):
    """Batch norm by the batch, whatever the mode."""

    def forward(self, maps: Tensor) -> Tensor:
        return functional.batch_norm(maps, None, None, self.weight, self.bias, training=True)


class _Noise(nn.Module):
    def __init__(self, size: float = 0.3) -> None:
        super().__init__()
        self._size = size

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self._size * torch.randn_like(maps)


_ORDINARY: dict[str, Callable[[], nn.Module]] = {
    "small_vgg": lambda: small_vgg(10, 1),
    "nothing but a function": lambda: _Then(lambda maps: maps),
    "layer norm": lambda: _Then(lambda maps: functional.layer_norm(maps, maps.shape[1:])),
    "group norm": lambda: _Then(lambda maps: functional.group_norm(maps, 2)),
    "instance norm": lambda: _Then(functional.instance_norm),
    "batch norm": lambda: _Then(nn.BatchNorm2d(8)),
    "dropout that is off": lambda: _Then(nn.Dropout(0.5)),
    "softmax over channels": lambda: _Then(lambda maps: maps.softmax(1)),
    "signs": lambda: _Then(torch.sign),
    "a large offset": lambda: _Then(lambda maps: maps + 1000),
    "tiny": lambda: _Then(lambda maps: maps * 1e-20),
    "all zero": lambda: _Then(lambda maps: maps * 0),
}
_OF_THE_BATCH: dict[str, Callable[[], nn.Module]] = {
    "batch norm without statistics": lambda: _Then(nn.BatchNorm2d(8, track_running_stats=False)),
    "batch norm in training mode": lambda: _Then(_Always(8)),
    "mean over the batch": lambda: _Then(lambda maps: maps - maps.mean(0)),
    "maximum over the batch": lambda: _Then(lambda maps: maps / maps.abs().amax()),
    "standard deviation over the batch": lambda: _Then(lambda maps: maps / (maps.std() + 1e-3)),
    "softmax over the batch": lambda: _Then(lambda maps: maps.softmax(0)),
    "ranks in the batch": lambda: _Then(lambda maps: maps.argsort(0).argsort(0).to(maps.dtype)),
    "the neighbour": lambda: _Then(lambda maps: maps - maps.roll(1, 0)),
    "number of stimuli": lambda: _Then(lambda maps: maps * len(maps)),
    "one channel of eight": lambda: _Then(lambda maps: torch.cat([maps[:, :1] - maps[:, :1].mean(0), maps[:, 1:]], 1)),
    "a fifth of the offset": lambda: _Then(lambda maps: maps - 0.2 * maps.mean(0)),
}
_OF_CHANCE: dict[str, Callable[[], nn.Module]] = {
    "dropout": lambda: _Then(lambda maps: functional.dropout(maps, 0.5, training=True)),
    "little dropout": lambda: _Then(lambda maps: functional.dropout(maps, 0.02, training=True)),
    "dropout of channels": lambda: _Then(lambda maps: functional.dropout2d(maps, 0.5, training=True)),
    "noise": lambda: _Then(_Noise()),
    "random weights": lambda: _Then(lambda maps: maps * torch.rand(8, 1, 1, dtype=maps.dtype)),
    "random signs": lambda: _Then(lambda maps: maps * torch.randint(0, 2, maps.shape).to(maps.dtype)),
}
_PRECISIONS: dict[str, tuple[torch.dtype, torch.dtype | None]] = {
    "float32": (torch.float32, None),
    "float64": (torch.float64, None),
    "float16": (torch.float16, None),
    "bfloat16": (torch.bfloat16, None),
    "float16 autocast": (torch.float32, torch.float16),
    "bfloat16 autocast": (torch.float32, torch.bfloat16),
}


def _images(count: int) -> Tensor:
    """Of different luminance and contrast, as stimuli are."""
    generator = torch.Generator().manual_seed(0)
    luminance, contrast = torch.rand(2, count, 1, 1, 1, generator=generator)
    return luminance * (1 - contrast) + contrast * luminance * torch.rand(count, 1, 32, 32, generator=generator)


def _found(
    model: nn.Module, *, stimuli: int = 40, batch_size: int = 20, precision: str = "float32"
) -> list[BatchDependence]:
    dtype, autocast = _PRECISIONS[precision]
    images = _images(stimuli)
    model = model.eval().to(dtype)
    with torch.autocast("cpu", autocast) if autocast else nullcontext():
        layers = select_layers(trace_layers(model, images[:1].to(dtype)), None)
        recorder = Recorder(layers, stimuli, max_units=64, batch_size=batch_size)
        return batch_dependence(recorder, model, images, recorder.record(model, images))


@pytest.mark.parametrize("precision", _PRECISIONS)
def test_ordinary_networks_answer_to_the_stimulus_alone(precision: str) -> None:
    torch.manual_seed(0)

    assert [name for name, build in _ORDINARY.items() if _found(build(), precision=precision)] == []


@pytest.mark.parametrize("precision", _PRECISIONS)
def test_networks_that_depend_on_the_batch_are_found(precision: str) -> None:
    torch.manual_seed(0)

    for name, build in _OF_THE_BATCH.items():
        if "bfloat16" in precision and name in ("a fifth of the offset", "one channel of eight", "the neighbour"):
            continue  # less than what rounding in this type may add up to
        found = _found(build(), precision=precision)
        assert found and not any(each.random for each in found), name
        assert {(each.shown, each.together) for each in found} == {(4, 20)}


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16 autocast"])
def test_networks_that_depend_on_chance_are_found(precision: str) -> None:
    torch.manual_seed(0)

    for name, build in _OF_CHANCE.items():
        if name in ("dropout", "little dropout") and "bfloat16" in precision:
            continue  # over 900 places it averages to about what rounding in this type may add up to
        found = _found(build(), precision=precision)
        assert found and all(each.random for each in found), name


@pytest.mark.parametrize(("stimuli", "batch_size"), [(20, 1), (20, 2), (20, 3), (20, 4), (21, 5), (20, 100), (40, 39)])
def test_any_size_of_batches_is_compared_with_another(stimuli: int, batch_size: int) -> None:
    torch.manual_seed(0)
    options = {"stimuli": stimuli, "batch_size": batch_size}

    if batch_size == 39:
        assert not _found(torchvision_model(10, 1, name="resnet18"), **options)
    assert _found(_OF_THE_BATCH["mean over the batch"](), **options)
    assert not _found(_ORDINARY["small_vgg"](), **options)


@pytest.mark.parametrize(("build", "said"), [
    (_OF_THE_BATCH["batch norm in training mode"], "Depends on the batch: shown 4 stimuli at once in place of 100"),
    (_OF_CHANCE["dropout"], "Random in evaluation mode: shown twice"),
    (_ORDINARY["small_vgg"], None),
])  # fmt: skip
def test_the_rows_keep_it_and_every_reader_says_it(build: Callable[[], nn.Module], said: str | None, tmp_path) -> None:
    torch.manual_seed(0)
    images = _images(100)
    prober = Prober(StimulusSet(images, torch.arange(100) % 2), ResultsStore(tmp_path))

    rows = prober.measure(build(), [DimensionProbe(resamplings=0)], UNTRAINED)

    for found in (caveats_at(UNTRAINED, rows), caveats_of(load(tmp_path), None)):
        sentences = [caveat.sentence for caveat in found if caveat.kind == UNSTEADY]
        assert len(sentences) == (said is not None)
        assert said is None or sentences[0].startswith(said), sentences
