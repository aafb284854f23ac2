"""What is logged while a training runs, against what it was by hand."""

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
from pytorch_lightning.loggers.logger import Logger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from pdtrain.training import step_metrics
from pdtrain.training.classifier import Classifier

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*smaller than the logging")


class _Lines(Logger):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, float]] = []

    name, version = "lines", 0

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        assert step is not None
        self.lines.append({**metrics, "step": step})


def _halved(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)


def _fit(batches: int, **options: Any) -> tuple[list[dict[str, float]], Classifier, Classifier]:
    """The lines of a training of two epochs, the module as it was before, and as it is."""
    torch.manual_seed(0)
    images, labels = torch.randn(4 * batches, 6), torch.arange(4 * batches) % 3
    network, sgd = nn.Sequential(nn.Linear(6, 3)), partial(torch.optim.SGD, lr=0.1)
    module = Classifier(network, 3, optimizer=sgd, scheduler=_halved, channels_last=False)
    before, logger = deepcopy(module), _Lines()
    trainer = lightning.Trainer(
        max_epochs=2, logger=logger, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, num_sanity_val_steps=0, **options,
    )  # fmt: skip
    loader = DataLoader(TensorDataset(images, labels), batch_size=4)
    trainer.fit(module, loader, loader)
    return logger.lines, before, module


def _with(lines: list[dict[str, float]], key: str) -> list[dict[str, float]]:
    return [line for line in lines if key in line]


def test_loss_learning_rate_and_gradient_norm_of_a_step_are_those_by_hand() -> None:
    lines, before, _ = _fit(2, log_every_n_steps=1)

    first, second, *_ = _with(lines, "train/loss")
    torch.manual_seed(0)
    images, labels = torch.randn(8, 6), torch.arange(8) % 3
    loss = nn.functional.cross_entropy(before.network(images[:4]), labels[:4])
    loss.backward()
    norm = torch.cat([weights.grad.flatten() for weights in before.network.parameters()]).norm()
    assert first["train/loss"] == pytest.approx(loss.item())
    assert first["train/gradient_norm"] == pytest.approx(norm.item())
    assert (first["train/learning_rate"], second["train/learning_rate"]) == (0.1, 0.05)
    assert (first["step"], first["epoch"]) == (1, 0)


@pytest.mark.parametrize(
    ("batches", "every", "steps"), [(7, 3, [3, 6, 9, 12]), (2, 20, [2, 4]), (2, 2, [2, 4]), (1, 20, [1, 2])]
)
def test_every_so_many_steps_are_logged_and_one_an_epoch_at_least(
    batches: int, every: int, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    norm = torch.nn.utils.get_total_norm
    monkeypatch.setattr(step_metrics.torch.nn.utils, "get_total_norm", lambda g: looked.append(g) or norm(g))

    lines, *_ = _fit(batches, log_every_n_steps=every)

    assert [line["step"] for line in _with(lines, "train/loss")] == steps
    assert len(looked) == len(steps), "no other step waits for the device"


def test_steps_of_several_batches_are_counted_as_the_optimiser_does() -> None:
    lines, *_ = _fit(5, log_every_n_steps=1, accumulate_grad_batches=2)

    assert [line["step"] for line in _with(lines, "train/loss")] == [1, 2, 3, 4, 5, 6]


def test_what_is_logged_of_an_epoch_has_the_epochs_and_steps_completed() -> None:
    lines, *_ = _fit(3)

    for key in ("val/accuracy", "train/accuracy", "train/loss_epoch", "time/epoch"):
        assert [(line["epoch"], line["step"]) for line in _with(lines, key)] == [(1, 3), (2, 6)], key
    for key in ("epoch", "step"):
        values = [line[key] for line in lines]
        assert values == sorted(values), f"{key} does not go backwards"


def test_a_validation_within_an_epoch_has_the_epochs_completed_before() -> None:
    lines, *_ = _fit(4, val_check_interval=0.5)

    assert [(line["epoch"], line["step"]) for line in _with(lines, "val/loss")] == [(0, 2), (1, 4), (1, 6), (2, 8)]


def test_gradients_that_the_optimizer_unscales_are_measured_unscaled() -> None:
    network = nn.Linear(2, 1, bias=False)
    network.weight.grad = torch.tensor([[3.0, 4.0]]) * 1024
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, fused=True)
    scaler = type("Scaler", (), {"get_scale": lambda self: 1024.0})()
    trainer = lightning.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False, enable_progress_bar=False)
    trainer.precision_plugin.scaler = scaler

    metrics = step_metrics.step_metrics(torch.tensor(1.0), network, optimizer, trainer)

    assert metrics["train/gradient_norm"] == pytest.approx(5.0)
