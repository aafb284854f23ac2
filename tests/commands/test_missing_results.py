import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import DictConfig

from pdtrain.commands.train import train
from pdtrain.results.reader import load
from pdtrain.results.status import write_status

Configure = Callable[..., DictConfig]
_FAST = [
    "model.network.widths=[4]", "probes.unit_information.properties=[luminance]", "probes.object_information=null",
    "callbacks.probing.schedule.log_spaced_steps=2",
]  # fmt: skip
_EPOCH_1 = "epoch=0001-step=00000003"


@pytest.fixture(scope="module")
def configured(configure_shared: Configure) -> DictConfig:
    return configure_shared(*_FAST, "resume=auto")


@pytest.fixture(scope="module")
def finished(configured: DictConfig) -> Path:
    """A tiny finished run, to be left as it is."""
    return train(configured.copy())


@pytest.fixture
def again(configured: DictConfig, finished: Path, tmp_path: Path) -> DictConfig:
    """The configuration of a copy of that run."""
    config = configured.copy()
    config.paths.run_dir = str(shutil.copytree(finished, tmp_path / "run"))
    return config


def _rows(run_dir: str | Path) -> list[pd.DataFrame]:
    keys = ["epoch", "step", "layer", "probe", "quantity", "property"]
    return [load(run_dir, units=units).sort_values([*keys, *["unit"][: int(units)]]) for units in (False, True)]


def _assert_same_rows(run_dir: str | Path, reference: Path) -> None:
    for found, expected in zip(_rows(run_dir), _rows(reference), strict=True):
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6)


@pytest.mark.parametrize("state", ["failed", "finished"])
def test_lost_results_of_completed_epochs_are_measured_again(
    again: DictConfig, finished: Path, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    results = Path(again.paths.run_dir) / "results"
    write_status(again.paths.run_dir, state)
    for lost in ("epoch=0000-step=00000000.rows", "epoch=0000-step=00000002.rows", f"{_EPOCH_1}.units"):
        (results / f"{lost}.parquet").unlink()

    train(again)

    said = capsys.readouterr().out
    assert (
        said.count("measured again") == 3
        and f"results of epoch 1, step 3 were missing; measured again from {_EPOCH_1}.ckpt" in said
    )
    _assert_same_rows(again.paths.run_dir, finished)


def test_results_without_a_kept_checkpoint_are_a_gap_that_is_said(
    again: DictConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = Path(again.paths.run_dir)
    for lost in (f"results/{_EPOCH_1}.rows.parquet", f"checkpoints/{_EPOCH_1}.ckpt"):
        (run_dir / lost).unlink()
    (run_dir / "checkpoints" / "epoch=0000-step=00000000.ckpt").write_bytes(b"")
    (run_dir / "results" / "epoch=0000-step=00000000.rows.parquet").write_bytes(b"")

    train(again)

    said = capsys.readouterr().out
    assert "epoch=0000-step=00000000.ckpt: damaged" in said
    assert "no results of epoch 0, 1, nor a checkpoint to measure them on" in said, "though points within are there"
    assert set(load(run_dir).step) == {2, 4, 6}


def test_nothing_is_said_of_a_run_that_lacks_nothing(again: DictConfig, capsys: pytest.CaptureFixture[str]) -> None:
    train(again)

    assert [line for line in capsys.readouterr().out.splitlines() if "resume=auto" in line] == []
