"""Signals that ask to leave, in the middle of a training in this process."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.demos.boring_classes import BoringModel

from pdtrain.callbacks import Resuming
from pdtrain.errors import Preempted
from pdtrain.training.checkpoints import read_checkpoint, resumable_checkpoints
from pdtrain.training.signals import ASKING, leave_when_asked


class _Sending(lightning.Callback):
    """Sends signals before the end of the third batch, or at another time."""

    def __init__(self, numbers: tuple[int, ...], when: str) -> None:
        self._numbers, self._when = numbers, when

    def _send(self, when: str) -> None:
        if when == self._when:
            for number in self._numbers:
                signal.raise_signal(number)

    def on_train_batch_end(self, trainer: lightning.Trainer, *arguments: Any, **options: Any) -> None:
        if trainer.global_step == 3:
            self._send("batch")

    def on_validation_start(self, *arguments: Any) -> None:
        self._send("validation")

    def on_train_end(self, *arguments: Any) -> None:
        self._send("end")


@pytest.mark.parametrize(
    ("numbers", "code", "when", "step"),
    [
        ((signal.SIGTERM,), 75, "batch", 3),
        ((signal.SIGHUP,), 75, "batch", 3),
        ((signal.SIGINT,), 130, "batch", 3),
        ((signal.SIGINT, signal.SIGINT), 130, "batch", 3),
        ((signal.SIGINT, signal.SIGTERM), 75, "batch", 3),
        ((signal.SIGINT, signal.SIGINT, signal.SIGINT), 130, "batch", None),
        ((signal.SIGTERM,), 75, "validation", 5),
        ((signal.SIGINT, signal.SIGINT), 130, "end", 10),
    ],
)
@pytest.mark.filterwarnings("ignore")  # Lightning's, of a small model
def test_all_is_saved_and_the_exit_code_says_what_to_do(
    numbers: tuple[int, ...], code: int, when: str, step: int | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = [signal.getsignal(asking) for asking in ASKING]
    trainer = lightning.Trainer(
        max_epochs=2, limit_train_batches=5, limit_val_batches=1, logger=False, enable_checkpointing=False,
        num_sanity_val_steps=0, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        accelerator="cpu", callbacks=[_Sending(numbers, when), Resuming(tmp_path)],
    )  # fmt: skip

    with pytest.raises(Preempted) as left:
        trainer.fit(BoringModel())

    assert left.value.code == code
    saved = resumable_checkpoints(tmp_path)
    assert [read_checkpoint(path)["global_step"] for path in saved[:1]] == ([] if step is None else [step])
    assert ("Ctrl-C: leaving after this batch" in capfd.readouterr().err) == (signal.SIGINT in numbers)
    assert [signal.getsignal(asking) for asking in ASKING] == before


class _Noting(BoringModel):
    """Notes the epoch of each batch, and the step of each validation."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []
        self.validated: list[int] = []

    def on_train_batch_start(self, *arguments: Any) -> None:
        self.epochs.append(self.current_epoch)

    def on_validation_end(self) -> None:
        self.validated.append(self.global_step)


def _trained(folder: Path, *callbacks: lightning.Callback, checkpoint: Path | None = None, **options: Any) -> _Noting:
    network = _Noting()
    trainer = lightning.Trainer(
        **{"max_epochs": 2, "enable_checkpointing": False} | options, limit_val_batches=1, logger=False,
        num_sanity_val_steps=0, enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        accelerator="cpu", callbacks=[*callbacks, Resuming(folder)],
    )  # fmt: skip
    with suppress(Preempted):
        trainer.fit(network, ckpt_path=checkpoint, weights_only=True)
    return network


@pytest.mark.filterwarnings("ignore")  # Lightning's, of a small model
def test_no_validation_is_left_out_by_one_who_leaves_before_it(tmp_path: Path) -> None:
    options = {"limit_train_batches": 7, "val_check_interval": 3, "max_epochs": 1}
    before = _trained(tmp_path, _Sending((signal.SIGTERM,), "batch"), **options)
    (saved,) = resumable_checkpoints(tmp_path)
    after = _trained(tmp_path, checkpoint=saved, **options)

    assert read_checkpoint(saved)["global_step"] == 4
    assert (before.validated, after.validated) == ([3], [6])


@pytest.mark.parametrize("end", [{"max_epochs": 2}, {"max_steps": 10}, {"max_epochs": 3, "max_steps": 8}])
@pytest.mark.filterwarnings("ignore")  # Lightning's, of a small model
def test_what_was_saved_between_epochs_goes_on_with_the_next(end: dict[str, int], tmp_path: Path) -> None:
    options = {"limit_train_batches": 5} | end
    before = _trained(tmp_path, _Sending((signal.SIGTERM,), "validation"), **options)
    (saved,) = resumable_checkpoints(tmp_path)
    after = _trained(tmp_path, checkpoint=saved, **options)

    assert before.epochs == [0] * 5
    assert after.epochs == [1] * (end.get("max_steps", 10) - 5)
    assert after.trainer.current_epoch == 2


@pytest.mark.parametrize("end", [{"max_epochs": 2}, {"max_steps": 10}])
@pytest.mark.filterwarnings("ignore")  # Lightning's, of a small model
def test_what_lightning_saved_as_an_epoch_ended_goes_on_with_the_next(end: dict[str, int], tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path, filename="best", save_on_train_epoch_end=True)
    _trained(tmp_path, best, limit_train_batches=5, max_epochs=1, enable_checkpointing=True)

    after = _trained(tmp_path, checkpoint=tmp_path / "best.ckpt", limit_train_batches=5, **end)

    assert after.epochs == [1] * 5
    assert after.trainer.current_epoch == 2


@pytest.fixture
def handlers_kept() -> Iterator[None]:
    before = {asking: signal.getsignal(asking) for asking in ASKING}
    yield
    for asking, handler in before.items():
        signal.signal(asking, handler)


@pytest.mark.usefixtures("handlers_kept")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGHUP, 75), (signal.SIGINT, 130)])
def test_outside_a_training_the_command_ends_at_once(number: int, code: int) -> None:
    leave_when_asked()

    with pytest.raises(Preempted, match=str(code)):
        signal.raise_signal(number)
    for again in ASKING:  # what comes while it ends changes nothing
        signal.raise_signal(again)


@pytest.mark.usefixtures("handlers_kept")
def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    leave_when_asked()
    signal.raise_signal(signal.SIGHUP)

    with pytest.raises(Preempted):
        signal.raise_signal(signal.SIGTERM)
