import logging
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from pdtrain.results import load
from pdtrain.results.configuration import differences
from pdtrain.results.rows import ProbePoint, Row, UnitRow
from pdtrain.results.store import ResultsStore
from pdtrain.results.versions import (
    ADDED,
    apart_by_estimator,
    as_of_today,
    metrics_as_of_today,
    mixed_estimators,
    upgraded,
)

_OLD = [
    Row("relu1", 1, 0.5, "unit_information", "mean", "luminance", 0.1),
    Row("relu1", 1, 0.5, "intrinsic_dimension", "two_nn", "", 7.0),
    Row("", -1, 0.5, "index", "expansion", "two_nn", 2.0),
    Row("", -1, 0.5, "index", "distillation", "luminance", 0.5),
]


def _store_of_first_version(run_dir: Path, epoch: int) -> None:
    """Rows as pdtrain 0.1.0 wrote them, without the column."""
    units = [UnitRow("relu1", 3, "unit_information", "information", "luminance", 0.1, 0.1, 0.1, 0.5)]
    store = ResultsStore(run_dir)
    store.write(ProbePoint(epoch, epoch), _OLD, units)
    for path in store.folder.glob(f"epoch={epoch:04d}*.parquet"):
        frame = pd.read_parquet(path).drop(columns="estimator")
        if "unit" in frame:
            frame = frame.drop(columns=["probe", "quantity"]).rename(columns={"value": "information_bits"})
        frame.to_parquet(path)


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


def test_intervals_of_the_first_version_are_read_as_what_they_were() -> None:
    of_units = Row("relu1", 1, 0.5, "unit_information", "mean", "luminance", 0.1, 0.01, 0.08, 0.12, note="400 stimuli")
    of_stimuli = Row("relu1", 1, 0.5, "intrinsic_dimension", "two_nn", "", 7.0, 0.5, 6.0, 8.0)
    of_draws = Row("", -1, 0.5, "index", "expansion", "two_nn", 2.0, 0.1, 1.8, 2.2)
    kept = [field for field in Row.__dataclass_fields__ if not field.startswith("units_")]
    frame = pd.DataFrame([{name: getattr(row, name) for name in kept} for row in (of_units, of_stimuli, of_draws)])

    units, stimuli, draws = as_of_today(frame.drop(columns=["stimuli", "half_differences", "estimator"])).itertuples()

    assert (units.units_lower, units.units_upper) == (0.08, 0.12) and units.note == "400 stimuli; interval over units"
    assert pd.isna(units.lower) and pd.isna(units.upper) and pd.isna(units.standard_deviation)
    assert (stimuli.lower, stimuli.upper, stimuli.standard_deviation, stimuli.note) == (6.0, 8.0, 0.5, "")
    assert (draws.lower, draws.upper) == (1.8, 2.2) and draws.note == "interval with the peak held fixed"
    assert all(row.half_differences == () and row.stimuli == "" for row in (units, stimuli, draws))


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
    frame = as_of_today(pd.DataFrame([vars(row) for row in _OLD]).drop(columns="estimator"))

    assert mixed_estimators(frame) == []
    assert apart_by_estimator(frame, "layer").tolist() == frame.layer.tolist()


def test_a_configuration_of_the_first_version_is_read_under_todays_names() -> None:
    information = {"bins": 8, "correction": "panzeri_treves", "gaussian_copula": True}
    stored = {
        "probes": {"unit_information": information, "seed": 3, "batch_size": 50, "object_information": None},
        "layers": {"names": None, "max_units": 20},
        "logger": {"csv": {"_target_": "pdtrain.loggers.csv_logger.CsvLogger"}},
    }

    today = upgraded(stored)

    target = "pdtrain.probes.information_probe.InformationProbe"
    assert today["probes"] == {
        "unit_information": {"_target_": target, "bins": 8, "nearest_neighbors": True},
        "seed": 3,
        "object_information": None,
    }
    assert today["layers"] == {
        **{"names": None, "recipe": "default", "reduce": "none"},
        **{"max_units": 20, "batch_size": 50, "seed": "${probes.seed}"},
    }
    assert today["logger"]["csv"]["_target_"] == "pdtrain.loggers.csv_logger.CsvLogger"
    layers = {"recipe": "stages", "reduce": "mean"}
    kept = {"probes": {"unit_information": {"_target_": target, "correction": "none"}}, "layers": layers}
    assert upgraded(kept) == kept and upgraded(today) == today


def test_a_run_of_before_a_key_came_goes_on_where_the_key_leaves_all_as_it_was() -> None:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        given = ["paths.run_dir=x", "channels_last=false"]  # `auto` rounds otherwise where it decides for them
        today, smoothed = compose("train", given), compose("train", [*given, "label_smoothing=0.1"])
    before = today.copy()
    OmegaConf.set_struct(before, False)
    for key in ADDED:
        above, _, name = key.rpartition(".")
        (OmegaConf.select(before, above) if above else before).pop(name, None)

    assert differences(before, today) == []
    assert differences(before, smoothed) == [("label_smoothing", 0.0, 0.1)]


def test_epochs_of_the_first_version_are_counted_as_today() -> None:
    of_first = [
        {"epoch": 0.0, "id/relu1/two_nn": 7.0},
        {"epoch": 0, "val/accuracy": 0.5, "val/loss": 1.0},
        {"epoch": "0", "train/loss": "1.5", "train/accuracy": "0.25"},
        {"epoch": 1.0, "train/accuracy_evaluated": 0.75},
        {"lr-AdamW": 0.1},
    ]

    today = metrics_as_of_today(of_first)

    assert [line.get("epoch") for line in today] == [0.0, 1, "1.0", 1.0, None]
    assert today[2]["train/loss_epoch"] == "1.5" and "train/loss" not in today[2]
    of_today = [*of_first, {"epoch": 1.0, "time/epoch": 3.0}]
    assert metrics_as_of_today(of_today) == of_today, "they are counted so already"
