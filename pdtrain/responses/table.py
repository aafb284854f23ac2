"""Reads responses of neurons to stimuli, and what is known of the stimuli.

Responses are a table (CSV or Parquet) with columns `neuron`, `area`, perhaps `trial`, and one column per stimulus; or
an NPZ file with `responses`, shape (neurons, stimuli) or (neurons, trials, stimuli), `areas`, shape (neurons,), and
`stimuli`, shape (stimuli,). Stimuli are a table with columns `stimulus`, `identity`, and one per property.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.errors import InputError
from pdtrain.estimators.discretization import Kind
from pdtrain.stimuli.identity import IDENTITY
from pdtrain.stimuli.stimulus_set import StimulusSet

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
        """Indices of the neurons of an area.

        Examples
        --------
        >>> import torch
        >>> found = NeuralResponses(torch.zeros(3, 1, 2), ("V1", "IT", "V1"), ("face", "house"))
        >>> found.neurons_of("V1").tolist()
        [0, 2]
        """
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


def read_stimuli(
    path: str | Path,
    names: tuple[str, ...],
    *,
    circular: Mapping[str, float] | None = None,
    discrete: Sequence[str] = (),
) -> StimulusSet:
    """Read what is known of the stimuli, in the order of `names`; there are no images.

    Parameters
    ----------
    path
        The table.
    names
        Stimuli in the order of the responses.
    circular
        Columns that are circular, with their periods in their own units.
    discrete
        Columns whose values are but names; the others are continuous.

    Raises
    ------
    InputError
        If the file is missing or damaged, a stimulus, its identity or a column that is named is not in it, or a period
        is not above zero.
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
    unknown = table.index[table[IDENTITY].isna()]
    if len(unknown):
        raise InputError(f"{key}: stimulus {unknown[0]} has no {IDENTITY} ({len(unknown)} have none)")
    labels = torch.from_numpy(pd.factorize(table[IDENTITY], sort=True)[0].astype(np.int64))
    blank = torch.zeros(len(names), 1, 1, 1)
    kinds = _kinds(list(table.columns), circular or {}, discrete, key)
    parameters = {
        str(name): torch.tensor(_numbers(table[name], discrete), dtype=torch.float32)
        for name in table.columns
        if name != IDENTITY and (name in discrete or pd.api.types.is_numeric_dtype(table[name]))
    }
    return StimulusSet(blank, labels, parameters, parameter_kinds=kinds, number_key="responses")


def _kinds(
    columns: Sequence[str], circular: Mapping[str, float], discrete: Sequence[str], key: str
) -> dict[str, tuple[Kind, float | None]]:
    """Kind and period of the columns that are not continuous."""
    for option, given in (("circular", circular), ("discrete", discrete)):
        for name in given:
            if name not in columns:
                raise InputError(f"{option}={name}: {key} has no such column; choose from {', '.join(columns)}")
    for name, period in circular.items():
        if name in discrete or not period > 0:
            raise InputError(f"circular.{name}={period}: give a period above 0, and no column that is discrete too")
    kinds: dict[str, tuple[Kind, float | None]] = {name: ("discrete", None) for name in discrete}
    return kinds | {name: ("circular", float(period)) for name, period in circular.items()}


def _numbers(column: pd.Series, discrete: Sequence[str]) -> np.ndarray:
    """Values of a column; of a discrete one, which of its values each is, NaN where it has none."""
    if column.name not in discrete:
        return column.to_numpy(np.float64)
    codes = pd.factorize(column, sort=True)[0].astype(np.float64)
    return np.where(codes < 0, np.nan, codes)


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
    groups = list(table.groupby(["area", "neuron"], sort=False))  # numbers may begin anew in each area
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
