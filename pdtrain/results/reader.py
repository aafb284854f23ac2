"""Reads the rows of one run, or of a whole sweep, into one pandas frame."""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from pdtrain.errors import InputError, unknown_name
from pdtrain.results.configuration import leaves, load_configuration, weights_of_run
from pdtrain.results.measures import UNIT
from pdtrain.results.row_files import read_rows
from pdtrain.results.rows import HALF_DIFFERENCES
from pdtrain.results.run_folder import TRAINING, files_of_rows, point_of_name
from pdtrain.results.versions import mixed_estimators

_log = logging.getLogger(__name__)


def load(
    path: str | Path,
    *,
    units: bool = False,
    probe_set: str = TRAINING,
    keys: Sequence[str] = (),
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
        Keys of each run's configuration to add as columns, such as "seed" or "model.network.widths"; lists become text.
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
        If there are no results below `path`, a file of them is damaged, or a run's configuration has no such key.
    """
    root = Path(path)
    frames = []
    found = list(files_of_rows(root, "units" if units else "rows", probe_set))
    if epochs is not None:
        found = [(file, run) for file, run in found if point_of_name(file).epoch in epochs]
    names = {run: weights_of_run(run) for run in {run for _, run in found}}
    for file, run in found:
        frame = read_rows(file)
        frame.insert(0, "run", str(run.relative_to(root)))
        frame.insert(list(frame).index("step") + 1, "weights", _weights(frame["step"], names[run]))
        if not half_differences:
            frame = frame.drop(columns=HALF_DIFFERENCES, errors="ignore")
        frames.append(frame)
    if not frames:
        raise InputError(f"run_dir={path}: no results of {probe_set} below this folder; give that of a run or a sweep")
    together = pd.concat(frames, ignore_index=True)
    for key in keys:
        value_of = {run: _value_of(root / run, key) for run in together["run"].unique()}
        together[key] = together["run"].map(value_of)
    if units:
        together["information_bits"] = together["value"].where(together["probe"] == UNIT.probe)
    for sentence in mixed_estimators(together):
        _log.warning("%s: %s", path, sentence)
    return together


def _value_of(run_dir: Path, key: str) -> Any:
    config = load_configuration(run_dir)
    if config is None:
        raise InputError(f"{run_dir}: its configuration is missing, so that keys={key} is not known")
    values = dict(leaves(OmegaConf.to_container(config, resolve=False)))
    if key not in values:
        raise unknown_name("keys", key, sorted(values), of="key of the configuration", rest="run.yaml of a run")
    return str(values[key]) if isinstance(values[key], list | dict) else values[key]


def _weights(steps: pd.Series, names: tuple[str, str]) -> pd.Series:
    """What the weights are called, before training and after."""
    return steps.eq(0).map({True: names[0], False: names[1]})


def epoch_ends(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of completed epochs only: of several points with the same number of epochs completed, the first."""
    first = frame.groupby(["run", "epoch"])["step"].transform("min")
    return frame[frame.step == first]
