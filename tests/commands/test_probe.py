import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import wandb
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from pdtrain.commands.probe import probe
from pdtrain.commands.train import train
from pdtrain.errors import InputError
from pdtrain.loggers.wandb_files import records
from pdtrain.results.reader import load
from pdtrain.training.models import torchvision_model

_KEYS = ["epoch", "step", "layer", "probe", "quantity", "property"]


@pytest.fixture(scope="module")
def finished(configure_shared: Callable[..., DictConfig]) -> Path:
    """A tiny finished run, to be left as it is."""
    options = ["model.network.widths=[4]", "probes=full", "probes.unit_information.shuffles=3"]
    return train(configure_shared(*options, "untrained_batch_norm=calibrated"))


@pytest.fixture
def run_dir(finished: Path, tmp_path: Path) -> Path:
    """A tiny finished run, to be written into."""
    return shutil.copytree(finished, tmp_path / "runs" / "run")


def _probe(*overrides: str) -> list[Path]:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("probe", list(overrides))
    return probe(config, list(overrides))


def test_rows_after_the_fact_equal_those_of_training(run_dir: Path) -> None:
    _probe(f"run_dir={run_dir}")

    _assert_same_rows(run_dir, epochs=[0, 1, 2])


def _assert_same_rows(run_dir: Path, *, epochs: list[int]) -> None:
    online, later = (load(run_dir, probe_set=name).set_index(_KEYS).sort_index() for name in ("training", "probe"))
    assert online.index.equals(later.index) and sorted(online.reset_index().epoch.unique()) == epochs
    for column in ("value", "standard_deviation", "lower", "upper"):
        np.testing.assert_allclose(later[column], online[column], rtol=1e-6, atol=1e-12)
    assert (online[["n", "method", "note"]] == later[["n", "method", "note"]]).all(axis=None)
    units = [load(run_dir, units=True, probe_set=name) for name in ("training", "probe")]
    pd.testing.assert_frame_equal(*units, rtol=1e-6)


def test_done_points_are_skipped_unless_forced_and_training_rows_are_never_touched(run_dir: Path) -> None:
    before = {p: p.read_bytes() for p in (run_dir / "results").glob("*.parquet")}

    first, second, forced = (
        _probe(f"run_dir={run_dir}", "probes=default", "probe_set=mine", f"force={force}")
        for force in ("false", "false", "true")
    )

    assert (len(first), len(second), len(forced)) == (3, 0, 3)
    assert {p: p.read_bytes() for p in (run_dir / "results").glob("*.parquet")} == before


def test_layers_stimuli_and_probes_are_what_the_command_says(run_dir: Path) -> None:
    _probe(
        f"run_dir={run_dir}", "layers.names=[output]", "stimuli=objects", "stimuli.count=90", "probes=default",
        "probes.intrinsic_dimension.estimators=[mle]", "ckpt_path='epoch=0002*'", "probe_set=other",
    )  # fmt: skip

    rows = load(run_dir, probe_set="other")
    assert set(rows.layer) <= {"output", ""} and set(rows.epoch) == {2}
    assert set(rows[rows.probe == "intrinsic_dimension"].quantity) == {"mle", "mle_resampled"}
    assert (rows[rows.quantity == "mle"].n == 90).all()


def test_rows_measured_otherwise_are_not_mixed(run_dir: Path) -> None:
    mine = [f"run_dir={run_dir}", "probe_set=mine", "probes=default"]
    _probe(*mine, "ckpt_path='epoch=0002*'", "stimuli.count=90")
    before = load(run_dir, probe_set="mine")

    with pytest.raises(InputError, match=r"stimuli.count=100: the rows of probe_set=mine were measured with 90; give"):
        _probe(*mine, "force=true")
    _probe(*mine, "stimuli.count=90", "data.workers=1")

    after = load(run_dir, probe_set="mine")
    assert set(after.epoch) == {0, 1, 2}
    pd.testing.assert_frame_equal(after[after.epoch == 2].reset_index(drop=True), before)


def test_a_sweep_is_probed_run_by_run(run_dir: Path) -> None:
    written = _probe(f"run_dir={run_dir.parent}", "ckpt_path='epoch=0000*'", "probes=default")

    assert [path.parent for path in written] == [run_dir / "results" / "probe"]


def test_a_plain_state_dict_is_probed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(torchvision_model(10, 1, name="resnet18", small_images=True).state_dict(), tmp_path / "weights.pth")

    options = [
        f"out={tmp_path}/out", "model=resnet18", "data.training_images=10", "data.validation_images=80",
        "stimuli.count=80", f"paths.data={tmp_path}", "layers.names=['*fc']",
    ]  # fmt: skip
    with pytest.raises(InputError, match="no such file"):
        _probe("state_dict=/nowhere.pth", *options)
    assert not (tmp_path / "out").exists(), "a name mistyped once does not stand in the way of the right one"

    _probe(f"state_dict={tmp_path}/weights.pth", *options)

    rows = load(tmp_path / "out", probe_set="probe")
    assert set(rows[rows.layer != ""].layer) == {"network.fc"} and set(rows.weights) == {"untrained", "pretrained"}

    (tmp_path / "weights.pth").rename(tmp_path / "others.pth")
    assert _probe(f"state_dict={tmp_path}/others.pth", *options) == [], (
        "the same weights, whatever their file is called"
    )


@pytest.mark.slow
def test_every_row_of_the_default_experiment_is_the_same_after_the_fact(
    configure: Callable[..., DictConfig],
) -> None:
    fewer = ["data.training_images=1280", "trainer.max_epochs=1", "+trainer.enable_progress_bar=false", "report=false"]
    run_dir = train(configure(tiny=fewer))

    _probe(f"run_dir={run_dir}")

    _assert_same_rows(run_dir, epochs=[0, 1])


@pytest.fixture(scope="module")
def logged(configure_shared: Callable[..., DictConfig]) -> Path:
    """A tiny finished run with an offline run of W&B, to be left as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        return train(configure_shared("model.network.widths=[4]", "logger=csv_wandb", run="logged"))


@pytest.mark.parametrize("to", ["same", "new"])
def test_rows_after_the_fact_are_sent_to_wandb(
    logged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run_dir = shutil.copytree(logged, tmp_path / "run", symlinks=True)
    before = {path.name for path in run_dir.glob("wandb/offline-run-*")}
    if to == "same":  # what the training sent is known without W&B's own file
        for path in run_dir.glob("wandb/offline-run-*/*.wandb"):
            path.unlink()
            os.mkfifo(path)

    _probe(f"run_dir={run_dir}", f"wandb={to}", "probe_set=later")
    wandb.teardown()  # W&B ends a run before all of it is on the disk

    (made,) = [path for path in run_dir.glob("wandb/offline-run-*") if path.name not in before]
    assert ((run_dir / "wandb_id").read_text() in made.name) == (to == "same")
    history, groups = [], set()
    for record in records(next(made.glob("*.wandb"))):
        if record.HasField("run"):
            groups.add(record.run.run_group)
        if record.HasField("history"):
            values = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            history.append((record.history.step.num, float(values["epoch"]), float(values["later/id/relu1"])))
    rows = load(run_dir, probe_set="later")
    expected = rows[(rows.layer == "relu1") & (rows.quantity == "two_nn")].value.tolist()
    assert [epoch for _, epoch, _ in history] == [0, 1, 2] and [value for *_, value in history] == expected
    if to == "same":
        logged_before = (logged / "wandb_lines.jsonl").read_text().splitlines()
        assert history[0][0] == len(logged_before) > 6, "after the lines of the training"
    else:
        assert groups == {(run_dir / "wandb_id").read_text()}


@pytest.mark.parametrize(
    ("to", "message"), [("same", "was not logged to W&B"), ("elsewhere", "wandb=elsewhere: choose same or new")]
)
def test_wandb_runs_that_cannot_be(finished: Path, to: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _probe(f"run_dir={finished}", f"wandb={to}")


class _Malice:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("command", ["train", "probe"])
def test_a_checkpoint_that_would_run_code_is_refused(
    command: str, configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    written, path = tmp_path / "written", tmp_path / "bad.ckpt"
    torch.save({"state_dict": {}, "evil": _Malice(written)}, path)

    with pytest.raises(InputError, match=r"bad\.ckpt: refused.*could run code"):
        if command == "train":
            train(configure(f"ckpt_path={path}"))
        else:
            tiny = ["data.training_images=10", "data.validation_images=80", "stimuli.count=80"]
            _probe(f"state_dict={path}", f"out={tmp_path}/out", f"paths.data={tmp_path}", *tiny)

    assert not written.exists()
    torch.load(path, weights_only=False)
    assert written.exists(), "the checkpoint does what the test is about"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "run_dir: give run_dir="),
        (["run_dir=/nowhere"], "run_dir=/nowhere: no run there"),
        (["state_dict=/nowhere.pth"], "out: give out="),
        (["state_dict=/nowhere.pth", "out=x"], "state_dict=/nowhere.pth: no such file"),
        (["run_dir=x", "probe_set=training"], "probe_set=training"),
    ],
)
def test_wrong_input_names_the_key(overrides: list[str], message: str, tmp_path: Path) -> None:
    tiny = ["data.training_images=10", "data.validation_images=80", "stimuli.count=80", f"paths.data={tmp_path}"]

    with pytest.raises(InputError, match=message):
        _probe(*overrides, *tiny)


def test_a_watcher_follows_a_run_to_its_end(tmp_path: Path) -> None:
    run = tmp_path / "run"
    tiny = [
        "data.training_images=160", "data.validation_images=100", "data.pixels=16", "stimuli.count=100",
        "trainer.max_epochs=3", "model.network.widths=[4]", "report=false", "+trainer.enable_progress_bar=false",
        "probes.unit_information.properties=[luminance]", "probes.object_information=null",
        f"paths.data={tmp_path}/data", f"hydra.run.dir={run}",
    ]  # fmt: skip
    training = subprocess.Popen([sys.executable, "-m", "pdtrain.commands.train", *tiny], cwd=tmp_path)
    while not list(run.glob("checkpoints/epoch=0000*.ckpt")):
        assert training.poll() is None
        time.sleep(0.05)
    command = [sys.executable, "-m", "pdtrain.commands.probe", f"run_dir={run}", "watch=true", "probe_set=watched"]

    subprocess.run(command, cwd=tmp_path, check=True)

    assert training.wait() == 0
    assert sorted(load(run, probe_set="watched").epoch.unique()) == [0, 1, 2, 3]
