"""Runs all probe callbacks of a trainer at the scheduled times, logs their rows, and keeps each probed checkpoint."""

import logging
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as lightning
from pytorch_lightning.loggers import WandbLogger
from torch import nn

from pdtrain.callbacks.listening import ProbeListener
from pdtrain.callbacks.probes import ProbeCallback
from pdtrain.callbacks.schedule import Schedule
from pdtrain.errors import InputError
from pdtrain.probes.prober import Probe, Prober
from pdtrain.results.metrics import KEY_PREFIXES, metrics_of
from pdtrain.results.rows import ProbePoint, Row

_log = logging.getLogger(__name__)


class Probing(lightning.Callback):
    """Probes `pl_module.network` during training without changing the training.

    Parameters
    ----------
    prober
        The shared code path; writes the rows.
    schedule
        When to probe.
    checkpoints
        Folder that keeps a checkpoint of every probed epoch; None keeps none.
    on_error
        "stop" ends the run if probing fails; "warn" says so, leaves the point out and goes on training.
    """

    def __init__(
        self, prober: Prober, schedule: Schedule, *, checkpoints: str | Path | None = None, on_error: str = "stop"
    ) -> None:
        if on_error not in ("stop", "warn"):
            raise InputError(f"callbacks.probing.on_error={on_error}: choose stop or warn")
        self.prober, self.schedule, self._on_error = prober, schedule, on_error
        self._checkpoints = Path(checkpoints) if checkpoints is not None else None

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Check layers and probes before any training; tell W&B the x axis."""
        self.prober.prepare(_network(pl_module), self._probes(trainer))
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                for prefix in KEY_PREFIXES.values():
                    logger.experiment.define_metric(f"{prefix}/*", step_metric="epoch")

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Probe the untrained network."""
        if self.schedule.untrained and trainer.global_step == 0:
            self._measure(trainer, pl_module, ProbePoint(0, 0))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Probe at log-spaced steps."""
        if self.schedule.at_step(trainer.global_step):
            self._measure(trainer, pl_module, ProbePoint(trainer.current_epoch, trainer.global_step))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Probe completed epochs."""
        completed = trainer.current_epoch + 1
        if self.schedule.at_epoch(completed, trainer.max_epochs):
            self._measure(trainer, pl_module, ProbePoint(completed, trainer.global_step))

    def _probes(self, trainer: lightning.Trainer) -> list[Probe]:
        return [callback.probe for callback in trainer.callbacks if isinstance(callback, ProbeCallback)]  # type: ignore[attr-defined]

    def _listeners(self, trainer: lightning.Trainer) -> list[ProbeListener]:
        return [callback for callback in trainer.callbacks if isinstance(callback, ProbeListener)]  # type: ignore[attr-defined]

    def _tell(self, trainer: lightning.Trainer, stage: str, done: int, total: int) -> None:
        for listener in self._listeners(trainer):
            listener.on_probe_progress(trainer, stage, done, total)

    def _measure(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, point: ProbePoint) -> None:
        rows = self._try_to_measure(trainer, pl_module, point)
        failed = rows is None
        if trainer.world_size > 1:  # all processes leave the point out, or none
            failed = trainer.strategy.reduce_boolean_decision(failed, all=False)
        if failed or rows is None:
            return
        if trainer.is_global_zero:
            self._show(trainer, point, rows)
        metrics = metrics_of(rows) | {"epoch": float(point.epoch)}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
        if self._checkpoints is not None:
            trainer.save_checkpoint(
                self._checkpoints / f"epoch={point.epoch:04d}-step={point.step:08d}.ckpt", weights_only=False
            )

    def _try_to_measure(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, point: ProbePoint
    ) -> list[Row] | None:
        try:
            return self.prober.measure(
                _network(pl_module), self._probes(trainer), point, lambda *how_far: self._tell(trainer, *how_far)
            )
        except Exception as error:
            if self._on_error == "stop":
                raise
            _log.warning("probing failed after step %d: %s: %s", point.step, type(error).__name__, error)
            return None

    def _show(self, trainer: lightning.Trainer, point: ProbePoint, rows: list[Row]) -> None:
        for listener in self._listeners(trainer):
            try:
                listener.on_probe(trainer, point, rows)
            except Exception as error:  # a picture that cannot be drawn is no reason to end a training
                _log.warning("%s failed after step %d: %s", type(listener).__name__, point.step, error)


def _network(pl_module: lightning.LightningModule) -> nn.Module:
    return cast(nn.Module, pl_module.network)
