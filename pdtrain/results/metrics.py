"""The metrics that loggers have kept of a run."""

import io
from pathlib import Path

import pandas as pd

from pdtrain.checksums import from_json, read_intact
from pdtrain.errors import DamagedFile
from pdtrain.results import logged
from pdtrain.results.catalogue import catalogue_of
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.versions import counts_completed_epochs, metrics_as_of_today

_PLACE = [logged.EPOCH, logged.STEP]
_OF_LIGHTNING = "metrics.csv"  # its CSVLogger's, in a training without a configuration of pdtrain
# the training accuracies a run may have, the better first, and what each is
TRAINING_ACCURACIES = {
    logged.EVALUATED_ACCURACY: "the network in evaluation mode on its training images and labels",
    logged.TRAINING_ACCURACY: "the mean over the last epoch, while the network changed",
}


def read_metrics(run_dir: str | Path) -> pd.DataFrame | None:
    """All lines that a run's CSV logger has kept, pdtrain's or Lightning's, or else its W&B logger; None if none has.

    Their column `epoch` counts epochs completed, whichever version logged them.

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
    if lines is None or not {*_PLACE} <= {*lines}:
        return None
    if logged.PROBE_SECONDS in lines:
        lines = lines[lines[logged.PROBE_SECONDS].isna()]
    probed = tuple(pattern.removesuffix("*") for pattern in catalogue_of(RunFolder(run_dir).results()).patterns())
    names = [name for name in map(str, lines) if not name.startswith(probed) and name not in _PLACE]
    is_known = lines[names].notna().any(axis=1) & lines[_PLACE].notna().all(axis=1)
    known = lines[is_known].astype(dict.fromkeys(_PLACE, int))
    if not steps:  # what was logged within an epoch has the number of those before it, and a later step
        first = known.groupby(logged.EPOCH)[logged.STEP].transform("min")
        known = known[(known[logged.STEP] == first) & (known[logged.EPOCH] > 0)]
    return known.groupby(_PLACE)[names].last().reset_index().dropna(axis="columns", how="all")


def last_values(metrics: pd.DataFrame | None) -> dict[str, float]:
    """The last value of each metric that has one."""
    if metrics is None or metrics.empty:
        return {}
    return {str(name): float(value) for name, value in metrics.ffill().iloc[-1].dropna().items()}
