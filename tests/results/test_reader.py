from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import open_dict

from pdtrain.errors import InputError
from pdtrain.results.configuration import load_configuration, save_configuration
from pdtrain.results.reader import load
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.store import ResultsStore


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two runs that differ in seed and widths."""
    for job, widths in enumerate(("[4]", "[4,8]")):
        run_dir = tmp_path / "sweep" / str(job)
        with initialize_config_module("pdtrain.conf", version_base="1.3"):
            overrides = [f"seed={10 + job}", f"model.network.widths={widths}", f"paths.run_dir={run_dir}"]
            save_configuration(run_dir, compose("train", overrides))
        rows = [Row("relu1", 0, 0.0, "intrinsic_dimension", "two_nn", "", float(job))] * 2
        ResultsStore(run_dir).write(ProbePoint(0, 0), rows, [])
    return tmp_path / "sweep"


def test_keys_of_the_configuration_become_columns(sweep: Path) -> None:
    rows = load(sweep, keys=["seed", "model.network.widths"])

    assert rows.groupby("seed").value.mean().to_dict() == {10: 0.0, 11: 1.0}
    assert rows.groupby("model.network.widths").value.size().to_dict() == {"[4]": 2, "[4, 8]": 2}
    assert load(sweep, keys=["data.seed"]).groupby("data.seed").value.mean().to_dict() == {10: 0.0, 11: 1.0}
    assert load(sweep / "1", keys=["seed"]).seed.unique().tolist() == [11], "a single run as well"


def test_a_mistyped_key_names_the_nearest(sweep: Path) -> None:
    with pytest.raises(
        InputError, match=r"keys=model.network.width: no such key .*did you mean model.network.widths\?"
    ):
        load(sweep, keys=["model.network.width"])
    (sweep / "1" / "run.yaml").unlink()
    with pytest.raises(InputError, match="1: its configuration is missing"):
        load(sweep, keys=["seed"])


def test_what_a_run_does_not_have_is_missing(sweep: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = load_configuration(sweep / "1")
    assert config is not None
    with open_dict(config):
        del config.model.network.widths
        config.choices = {"model": "mine", "experiment": None}
    save_configuration(sweep / "1", config)

    rows = load(sweep, keys=["model", "model.network.widths", "experiment", "optimizer"]).groupby("run").first()

    assert rows["model"].fillna("").tolist() == ["", "mine"], "the first run kept no choices"
    assert rows["model.network.widths"].fillna("").tolist() == ["[4]", ""]
    assert rows["experiment"].isna().all() and rows["optimizer"].isna().all()
    assert "keys=optimizer: a part of the configuration, of which no choice was kept" in caplog.text
    assert "give a key of it, such as optimizer." in caplog.text


def test_of_the_epochs_that_are_asked_for_the_others_are_not_read(tmp_path: Path) -> None:
    for epoch in range(3):
        row = Row("relu1", 0, 0.0, "intrinsic_dimension", "two_nn", "", float(epoch))
        ResultsStore(tmp_path).write(ProbePoint(epoch, epoch), [row], [])
    (tmp_path / "results" / "epoch=0001-step=00000001.rows.parquet").write_text("torn")

    assert load(tmp_path, epochs=[0, 2]).value.tolist() == [0.0, 2.0]
