"""Parquet files of rows and of units: written with checksums, and read only if they are as they were written."""

import io
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet

from pdtrain.checksums import add_to_parquet, is_intact
from pdtrain.errors import DamagedFile
from pdtrain.files import written_whole
from pdtrain.results.rows import ProbePoint, Row, UnitRow
from pdtrain.results.run_folder import point_name
from pdtrain.results.versions import as_of_today

_KINDS = {".rows": Row, ".units": UnitRow}  # by the end of the name, before that of Parquet


def write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write a file of rows or units, with a checksum of each page for any reader, and one of the whole for ours."""
    with written_whole(path) as temporary:
        frame.to_parquet(temporary, index=False, write_page_checksum=True)
        add_to_parquet(temporary)


def read_rows(path: Path) -> pd.DataFrame:
    """Read a file of rows or units of any version, with today's columns.

    Raises
    ------
    DamagedFile
        If it is not as it was written, no such file, or that of another probe point.
    """
    try:
        content = path.read_bytes()
        if not is_intact(content):
            raise ValueError("its checksum differs")
        stored = parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read().to_pandas()
        frame = as_of_today(stored)
        _check_place(frame, path)
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(
            f"{path}: damaged ({first_line(error)}); pdtrain-train with resume=auto measures it again, and "
            "pdtrain-probe that of a probe set"
        ) from error
    return frame


def is_whole(path: Path) -> bool:
    """Whether there is such a file, and `read_rows` reads it."""
    try:
        read_rows(path)
    except DamagedFile:
        return False
    return True


def first_line(error: Exception) -> str:
    """What an error says, in short."""
    return (str(error).splitlines() or [type(error).__name__])[0][:80]


def _check_place(frame: pd.DataFrame, path: Path) -> None:
    kind = _KINDS[path.with_suffix("").suffix]
    if missing := {"epoch", "step", *(field.name for field in fields(kind))} - set(frame):
        raise ValueError(f"it has no {', '.join(sorted(missing))}")
    for epoch, step in set(zip(frame["epoch"], frame["step"], strict=True)):
        if (place := point_name(ProbePoint(epoch, step))) != path.name.partition(".")[0]:
            raise ValueError(f"it is that of {place}")
