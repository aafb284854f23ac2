import logging
from pathlib import Path

import pandas as pd
import pytest

from pdtrain.results import load
from pdtrain.results.rows import ProbePoint, Row, UnitRow
from pdtrain.results.store import ResultsStore
from pdtrain.results.versions import apart_by_estimator, mixed_estimators, upgraded_probes, with_estimators

_OLD = [
    Row("relu1", 1, 0.5, "unit_information", "mean", "luminance", 0.1),
    Row("relu1", 1, 0.5, "intrinsic_dimension", "two_nn", "", 7.0),
    Row("", -1, 0.5, "index", "expansion", "two_nn", 2.0),
    Row("", -1, 0.5, "index", "distillation", "luminance", 0.5),
]


def _store_of_first_version(run_dir: Path, epoch: int) -> None:
    """Rows as pdtrain 0.1.0 wrote them, without the column."""
    units = [UnitRow("relu1", 3, "luminance", 0.1, 0.1, 0.1, 0.5, False, False)]
    store = ResultsStore(run_dir)
    store.write(ProbePoint(epoch, epoch), _OLD, units)
    for path in store.folder.glob(f"epoch={epoch:04d}*.parquet"):
        pd.read_parquet(path).drop(columns="estimator").to_parquet(path)


def test_stores_of_the_first_version_stay_readable_and_are_marked(tmp_path: Path) -> None:
    _store_of_first_version(tmp_path, 0)

    rows, units = load(tmp_path), load(tmp_path, units=True)

    assert dict(zip(rows.quantity, rows.estimator, strict=True)) == {
        "mean": "unit_information 1",
        "two_nn": "intrinsic_dimension 1",
        "expansion": "intrinsic_dimension 1",
        "distillation": "unit_information 1",
    }
    assert units.estimator.tolist() == ["unit_information 1"]
    assert ResultsStore(tmp_path).read_rows(ProbePoint(0, 0))[0].estimator == "unit_information 1"
    assert ResultsStore(tmp_path).read_unit_rows(ProbePoint(0, 0))[0].estimator == "unit_information 1"


def test_a_mix_of_versions_is_said_and_kept_apart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _store_of_first_version(tmp_path, 0)
    new = [
        Row("relu1", 1, 0.5, "unit_information", "mean", "luminance", 0.2, estimator="unit_information 2 permutation")
    ]
    ResultsStore(tmp_path).write(ProbePoint(1, 1), new, [])

    with caplog.at_level(logging.WARNING):
        rows = load(tmp_path)

    (sentence,) = mixed_estimators(rows)
    assert "unit_information 1; unit_information 2 permutation" in sentence and sentence in caplog.text
    apart = apart_by_estimator(rows.assign(setting="all runs"), "setting")
    assert set(apart) == {
        "all runs",
        "all runs (unit_information 1)",
        "all runs (unit_information 2 permutation)",
    }


def test_rows_of_one_version_are_no_mix() -> None:
    frame = with_estimators(pd.DataFrame([vars(row) for row in _OLD]).drop(columns="estimator"))

    assert mixed_estimators(frame) == []
    assert apart_by_estimator(frame, "layer").tolist() == frame.layer.tolist()


def test_a_configuration_of_the_first_version_is_read_under_todays_names() -> None:
    stored = {"unit_information": {"bins": 8, "correction": "panzeri_treves", "gaussian_copula": True}, "seed": 3}

    upgraded = upgraded_probes(stored)

    assert upgraded == {"unit_information": {"bins": 8, "nearest_neighbors": True}, "seed": 3}
    assert upgraded_probes({"unit_information": {"bins": 8, "correction": "none"}})["unit_information"] == {
        "bins": 8,
        "correction": "none",
    }
    assert upgraded_probes({"unit_information": None}) == {"unit_information": None}
