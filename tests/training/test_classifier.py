from functools import partial

import pytest
import torch
from torch import nn

from pdtrain.errors import InputError
from pdtrain.training.classifier import Classifier
from pdtrain.training.models import small_vgg
from pdtrain.training.schedules import step_decay, warmup_cosine


def _classifier(**options: object) -> Classifier:
    torch.manual_seed(0)
    network = small_vgg(5, 3, widths=(4,), hidden=8).eval()
    classifier = Classifier(network, 5, optimizer=partial(torch.optim.SGD, lr=0.1), **options)
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
    plain, last = _classifier(), _classifier(channels_last=True)
    seen = []
    last.network.conv1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))

    torch.testing.assert_close(last(_BATCH[0]), plain(_BATCH[0]), rtol=1e-4, atol=1e-5)

    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert last.network.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    assert not plain.network.conv2.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("build", "said"),
    [
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
