"""Reads a CSV or Parquet table whose names are text: 007 keeps its zeros, and no name is missing or there twice."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from pdtrain.errors import InputError

_MISSING = {"", "nan", "na", "n/a", "<na>", "none", "null"}  # as programs write that there is none


def read_table(path: str | Path, key: str, *, names: Sequence[str]) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path
        A .csv file in UTF-8 with commas, or a .parquet file.
    key
        What messages begin with.
    names
        Columns of names, as far as the table has them: they are text, without spaces around, and empty where missing.

    Raises
    ------
    InputError
        If there is no such file, it is damaged or of another form, or a column has no name or that of another.
    """
    readers: dict[str, Callable[[Path, Sequence[str]], pd.DataFrame]] = {".csv": _read_csv, ".parquet": _read_parquet}
    if Path(path).suffix not in readers:
        raise InputError(f"{key}: give a .csv, .parquet or .npz file")
    if not Path(path).is_file():
        raise InputError(f"{key}: no such file")
    try:
        table = readers[Path(path).suffix](Path(path), names)
    except pd.errors.ParserWarning as error:
        raise InputError(f"{key}: its lines hold more values than it has columns; separate them by commas") from error
    except (OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{key}: damaged, or no such table ({type(error).__name__})") from error
    check_names([str(column).strip() for column in table.columns], key, of="column")
    table.columns = [str(column).strip() for column in table.columns]
    return table.assign(**{name: text(table[name]) for name in names if name in table})


def _read_csv(path: Path, names: Sequence[str]) -> pd.DataFrame:
    given: dict[str, Any] = {"skipinitialspace": True, "low_memory": False}
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **given).iloc[0]
    as_written: dict[Any, Any] = {column: str for column in header if column.strip() in names}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(path, converters=as_written, index_col=False, **given)
    if len(header) == len(table.columns):
        table.columns = header  # pandas gives names of its own to those that are missing or there twice
    return table


def _read_parquet(path: Path, names: Sequence[str]) -> pd.DataFrame:
    table = pd.read_parquet(path)
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()


def text(values: pd.Series) -> pd.Series:
    """Values as text, without spaces around; empty where there is none.

    Examples
    --------
    >>> text(pd.Series(["007", " IT", None, "nan"])).tolist()
    ['007', 'IT', '', '']
    """
    found = values.map(lambda value: "" if pd.isna(value) else str(value).strip())
    return found.mask(found.str.lower().isin(_MISSING), "")


def check_names(given: Sequence[str], key: str, *, of: str) -> None:
    """Raise InputError if one of the names is empty, or there twice.

    Examples
    --------
    >>> check_names(["face", "house", "face"], "responses=table.csv", of="stimulus")
    Traceback (most recent call last):
    pdtrain.errors.InputError: responses=table.csv: stimulus face is there twice; give each a name of its own
    """
    names = pd.Series(list(given), dtype=object)
    if (names == "").any():
        raise InputError(f"{key}: {of} {int((names == '').argmax()) + 1} has no name; give it one, or leave it out")
    if names.duplicated().any():
        raise InputError(f"{key}: {of} {names[names.duplicated()].iloc[0]} is there twice; give each a name of its own")


def numbers(column: pd.Series, key: str) -> Float[np.ndarray, " lines"]:
    """Values of a column in float64, NaN where one is missing.

    Raises
    ------
    InputError
        If it holds anything but numbers.

    Examples
    --------
    >>> numbers(pd.Series([1, 2]), "responses=table.csv").tolist()
    [1.0, 2.0]
    """
    if not is_number(column):
        wrong = column[pd.to_numeric(column.astype(str), errors="coerce").isna() & column.notna()]
        shown = f", but {str(wrong.iloc[0])[:30]!r} in line {wrong.index[0] + 1}" if len(wrong) else ""
        raise InputError(f"{key}: column {column.name} holds no numbers{shown}")
    return column.to_numpy(np.float64, copy=True, na_value=np.nan)


def is_number(column: pd.Series) -> bool:
    """Whether a column holds real numbers; true and false are none.

    Examples
    --------
    >>> [is_number(pd.Series(values)) for values in ([1, 2], [True, False], ["1", "2"])]
    [True, False, False]
    """
    kinds = pd.api.types
    return bool(
        kinds.is_numeric_dtype(column) and not kinds.is_bool_dtype(column) and not kinds.is_complex_dtype(column)
    )
