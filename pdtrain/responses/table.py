"""Reads responses of neurons to stimuli, and what is known of the stimuli.

Responses are a table (CSV or Parquet) with columns `neuron`, `area`, perhaps `trial`, and one column per stimulus; or
an NPZ file with `responses`, shape (neurons, stimuli) or (neurons, trials, stimuli), `areas`, shape (neurons,), and
`stimuli`, shape (stimuli,). Stimuli are a table with columns `stimulus`, `identity`, and one per property.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile
from zlib import error as DeflateError

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.errors import InputError
from pdtrain.estimators.discretization import Kind
from pdtrain.responses.named_table import check_names, is_number, numbers, read_table, text
from pdtrain.stimuli.identity import IDENTITY
from pdtrain.stimuli.stimulus_set import StimulusSet

_PLACE = ("neuron", "area", "trial")


@dataclass(frozen=True)
class NeuralResponses:
    """Responses of all neurons.

    Attributes
    ----------
    responses
        Shape (neurons, trials, stimuli), float64; one trial where the table has none.
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
        If the file is missing or damaged, lacks a column, has values that are no finite numbers, names that are
        missing or there twice, or neurons with different numbers of trials.
    """
    key = f"responses={path}"
    found = (
        _from_npz(path, key) if Path(path).suffix == ".npz" else _from_table(read_table(path, key, names=_PLACE), key)
    )
    if not found.responses.numel():
        raise InputError(f"{key}: holds no responses; give at least one neuron, trial and stimulus")
    check_names(found.stimuli, key, of="stimulus")
    wrong = (~torch.isfinite(found.responses)).nonzero()
    if len(wrong):
        raise InputError(
            f"{key}: holds values that are missing or no finite numbers ({len(wrong)}, the first at stimulus "
            f"{found.stimuli[int(wrong[0, 2])]}); leave those neurons or stimuli out"
        )
    return found


def read_stimuli(
    path: str | Path,
    names: tuple[str, ...],
    *,
    circular: Mapping[str, float] | None = None,
    discrete: Sequence[str] = (),
    asked: Sequence[str] = (),
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
    asked
        Columns that are to be measured, if they are there.

    Raises
    ------
    InputError
        If the file is missing or damaged, a stimulus, its identity or a column that is named is not in it, or a
        stimulus is there twice; if a period is not above zero; if a continuous column that is asked about is not
        known of every stimulus, or any holds text or an infinite number.
    """
    key = f"stimuli_table={path}"
    table = read_table(path, key, names=("stimulus", IDENTITY))
    for column in ("stimulus", IDENTITY):
        if column not in table:
            raise InputError(f"{key}: has no column {column}")
    check_names(table["stimulus"].tolist(), key, of="stimulus")
    table = table.set_index("stimulus")
    missing = [name for name in names if name not in table.index]
    if missing:
        raise InputError(f"{key}: stimulus {missing[0]} is not in it ({len(missing)} are missing)")
    table = table.loc[list(names)]
    unknown = table.index[table[IDENTITY] == ""]
    if len(unknown):
        raise InputError(f"{key}: stimulus {unknown[0]} has no {IDENTITY} ({len(unknown)} have none)")
    labels = torch.from_numpy(pd.factorize(table[IDENTITY], sort=True)[0].astype(np.int64))
    blank = torch.zeros(len(names), 1, 1, 1)
    kinds = _kinds(list(table.columns), circular or {}, discrete, key)
    columns = [name for name in table.columns if name != IDENTITY]
    for name in columns:
        if name in asked and name not in discrete:
            _check_known(table[name], key, may_miss=name in (circular or {}))
    parameters = {
        name: torch.from_numpy(_codes(table[name]) if name in discrete else numbers(table[name], key))
        for name in columns
        if name in discrete or is_number(table[name])
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
        if name in discrete or type(period) not in (int, float) or not 0 < period < math.inf:
            raise InputError(f"circular.{name}={period}: give a period above 0, and no column that is discrete too")
    kinds: dict[str, tuple[Kind, float | None]] = {name: ("discrete", None) for name in discrete}
    return kinds | {name: ("circular", float(period)) for name, period in circular.items()}


def _check_known(column: pd.Series, key: str, *, may_miss: bool) -> None:
    """Raise InputError where a column's values are no finite numbers; a direction may be missing, others may not."""
    if not is_number(column):
        raise InputError(
            f"{key}: column {column.name} holds no numbers; give numbers, or discrete=[{column.name}] if its values "
            "are names"
        )
    values = pd.Series(numbers(column, key), column.index)
    infinite = values.index[np.isinf(values)]
    if len(infinite):
        raise InputError(f"{key}: column {column.name} is infinite at stimulus {infinite[0]}; give a finite number")
    missing = values.index[values.isna()]
    if len(missing) and not may_miss:
        raise InputError(
            f"{key}: column {column.name} is missing at stimulus {missing[0]} ({len(missing)} in all); fill it in, or "
            "leave out the column or those stimuli"
        )


def _codes(column: pd.Series) -> Float[np.ndarray, " stimuli"]:
    """Which of its values each stimulus of a discrete column has, NaN where it has none."""
    values = column.astype(str).where(column.notna()) if column.dtype == object else column
    codes = pd.factorize(values, sort=True)[0].astype(np.float64)
    return np.where(codes < 0, np.nan, codes)


def _from_table(table: pd.DataFrame, key: str) -> NeuralResponses:
    for column in ("neuron", "area"):
        if column not in table:
            raise InputError(
                f"{key}: has no column {column}; it needs neuron, area, perhaps trial, and the stimuli, between commas"
            )
    stimuli = [column for column in table.columns if column not in _PLACE]
    if not stimuli:
        raise InputError(f"{key}: has no stimuli")
    if not len(table):
        raise InputError(f"{key}: holds no responses; give at least one neuron")
    place = [column for column in _PLACE if column in table]
    for column in place:
        if (table[column] == "").any():
            line = int((table[column] == "").argmax()) + 1
            raise InputError(
                f"{key}: line {line} has no {column} (empty and NA are none); give it one, or leave it out"
            )
    _check_lines(table[place], key)
    table = table.assign(**{column: numbers(table[column], key) for column in stimuli})
    if "trial" in place:  # those of one name together, in whatever order each neuron has them
        table = table.iloc[pd.factorize(table["trial"])[0].argsort(kind="stable")]
    groups = [rows for _, rows in table.groupby(["area", "neuron"], sort=False)]  # numbers may begin anew in each area
    trials = {len(rows) for rows in groups}
    if len(trials) > 1:
        raise InputError(f"{key}: neurons have from {min(trials)} to {max(trials)} trials; give all the same number")
    responses = np.stack([rows[stimuli].to_numpy() for rows in groups])
    areas = tuple(rows["area"].iloc[0] for rows in groups)
    return NeuralResponses(torch.from_numpy(responses), areas, tuple(stimuli))


def _check_lines(place: pd.DataFrame, key: str) -> None:
    """Raise InputError if two lines are of the same neuron and trial."""
    again = place[place.duplicated()]
    if not len(again):
        return
    first = again.iloc[0]
    neuron = f"neuron {first['neuron']} of area {first['area']}"
    if "trial" in place:
        raise InputError(f"{key}: trial {first['trial']} of {neuron} is there twice; give each a name of its own")
    raise InputError(f"{key}: {neuron} is there twice; give neurons names of their own, or a column trial")


def _from_npz(path: str | Path, key: str) -> NeuralResponses:
    if not Path(path).is_file():
        raise InputError(f"{key}: no such file")
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            responses, areas, stimuli = (np.asarray(arrays[name]) for name in ("responses", "areas", "stimuli"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile, DeflateError) as error:
        raise InputError(
            f"{key}: damaged, without one of responses, areas and stimuli, or one of them holds objects"
        ) from error
    if responses.dtype.kind not in "fiu":
        raise InputError(f"{key}: responses are {responses.dtype}, which are no real numbers")
    if responses.ndim == 2:
        responses = responses[:, None]
    fits = responses.ndim == 3 and (areas.shape, stimuli.shape) == (responses.shape[:1], responses.shape[2:])
    if not fits:
        raise InputError(
            f"{key}: responses of shape {responses.shape} do not fit areas of shape {areas.shape} and stimuli of shape "
            f"{stimuli.shape}; give (neurons, stimuli) or (neurons, trials, stimuli), (neurons,) and (stimuli,)"
        )
    names = {name: _names(array, name, key) for name, array in (("areas", areas), ("stimuli", stimuli))}
    if "" in names["areas"]:
        raise InputError(f"{key}: neuron {names['areas'].index('') + 1} has no area; give it one, or leave it out")
    return NeuralResponses(torch.from_numpy(responses.astype(np.float64)), names["areas"], names["stimuli"])


def _names(array: np.ndarray, name: str, key: str) -> tuple[str, ...]:
    """Names that are text, or numbers."""
    if array.dtype.kind not in "USfiu":
        raise InputError(f"{key}: {name} are {array.dtype}, which are no names")
    return tuple(text(pd.Series(array.astype(str) if array.dtype.kind == "S" else array, dtype=object)))
