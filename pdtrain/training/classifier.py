"""The Lightning module: cross-entropy training of any network, with optimiser and scheduler from the config."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

from pdtrain.activations.channels_last import put_channels_last, refusal_of_channels_last
from pdtrain.errors import InputError
from pdtrain.limits import check_value
from pdtrain.results import logged
from pdtrain.training.checkpoints import place_in_data
from pdtrain.training.finite_losses import FiniteLosses
from pdtrain.training.moments import follow_weights, one_kernel_steps
from pdtrain.training.other_settings import check_same_kind, follow
from pdtrain.training.schedules import step_decay, warmup_cosine
from pdtrain.training.step_metrics import is_logged, log_completed, step_metrics

# schedulers that must know the length of the training, and how they call it
_LENGTH_ARGUMENTS: dict[Any, str] = {
    torch.optim.lr_scheduler.OneCycleLR: "total_steps",
    torch.optim.lr_scheduler.CosineAnnealingLR: "T_max",
    warmup_cosine: "total_steps",
    step_decay: "total_steps",
}
# optimisers that have one kernel for all weights, and what excludes it
_FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
_NOT_FUSED = ("foreach", "differentiable")


class Classifier(lightning.LightningModule):
    """Trains `network` to classify images.

    Parameters
    ----------
    network
        Images to logits; probed as `self.network`.
    num_classes
        Number of logits.
    optimizer
        Takes parameters, returns an optimiser; it steps all weights by one kernel, where torch has that, unless it is
        given `fused`.
    scheduler
        Takes an optimiser (and the number of steps, where it needs that), returns a scheduler; or None.
    compile
        Train through `torch.compile`; probing uses the plain network, which shares its weights.
    channels_last
        Keep weights and images with their channels last in memory; "auto": where convolutions are faster so, on CPUs
        and in mixed precision, if the network takes them (`refusal_of_channels_last`).
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
        channels_last: bool | Literal["auto"] = "auto",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        check_value("label_smoothing", label_smoothing)
        check_value("channels_last", channels_last)
        self._channels_last = channels_last
        self._memory_format = torch.channels_last if channels_last is True else torch.preserve_format
        self.network = network
        if channels_last is True:
            put_channels_last(network)
        self._label_smoothing = label_smoothing
        # kept out of the module tree, so that checkpoints have the plain network's names
        self._run: list[Callable[[Tensor], Tensor]] = [torch.compile(network) if compile else network]
        self._optimizer, self._scheduler = optimizer, scheduler
        self.begins_from_another_run = False  # then by its own settings, not by those of the checkpoint
        self._steps_before, self._place_before = 0, (0, 0)
        self._losses = FiniteLosses()
        self._loss = torch.tensor(float("nan"))  # of the latest training batch
        self._began = self._ended = time.monotonic()  # the epoch under way
        unchecked: dict[str, Any] = {"average": "micro", "validate_args": False}  # of every batch, which takes long
        self.accuracy = nn.ModuleDict({s: MulticlassAccuracy(num_classes, **unchecked) for s in ("fit", "val")})
        # losses that are not finite end the run before; "disable" would ignore the weights (torchmetrics 1.9)
        self.loss = nn.ModuleDict({s: MeanMetric(nan_strategy="ignore") for s in ("fit", "val")})

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (images, classes)."""
        return self._run[0](images.to(memory_format=self._memory_format))

    def setup(self, stage: str) -> None:
        """Order weights and images as is fastest where the training is to run."""
        device, precision = self.trainer.strategy.root_device.type, str(self.trainer.precision)
        faster = device == "cpu" or (device == "cuda" and not precision.startswith("32"))
        if self._channels_last != "auto" or not faster:
            return
        # a data module says what its images are, plain loaders do not
        shape = getattr(getattr(self.trainer, "datamodule", None), "shape", None)
        put_channels_last(self.network)
        if shape is None or refusal_of_channels_last(self.network, shape) is None:
            self._memory_format = torch.channels_last
        else:
            self.network.to(memory_format=torch.contiguous_format)

    def check_channels_last(self, shape: tuple[int, int, int]) -> None:
        """Raise InputError if channels are to be last, and the network takes no such images of this shape."""
        if self._channels_last is not True:
            return
        if (refusal := refusal_of_channels_last(self.network, shape)) is not None:
            raise InputError(
                f"channels_last=true: {type(self.network).__name__} does not take images with channels last: "
                f"{str(refusal).partition(chr(10))[0].rstrip('.')}; give channels_last=auto"
            ) from refusal

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
        if stage == "fit":
            self._loss = loss.detach()
        self._losses.add(loss, label=label, step=self.global_step, epoch=self.current_epoch)
        cast(Metric, self.accuracy[stage]).update(logits.detach(), labels)
        cast(Metric, self.loss[stage]).update(loss.detach(), len(labels))
        return loss

    def check_losses(self) -> None:
        """Raise RunError if any loss so far was not finite."""
        self._losses.check()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log some steps, each before a callback can save it and leave."""
        step = self.global_step + 1
        if is_logged(step, self.trainer):
            metrics = step_metrics(self._loss, self.network, optimizer, self.trainer)
            for logger in self.loggers:
                logger.log_metrics({**metrics, logged.EPOCH: float(self.current_epoch)}, step=step)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note after how many steps, and where in the data, the training goes on, if it does from this one."""
        if "loops" in checkpoint:
            self._steps_before, self._place_before = int(checkpoint["global_step"]), place_in_data(checkpoint)

    def on_train_start(self) -> None:
        """Begin to count the time, also of the rest of an epoch."""
        if self.begins_from_another_run:
            self._follow_own_settings()
        self._began = self._ended = time.monotonic()

    def _follow_own_settings(self) -> None:
        optimizer, scheduler = self.trainer.optimizers[0], self.lr_schedulers()
        new = self._build_optimizer(self._length())
        parts = (new["optimizer"], new["lr_scheduler"]["scheduler"]) if isinstance(new, dict) else (new, None)
        follow(optimizer, scheduler, *parts, steps=self._steps_before)

    def on_train_epoch_start(self) -> None:
        """Begin to count the time of an epoch."""
        self._began = self._ended = time.monotonic()

    def on_train_batch_end(self, *args: Any) -> None:
        """Note the time: probing at the end of an epoch is none of it."""
        self._ended = time.monotonic()

    def on_validation_end(self) -> None:
        """Note the time."""
        self._ended = time.monotonic()

    def on_train_epoch_end(self) -> None:
        """Log the epoch's metrics: once, since each logging takes as long as a small layer."""
        self._log_metrics("fit", (logged.EPOCH_LOSS, logged.TRAINING_ACCURACY))
        self.log(logged.EPOCH_SECONDS, self._ended - self._began, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log those of the validation, before a checkpoint is chosen by them."""
        self.check_losses()
        self._log_metrics("val", (logged.VALIDATION_LOSS, logged.VALIDATION_ACCURACY))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let no checkpoint take the place of a sound one after a loss that was not finite."""
        self.check_losses()

    def _log_metrics(self, stage: str, names: tuple[str, str]) -> None:
        for name, metric in zip(names, (self.loss[stage], self.accuracy[stage]), strict=True):
            self.log(name, cast(Metric, metric), prog_bar=True)
        log_completed(self)

    def configure_optimizers(self) -> Any:
        """Optimiser and, if any, a scheduler stepped after every batch."""
        return self._build_optimizer(self._length())

    def _length(self) -> int:
        """Steps of the whole training, those before it went on among them, which may have been of another length."""
        trainer = self.trainer
        steps = trainer.estimated_stepping_batches
        if not math.isfinite(steps):
            return 1  # where there is no end, no scheduler is told one
        epochs, batches = self._place_before
        by_epochs = trainer.max_epochs != -1 and math.isfinite(trainer.num_training_batches)
        if by_epochs and (epochs or batches):
            accumulated, batches_each = trainer.accumulate_grad_batches, int(trainer.num_training_batches)
            each = math.ceil(batches_each / accumulated)
            as_now = epochs * each + min(batches, batches_each) // accumulated
            if self._steps_before != as_now and trainer.max_epochs and trainer.max_epochs > 0:
                steps = trainer.max_epochs * each + self._steps_before - as_now
                steps = min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps
        return max(int(steps), 1)  # schedulers want a length, also where nothing is trained

    def check_optimizer(self, saved: Mapping[str, Any] | None = None, *, path: object = None) -> None:
        """Raise InputError if the optimiser or the scheduler refuses its options, or goes on from no such state.

        Parameters
        ----------
        saved
            State of the optimiser in the checkpoint at `path`, if the training begins from one of another run.
        path
            The checkpoint's.
        """
        self._build_optimizer(steps=100)
        if saved is not None:
            check_same_kind(self._optimizer([nn.Parameter(torch.zeros(1))]), saved, path=path)

    def _build_optimizer(self, steps: int) -> Any:
        try:
            optimizer = self._optimizer(self.network.parameters(), **self._fused())
        except (TypeError, ValueError) as error:
            raise InputError(f"optimizer: {error}") from error
        follow_weights(optimizer)
        if self._scheduler is None:
            return optimizer
        length = _LENGTH_ARGUMENTS.get(getattr(self._scheduler, "func", None))
        options = {length: steps} if length else {}
        try:
            scheduler = self._scheduler(optimizer, **options)
        except (TypeError, ValueError) as error:
            raise InputError(f"scheduler: {error}") from error
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _fused(self) -> dict[str, bool]:
        """Whether one kernel steps all weights: Lightning cannot clip gradients before one in mixed precision."""
        given = {key for key, value in getattr(self._optimizer, "keywords", {}).items() if value is not None}
        if getattr(self._optimizer, "func", self._optimizer) not in _FUSED or given & {"fused", *_NOT_FUSED}:
            return {}
        trainer = self._trainer
        clips = trainer is not None and trainer.gradient_clip_val and "mixed" in str(trainer.precision)
        return {"fused": not clips and all(map(one_kernel_steps, self.network.parameters()))}
