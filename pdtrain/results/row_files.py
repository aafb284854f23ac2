"""Parquet files of rows and of units: written with checksums, and read only if they are as they were written."""

import io
from collections.abc import Set
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet

from pdtrain.checksums import add_to_parquet, has_checksum, is_intact
from pdtrain.errors import DamagedFile, first_line, one_line
from pdtrain.files import written_whole
from pdtrain.results.rows import COLUMNS, HALF_DIFFERENCES, ProbePoint, Row, UnitRow
from pdtrain.results.run_folder import point_name
from pdtrain.results.versions import as_of_today

_TEXTS = ("layer", "probe", "quantity", "property", "note", "estimator")
_KINDS = {".rows": Row, ".units": UnitRow}  # by the end of the name, before that of Parquet
_OF_KIND = {Row: "layer_index", UnitRow: "unit"}  # what the other has not


def write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write a file of rows or units, with a checksum of each page for any reader, and one of the whole for ours."""
    with written_whole(path) as temporary:
        frame.to_parquet(temporary, index=False, write_page_checksum=True)
        add_to_parquet(temporary)


def read_rows(path: Path, *, half_differences: bool = True) -> pd.DataFrame:
    """Read a file of rows or units of any version, with today's columns; half differences take as long as all others.

    Raises
    ------
    DamagedFile
        If it is not as it was written, no such file, or that of another probe point.
    """
    left_out = set() if half_differences else {HALF_DIFFERENCES}
    try:
        opened = _opened(_content(path))
        kept = [name for name in opened.schema_arrow.names if name not in left_out]
        frame = _printable(as_of_today(opened.read(columns=kept).to_pandas()))
        if made := left_out & set(frame):
            frame = frame.drop(columns=list(made))
        _check_kind(frame, path, left_out)
        _check_place(frame, path)
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(
            f"{path}: damaged ({first_line(error)[:80]}); pdtrain-train with resume=auto measures it again, and "
            "pdtrain-probe that of a probe set"
        ) from error
    return frame


def _printable(frame: pd.DataFrame) -> pd.DataFrame:
    """Without line breaks and the like in names, which would break figures, tables and terminals."""
    for column in (text for text in _TEXTS if text in frame):
        odd = [text for text in frame[column].unique() if isinstance(text, str) and not text.isprintable()]
        if odd:
            frame[column] = frame[column].replace({text: one_line(text) for text in odd})
    return frame


def is_whole(path: Path) -> bool:
    """Whether there is such a file, and `read_rows` reads it; it is read whole only if it has no checksum."""
    try:
        content = _content(path)
        if not has_checksum(content):
            read_rows(path)
        else:
            columns = ["epoch", "step", _OF_KIND[_kind(path)]]
            _check_place(_opened(content).read(columns=columns).to_pandas()[columns], path)
    except Exception:  # whatever a damaged file brings about
        return False
    return True


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ValueError("it is no file")
    return path.read_bytes()


def _opened(content: bytes) -> parquet.ParquetFile:
    if not is_intact(content):
        raise ValueError("its checksum differs")
    return parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True)


def _check_kind(frame: pd.DataFrame, path: Path, left_out: Set[str]) -> None:
    if missing := set(COLUMNS[_kind(path)]) - set(frame) - left_out:
        raise ValueError(f"it has no {', '.join(sorted(missing))}")


def _kind(path: Path) -> type:
    return _KINDS[path.with_suffix("").suffix]


def _check_place(frame: pd.DataFrame, path: Path) -> None:
    for epoch, step in set(zip(frame["epoch"], frame["step"], strict=True)):
        if (place := point_name(ProbePoint(epoch, step))) != path.name.partition(".")[0]:
            raise ValueError(f"it is that of {place}")
