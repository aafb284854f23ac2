"""The metrics that loggers have kept of a run."""

import io
from pathlib import Path

import pandas as pd

from pdtrain.checksums import from_json, read_intact
from pdtrain.errors import DamagedFile
from pdtrain.results.measures import catalogue_of
from pdtrain.results.run_folder import RunFolder

COMPLETED = "epochs_completed"  # beside the metrics of probes in loggers of Lightning's, whose `epoch` counts from 0
_COUNTS = ("epoch", "step", COMPLETED)
_OF_LIGHTNING = "metrics.csv"  # its CSVLogger's, in a training without a configuration of pdtrain
EVALUATED_ACCURACY = "train/accuracy_evaluated"
# the training accuracies a run may have, the better first, and what each is
TRAINING_ACCURACIES = {
    EVALUATED_ACCURACY: "the network in evaluation mode on its training images and labels",
    "train/accuracy": "the mean over the last epoch, while the network changed",
}


def read_metrics(run_dir: str | Path) -> pd.DataFrame | None:
    """All lines that a run's CSV logger has kept, pdtrain's or Lightning's, or else its W&B logger; None if none has.

    Raises
    ------
    DamagedFile
        If the file is not as it was written.
    """
    folder = RunFolder(run_dir)
    kept = (folder.metrics, folder.path / _OF_LIGHTNING, folder.wandb_lines)
    path = next((path for path in kept if path.is_file()), None)
    if path is None:
        return None
    try:
        content, intact = read_intact(path)
        if not intact:
            raise ValueError("its checksum differs")
        if path.suffix == ".csv":
            return _numbers(pd.read_csv(io.BytesIO(content)))
        whole = [line for line in content.decode().splitlines(keepends=True) if line.endswith("\n")]
        if not whole:
            raise ValueError("it has no line")
        return pd.DataFrame([from_json(line) for line in whole])
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(f"{path}: damaged; remove it, and the report has no accuracy") from error


def _numbers(metrics: pd.DataFrame) -> pd.DataFrame:
    for name, kind in metrics.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            raise ValueError(f"{name}: no number")
    return metrics


def metrics_of_epochs(run_dir: str | Path, *, steps: bool = False) -> pd.DataFrame | None:
    """What was logged of training and validation, without the probes: a line for each epoch completed.

    Parameters
    ----------
    run_dir
        Folder of the run.
    steps
        Also what was logged within epochs: a line for each number of steps.

    Returns
    -------
    pandas.DataFrame
        Columns epoch, step, and one per metric, NaN where it was not logged; None where no logger kept any.
    """
    lines = read_metrics(run_dir)
    if lines is None or "epoch" not in lines or "step" not in lines:
        return None
    probed = tuple(f"{prefix}/" for prefix in catalogue_of(RunFolder(run_dir).results()).prefixes())
    names = [name for name in map(str, lines) if not name.startswith(probed) and name not in _COUNTS]
    known = lines[lines[names].notna().any(axis=1) & lines["epoch"].notna()].astype({"epoch": int, "step": int})
    if not steps:  # what was logged within an epoch has the number of those before it, and a later step
        known = known[(known["step"] == known.groupby("epoch")["step"].transform("min")) & (known["epoch"] > 0)]
    found = known.groupby(["epoch", "step"])[names].last().reset_index()
    return found.dropna(axis="columns", how="all")


def last_values(metrics: pd.DataFrame | None) -> dict[str, float]:
    """The last value of each metric that has one."""
    if metrics is None or metrics.empty:
        return {}
    return {str(name): float(value) for name, value in metrics.ffill().iloc[-1].dropna().items()}
