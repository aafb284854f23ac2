"""Two real processes that train together give the rows of one."""

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_module

from pdtrain.commands.probe import probe
from pdtrain.commands.train import train
from pdtrain.results.reader import load

_SMALL = [
    "data.training_images=180", "data.validation_images=101", "data.pixels=16", "data.batch_size=32",
    "stimuli.count=101", "trainer.max_epochs=2", "model.network.widths=[4,8]", "model.network.hidden=16",
    # each process would normalise its own half of a batch: then they would not train as one
    "model.network.batch_norm=false",
    # in double precision sums hardly depend on their order, and steps do not add up what they do
    "+trainer.precision=64-true",
    "report=false", "+trainer.enable_progress_bar=false", "callbacks.training_accuracy.when=always",
]  # fmt: skip
_KEYS = ["epoch", "step", "layer", "probe", "quantity", "property"]


def _train(folder: Path, *overrides: str) -> Path:
    paths = [f"hydra.run.dir={folder}", f"paths.data={folder.parent}/data"]
    command = [sys.executable, "-m", "pdtrain.commands.train", *_SMALL, *paths, *overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def _assert_equal(rows: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert not rows.duplicated(_KEYS).any(), "each row once"
    rows, expected = (frame.set_index(_KEYS).sort_index() for frame in (rows, expected))
    assert rows.index.equals(expected.index)
    for column in ("value", "standard_deviation", "lower", "upper"):
        np.testing.assert_allclose(rows[column], expected[column], rtol=1e-5, atol=1e-7)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _train(tmp_path_factory.mktemp("runs") / "single")


def test_two_processes_give_the_rows_of_one_through_the_whole_training(single: Path) -> None:
    parallel = _train(single.parent / "parallel", "trainer=ddp_sim")

    _assert_equal(load(parallel), load(single))
    assert sorted(path.name for path in (parallel / "results").iterdir()) == sorted(
        path.name for path in (single / "results").iterdir()
    )
    metrics = [pd.read_csv(folder / "csv" / "metrics.csv") for folder in (parallel, single)]
    assert len(metrics[0]) == len(metrics[1])
    for name in ("val/loss", "train/accuracy_evaluated"):
        np.testing.assert_allclose(metrics[0][name].dropna(), metrics[1][name].dropna(), rtol=1e-5)


def test_two_hosts_give_the_rows_of_one_process(tmp_path: Path) -> None:
    """Two commands, as on two machines, that find each other at an address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    hosts = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}"]
    launch = [sys.executable, "-m", "torch.distributed.run", *hosts, "--local-addr=localhost"]
    few = ["layers.names=[relu1,output]", "probes.object_information=null", "trainer.max_epochs=1"]
    folder, data = tmp_path / "hosts", f"paths.data={tmp_path}/data"
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("train", [*_SMALL, *few, data, f"paths.run_dir={tmp_path}/single", f"paths.runs={tmp_path}"])
    single = train(config)
    paths = [f"hydra.run.dir={folder}", data]
    trainer = ["trainer=ddp_sim", "trainer.devices=1", "trainer.num_nodes=2"]
    command = [*launch, "-m", "pdtrain.commands.train", *_SMALL, *paths, *few, *trainer]

    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said, errors = zip(*(process.communicate() for process in running), strict=True)

    assert [process.returncode for process in running] == [0, 0], errors
    _assert_equal(load(folder), load(single))
    assert sum("results: " in one for one in said) == 1
    lines = [len(pd.read_csv(run / "csv" / "metrics.csv")) for run in (folder, single)]
    assert lines[0] == lines[1]


def test_two_processes_go_on_from_a_checkpoint_as_one_does(single: Path) -> None:
    from pdtrain.results.status import write_status
    from pdtrain.training.checkpoints import resumable_checkpoints

    parallel = _train(single.parent / "resumed", "trainer=ddp_sim")
    resumable_checkpoints(parallel / "checkpoints")[0].unlink()
    (parallel / "results" / "epoch=0002-step=00000012.rows.parquet").unlink()
    write_status(parallel, "failed")

    _train(parallel, "trainer=ddp_sim", "resume=auto")

    _assert_equal(load(parallel), load(single))
    assert len(pd.read_csv(parallel / "csv" / "metrics.csv")) == len(pd.read_csv(single / "csv" / "metrics.csv"))


@pytest.mark.parametrize("trainer", ["ddp", "ddp_sim"])
def test_rows_of_two_processes_with_batch_norm_are_those_of_one_from_the_checkpoints(
    trainer: str, tmp_path: Path
) -> None:
    within = ["callbacks.probing.schedule.log_spaced_steps=1"]  # validation would bring the processes together
    # each process has seen other batches: the running statistics that count are those of the checkpoint
    run_dir = _train(
        tmp_path / "run", f"trainer={trainer}", "trainer.accelerator=cpu", "model.network.batch_norm=true", *within
    )

    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        probe(compose("probe", [f"run_dir={run_dir}"]), [f"run_dir={run_dir}"])

    _assert_equal(load(run_dir), load(run_dir, probe_set="probe"))


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    paths = [f"hydra.run.dir={tmp_path}/run", f"paths.data={tmp_path}/data"]
    command = [sys.executable, "-m", "pdtrain.commands.train", *_SMALL, *paths, "trainer=ddp_sim", "data.batch_size=33"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("pdtrain-train")]
    assert len(lines) == 1 and "data.batch_size=33: give a multiple of 2" in lines[0]
