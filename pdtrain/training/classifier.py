"""The Lightning module: cross-entropy training of any network, with optimiser and scheduler from the config."""

from collections.abc import Callable
from typing import Any, cast

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

from pdtrain.errors import InputError, RunError
from pdtrain.training.schedules import step_decay, warmup_cosine

# schedulers that must know the length of the training, and how they call it
_LENGTH_ARGUMENTS: dict[Any, str] = {
    torch.optim.lr_scheduler.OneCycleLR: "total_steps",
    torch.optim.lr_scheduler.CosineAnnealingLR: "T_max",
    warmup_cosine: "total_steps",
    step_decay: "total_steps",
}


class Classifier(lightning.LightningModule):
    """Trains `network` to classify images.

    Parameters
    ----------
    network
        Images to logits; probed as `self.network`.
    num_classes
        Number of logits.
    optimizer
        Takes parameters, returns an optimiser.
    scheduler
        Takes an optimiser (and the number of steps, where it needs that), returns a scheduler; or None.
    compile
        Train through `torch.compile`; probing uses the plain network, which shares its weights.
    channels_last
        Keep weights and images with their channels last in memory, where convolutions on GPUs are fastest.
    label_smoothing
        Share of each label that the training loss spreads over all classes (Szegedy et al. 2016).
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        *,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any] | None = None,
        compile: bool = False,
        channels_last: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing={label_smoothing}: give a share from 0 to below 1")
        self._memory_format = torch.channels_last if channels_last else torch.preserve_format
        self.network = network.to(memory_format=self._memory_format)
        self._label_smoothing = label_smoothing
        # kept out of the module tree, so that checkpoints have the plain network's names
        self._run: list[Callable[[Tensor], Tensor]] = [torch.compile(network) if compile else network]
        self._optimizer, self._scheduler = optimizer, scheduler
        self.accuracy = nn.ModuleDict({s: MulticlassAccuracy(num_classes, average="micro") for s in ("fit", "val")})
        # losses that are not finite end the run before; "disable" would ignore the weights (torchmetrics 1.9)
        self.loss = nn.ModuleDict({s: MeanMetric(nan_strategy="ignore") for s in ("fit", "val")})

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (images, classes)."""
        return self._run[0](images.to(memory_format=self._memory_format))

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Loss of one batch."""
        return self._step(batch, "fit", "train")

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Metrics of one batch."""
        self._step(batch, "val", "val")

    def _step(self, batch: tuple[Tensor, Tensor], stage: str, label: str) -> Tensor:
        images, labels = batch
        logits = self(images)
        smoothing = self._label_smoothing if stage == "fit" else 0.0
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        if not bool(torch.isfinite(loss)):
            raise RunError(
                f"the {label} loss is {float(loss.detach())} at step {self.global_step} (epoch {self.current_epoch}); "
                "lower optimizer.lr, or set trainer.gradient_clip_val=1; checkpoints and results before it are kept"
            )
        self.accuracy[stage](logits, labels)
        self.loss[stage](loss.detach(), len(labels))
        shown: dict[str, Any] = {"on_step": False, "on_epoch": True, "prog_bar": True}
        self.log(f"{label}/loss", cast(Metric, self.loss[stage]), **shown)
        self.log(f"{label}/accuracy", cast(Metric, self.accuracy[stage]), **shown)
        return loss

    def configure_optimizers(self) -> Any:
        """Optimiser and, if any, a scheduler stepped after every batch."""
        # schedulers want a length, also where nothing is trained
        return self._build_optimizer(max(int(self.trainer.estimated_stepping_batches), 1))

    def check_optimizer(self) -> None:
        """Raise InputError if the optimiser or the scheduler refuses its options."""
        self._build_optimizer(steps=100)

    def _build_optimizer(self, steps: int) -> Any:
        try:
            optimizer = self._optimizer(self.network.parameters())
        except (TypeError, ValueError) as error:
            raise InputError(f"optimizer: {error}") from error
        if self._scheduler is None:
            return optimizer
        length = _LENGTH_ARGUMENTS.get(getattr(self._scheduler, "func", None))
        options = {length: steps} if length else {}
        try:
            scheduler = self._scheduler(optimizer, **options)
        except (TypeError, ValueError) as error:
            raise InputError(f"scheduler: {error}") from error
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
