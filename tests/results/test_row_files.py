import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet
import pytest

from pdtrain.errors import DamagedFile
from pdtrain.results.row_files import is_whole, read_rows, write_rows
from pdtrain.results.rows import ProbePoint, Row, UnitRow
from pdtrain.results.run_folder import point_name
from pdtrain.results.store import ResultsStore

_POINTS = [ProbePoint(0, 0), ProbePoint(1, 3)]


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    """Two points with rows and units."""
    found = ResultsStore(tmp_path)
    for point in _POINTS:
        rows = [Row("relu1", 0, 0.0, "intrinsic_dimension", "two_nn", "", float(value)) for value in range(50)]
        units = [UnitRow("relu1", unit, "unit_information", "information", "luminance", 0.5) for unit in range(50)]
        found.write(point, rows, units)
    return found


def test_any_reader_of_parquet_reads_them_and_finds_damage_in_a_page(store: ResultsStore) -> None:
    path = store.path(_POINTS[0])
    rows = pd.read_parquet(path)
    assert len(rows) == 50
    place = parquet.ParquetFile(path).metadata.row_group(0).column(list(rows).index("value")).data_page_offset
    content = bytearray(path.read_bytes())
    content[place + 100] ^= 1
    path.write_bytes(content)

    with pytest.raises(OSError, match=r"(?i)crc checksum"):
        pd.read_parquet(path, page_checksum_verification=True)
    with pytest.raises(DamagedFile, match="its checksum differs"):
        read_rows(path)


@pytest.mark.parametrize("other", [f"{point_name(_POINTS[1])}.rows.parquet", f"{point_name(_POINTS[0])}.units.parquet"])
def test_a_sound_file_of_another_point_or_kind_is_none_of_this_name(store: ResultsStore, other: str) -> None:
    path = store.path(_POINTS[0])
    shutil.copyfile(store.folder / other, path)

    assert not is_whole(path) and not store.has(_POINTS[0]) and store.has(_POINTS[1])
    with pytest.raises(DamagedFile, match=r"it is that of epoch=0001|it has no depth"):
        read_rows(path)


def test_a_point_whose_units_are_lost_counts_as_not_measured(store: ResultsStore) -> None:
    (store.folder / f"{point_name(_POINTS[1])}.units.parquet").unlink()

    assert store.has(_POINTS[0]) and not store.has(_POINTS[1])


def test_what_is_set_aside_is_kept_and_files_of_others_are_not_touched(store: ResultsStore) -> None:
    path, own = store.path(_POINTS[0]), store.folder / "mine.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    own.write_bytes(b"of the user")

    assert store.set_damaged_aside() == [path]
    assert path.with_name(f"{path.name}.damaged").is_file() and own.is_file() and store.points() == _POINTS[1:]


def test_a_frame_without_rows_is_whole(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path)

    store.write(_POINTS[0], [], [])

    assert store.has(_POINTS[0]) and store.read_rows(_POINTS[0]) == []
    write_rows(read_rows(store.path(_POINTS[0])), store.path(_POINTS[0]))
