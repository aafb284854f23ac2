"""What is logged while a training runs: values of some steps, and how many epochs and steps are completed."""

import math
from typing import Any

import pytorch_lightning as lightning
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pdtrain.results import logged


def epochs_completed(trainer: lightning.Trainer) -> int:
    """How many epochs are completed when one ends, or is validated: as probe points count them, untrained being 0."""
    if trainer.state.fn != "fit":
        return trainer.current_epoch
    last_batch = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
    ends = last_batch or trainer.should_stop or trainer.global_step == trainer.max_steps
    return trainer.current_epoch + int(ends)


def log_completed(module: lightning.LightningModule) -> None:
    """Log the epochs and steps completed, which Lightning would count before their end, with all that an epoch logs.

    To be called in `on_train_epoch_end` and `on_validation_epoch_end`.
    """
    for name, completed in ((logged.EPOCH, epochs_completed(module.trainer)), (logged.STEP, module.global_step)):
        module.log(name, float(completed), sync_dist=True)


def is_logged(step: int, trainer: lightning.Trainer) -> bool:
    """Whether values of a step are logged: of every `log_every_n_steps`-th, and of one an epoch at least."""
    steps = trainer.num_training_batches / trainer.accumulate_grad_batches
    most: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    every = min(most, math.ceil(steps) if math.isfinite(steps) else math.inf)
    return bool(trainer.loggers) and every > 0 and step % every == 0


def step_metrics(
    loss: Float[Tensor, ""], network: nn.Module, optimizer: torch.optim.Optimizer, trainer: lightning.Trainer
) -> dict[str, float]:
    """Loss, learning rate and gradient norm of the step that the optimiser is about to make.

    The device is waited for: only for steps that are logged. Of several processes the mean loss; all of them call it.

    Parameters
    ----------
    loss
        Of the batch, the last of several whose gradients are added up.
    network
        Its gradients have not been clipped yet.
    optimizer
        Of one group of weights, or of several of which the first is the foremost.
    trainer
        Of the training.
    """
    gradients = [weights.grad for weights in network.parameters() if weights.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients) / _loss_scale(optimizer, trainer)
    return {
        logged.LOSS: float(trainer.strategy.reduce(loss.clone(), reduce_op="mean")),
        logged.LEARNING_RATE: float(optimizer.param_groups[0]["lr"]),
        logged.GRADIENT_NORM: float(norm),
    }


def _loss_scale(optimizer: torch.optim.Optimizer, trainer: lightning.Trainer) -> float:
    """By how much the gradients are too large: in half precision, where the optimiser itself undoes that."""
    scaler: Any = getattr(trainer.precision_plugin, "scaler", None)
    return scaler.get_scale() if scaler is not None and hasattr(optimizer, "_step_supports_amp_scaling") else 1.0
