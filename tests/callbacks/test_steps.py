"""Steps of several batches: probed once, equal to those of one large batch, and never cut in the middle."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as lightning
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from pdtrain.commands.probe import probe
from pdtrain.commands.train import train
from pdtrain.errors import Preempted
from pdtrain.results import load
from pdtrain.results.caveats import caveats_of_run
from pdtrain.training.checkpoints import resumable_checkpoints

Configure = Callable[..., DictConfig]
_FAST = [
    "probes.unit_information=null",
    "probes.object_information=null",
    "data.training_images=128",
    "layers.names=[pool1,output]",
]
_EVERY_STEP = [*_FAST, "callbacks.probing.schedule.log_spaced_steps=1"]
_EXACT = ["model.network.batch_norm=false", "trainer.precision=64-true"]


def test_a_step_of_two_batches_is_that_of_one_twice_as_large(configure: Configure) -> None:
    batches = {"two": ["data.batch_size=16", "trainer.accumulate_grad_batches=2"], "one": ["data.batch_size=32"]}

    folders = [train(configure(*_EVERY_STEP, *_EXACT, *given, run=run)) for run, given in batches.items()]

    two, one = map(load, folders)

    metrics = [pd.read_csv(f"{folder}/csv/metrics.csv") for folder in folders]
    assert len(metrics[0]) == len(metrics[1]), "each step once"
    points = two[["epoch", "step"]].drop_duplicates().to_numpy().tolist()
    assert points == [[0, 0], [0, 1], [0, 2], [0, 4], [1, 4], [1, 8], [2, 8]]
    keys = ["epoch", "step", "layer", "probe", "quantity"]
    pd.testing.assert_index_equal(two.set_index(keys).index, one.set_index(keys).index)
    np.testing.assert_allclose(two.value, one.value, rtol=1e-6)


class Stopper(lightning.Callback):
    """Asks the process to leave while the first of two batches is under way, the first time."""

    asked: ClassVar[list[int]] = []

    def on_train_batch_start(self, trainer: lightning.Trainer, *rest: object) -> None:
        if trainer.global_step == 5 and not self.asked:
            self.asked.append(trainer.global_step)
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_of_every_option_goes_on_as_if_it_had_not_been_cut_off(configure: Configure, tmp_path: Path) -> None:
    options = [
        "data.batch_size=16", "trainer.accumulate_grad_batches=2", "trainer.precision=bf16-mixed", "channels_last=true",
        "label_smoothing=0.1", "scheduler=warmup_cosine", "callbacks=averaged", "callbacks.averaging.decay=0.9",
        "trainer.max_epochs=null", "trainer.max_steps=8", "trainer.val_check_interval=4",
        f"+callbacks.stopper._target_={__name__}.Stopper",
    ]  # fmt: skip
    Stopper.asked[:] = [-1]
    reference = train(configure(*_FAST, *options, run="reference"))
    Stopper.asked.clear()

    with pytest.raises(Preempted) as caught:
        train(configure(*_FAST, *options))
    assert "after step 7" in caught.value.message, "a validation comes after step 6"
    run_dir = train(configure(*_FAST, *options, "resume=auto"))

    assert run_dir == tmp_path / "run" and _ends_as(run_dir, reference)
    pd.testing.assert_frame_equal(load(run_dir), load(reference))
    _probed_as_kept(run_dir)


def _probed_as_kept(run_dir: Path) -> None:
    """The averaged weights are what is probed, kept and said."""
    kept = torch.load(run_dir / "checkpoints" / "epoch=0001-step=00000004.ckpt", weights_only=True)
    name = "network.output.weight"
    assert not torch.allclose(kept["state_dict"][name], kept["current_model_state"][name])
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        probe(compose("probe", [f"run_dir={run_dir}"]), [f"run_dir={run_dir}"])
    np.testing.assert_allclose(load(run_dir, probe_set="probe").value, load(run_dir).value, rtol=1e-5)
    assert [caveat.kind for caveat in caveats_of_run(run_dir, load(run_dir))] == ["averaged weights"]


def _ends_as(run_dir: Path, reference: Path) -> bool:
    one, other = (
        torch.load(resumable_checkpoints(folder / "checkpoints")[0], weights_only=True)
        for folder in (run_dir, reference)
    )
    metrics = [pd.read_csv(folder / "csv" / "metrics.csv", dtype=str) for folder in (run_dir, reference)]
    metrics = [lines[[key for key in lines if not key.startswith("time/")]] for lines in metrics]
    alike, states = metrics[0].equals(metrics[1]), ["state_dict", "current_model_state"]
    return alike and all(torch.equal(one[s][name], other[s][name]) for s in states for name in one[s])
