"""The metrics that loggers have kept of a run."""

import io
from pathlib import Path

import pandas as pd

from pdtrain.checksums import from_json, read_intact
from pdtrain.errors import DamagedFile
from pdtrain.results import logged
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.versions import counts_completed_epochs, metrics_as_of_today

EVALUATED_ACCURACY = "train/accuracy_evaluated"
# the training accuracies a run may have, the better first, and what each is
TRAINING_ACCURACIES = {
    EVALUATED_ACCURACY: "the network in evaluation mode on its training images and labels",
    logged.TRAINING_ACCURACY: "the mean over the last epoch, while the network changed",
}


def read_metrics(run_dir: str | Path) -> pd.DataFrame | None:
    """All lines that a run's CSV logger has kept, or else its W&B logger; None if neither has.

    Their column `epoch` counts epochs completed, whichever version logged them.

    Raises
    ------
    DamagedFile
        If the file is not as it was written.
    """
    folder = RunFolder(run_dir)
    path = next((path for path in (folder.metrics, folder.wandb_lines) if path.is_file()), None)
    if path is None:
        return None
    try:
        content, intact = read_intact(path)
        if not intact:
            raise ValueError("its checksum differs")
        if path == folder.metrics:
            return _of_today(_numbers(pd.read_csv(io.BytesIO(content))))
        whole = [line for line in content.decode().splitlines(keepends=True) if line.endswith("\n")]
        if not whole:
            raise ValueError("it has no line")
        return pd.DataFrame(metrics_as_of_today([from_json(line) for line in whole]))
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(f"{path}: damaged; remove it, and the report has no accuracy") from error


def _numbers(metrics: pd.DataFrame) -> pd.DataFrame:
    for name, kind in metrics.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            raise ValueError(f"{name}: no number")
    return metrics


def _of_today(metrics: pd.DataFrame) -> pd.DataFrame:
    if counts_completed_epochs(metrics.columns):
        return metrics
    return pd.DataFrame(metrics_as_of_today([dict(line.dropna()) for _, line in metrics.iterrows()]))


def last_values(metrics: pd.DataFrame | None) -> dict[str, float]:
    """The last value of each metric that has one."""
    if metrics is None or metrics.empty:
        return {}
    return {str(name): float(value) for name, value in metrics.ffill().iloc[-1].dropna().items()}
