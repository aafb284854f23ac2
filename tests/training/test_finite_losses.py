from types import SimpleNamespace

import pytest
import torch

from pdtrain.errors import RunError
from pdtrain.training.finite_losses import _TOGETHER, FiniteLosses


class _OnADevice(torch.Tensor):
    """A loss that is waited for when it is looked at."""

    device = property(lambda self: SimpleNamespace(type="cuda"))  # type: ignore[assignment]


def _loss(value: float) -> torch.Tensor:
    return torch.tensor(value).as_subclass(_OnADevice)


def _add(losses: FiniteLosses, values: list[torch.Tensor]) -> None:
    for step, value in enumerate(values):
        losses.add(value, label="train", step=step, epoch=0)


def test_a_device_is_asked_now_and_then_and_the_first_step_named() -> None:
    losses, values = FiniteLosses(), [_loss(1.0)] * _TOGETHER
    values[7], values[9] = _loss(float("inf")), _loss(float("nan"))
    _add(losses, values[:-1])

    with pytest.raises(RunError, match=r"the train loss is inf at step 7 \(epoch 0\); lower optimizer.lr"):
        _add(losses, values[-1:])


def test_all_that_was_not_seen_is_looked_at_before_anything_is_kept() -> None:
    losses = FiniteLosses()
    _add(losses, [_loss(1.0), _loss(float("nan"))])

    with pytest.raises(RunError, match="nan at step 1"):
        losses.check()
    losses.check()


def test_a_processor_is_asked_at_once() -> None:
    with pytest.raises(RunError, match="nan at step 0"):
        _add(FiniteLosses(), [torch.tensor(float("nan"))])
