from copy import deepcopy
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pdtrain.errors import InputError
from pdtrain.training.checkpoints import load_network
from pdtrain.training.classifier import Classifier
from pdtrain.training.models import small_vgg
from pdtrain.training.schedules import step_decay, warmup_cosine

_SGD = partial(torch.optim.SGD, lr=0.1)


def _classifier(optimizer: partial = _SGD, **options: object) -> Classifier:
    torch.manual_seed(0)
    network = small_vgg(5, 3, widths=(4,), hidden=8).eval()
    classifier = Classifier(network, 5, optimizer=optimizer, **options)
    classifier.log = lambda *arguments, **named: None  # as a trainer would hear it
    return classifier


_BATCH = torch.randn(6, 3, 8, 8), torch.arange(6) % 5


def test_labels_are_smoothed_in_the_training_loss_alone() -> None:
    plain, smoothed = _classifier(), _classifier(label_smoothing=0.1)
    logits = plain(_BATCH[0])

    trained, validated = (smoothed._step(_BATCH, stage, stage) for stage in ("fit", "val"))

    spread = -logits.log_softmax(1).mean()
    torch.testing.assert_close(trained, 0.9 * nn.functional.cross_entropy(logits, _BATCH[1]) + 0.1 * spread)
    torch.testing.assert_close(validated, plain._step(_BATCH, "val", "val"))


def test_channels_last_is_an_order_in_memory_and_nothing_else() -> None:
    plain, last = _classifier(channels_last=False), _classifier(channels_last=True)
    seen = []
    last.network.conv1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))

    torch.testing.assert_close(last(_BATCH[0]), plain(_BATCH[0]), rtol=1e-4, atol=1e-5)

    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert last.network.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    assert not plain.network.conv2.weight.is_contiguous(memory_format=torch.channels_last)


def _trainer(device: str, precision: str = "32-true", clip: float | None = None) -> SimpleNamespace:
    strategy = SimpleNamespace(root_device=SimpleNamespace(type=device))
    return SimpleNamespace(strategy=strategy, precision=precision, gradient_clip_val=clip)


@pytest.mark.parametrize(
    ("device", "precision", "faster"),
    [
        ("cpu", "32-true", True),
        ("cpu", "bf16-mixed", True),
        ("cuda", "bf16-mixed", True),
        ("cuda", "32-true", False),
        ("mps", "16-mixed", False),
    ],
)
def test_channels_are_last_where_that_is_faster(device: str, precision: str, faster: bool) -> None:
    automatic, never = _classifier(), _classifier(channels_last=False)
    for classifier in (automatic, never):
        classifier._trainer = _trainer(device, precision)
        classifier.setup("fit")

    last = [c.network.conv2.weight.is_contiguous(memory_format=torch.channels_last) for c in (automatic, never)]
    assert last == [faster, False]


class _Viewing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.maps, self.output = nn.Conv2d(3, 4, 3), nn.Linear(4 * 6 * 6, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.output(self.maps(images).view(len(images), -1))


class _ViewingInTraining(_Viewing):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) if self.training else self.output(self.maps(images).flatten(1))


class _InOrder(_Viewing):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.is_contiguous(), "images must be contiguous"
        return self.output(self.maps(images).flatten(1))


def test_weights_of_volumes_keep_their_order() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(5))
    network(_BATCH[0])
    network.register_parameter("volumes", nn.Parameter(torch.rand(2, 3, 2, 2, 2)))
    asked = Classifier(network, 5, optimizer=_SGD, channels_last=True)

    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert network.volumes.is_contiguous() and asked(_BATCH[0]).shape == (6, 5)


@pytest.mark.parametrize(
    ("kind", "says"), [(_Viewing, "view size"), (_ViewingInTraining, "view size"), (_InOrder, "images must")]
)
def test_a_network_that_refuses_channels_last_keeps_them_first(kind: type[_Viewing], says: str) -> None:
    automatic, asked = (Classifier(kind(), 5, optimizer=_SGD, channels_last=value) for value in ("auto", True))
    automatic._trainer = _trainer("cpu")
    automatic._trainer.datamodule = SimpleNamespace(shape=(3, 8, 8))

    automatic.setup("fit")
    automatic.check_channels_last((3, 8, 8))
    _classifier(channels_last=True).check_channels_last((3, 8, 8))
    with pytest.raises(InputError, match=rf"^channels_last=true: {kind.__name__} does not take .*: {says} .*=auto$"):
        asked.check_channels_last((3, 8, 8))

    assert automatic(_BATCH[0]).shape == (6, 5)
    assert not automatic.network.maps.weight.is_contiguous(memory_format=torch.channels_last)


def test_weights_that_were_trained_with_channels_last_compute_the_same_when_they_are_loaded(tmp_path: Path) -> None:
    trained = _classifier(channels_last=True).network
    torch.save(trained.state_dict(), tmp_path / "weights.pth")
    network = small_vgg(5, 3, widths=(4,), hidden=8).eval()

    load_network(network, tmp_path / "weights.pth")

    assert network.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(network(_BATCH[0]), trained(_BATCH[0]))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW, torch.optim.Adam])
def test_one_kernel_steps_all_weights_unless_it_is_told_not_to(optimizer) -> None:
    def fused(precision: str = "32-true", clip: float | None = None, **options: object) -> object:
        classifier = _classifier(partial(optimizer, lr=0.1, **options))
        classifier._trainer = _trainer("cpu", precision, clip)
        return classifier._build_optimizer(10).param_groups[0]["fused"]

    assert fused() and fused(fused=None) and fused(clip=1.0) and fused("bf16-mixed")
    assert not fused(fused=False) and not fused(foreach=True)
    assert not fused("bf16-mixed", clip=1.0), "Lightning does not clip before it"


def test_weights_with_gaps_in_memory_are_not_stepped_by_one_kernel() -> None:
    classifier = _classifier()
    weights = classifier.network.conv1.weight
    classifier.network.conv1.weight = nn.Parameter(torch.cat([weights, weights], 3).detach()[..., ::2])

    assert not classifier._build_optimizer(10).param_groups[0]["fused"]


def test_an_optimizer_without_such_a_kernel_is_left_alone() -> None:
    assert isinstance(_classifier(partial(torch.optim.RMSprop, lr=0.1))._build_optimizer(10), torch.optim.RMSprop)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("optimizer", [partial(torch.optim.SGD, momentum=0.9), torch.optim.AdamW])
def test_moments_of_weights_in_another_order_in_memory_go_on_as_they_were(optimizer, last: bool) -> None:
    """Of a GPU's checkpoint on a CPU, or of a run with other `channels_last`."""
    before, today, kept = (
        _classifier(partial(optimizer, lr=0.1, fused=fused), channels_last=order)
        for fused, order in ((None, not last), (None, last), (False, not last))
    )
    optimizers = [classifier._build_optimizer(10) for classifier in (before, today, kept)]
    before._step(_BATCH, "fit", "train").backward()
    optimizers[0].step()

    for classifier, of in ((today, optimizers[1]), (kept, optimizers[2])):
        fused = of.param_groups[0]["fused"]
        classifier.network.load_state_dict(before.network.state_dict())
        of.load_state_dict(deepcopy(optimizers[0].state_dict()))
        of.param_groups[0]["fused"] = fused
        classifier._step(_BATCH, "fit", "train").backward()
        of.step()

    for weights, expected in zip(today.network.parameters(), kept.network.parameters(), strict=True):
        torch.testing.assert_close(weights, expected, rtol=1e-3, atol=1e-3)


def test_states_of_optimizers_that_were_not_fused_go_on_as_they_were() -> None:
    """Checkpoints of 0.1.0."""
    before, today = (_classifier(partial(torch.optim.AdamW, lr=0.1, fused=f)) for f in (False, None))
    optimizers = [classifier._build_optimizer(10) for classifier in (before, today)]
    before._step(_BATCH, "fit", "train").backward()
    optimizers[0].step()
    today.network.load_state_dict(before.network.state_dict())

    optimizers[1].load_state_dict(deepcopy(optimizers[0].state_dict()))
    for classifier, optimizer in zip((before, today), optimizers, strict=True):
        optimizer.zero_grad()
        classifier._step(_BATCH, "fit", "train").backward()
        optimizer.step()

    assert all(map(torch.equal, before.network.parameters(), today.network.parameters()))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: _classifier(channels_last="never"), "channels_last=never: choose auto, true or false"),
        (lambda: _classifier(label_smoothing=1.0), "label_smoothing=1.0: give a share"),
        (lambda: warmup_cosine(_sgd(), 10, warmup=1.0), "scheduler.warmup=1.0: give a share"),
        (lambda: warmup_cosine(_sgd(), 10, start_factor=-0.1), "scheduler.start_factor=-0.1: give a share"),
        (lambda: step_decay(_sgd(), 10, after=[30, 60]), r"scheduler.after=\[30, 60\]: give shares"),
    ],
)
def test_what_cannot_be_is_refused(build, said: str) -> None:
    with pytest.raises(InputError, match=said):
        build()


def _sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1)], lr=1.0)


@pytest.mark.parametrize("schedule", [warmup_cosine, step_decay])
def test_schedulers_are_told_the_number_of_steps(schedule) -> None:
    classifier = _classifier(scheduler=partial(schedule))

    found = classifier._build_optimizer(40)["lr_scheduler"]["scheduler"]

    expected = schedule(_sgd(), 40).lr_lambdas[0]
    assert [found.lr_lambdas[0](step) for step in range(41)] == [expected(step) for step in range(41)]
    assert len({expected(step) for step in range(41)}) >= 3
