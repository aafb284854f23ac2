import gc
import json
import math
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest
import pytorch_lightning as lightning
import torch
import wandb
from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict
from torch import nn

from pdtrain.commands.build import build_network
from pdtrain.commands.train import train
from pdtrain.errors import InputError
from pdtrain.loggers.wandb_files import records
from pdtrain.results.caveats import caveats_of_run
from pdtrain.results.reader import load
from pdtrain.results.status import is_finished
from pdtrain.training.image_sets import DEBIAN_FASHION_MNIST
from pdtrain.training.models import small_vgg

Configure = Callable[..., DictConfig]
_FEW_PROBES = ["probes.unit_information.properties=[luminance]", "probes.object_information=null"]


def _weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_a_run_probes_every_epoch_and_writes_its_report(configure: Configure) -> None:
    run_dir = train(configure("report=true", "trainer.enable_progress_bar=false"))

    rows = load(run_dir)
    assert sorted(rows.epoch.unique()) == [0, 1, 2]
    assert set(rows.probe) == {"intrinsic_dimension", "unit_information", "object_information", "activity", "index"}
    assert not rows.duplicated(["epoch", "step", "layer", "probe", "quantity", "property"]).any()
    measured = rows[(rows.layer == "output") & (rows.probe != "index")]
    untrained, trained = (measured[measured.epoch == e].value.to_numpy() for e in (0, 2))
    assert (untrained != trained).any()
    inputs = rows[(rows.layer == "input") & (rows.quantity == "two_nn")].value
    assert inputs.nunique() == 1, "pixels do not change over training"
    page = (run_dir / "report" / "report.html").read_text()
    assert "data:image/svg+xml" in page and "http://www" not in page.replace("http://www.w3.org", "")
    drawn = {path.name for path in (run_dir / "report").iterdir()}
    assert {"dimension.png", "information.svg", "objects.png", "stimuli.png"} <= drawn
    assert len(list((run_dir / "checkpoints").glob("epoch=*.ckpt"))) == 3


def test_a_run_is_probed_with_transformed_images_and_knows_their_parameters(configure: Configure) -> None:
    tiny = ["data.training_images=160", "data.validation_images=100", "data.pixels=16", "trainer.max_epochs=1"]
    stimuli = ["stimuli=transformed", "stimuli.objects=5", "stimuli.views=20", "probes.object_information=null"]
    properties = "[object_luminance,luminance,class,identity]"
    quick = ["model.network.widths=[4,8]", "+trainer.enable_progress_bar=false", "report=false"]

    rows = load(train(configure(*stimuli, f"probes.unit_information.properties={properties}", tiny=[*tiny, *quick])))

    of_input = rows[(rows.layer == "input") & (rows.quantity == "mean") & (rows.epoch == 1)].set_index("property").value
    assert set(of_input.index) == {"object_luminance", "luminance", "class", "identity"}
    assert of_input["object_luminance"] > 0.02, "pixels tell how bright the object is made"


def test_probing_leaves_the_weights_bit_identical(configure: Configure) -> None:
    augmented = ["data.geometric=1", "data.photometric=0.5"]
    probed = _weights(train(configure(*augmented, run="probed")))
    bare = _weights(train(configure(*augmented, "callbacks=no_probes", run="bare")))

    assert all(torch.equal(probed[name], bare[name]) for name in bare)


class Survivors(lightning.Callback):
    """Notes which networks of all trainings so far are still in memory at the end of each."""

    networks: ClassVar[list[weakref.ref]] = []
    alive: ClassVar[list[list[bool]]] = []

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.networks.append(weakref.ref(pl_module.network))
        gc.collect()
        self.alive.append([network() is not None for network in self.networks])


def test_no_earlier_job_of_a_process_is_kept_in_memory(configure: Configure) -> None:
    for job in ("first", "second"):
        config = configure("callbacks=no_probes", "trainer.max_epochs=1", run=job)
        with open_dict(config):
            config.callbacks.survivors = {"_target_": f"{__name__}.Survivors"}
        train(config)

    assert Survivors.alive == [[True], [False, True]]
    assert gc.get_freeze_count() == 0


def stillborn_network(num_classes: int, channels: int) -> nn.Module:
    """A network none of whose hidden units ever answers, trained or not."""
    network = small_vgg(num_classes, channels, widths=(4,), hidden=8)
    nn.init.constant_(network.get_submodule("hidden").bias, -1e6)
    return network


def test_a_dead_control_is_said_wherever_its_numbers_are_seen(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    probes = ["probes.unit_information.properties=[luminance,identity]", "probes.object_information=null"]
    config = configure("data.shuffled_labels=true", "logger=csv_wandb", "report=true", *probes)
    config.model.network = {"_target_": f"{__name__}.stillborn_network"}
    with open_dict(config):
        del config.trainer.enable_progress_bar
    config.callbacks.progress.mode = "plain"

    run_dir = train(config)

    printed = " ".join(capsys.readouterr().out.split())
    for point in range(3):
        assert f"Dead network at epoch {point}" in printed, "below the table of each point"
    page = (run_dir / "report" / "report.html").read_text()
    banner, note = page.index('<ul class="caveats" role="alert">'), page.index('<p class="note">')
    assert banner < note < page.index("<nav>")
    wandb.teardown()  # W&B ends a run before all of it is on the disk
    found = list(records(next(run_dir.glob("wandb/offline-run-*/*.wandb"))))
    sentences = [
        u for r in found if r.HasField("summary") for u in r.summary.update if "caveats" in (u.key, *u.nested_key)
    ]
    at_wandb = " ".join(json.loads(sentences[-1].value_json))
    for text in (printed, page, at_wandb):
        assert text.count("Dead network at epochs 0 to 2 (0 is untrained): ") == 1 and text.count("relu3 100%") >= 1
        assert text.count("Not memorised: ") == 1
    assert "refer here to the true labels of stimuli" in printed and "refer here to the true labels of stimuli" in page
    tags = [set(record.run.tags) for record in found if record.HasField("run")]
    assert tags[-1] == {"dead network", "not memorised"}


def test_a_control_without_probes_is_judged_too(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    train(configure("data.shuffled_labels=true", "callbacks=no_probes", "trainer.max_epochs=1"))

    assert "Not memorised: " in capsys.readouterr().out


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.exists(), reason="needs Debian's dataset-fashion-mnist")
def test_the_control_on_fashion_mnist_memorises_its_recipe_made_small(configure: Configure) -> None:
    small = ["experiment=shuffled_labels_fashion_mnist", "data.subset=60", "data.batch_size=10", "stimuli=training"]
    small += ["stimuli.count=60", "callbacks.probing.schedule.every_epochs=null", "report=false"]
    small += [
        "trainer.max_epochs=12",
        "probes.unit_information.properties=[identity]",
        "probes.unit_information.bins=2",
    ]
    small += ["probes.index_property=identity", "probes.object_information=null", "+trainer.limit_val_batches=1"]

    run_dir = train(configure(tiny=small))

    assert caveats_of_run(run_dir, load(run_dir)) == []


def test_resuming_goes_on_from_the_checkpoint(configure: Configure) -> None:
    whole = train(configure(*_FEW_PROBES, run="whole"))
    first = next((whole / "checkpoints").glob("epoch=0001*.ckpt"))

    resumed = train(configure(*_FEW_PROBES, f"ckpt_path='{first}'", run="resumed"))

    assert sorted(load(resumed).epoch.unique()) == [2]
    assert all(torch.isfinite(value).all() for value in _weights(resumed).values())


def test_csv_holds_metrics_under_their_keys(configure: Configure) -> None:
    run_dir = train(configure(*_FEW_PROBES))

    columns = pd.read_csv(run_dir / "csv" / "metrics.csv").columns
    expected = {
        "id/relu1/two_nn",
        "id/relu1/two_nn_std",
        "info/pool1/luminance/mean",
        "index/expansion",
        "val/accuracy",
        "train/loss",
        "train/learning_rate",
        "train/gradient_norm",
        "time/epoch",
        "time/probe",
    }
    assert expected <= set(columns)


def test_offline_wandb_run_reads_back(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run_dir = train(configure(*_FEW_PROBES, "logger=csv_wandb", "sweep.metric=info/pool1/luminance/median"))
    wandb.teardown()  # W&B ends a run before all of it is on the disk

    history, metrics, config = [], [], []
    for record in records(next(run_dir.glob("wandb/offline-run-*/*.wandb"))):
        if record.HasField("metric"):
            metrics.append((record.metric.glob_name, record.metric.step_metric))
        if record.HasField("history"):
            history.append({item.key or "/".join(item.nested_key): item.value_json for item in record.history.item})
        if record.HasField("run"):
            config += [item.key for item in record.run.config.update]
        if record.HasField("config"):
            config += [item.key or item.nested_key[0] for item in record.config.update]
    probed = [line for line in history if "id/relu1" in line]
    keys = {key for line in history for key in line}
    assert "info/pool1/luminance/median" in keys, "what a sweep looks at"
    assert "info/relu1/luminance/median" not in keys, "of no interest at a glance"
    assert [float(line["epoch"]) for line in probed] == [0, 1, 2]
    assert ("id/*", "epoch") in metrics and ("info/*", "epoch") in metrics
    rows = load(run_dir)
    last = rows[(rows.epoch == 2) & (rows.layer == "relu1") & (rows.probe == "intrinsic_dimension")].value.iloc[0]
    assert math.isclose(float(probed[-1]["id/relu1"]), last, rel_tol=1e-6)
    assert any(key.startswith("data") for key in config)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("layers.names=[conv9]", "layers.names=conv9"),
        ("probes.unit_information.properties=[luminence]", "did you mean luminance"),
        ("probes.unit_information.properties=[entropy@receptive_field]", "luminance@receptive_field"),
        ("probes.unit_information.correction=best", "correction=best"),
        ("probes.intrinsic_dimension.estimators=[three_nn]", "estimators=three_nn"),
        ("stimuli.count=1000", "stimuli.count=1000"),
        ("stimuli.count=10", "needs at least"),
        ("data.subset=9999", "data.subset=9999"),
        ("ckpt_path=missing.ckpt", "ckpt_path=missing.ckpt"),
        ("callbacks.probing.schedule.every_epochs=0", "every_epochs=0"),
    ],
)
def test_wrong_input_names_the_key_before_training(configure: Configure, override: str, message: str) -> None:
    from hydra.errors import InstantiationException

    config = configure(override)
    with pytest.raises((InputError, InstantiationException)) as caught:
        train(config)

    error = caught.value if isinstance(caught.value, InputError) else caught.value.__cause__
    assert isinstance(error, InputError) and message in str(error) and "\n" not in str(error)
    assert not (Path(config.paths.run_dir) / "checkpoints").exists()


def test_image_too_small_for_the_model(configure: Configure) -> None:
    tiny = ["data.pixels=16", "data.training_images=50", "data.validation_images=50", "model=alexnet"]

    from hydra.errors import InstantiationException

    with pytest.raises((InputError, InstantiationException), match=r"data.pixels=16: the image is too small"):
        train(configure(tiny=tiny))


def test_checkpoint_of_another_architecture(configure: Configure) -> None:
    run_dir = train(configure("callbacks=no_probes"))

    with pytest.raises(InputError, match="another architecture"):
        train(configure(f"ckpt_path={run_dir}/checkpoints/last.ckpt", "model.network.hidden=8", run="second"))


def test_the_command_ends_wrong_input_with_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pdtrain.commands.train", "layers.names=[conv9]", "data.training_images=100"]

    done = subprocess.run([*command, f"hydra.run.dir={tmp_path}"], capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 2
    assert "layers.names=conv9: no such layer" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.exists(), reason="needs Debian's dataset-fashion-mnist")
def test_fashion_mnist_trains_on_the_real_files(configure: Configure) -> None:
    tiny = ["experiment=fashion_mnist", "data.subset=300", "stimuli.count=100", "trainer.max_epochs=1", "report=false"]

    rows = load(train(configure(tiny=tiny)))

    assert sorted(rows.epoch.unique()) == [0, 1]


def test_log_spaced_steps_are_probed_within_an_epoch(configure: Configure) -> None:
    every, spaced = (f"callbacks.probing.schedule.{key}" for key in ("every_epochs=null", "log_spaced_steps=1"))
    run_dir = train(configure(*_FEW_PROBES, every, spaced, "data.batch_size=20"))

    assert sorted(load(run_dir).step.unique()) == [0, 1, 2, 4, 8, 16]


def test_an_untrained_network_is_at_chance(configure: Configure) -> None:
    config = configure(tiny=["data.training_images=100", "stimuli.count=1000"])
    data = instantiate(config.data)
    data.setup()
    torch.manual_seed(0)
    network = build_network(config, data).train()  # untrained running statistics would say nothing

    stimuli = data.held_out(1000, seed=0)

    with torch.no_grad():
        accuracy = (network(stimuli.images[:]).argmax(1) == stimuli.labels).float().mean()
    assert abs(float(accuracy) - 0.1) < 0.05


def test_a_report_that_cannot_be_drawn_makes_no_training_fail(
    configure: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_ink(*args: object, **kwargs: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("pdtrain.report.page.write_report", without_ink)
    small = ["probes.unit_information=null", "probes.object_information=null", "trainer.max_epochs=1"]

    run_dir = train(configure("report=true", *small))

    assert "no report: ValueError: no ink" in capsys.readouterr().out
    assert is_finished(run_dir)


def test_dimension_may_be_measured_by_any_estimator_alone(configure: Callable[..., DictConfig]) -> None:
    only = ["probes.intrinsic_dimension.estimators=[mle]", "probes.object_information=null", "trainer.max_epochs=1"]

    run_dir = train(configure("report=true", "probes.unit_information.properties=[contrast]", *only))

    rows = load(run_dir)
    assert set(rows[rows.quantity == "expansion"].property) == {"mle"}
    assert "intrinsic dimension (mle)" in (run_dir / "report" / "dimension.svg").read_text()
