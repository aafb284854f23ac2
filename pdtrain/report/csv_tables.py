"""Tables as CSV files, which programs of spreadsheets may open too."""

from functools import cache
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from pdtrain.errors import one_line
from pdtrain.files import written_whole

_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # what they begin with, of full width too


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table whose names may be from elsewhere: none is taken for a formula by a spreadsheet.

    One that would be begins with an apostrophe. Numbers are left as they are.
    """
    inert = cache(_inert)  # names come again and again
    texts = {str(name): column.map(inert) for name, column in table.items() if not is_numeric_dtype(column)}
    with written_whole(path) as temporary:
        table.assign(**texts).to_csv(temporary, index=False)


def _inert(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = one_line(value)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.lstrip().startswith(_FORMULAS) else text
    return text
