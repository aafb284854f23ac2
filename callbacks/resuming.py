"""Keeps a checkpoint to go on from, so exact that a resumed run equals one that was never interrupted.

Beside weights, optimiser, schedulers and callbacks, which Lightning keeps, the checkpoint holds the random streams, the
number of lines each logger has written and, in the middle of an epoch, the metrics gathered so far. Data order,
augmentation, unit samples and stimuli are functions of the configuration's seeds, and need no state.
"""

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from pdtrain.callbacks.steps import brings_validation, completes_step
from pdtrain.errors import RunError
from pdtrain.files import written_whole
from pdtrain.loggers.resumable import Resumable
from pdtrain.random_streams import random_streams, set_random_streams
from pdtrain.training.checkpoints import LAST, STATE, resumable_checkpoints
from pdtrain.training.loading import wake_workers
from pdtrain.training.signals import ASKING, handled_by, mute_closed_terminal, preempted

_KEPT = 2  # the newest may be damaged by a machine that dies
_AT_ONCE = 3  # so many times Ctrl-C
_SAID = b"\nCtrl-C: leaving after this batch, or the validation and probing under way; a third Ctrl-C leaves at once\n"


class Resuming(lightning.Callback):
    """Writes `resume-step=SSSSSSSS.ckpt` after every epoch, and when the process is asked to leave.

    `last.ckpt` is another name of the newest.

    SIGTERM, as clusters send it, SIGHUP, Ctrl-C and the signal on which Lightning requeues a SLURM job take effect
    after the batch that is under way, or the first after it that ends a step and brings no validation, or after the
    validation and probing under way; a third Ctrl-C at once. To be the last
    callback: what the others do at a step, probing among it, is then done when the step is saved.

    Parameters
    ----------
    folder
        Where the checkpoints lie; the newest two are kept.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._restored: dict[str, Any] | None = None
        self._within_epoch = False
        self._received: list[int] = []
        self._handlers: dict[int, Any] = {}  # those before

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Restore what Lightning does not; from now on signals wait for the end of a batch."""
        _check_same_step(trainer)
        _begin_next_epoch(trainer)
        if self._restored is not None:
            set_random_streams(self._restored["random"][trainer.global_rank])
            _set_metrics(pl_module, self._restored["metrics"])
            self._restored = None
        self._defer_signals()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the epochs completed, when all that is logged about them has been logged."""
        if trainer.current_epoch:
            self._save(trainer)
            self._leave_if_asked(trainer)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Save within an epoch if the process must leave.

        Not after the last batch, nor after one that a validation comes after, since that belongs to it, nor while
        gradients of several are being added up.
        """
        last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        if last or not completes_step(trainer) or brings_validation(trainer) or not self._asked(trainer):
            return
        self._within_epoch = True
        self._save(trainer)
        self._leave_if_asked(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the finished training; what comes after it needs no saving, and is left at once."""
        self._save(trainer)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._leave_if_asked(trainer)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what Lightning does not keep."""
        checkpoint[STATE] = {
            "random": _of_all_ranks(trainer, random_streams()),
            "logged": [logger.logged for logger in trainer.loggers if isinstance(logger, Resumable)],
            "metrics": _metrics(pl_module) if self._within_epoch else {},
        }
        progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        for counts in (progress["total"], progress["current"]):
            # Lightning would take an epoch that was about to start for one that is over, and skip it
            if counts["ready"] == counts["started"] + 1:
                counts["ready"] = counts["started"]

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Remember what to restore; let the loggers go on after the lines they had written."""
        self._restored = checkpoint.get(STATE)
        if self._restored is not None and Path(str(trainer.ckpt_path)).parent == self._folder:  # the same run
            loggers = [logger for logger in trainer.loggers if isinstance(logger, Resumable)]
            for logger, logged in zip(loggers, self._restored["logged"], strict=False):
                logger.go_on(logged)

    def _save(self, trainer: lightning.Trainer) -> None:
        for logger in trainer.loggers:
            logger.save()
        path = self._folder / f"resume-step={trainer.global_step:08d}.ckpt"
        trainer.save_checkpoint(path, weights_only=False)
        if trainer.is_global_zero:
            _name_too(path, self._folder / LAST)
            for old in resumable_checkpoints(self._folder)[_KEPT:]:
                old.unlink(missing_ok=True)

    def _defer_signals(self) -> None:
        """Note the signals that ask to leave; Lightning lets them act as before when the training is over."""
        self._handlers = handled_by(self._note)
        for number in signal.valid_signals() if self._handlers else ():
            handler = signal.getsignal(number)
            if type(handler).__module__.startswith("pytorch_lightning"):  # it requeues SLURM jobs
                self._handlers[number] = handler
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        interrupted = self._received.count(signal.SIGINT)
        self._received.append(number)
        mute_closed_terminal(number)
        wake_workers()
        if number != signal.SIGINT:
            return
        if not interrupted:
            with suppress(OSError):
                os.write(2, _SAID)  # what is interrupted may be printing too
        if interrupted + 1 == _AT_ONCE:
            raise preempted(f"interrupted; what was saved before is in {self._folder}", by=number)

    def _asked(self, trainer: lightning.Trainer) -> bool:
        """Whether any process of the training has been asked to leave."""
        return trainer.strategy.reduce_boolean_decision(bool(self._received), all=False)

    def _leave_if_asked(self, trainer: lightning.Trainer) -> None:
        if not self._asked(trainer):
            return
        for number in self._received:
            if number not in ASKING:
                self._handlers[number](number, None)  # Lightning's: it saves once more, and requeues the SLURM job
        only_interrupted = set(self._received) == {signal.SIGINT}
        raise preempted(
            f"asked to leave after step {trainer.global_step}; all is saved in {self._folder}",
            by=signal.SIGINT if only_interrupted else signal.SIGTERM,
        )


def _begin_next_epoch(trainer: lightning.Trainer) -> None:
    """Leave an epoch that is over: with `max_steps` Lightning would go on within it, and skip the next one's images."""
    loop = trainer.fit_loop
    if not loop.restarting:
        return
    counts: Any = loop.epoch_progress.current
    if counts.ready != counts.processed:
        return
    if counts.completed < counts.processed:  # saved while it ended
        loop.epoch_progress.increment_completed()
    loop._restarting = False  # `restarting = False` has no effect there
    loop.epoch_loop.restarting = False
    loop.reset_restart_stage()
    loop.epoch_loop.reset_restart_stage()


def _check_same_step(trainer: lightning.Trainer) -> None:
    """A host that does not see the checkpoint would begin anew, beside one that goes on."""
    first = trainer.strategy.broadcast(trainer.global_step)
    if not trainer.strategy.reduce_boolean_decision(trainer.global_step == first):
        raise RunError(
            f"the processes go on after different steps, this one after step {trainer.global_step}; "
            "put hydra.run.dir on a disk that all hosts have"
        )


def _name_too(path: Path, name: Path) -> None:
    """Give a file a second name, that of an older one perhaps; a copy where the file system has no links."""
    with written_whole(name) as temporary:
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)


def _of_all_ranks(trainer: lightning.Trainer, value: Any) -> list[Any]:
    if trainer.world_size == 1:
        return [value]
    values: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def _metrics(module: nn.Module) -> dict[str, dict[str, Tensor]]:
    """What the metrics of an epoch have gathered."""
    return {
        name: {key: torch.as_tensor(value).cpu().clone() for key, value in metric.metric_state.items()}
        for name, metric in module.named_modules()
        if isinstance(metric, Metric)
    }


def _set_metrics(module: nn.Module, states: dict[str, dict[str, Tensor]]) -> None:
    for name, state in states.items():
        metric = module.get_submodule(name)
        assert isinstance(metric, Metric)
        for key, value in state.items():
            setattr(metric, key, value.to(metric.device))
        metric._update_count = 1  # else it warns that it has seen nothing
