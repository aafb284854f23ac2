"""Where a plain Lightning training keeps its probe points, unless it is told: where its logger keeps its own."""

from itertools import count
from pathlib import Path

import pytorch_lightning as lightning

from pdtrain.errors import InputError
from pdtrain.results.run_folder import TRAINING, RunFolder

_WITHOUT_LOGGER = "probed"  # below the trainer's default_root_dir


def results_folder(trainer: lightning.Trainer, given: Path | None) -> Path:
    """The folder of a training's results, the same in all its processes.

    Parameters
    ----------
    trainer
        Its first logger's folder is taken (`lightning_logs/version_0`), or else the next free one of
        `default_root_dir/probed/version_0`, `version_1` ...
    given
        Taken in their place.
    """
    return Path(trainer.strategy.broadcast(str(given or _of_logger(trainer) or _next_free(trainer))))


def check_empty(folder: Path, probe_set: str) -> None:
    """Raise InputError if a probe set has results in a folder: those of a training that begins would mix with them."""
    results = RunFolder(folder).results(probe_set)
    if any(results.glob("*.rows.parquet")):
        raise InputError(
            f"folder={folder}: {results} holds results of another training; name another folder, remove it, or go on "
            "with that training (ckpt_path=... of fit)"
        )


def _of_logger(trainer: lightning.Trainer) -> Path | None:
    """As Lightning's ModelCheckpoint takes it."""
    for logger in trainer.loggers:
        if isinstance(folder := getattr(logger, "log_dir", None), str | Path):
            return Path(folder)
        if logger.save_dir is not None and logger.version is not None:
            version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
            return Path(logger.save_dir, str(logger.name), version)
    return None


def _next_free(trainer: lightning.Trainer) -> Path:
    folders = (Path(trainer.default_root_dir, _WITHOUT_LOGGER, f"version_{number}") for number in count())
    return next(folder for folder in folders if not RunFolder(folder).results(TRAINING).exists())
