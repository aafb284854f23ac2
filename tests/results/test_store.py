from pathlib import Path

import pytest

from pdtrain.errors import InputError
from pdtrain.results.reader import load
from pdtrain.results.rows import ProbePoint, Row, UnitRow
from pdtrain.results.store import ResultsStore

_POINT = ProbePoint(3, 120)
_ROW = Row(
    "relu1", 1, 0.2, "intrinsic_dimension", "two_nn", "", 12.5, 0.3, 12.0, 13.0, 990, "exact", "10 dropped",
    units_lower=11.0, units_upper=14.0, stimuli="ab12", half_differences=(0.1, -0.2, 0.3),
)  # fmt: skip
_UNIT = UnitRow("relu1", 7, "unit_information", "information", "luminance", 0.2, 0.25, 0.07, 0.01, True, False)


def test_rows_come_back_as_they_went(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path)

    store.write(_POINT, [_ROW], [_UNIT])

    assert store.read_rows(_POINT) == [_ROW] and store.read_unit_rows(_POINT) == [_UNIT]
    assert store.has(_POINT) and not store.has(ProbePoint(4, 160)) and store.read_rows(ProbePoint(4, 160)) == []


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ResultsStore(tmp_path)
    store.write(_POINT, [_ROW], [])

    def full(*args: object, **kwargs: object) -> None:
        Path(str(args[1])).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("pandas.DataFrame.to_parquet", full)
    with pytest.raises(OSError, match="No space"):
        store.write(_POINT, [], [])

    assert store.read_rows(_POINT) == [_ROW]
    assert len(list(store.folder.iterdir())) == 1


def test_a_sweep_is_one_frame(tmp_path: Path) -> None:
    for job in ("0", "1"):
        ResultsStore(tmp_path / job).write(_POINT, [_ROW], [])

    frame = load(tmp_path)

    assert list(frame.run) == ["0", "1"] and list(frame.step) == [120, 120]
    assert "half_differences" not in frame
    assert list(load(tmp_path, half_differences=True).half_differences.map(len)) == [3, 3]


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results of training below"):
        load(tmp_path)
