"""Reads responses of neurons to stimuli, and what is known of the stimuli.

Responses are a table (CSV or Parquet) with columns `neuron`, `area`, perhaps `trial`, and one column per stimulus; or
an NPZ file with `responses`, shape (neurons, stimuli) or (neurons, trials, stimuli), `areas`, shape (neurons,), and
`stimuli`, shape (stimuli,). Stimuli are a table with columns `stimulus`, `identity`, and one per property.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.errors import InputError
from pdtrain.stimuli.stimulus_set import IDENTITY, StimulusSet

_PLACE = ("neuron", "area", "trial")


@dataclass(frozen=True)
class NeuralResponses:
    """Responses of all neurons.

    Attributes
    ----------
    responses
        Shape (neurons, trials, stimuli); one trial where the table has none.
    areas
        Area of each neuron.
    stimuli
        Name of each stimulus.
    """

    responses: Float[Tensor, "neurons trials stimuli"]
    areas: tuple[str, ...]
    stimuli: tuple[str, ...]

    def neurons_of(self, area: str) -> Int[Tensor, " neurons"]:
        """Indices of the neurons of an area."""
        return torch.tensor([index for index, name in enumerate(self.areas) if name == area])


def read_responses(path: str | Path) -> NeuralResponses:
    """Read a CSV, Parquet or NPZ file.

    Raises
    ------
    InputError
        If the file is missing or damaged, lacks a column, has values that are no finite numbers, or neurons with
        different numbers of trials.
    """
    key = f"responses={path}"
    found = _from_npz(path, key) if Path(path).suffix == ".npz" else _from_table(_read_table(path, key), key)
    if not bool(torch.isfinite(found.responses).all()):
        raise InputError(
            f"{key}: holds values that are missing or no finite numbers; leave those neurons or stimuli out"
        )
    return found


def read_stimuli(path: str | Path, names: tuple[str, ...]) -> StimulusSet:
    """Read what is known of the stimuli, in the order of `names`; there are no images.

    Raises
    ------
    InputError
        If the file is missing or damaged, or a stimulus or the column `identity` is not in it.
    """
    key = f"stimuli_table={path}"
    table = _read_table(path, key)
    for column in ("stimulus", IDENTITY):
        if column not in table:
            raise InputError(f"{key}: has no column {column}")
    table = table.assign(stimulus=table["stimulus"].astype(str)).set_index("stimulus")
    missing = [name for name in names if name not in table.index]
    if missing:
        raise InputError(f"{key}: stimulus {missing[0]} is not in it ({len(missing)} are missing)")
    table = table.loc[list(names)]
    labels = torch.from_numpy(pd.factorize(table[IDENTITY], sort=True)[0].astype(np.int64))
    blank = torch.zeros(len(names), 1, 1, 1)
    parameters = {
        str(name): torch.tensor(table[name].to_numpy(np.float64), dtype=torch.float32)
        for name in table.columns
        if name != IDENTITY and pd.api.types.is_numeric_dtype(table[name])
    }
    return StimulusSet(blank, blank, labels, parameters)


def _read_table(path: str | Path, key: str) -> pd.DataFrame:
    readers: dict[str, Callable[..., pd.DataFrame]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if Path(path).suffix not in readers:
        raise InputError(f"{key}: give a .csv, .parquet or .npz file")
    if not Path(path).is_file():
        raise InputError(f"{key}: no such file")
    try:
        return readers[Path(path).suffix](path)
    except (OSError, ValueError) as error:
        raise InputError(f"{key}: damaged, or no such table ({type(error).__name__})") from error


def _from_table(table: pd.DataFrame, key: str) -> NeuralResponses:
    for column in ("neuron", "area"):
        if column not in table:
            raise InputError(f"{key}: has no column {column}; columns are neuron, area, perhaps trial, and the stimuli")
    stimuli = [column for column in table.columns if column not in _PLACE]
    wrong = [column for column in stimuli if not pd.api.types.is_numeric_dtype(table[column])]
    if wrong or not stimuli:
        raise InputError(f"{key}: column {wrong[0]} holds no numbers" if wrong else f"{key}: has no stimuli")
    groups = list(table.groupby("neuron", sort=False))
    trials = {len(rows) for _, rows in groups}
    if len(trials) > 1:
        raise InputError(f"{key}: neurons have from {min(trials)} to {max(trials)} trials; give all the same number")
    responses = np.stack([rows[stimuli].to_numpy(np.float32) for _, rows in groups])
    areas = tuple(str(rows["area"].iloc[0]) for _, rows in groups)
    return NeuralResponses(torch.from_numpy(responses), areas, tuple(map(str, stimuli)))


def _from_npz(path: str | Path, key: str) -> NeuralResponses:
    if not Path(path).is_file():
        raise InputError(f"{key}: no such file")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            responses, areas, stimuli = (arrays[name] for name in ("responses", "areas", "stimuli"))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{key}: damaged, or without one of responses, areas and stimuli") from error
    if responses.ndim == 2:
        responses = responses[:, None]
    if responses.ndim != 3 or responses.shape[0] != len(areas) or responses.shape[2] != len(stimuli):
        raise InputError(
            f"{key}: responses of shape {responses.shape} do not fit {len(areas)} areas, {len(stimuli)} stimuli"
        )
    return NeuralResponses(
        torch.from_numpy(responses.astype(np.float32)), tuple(map(str, areas)), tuple(map(str, stimuli))
    )
