"""Finds the first loss that is not finite, without waiting for the device at every step."""

import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.errors import RunError

_TOGETHER = 50  # losses that a device is asked about at once


class FiniteLosses:
    """Losses of which it has not been seen yet whether they are finite: on a CPU none, elsewhere the latest few.

    Examples
    --------
    >>> losses = FiniteLosses()
    >>> losses.add(torch.tensor(1.0), label="train", step=3, epoch=0)
    >>> losses.add(torch.tensor(float("nan")), label="train", step=4, epoch=0)
    Traceback (most recent call last):
    pdtrain.errors.RunError: the train loss is nan at step 4 (epoch 0); lower optimizer.lr, or set \
trainer.gradient_clip_val=1; checkpoints and results before it are kept
    """

    def __init__(self) -> None:
        self._unseen: list[tuple[Tensor, str, int, int]] = []

    def add(self, loss: Float[Tensor, ""], *, label: str, step: int, epoch: int) -> None:
        """Take a loss; look at all of them now and then, where that costs no wait at once.

        Raises
        ------
        RunError
            As `check`.
        """
        self._unseen.append((loss.detach(), label, step, epoch))
        if loss.device.type == "cpu" or len(self._unseen) == _TOGETHER:
            self.check()

    def check(self) -> None:
        """Look at all that has not been seen.

        Raises
        ------
        RunError
            If a loss is not finite; it names the first.
        """
        unseen, self._unseen = self._unseen, []
        if not unseen or bool(torch.stack([loss for loss, *_ in unseen]).isfinite().all()):
            return
        value, label, step, epoch = next(one for one in unseen if not bool(one[0].isfinite()))
        raise RunError(
            f"the {label} loss is {float(value)} at step {step} (epoch {epoch}); lower optimizer.lr, or set "
            "trainer.gradient_clip_val=1; checkpoints and results before it are kept"
        )
