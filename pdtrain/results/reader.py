"""Reads the rows of one run, or of a whole sweep, into one pandas frame."""

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pdtrain.errors import InputError, unknown_name
from pdtrain.results.configuration import choices_of, is_at_or_below, load_configuration, values_of, weights_of_run
from pdtrain.results.measures import UNIT
from pdtrain.results.metrics import metrics_of_epochs
from pdtrain.results.row_files import read_rows
from pdtrain.results.run_folder import TRAINING, files_of_rows, folders_below, point_of_name
from pdtrain.results.versions import mixed_estimators

_PLACE = ("run", "epoch", "step")
_log = logging.getLogger(__name__)


def load(
    path: str | Path,
    *,
    units: bool = False,
    probe_set: str = TRAINING,
    keys: Sequence[str] = (),
    metrics: Sequence[str] = (),
    half_differences: bool = False,
    epochs: Collection[int] | None = None,
) -> pd.DataFrame:
    """Load the results of a run folder, or of every run below a sweep folder.

    Parameters
    ----------
    path
        Run or sweep folder.
    units
        Per-unit values in place of summary rows.
    probe_set
        What `pdtrain-probe` measured under this name, in place of what training wrote.
    keys
        Keys of each run's configuration to add as columns, such as "seed" or "model.network.widths", or groups, such as
        "model", for what was chosen of them; lists become text, and a key that refers to another has that one's value.
        What a run does not have is missing (None or NaN).
    metrics
        Names of logged metrics to add as columns, such as "val/accuracy": their values at the end of the epoch of each
        row, NaN untrained and within an epoch. `load_metrics` has all of them.
    half_differences
        Also the column of that name, of 19 numbers a line.
    epochs
        Numbers of completed epochs: the files of others are not read. None reads all.

    Returns
    -------
    pandas.DataFrame
        Columns of `pdtrain.results.rows.Row` (or `UnitRow`, whose values about properties stand in `information_bits`
        too) after run, epoch, step and weights: "untrained", "shuffled" (permuted within each layer), "initial" (given,
        where a training began with such), "trained", or "pretrained", which are from elsewhere. Values that different
        versions of an estimator made are told apart by the column `estimator`, and a warning says so.

    Raises
    ------
    InputError
        If there are no results below `path`, a file of them is damaged, no run's configuration has such a key, or no
        run has logged such a metric.
    """
    root = Path(path)
    found = list(files_of_rows(root, "units" if units else "rows", probe_set))
    if epochs is not None:
        found = [(file, run) for file, run in found if point_of_name(file).epoch in epochs]
    if not found:
        raise InputError(f"run_dir={path}: no results of {probe_set} below this folder; give that of a run or a sweep")
    frames = [read_rows(file, half_differences=half_differences) for file, _ in found]
    together = _with_keys(_with_runs(pd.concat(frames, ignore_index=True), root, found, map(len, frames)), root, keys)
    if metrics:
        together = _with_metrics(together, root, metrics)
    if units:
        together["information_bits"] = together["value"].where(together["probe"] == UNIT.probe)
    for sentence in mixed_estimators(together):
        _log.warning("%s: %s", path, sentence)
    return together


def load_metrics(path: str | Path, *, keys: Sequence[str] = (), steps: bool = False) -> pd.DataFrame:
    """Load what was logged of training and validation, such as accuracy and loss, of a run or of all below a folder.

    Parameters
    ----------
    path, keys
        As in `load`.
    steps
        Also what was logged within epochs.

    Returns
    -------
    pandas.DataFrame
        A line for each run and number of completed epochs: run, epoch, step (steps of the optimiser), and a column for
        each metric, NaN where it was not logged.

    Raises
    ------
    InputError
        If no run below `path` has kept any.
    """
    root = Path(path)
    runs = sorted({*folders_below(root), *(run for _, run in files_of_rows(root, "rows"))})
    frames = []
    for run in runs:
        frame = metrics_of_epochs(run, steps=steps)
        if frame is not None:
            frame.insert(0, "run", str(run.relative_to(root)))
            frames.append(frame)
    if not frames:
        raise InputError(f"{path}: no metrics below this folder; logger=csv keeps them, in a script CSVLogger does")
    return _with_keys(pd.concat(frames, ignore_index=True), root, keys)


def _with_runs(
    frame: pd.DataFrame, root: Path, found: Sequence[tuple[Path, Path]], lines: Iterable[int]
) -> pd.DataFrame:
    """Rows of files, so many of each, with the run, and what its weights are called then."""
    names = {run: weights_of_run(run) for run in {run for _, run in found}}
    of_files = pd.DataFrame(
        [(str(run.relative_to(root)), names[run][point_of_name(file).step > 0]) for file, run in found],
        columns=["run", "weights"],
    )
    of_lines = of_files.loc[of_files.index.repeat(list(lines))].reset_index(drop=True)
    frame.insert(0, "run", of_lines["run"])
    frame.insert(list(frame).index("step") + 1, "weights", of_lines["weights"])
    return frame


def _with_keys(frame: pd.DataFrame, root: Path, keys: Sequence[str]) -> pd.DataFrame:
    for key in keys:
        frame[key] = frame["run"].map(_values_of(root, list(frame["run"].unique()), key))
    return frame


def _with_metrics(rows: pd.DataFrame, root: Path, names: Sequence[str]) -> pd.DataFrame:
    """Values at the end of the epoch of each row."""
    logged = load_metrics(root)
    for name in names:
        if name not in logged or name in _PLACE:
            raise unknown_name(
                "metrics", name, [str(other) for other in logged if other not in _PLACE], of="logged metric"
            )
    ends = rows["step"] == rows.groupby(["run", "epoch"])["step"].transform("min")
    values = rows[["run", "epoch"]].merge(logged[["run", "epoch", *names]], how="left", on=["run", "epoch"])
    return rows.assign(**{name: values[name].where(ends) for name in names})


def _values_of(root: Path, runs: Sequence[str], key: str) -> dict[str, Any]:
    """What was chosen of a group in each run, or the value of a key; None in a run that does not have it."""
    configurations = {run: load_configuration(root / run) for run in runs}
    known = {run: config for run, config in configurations.items() if config is not None}
    if len(known) < len(runs):
        without = next(run for run in runs if run not in known)
        raise InputError(f"{root / without}: its configuration is missing, so that keys={key} is not known")
    chosen = {run: choices_of(config) for run, config in known.items()}
    if any(key in choices for choices in chosen.values()):
        return {run: choices.get(key) for run, choices in chosen.items()}
    values = {run: values_of(config) for run, config in known.items()}
    names = sorted({name for of_run in values.values() for name in of_run})
    if key not in names:
        if below := [name for name in names if is_at_or_below(name, key)]:
            _log.warning(
                "keys=%s: a part of the configuration, of which no choice was kept; give a key of it, such as %s",
                key,
                below[0],
            )
            return dict.fromkeys(runs)
        raise unknown_name("keys", key, names, of="key of the configuration", rest="run.yaml of a run")
    return {run: _as_cell(of_run.get(key)) for run, of_run in values.items()}


def _as_cell(value: Any) -> Any:
    return str(value) if isinstance(value, list | dict) else value


def epoch_ends(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of completed epochs only: of several points with the same number of epochs completed, the first."""
    first = frame.groupby(["run", "epoch"])["step"].transform("min")
    return frame[frame.step == first]


def moment(frame: pd.DataFrame, epoch: int) -> str:
    """What the network is called then: "untrained", "epoch 3", "pretrained"."""
    weights = frame.loc[frame["epoch"] == epoch, "weights"].iloc[0]
    return f"epoch {epoch}" if weights == "trained" else str(weights)
