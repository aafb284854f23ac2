"""What libraries say at every start is left out by name, and nothing else is."""

import logging
import os
import warnings
from collections.abc import Iterator

import pytest

from pdtrain.commands.library_noise import leave_out_noise, leave_out_offline_noise

_LIGHTNING = "pytorch_lightning.utilities.rank_zero"
_LOGGERS = (_LIGHTNING, "torch.utils.cpp_extension")


@pytest.fixture
def left_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Noise is left out while a test lasts."""
    monkeypatch.setenv("WANDB_QUIET", "false")  # so that it is put back
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [list(logger.filters) for logger in loggers]
    with warnings.catch_warnings():
        leave_out_noise()
        yield
    for logger, filters in zip(loggers, before, strict=True):
        logger.filters = filters


@pytest.mark.usefixtures("left_out")
def test_lines_that_users_can_act_upon_are_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, _LIGHTNING)
    log = logging.getLogger(_LIGHTNING)
    log.info("💡 Tip: For seamless cloud logging and experiment tracking, try installing [litlogger]")
    log.info("GPU available: False, used: False")
    log.info("GPU available: True (cuda), used: False")
    log.info("`Trainer.fit` stopped: `max_epochs=2` reached.")
    log.info("`Trainer.fit` stopped: `max_time=...` reached.")
    logging.getLogger("torch.utils.cpp_extension").warning("No CUDA runtime is found, using CUDA_HOME='/usr'")

    shown = [record.message for record in caplog.records if record.name in _LOGGERS]  # others' threads log at any time
    assert shown == ["GPU available: True (cuda), used: False", "`Trainer.fit` stopped: `max_time=...` reached."]


@pytest.mark.usefixtures("left_out")
def test_warnings_that_are_not_named_are_shown() -> None:
    warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated, use `isinstance(...)` instead.", stacklevel=1)
    warnings.warn("The number of training batches (7) is smaller than the logging interval", stacklevel=1)

    warnings.warn("`ModelCheckpoint(monitor='val/accuracy')` could not find the monitored key in the", stacklevel=1)

    with pytest.raises(UserWarning, match="of_mine"):
        warnings.warn("`ModelCheckpoint(monitor='of_mine')` could not find the monitored key in the", stacklevel=1)
    with pytest.raises(UserWarning, match="another"):  # an error, as all are in tests
        warnings.warn("another", stacklevel=1)


def test_wandb_is_silent_without_a_server_unless_it_is_to_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, silent in ((None, "true"), ("false", "false")):
        monkeypatch.setenv("WANDB_SILENT", given or "")
        if given is None:
            monkeypatch.delenv("WANDB_SILENT")
        leave_out_offline_noise()
        assert os.environ["WANDB_SILENT"] == silent
