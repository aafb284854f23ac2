"""Reads the rows of one run, or of a whole sweep, into one pandas frame."""

from pathlib import Path

import pandas as pd

from pdtrain.errors import InputError
from pdtrain.results.store import FOLDER, TRAINING


def load(path: str | Path, *, units: bool = False, probe_set: str = TRAINING) -> pd.DataFrame:
    """Load the results of a run folder, or of every run below a sweep folder.

    Parameters
    ----------
    path
        Run or sweep folder.
    units
        Per-unit values in place of summary rows.
    probe_set
        What `pdtrain-probe` measured under this name, in place of what training wrote.

    Returns
    -------
    pandas.DataFrame
        Columns of `pdtrain.results.rows.Row` (or `UnitRow`) after run, epoch and step.

    Raises
    ------
    InputError
        If there are no results below `path`.
    """
    root = Path(path)
    suffix = "units" if units else "rows"
    folder = FOLDER if probe_set == TRAINING else f"{FOLDER}/{probe_set}"
    files = sorted(root.glob(f"**/{folder}/[!.]*.{suffix}.parquet"))
    if not files:
        raise InputError(f"run_dir={path}: no results of {probe_set} below this folder; give that of a run or a sweep")
    frames = []
    for file in files:
        frame = _read(file)
        run = file.parents[len(Path(folder).parts)]
        frame.insert(0, "run", str(run.relative_to(root)))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _read(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:  # pyarrow's errors among them
        raise InputError(f"{file}: damaged; remove it, and probe its checkpoint again with pdtrain-probe") from error


def epoch_ends(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of completed epochs only: of several points with the same number of epochs completed, the first."""
    first = frame.groupby(["run", "epoch"])["step"].transform("min")
    return frame[frame.step == first]
