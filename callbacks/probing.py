"""Runs all probe callbacks of a trainer at the scheduled times, logs their rows, and keeps each probed checkpoint."""

import logging
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.loggers import WandbLogger
from torch import nn

from pdtrain.callbacks.averaging import averaged_weights
from pdtrain.callbacks.listening import ProbeListener
from pdtrain.callbacks.named_probes import ProbeCallback
from pdtrain.callbacks.schedule import Schedule
from pdtrain.callbacks.steps import completes_step
from pdtrain.errors import InputError
from pdtrain.limits import check_value
from pdtrain.probes.prober import Probe, Prober
from pdtrain.results.measures import VIEW_INVARIANT
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.run_folder import point_name
from pdtrain.training.classifier import Classifier

_log = logging.getLogger(__name__)
_LONG_SECONDS = 10.0  # of a probe point


class Probing(lightning.Callback):
    """Probes a network during training without changing the training.

    Where a callback of Lightning's averages the weights, the averaged ones are probed, as they are validated and kept.

    Parameters
    ----------
    prober
        The shared code path; writes the rows.
    schedule
        When to probe.
    probes
        What to measure, beside the probes that other callbacks hold (`IntrinsicDimension`, `UnitInformation` ...).
    network
        Attribute of the LightningModule that is probed, such as "encoder" or "model.backbone"; None takes its
        `network`, or the module itself where it has none.
    checkpoints
        Folder that keeps a checkpoint of every probed epoch; None keeps none.
    on_error
        "stop" ends the run if probing fails; "warn" says so, leaves the point out and goes on training.
    """

    def __init__(
        self,
        prober: Prober,
        schedule: Schedule,
        *,
        probes: Sequence[Probe] = (),
        network: str | None = None,
        checkpoints: str | Path | None = None,
        on_error: str = "stop",
    ) -> None:
        check_value("callbacks.probing.on_error", on_error)
        self.prober, self.schedule, self._on_error = prober, schedule, on_error
        self._own_probes, self._network = list(probes), network
        self._checkpoints = Path(checkpoints) if checkpoints is not None else None

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Check layers and probes before any training; tell W&B the x axis; probe what is not to be trained."""
        self.prober.prepare(self._probed(pl_module), self._probes(trainer))
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                for prefix in self.prober.catalogue.prefixes():
                    logger.experiment.define_metric(f"{prefix}/*", step_metric="epoch")
        if not _trains(trainer) and (self.schedule.untrained or self.schedule.last):  # Lightning then does nothing more
            self._measure(trainer, pl_module, ProbePoint(0, 0))

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Probe the untrained network."""
        if self.schedule.untrained and trainer.global_step == 0:
            self._measure(trainer, pl_module, ProbePoint(0, 0))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Probe at log-spaced steps."""
        if self.schedule.at_step(trainer.global_step) and completes_step(trainer):
            self._measure(trainer, pl_module, ProbePoint(trainer.current_epoch, trainer.global_step))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Probe completed epochs."""
        completed = trainer.current_epoch + 1
        if self.schedule.at_epoch(completed, completed if _ends(trainer) else trainer.max_epochs):
            self._measure(trainer, pl_module, ProbePoint(completed, trainer.global_step))

    def _probes(self, trainer: lightning.Trainer) -> list[Probe]:
        held = [callback.probe for callback in trainer.callbacks if isinstance(callback, ProbeCallback)]  # type: ignore[attr-defined]
        return [*self._own_probes, *held]

    def _probed(self, pl_module: lightning.LightningModule) -> nn.Module:
        path = self._network or ("network" if hasattr(pl_module, "network") else "")
        try:
            found = attrgetter(path)(pl_module) if path else pl_module
        except AttributeError as error:
            raise InputError(f"callbacks.probing.network={path}: {type(pl_module).__name__} has none") from error
        if not isinstance(found, nn.Module):
            raise InputError(f"callbacks.probing.network={path}: {type(found).__name__} is no torch.nn.Module")
        return found

    def _listeners(self, trainer: lightning.Trainer) -> list[ProbeListener]:
        return [callback for callback in trainer.callbacks if isinstance(callback, ProbeListener)]  # type: ignore[attr-defined]

    def _tell(self, trainer: lightning.Trainer, stage: str, done: int, total: int) -> None:
        for listener in self._listeners(trainer):
            listener.on_probe_progress(trainer, stage, done, total)

    def _measure(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, point: ProbePoint) -> None:
        if isinstance(pl_module, Classifier):
            pl_module.check_losses()  # nothing is measured of weights that are broken
        rows = self._try_to_measure(trainer, pl_module, point)
        # all processes leave the point out, or none
        if trainer.strategy.reduce_boolean_decision(rows is None, all=False) or rows is None:
            return
        if trainer.is_global_zero:
            self._show(trainer, point, rows)
            self._say_cost(trainer, point)
        metrics = self.prober.catalogue.metrics(rows) | {"epoch": float(point.epoch)}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
        if self._checkpoints is not None:
            trainer.save_checkpoint(self._checkpoints / f"{point_name(point)}.ckpt", weights_only=False)

    def _say_cost(self, trainer: lightning.Trainer, point: ProbePoint) -> None:
        """Warn after the first point, which is mostly before training, if all that are to come would take long."""
        epochs = range(point.epoch + 1, max(trainer.max_epochs or 0, 0) + 1)
        more, seconds = sum(self.schedule.at_epoch(epoch, epochs.stop - 1) for epoch in epochs), self.prober.seconds[0]
        if len(self.prober.seconds) > 1 or seconds < _LONG_SECONDS or not more:
            return
        longest = max(self.prober.seconds_by_probe.items(), key=lambda of: of[1], default=("", 0.0))
        _log.warning(
            "a probe point takes %.0f s (%s: %.0f s), and the %d that are to come %.0f s together; a larger "
            "callbacks.probing.schedule.every_epochs, fewer stimuli, a lower layers.max_units%s or probes.%s=null save "
            "time", seconds, *longest, more, more * seconds,
            ", probes.object_information.most_pairs" if longest[0] == VIEW_INVARIANT.probe else "", longest[0],
        )  # fmt: skip

    def _try_to_measure(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, point: ProbePoint
    ) -> list[Row] | None:
        try:
            with averaged_weights(trainer, pl_module):
                network, probes = self._probed(pl_module), self._probes(trainer)
                return self.prober.measure(network, probes, point, lambda *how_far: self._tell(trainer, *how_far))
        except Exception as error:
            if self._on_error == "stop":
                raise
            _log.warning("probing failed after step %d: %s: %s", point.step, type(error).__name__, error)
            return None

    def _show(self, trainer: lightning.Trainer, point: ProbePoint, rows: list[Row]) -> None:
        for listener in self._listeners(trainer):
            try:
                listener.on_probe(trainer, point, rows, self.prober.catalogue)
            except Exception as error:  # a picture that cannot be drawn is no reason to end a training
                _log.warning("%s failed after step %d: %s", type(listener).__name__, point.step, error)


def _trains(trainer: lightning.Trainer) -> bool:
    """Whether there is anything to train: `trainer.max_epochs=0` leaves a network as it is."""
    return 0 not in (trainer.max_epochs, trainer.max_steps, trainer.limit_train_batches)


def _ends(trainer: lightning.Trainer) -> bool:
    """Whether the training ends with this epoch, though it is not the last of `max_epochs`."""
    if 0 < trainer.max_steps <= trainer.global_step:
        return True
    least = trainer.current_epoch + 1 >= (trainer.min_epochs or 0) and trainer.global_step >= (trainer.min_steps or 0)
    return trainer.should_stop and least  # early, or since its time is over
