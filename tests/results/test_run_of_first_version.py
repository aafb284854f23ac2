"""A run that pdtrain 0.1.0 wrote is read, probed, reported and compared by today's code."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf

from pdtrain.commands.probe import probe
from pdtrain.loggers.csv_logger import CsvLogger
from pdtrain.report.comparison import write_comparison
from pdtrain.report.dynamics import accuracy
from pdtrain.report.page import write_report
from pdtrain.results import load
from pdtrain.results.configuration import load_configuration
from pdtrain.results.metrics import read_metrics
from pdtrain.results.stimuli import load_stimuli, save_stimuli
from pdtrain.results.store import TRAINING

_RUN = Path(__file__).parents[1] / "fixtures" / "run_of_0_1_0"
_PROBES = {"intrinsic_dimension", "unit_information", "object_information"}
_PANELS = {
    "dimension", "information", "units", "unit_map", "objects",
    "indices",
    "paths", "heat_maps", "accuracy",
}  # fmt: skip
_POINTS = {(0, 0), (1, 3)}  # epochs and steps


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where images lie, once rendered."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A copy of the run, its checkpoints probed with today's code."""
    run_dir = _copy(tmp_path_factory.mktemp("probed"))
    assert len(_probe(run_dir, data)) == 2
    return run_dir


def _copy(folder: Path, name: str = "run") -> Path:
    return Path(shutil.copytree(_RUN, folder / name))


def _probe(run_dir: Path, data: Path) -> list[Path]:
    overrides = [f"run_dir={run_dir}", f"paths.data={data}"]
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("probe", overrides)
    return probe(config, overrides)


def test_rows_and_units_are_read_and_marked_as_of_the_first_version() -> None:
    rows, units = load(_RUN), load(_RUN, units=True)

    assert set(rows.estimator) == {f"{probe} 1" for probe in _PROBES}
    assert set(rows.probe) == {*_PROBES, "index"}
    own = rows[rows.probe != "index"]
    assert (own.estimator == own.probe + " 1").all()
    assert set(units.estimator) == {"unit_information 1", "object_information 1"}
    for frame in (rows, units):
        assert set(zip(frame.epoch, frame.step, strict=True)) == _POINTS


def test_its_accuracies_have_the_epochs_of_its_rows() -> None:
    metrics = read_metrics(_RUN)

    assert metrics is not None
    of_rows = metrics.dropna(subset=["id/relu1/two_nn"]).epoch.tolist()
    assert of_rows == [0, 1]
    for name in ("val/accuracy", "train/accuracy", "train/loss_epoch"):
        assert metrics.dropna(subset=[name]).epoch.tolist() == [1], name
    axes = accuracy(metrics).axes[0]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[1], [1]]


def test_it_goes_on_in_files_that_count_as_today(tmp_path: Path) -> None:
    logger = CsvLogger(_copy(tmp_path))
    logger.go_on(4)
    logger.log_metrics({"val/accuracy": 0.25, "epoch": 2.0, "train/learning_rate": 0.1}, 6)
    logger.save()

    metrics = read_metrics(tmp_path / "run")
    assert metrics is not None and metrics.dropna(subset=["val/accuracy"]).epoch.tolist() == [1, 2]


def test_the_stimuli_of_its_configuration_are_those_that_it_was_probed_with(data: Path, tmp_path: Path) -> None:
    config = load_configuration(_RUN)
    assert config is not None
    config.paths.data = str(data)
    images = instantiate(config.data)
    images.setup()

    save_stimuli(tmp_path, instantiate(config.stimuli, images), config.probes.unit_information.properties)

    stored, now = load_stimuli(_RUN), load_stimuli(tmp_path)
    assert stored is not None and now is not None
    np.testing.assert_allclose(now[0].astype(int), stored[0].astype(int), atol=1)  # of 255: rounded either way
    assert now[1].keys() == stored[1].keys()
    for name, values in stored[1].items():
        np.testing.assert_allclose(now[1][name], values, rtol=1e-4, atol=1e-6, err_msg=name)


def test_its_checkpoints_are_probed_with_its_layers_and_probes(probed: Path) -> None:
    before, after = load(probed), load(probed, probe_set="probe")

    assert set(zip(after.epoch, after.step, strict=True)) == _POINTS
    assert set(after.probe) == {*_PROBES, "index", "activity"}
    layers = [list(dict.fromkeys(rows.sort_values("layer_index").layer)) for rows in (before, after)]
    assert layers[0] == layers[1]
    properties = [set(rows[rows.probe == "unit_information"].property) for rows in (before, after)]
    assert properties[0] == properties[1]
    assert not set(after[after.probe == "unit_information"].estimator) & set(before.estimator), "said to be of today"


def test_what_is_measured_are_the_units_that_were_stored(probed: Path) -> None:
    keys = ["epoch", "layer", "probe", "property", "unit"]
    before, after = (load(probed, units=True, probe_set=name)[keys] for name in (TRAINING, "probe"))

    assert set(before.value_counts(["epoch", "layer", "probe", "property"])) == {8, 10, 24}, "few of many"
    pd.testing.assert_frame_equal(*(units.sort_values(keys, ignore_index=True) for units in (before, after)))


def test_intrinsic_dimension_is_what_was_stored(probed: Path) -> None:
    keys = ["epoch", "layer"]
    rows = [load(probed, probe_set=name) for name in (TRAINING, "probe")]
    before, after = (of_set[of_set.quantity == "two_nn"].set_index(keys).sort_index() for of_set in rows)

    assert len(before) == 10 and before.index.equals(after.index)
    np.testing.assert_allclose(after["value"], before["value"], rtol=1e-5)
    # intervals come from halves of the stimuli now, where they came from groups of neighbours
    assert (after["lower"] < before["upper"]).all() and (after["upper"] > before["lower"]).all()
    assert after[["n", "estimator"]].equals(before[["n", "estimator"]])


@pytest.mark.usefixtures("undrawn")
def test_it_is_reported(probed: Path) -> None:
    page = write_report(probed).read_text()

    assert _panels(page) == _PANELS | {"stimuli", "properties"}
    assert "Mixed estimators" not in page, "what was probed later lies apart"


def _panels(page: str) -> set[str]:
    return set(re.findall(r'href="#(\w+)"', page))


@pytest.mark.usefixtures("undrawn")
def test_it_is_compared_with_another(tmp_path: Path) -> None:
    copies = [_copy(tmp_path, name) for name in ("one", "other")]

    page = write_comparison(copies, tmp_path / "comparison")

    assert "Comparison of 2 runs" in page.read_text()
    layers = pd.read_csv(tmp_path / "comparison" / "layers.csv", keep_default_na=False)
    assert set(layers.setting) == {"all runs"} and set(layers.runs) == {2}
    stored = load(_RUN)
    stored = stored[(stored.epoch == 1) & (stored.quantity == "two_nn") & (stored.layer != "")].set_index("layer").value
    compared = layers[layers.quantity == "two_nn"].set_index("layer")["mean"].astype(float)
    pd.testing.assert_series_equal(compared, stored, check_names=False)


@pytest.mark.parametrize(
    "missing", ["intrinsic_dimension", "unit_information", "object_information", "discriminability"]
)
def test_a_probe_that_the_run_did_not_know_is_none_that_it_has(
    missing: str, probed: Path, data: Path, tmp_path: Path
) -> None:
    run_dir = _run_without(tmp_path, missing)

    assert len(_probe(run_dir, data)) == 2

    rows, known = (load(path, probe_set="probe") for path in (run_dir, probed))
    assert set(rows.probe) - {"index", "activity"} == _PROBES - {missing}
    others = known[~known.probe.isin([missing, "index"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows[rows.probe != "index"].reset_index(drop=True), others)


@pytest.mark.usefixtures("undrawn")
def test_it_is_reported_without_the_probes_that_it_did_not_know(data: Path, tmp_path: Path) -> None:
    run_dir = _run_without(tmp_path, "object_information", "discriminability")
    _probe(run_dir, data)

    page = write_report(run_dir, probe_set="probe").read_text()

    assert _panels(page) == _PANELS - {"objects"}


def _run_without(folder: Path, *probes: str) -> Path:
    """A copy of the run with a configuration that does not name these probes."""
    run_dir = _copy(folder)
    stored = OmegaConf.load(run_dir / "run.yaml")
    for name in probes:
        del stored.probes[name]
    OmegaConf.save(stored, run_dir / "run.yaml")
    return run_dir
