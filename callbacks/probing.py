"""Runs all probe callbacks of a trainer at the scheduled times, logs their rows, and keeps each probed checkpoint."""

import inspect
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as lightning
from pytorch_lightning.loggers import WandbLogger
from torch import Tensor, nn

from pdtrain.callbacks.averaging import averaged_weights
from pdtrain.callbacks.listening import ProbeListener
from pdtrain.callbacks.named_probes import ProbeCallback
from pdtrain.callbacks.probed_network import Network, probed_network
from pdtrain.callbacks.results_folder import check_empty, results_folder
from pdtrain.callbacks.schedule import Schedule
from pdtrain.callbacks.steps import completes_step
from pdtrain.errors import InputError, RunError, first_line, unknown_name
from pdtrain.limits import check_value
from pdtrain.loggers.points import ChoosesMetrics
from pdtrain.probes.prober import Probe, Prober, measured_properties
from pdtrain.results import logged
from pdtrain.results.measures import VIEW_INVARIANT
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.run_folder import TRAINING, plain_name, point_name
from pdtrain.results.stimuli import save_stimuli
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.given import ImageDataset, stimuli_of
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.classifier import Classifier
from pdtrain.training.step_metrics import log_completed

_log = logging.getLogger(__name__)
_LONG_SECONDS = 10.0  # of a probe point


class Probing(lightning.Callback):
    """Probes a network during training without changing the training.

    Where a callback of Lightning's averages the weights, the averaged ones are probed, as they are validated and kept.

    Parameters
    ----------
    stimuli
        What is shown: a tensor of images, a data set, a `StimulusSet` (`stimuli_of` makes one with labels, properties
        and normalisation), or a `Prober` that has its own and a store.
    schedule
        When to probe; None: untrained and after every epoch.
    probes
        What to measure, beside the probes that other callbacks hold (`IntrinsicDimension`, `UnitInformation` ...).
    network
        What of the LightningModule is probed: the name of an attribute, such as "encoder" or "model.backbone", a
        function that takes the module and returns the network, or the network; None takes its attribute `network`, or
        the module itself where it has none.
    folder
        Where results go; None takes that of the trainer's logger, or without one the next free
        `default_root_dir/probed/version_0` ...
    probe_set
        Name of the results, where several callbacks of this kind write to one folder.
    checkpoints
        Folder that keeps a checkpoint of every probed epoch; None keeps none.
    on_error
        "stop" ends the run if probing fails; "warn" says so, leaves the point out and goes on training.
    **options
        Of the `Prober` that is made where none is given, such as `layers`, `recipe` or `max_units`.

    Raises
    ------
    InputError
        If an option is not one of the `Prober`'s.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.callbacks import IntrinsicDimension
    >>> callbacks = [IntrinsicDimension(), Probing(torch.rand(500, 1, 28, 28), network="encoder")]
    """

    def __init__(
        self,
        stimuli: Prober | StimulusSet | Tensor | ImageDataset,
        schedule: Schedule | None = None,
        *,
        probes: Sequence[Probe] = (),
        network: Network | None = None,
        folder: str | Path | None = None,
        probe_set: str = TRAINING,
        checkpoints: str | Path | None = None,
        on_error: str = "stop",
        **options: Any,
    ) -> None:
        check_value("callbacks.probing.on_error", on_error)
        _check_options(options)
        self._prober = stimuli if isinstance(stimuli, Prober) else None
        if self._prober is not None and (folder is not None or options):
            raise InputError("callbacks.probing: a Prober has its folder and options already; give it those")
        if not isinstance(stimuli, Prober | StimulusSet):
            stimuli = stimuli_of(stimuli)
        self._stimuli = stimuli if isinstance(stimuli, StimulusSet) else None
        self._options = options
        self.schedule, self._on_error = schedule or Schedule(), on_error
        self._own_probes, self._network = list(probes), network
        self._folder, self._probe_set = Path(folder) if folder is not None else None, plain_name(probe_set)
        self._checkpoints = Path(checkpoints) if checkpoints is not None else None
        self._trainer: lightning.Trainer | None = None
        self._run_folder: Path | None = None
        self._step_before = 0

    @property
    def prober(self) -> Prober:
        """What measures; made when the training begins, unless it was given."""
        if self._prober is None:
            raise RuntimeError("there is no prober before fit, as its folder is not known")
        return self._prober

    @property
    def folder(self) -> Path:
        """Folder of the results: for `load`, and `pdtrain-report run_dir=...`."""
        if self._run_folder is None:
            raise RuntimeError("the folder of the results is not known before fit")
        return self._run_folder

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Check layers and probes before any training; tell W&B the x axis; probe what is not to be trained."""
        network, probes = self._probed(pl_module), self._probes(trainer)
        if self._stimuli is not None:
            self._open_folder(trainer, self._stimuli, probes)
        self._prepare(network, probes)
        if self._stimuli is not None and trainer.is_global_zero:
            save_stimuli(self.folder, self._stimuli, measured_properties(probes))
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                for pattern in self.prober.catalogue.patterns():
                    logger.experiment.define_metric(self._prefix + pattern, step_metric=logged.EPOCH)
        if not _trains(trainer) and (self.schedule.untrained or self.schedule.last):  # Lightning then does nothing more
            self._measure(trainer, pl_module, ProbePoint(0, 0))

    def _open_folder(self, trainer: lightning.Trainer, stimuli: StimulusSet, probes: Sequence[Probe]) -> None:
        """Find out where results go, once for each trainer, and make the prober that writes there."""
        if not probes:
            raise InputError("callbacks.probing: nothing to measure; add IntrinsicDimension() to callbacks, or probes=")
        if trainer is self._trainer:
            return
        folder = results_folder(trainer, self._folder)
        beside = [callback for callback in _all_of(trainer, Probing) if callback is not self]
        if any((other._run_folder, other._probe_set) == (folder, self._probe_set) for other in beside):
            raise InputError(f"folder={folder}: two Probing callbacks would write there; give one probe_set=NAME")
        if trainer.ckpt_path is None:
            check_empty(folder, self._probe_set)
        self._trainer, self._run_folder = trainer, folder
        self._prober = Prober(stimuli, ResultsStore(folder, probe_set=self._probe_set), **self._options)

    def _prepare(self, network: nn.Module, probes: Sequence[Probe]) -> None:
        try:
            self.prober.prepare(network, probes)
        except (InputError, RunError):
            raise
        except Exception as error:
            shape = " x ".join(map(str, self.prober.stimuli.pixels.shape[1:]))
            raise InputError(
                f"callbacks.probing.network: {type(network).__name__} does not take images of {shape} alone "
                f"({type(error).__name__}: {first_line(error)}); name a part of the module that does with network="
            ) from error

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Probe the untrained network."""
        self._step_before = trainer.global_step
        if self.schedule.untrained and trainer.global_step == 0:
            self._measure(trainer, pl_module, ProbePoint(0, 0))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Probe at log-spaced steps."""
        if not completes_step(trainer):
            return
        before, self._step_before = self._step_before, trainer.global_step
        if self.schedule.at_step(trainer.global_step, before):
            self._measure(trainer, pl_module, ProbePoint(trainer.current_epoch, trainer.global_step))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Probe completed epochs."""
        self._count_epochs(pl_module)
        completed = trainer.current_epoch + 1
        if self.schedule.at_epoch(completed, completed if _ends(trainer) else trainer.max_epochs):
            self._measure(trainer, pl_module, ProbePoint(completed, trainer.global_step))

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Let what is validated have the epoch of the rows."""
        self._count_epochs(pl_module)

    def _count_epochs(self, pl_module: lightning.LightningModule) -> None:
        if not isinstance(pl_module, Classifier):  # which does so itself
            log_completed(pl_module)

    def _probes(self, trainer: lightning.Trainer) -> list[Probe]:
        return [*self._own_probes, *(callback.probe for callback in _all_of(trainer, ProbeCallback))]

    def _probed(self, pl_module: lightning.LightningModule) -> nn.Module:
        return probed_network(pl_module, self._network)

    @property
    def _prefix(self) -> str:
        return "" if self._probe_set == TRAINING else f"{self._probe_set}/"

    def _listeners(self, trainer: lightning.Trainer) -> list[ProbeListener]:
        return _all_of(trainer, ProbeListener)

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
            self._log(trainer, point, rows)
        if self._checkpoints is not None:
            trainer.save_checkpoint(self._checkpoints / f"{point_name(point)}.ckpt", weights_only=False)

    def _log(self, trainer: lightning.Trainer, point: ProbePoint, rows: list[Row]) -> None:
        place = {logged.PROBE_SECONDS: self.prober.seconds[-1], logged.EPOCH: float(point.epoch)}
        catalogue = self.prober.catalogue
        for logger in trainer.loggers:
            some = logger.chosen(rows, catalogue) if isinstance(logger, ChoosesMetrics) else catalogue.metrics(rows)
            named = {f"{self._prefix}{key}": value for key, value in some.items()}
            logger.log_metrics(named | place, step=point.step)

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


def _check_options(options: dict[str, Any]) -> None:
    """Raise InputError for an option that is neither of the callback nor of the `Prober` that it makes."""
    of_both = [*inspect.signature(Probing).parameters.values(), *inspect.signature(Prober).parameters.values()]
    known = [parameter.name for parameter in of_both if parameter.kind is parameter.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise unknown_name("callbacks.probing", name, ["schedule", *known], of="argument of Probing")


def _trains(trainer: lightning.Trainer) -> bool:
    """Whether there is anything to train: `trainer.max_epochs=0` leaves a network as it is."""
    return 0 not in (trainer.max_epochs, trainer.max_steps, trainer.limit_train_batches)


def _ends(trainer: lightning.Trainer) -> bool:
    """Whether the training ends with this epoch, though it is not the last of `max_epochs`."""
    if 0 < trainer.max_steps <= trainer.global_step:
        return True
    least = trainer.current_epoch + 1 >= (trainer.min_epochs or 0) and trainer.global_step >= (trainer.min_steps or 0)
    return trainer.should_stop and least  # early, or since its time is over


_Kind = TypeVar("_Kind", bound=lightning.Callback)


def _all_of(trainer: lightning.Trainer, kind: type[_Kind]) -> list[_Kind]:
    return [callback for callback in trainer.callbacks if isinstance(callback, kind)]  # type: ignore[attr-defined]
