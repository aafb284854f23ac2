"""Each experiment of the papers by its command, tiny; and what is said where it is given to the other one."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from PIL import Image

from pdtrain.commands import probe, train
from pdtrain.results.configuration import load_configuration
from pdtrain.results.reader import load
from pdtrain.training.models import torchvision_model

_SMALL = ("model=torchvision", "model.network.name=squeezenet1_1", "preprocessing.pixels=40", "layers.max_units=8")
_TINY_DATA = ("data=objects", "data.training_images=160", "data.validation_images=100", "stimuli.count=100")
_QUICK = (
    "probes.intrinsic_dimension.resamplings=2", "probes.unit_information=null", "probes.object_information=null",
    "layers.max_units=8", "callbacks.probing.checkpoints=null", "callbacks.checkpoint=null",
    "+trainer.enable_progress_bar=false", "report=false",
)  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict, and beside it a folder of images."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(5)
    torch.save(torchvision_model(20, 3, name="squeezenet1_1").state_dict(), folder / "squeezenet.pth")
    (folder / "images").mkdir()
    for index, pixels in enumerate(torch.randint(256, (60, 44, 48, 3)).byte()):
        Image.fromarray(pixels.numpy()).save(folder / "images" / f"{index}.png")
    return folder / "squeezenet.pth"


def _probed(experiment: str, *overrides: str) -> pd.DataFrame:
    given = [f"experiment={experiment}", *_SMALL, *overrides]
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("probe", given)
    probe.probe(config, given)
    return load(config.out, probe_set="probe")


def test_ansuini_pretrained(weights: Path, tmp_path: Path) -> None:
    images = (f"stimuli.root={weights.parent}/images", "stimuli.count=50", "probes.intrinsic_dimension.resamplings=2")

    rows = _probed("ansuini_pretrained", f"state_dict={weights}", *images, f"out={tmp_path}/out")

    assert set(rows["weights"]) == {"untrained", "pretrained"}
    assert {"two_nn", "two_nn_ansuini", "pc_id", "two_nn_resampled"} <= set(rows.quantity)
    assert "unit_information" not in set(rows.probe)
    places = list(rows[rows.quantity == "pc_id"].drop_duplicates("layer").sort_values("layer_index").layer)
    assert places[0] == "input" and "features.2" in places, "the poolings"


def test_muratore(weights: Path, tmp_path: Path) -> None:
    rows = _probed(
        "muratore", f"state_dict={weights}", "stimuli.count=130", "stimuli.identities=2", f"out={tmp_path}/out",
        "probes.intrinsic_dimension.resamplings=2", "probes.discriminability.folds=2",
        "layers.names=[input,features.5,features.12,classifier.3]",
    )  # fmt: skip

    measured = {(row.probe, row.quantity) for row in rows.itertuples()}
    assert {("intrinsic_dimension", "two_nn"), ("object_information", "view_invariant")} <= measured
    assert ("discriminability", "accuracy") in measured and ("index", "active_pruning") in measured
    assert "luminance@receptive_field" in set(rows.property)


def test_several_networks_are_one_sweep_that_leaves_nothing_else(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [
        "-m", "experiment=ansuini_pretrained", "model=torchvision", "model.network.name=squeezenet1_0,squeezenet1_1",
        "model.network.weights=${model.network.name}.pth", *_SMALL[2:], f"stimuli.root={weights.parent}/images",
        "stimuli.count=50", "probes.intrinsic_dimension.resamplings=2", "untrained=false",
        "out=nets/${model.network.name}",
    ]  # fmt: skip
    torch.save(torchvision_model(20, 3, name="squeezenet1_0").state_dict(), tmp_path / "squeezenet1_0.pth")
    (tmp_path / "squeezenet1_1.pth").write_bytes(weights.read_bytes())
    monkeypatch.setattr(sys, "argv", ["pdtrain-probe", *given])
    GlobalHydra.instance().clear()

    probe.main()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["nets", "squeezenet1_0.pth", "squeezenet1_1.pth"]
    configs = [load_configuration(tmp_path / "nets" / f"squeezenet1_{i}") for i in (0, 1)]
    assert [config and config.model.network.name for config in configs] == ["squeezenet1_0", "squeezenet1_1"]


@pytest.mark.parametrize("variant", ["", "_shuffled", "_gradient"])
def test_ansuini_mnist(variant: str, configure: Callable[..., DictConfig]) -> None:
    images = ("data.pixels=28", "data.subset=null", "trainer.max_epochs=1")
    config = configure(f"experiment=ansuini_mnist{variant}", *_TINY_DATA, *images, *_QUICK, tiny=[])

    rows = load(train.train(config))

    places = rows[rows.quantity == "two_nn"].drop_duplicates("layer").sort_values("layer_index").layer
    assert list(places) == ["input", "conv1", "pool1", "conv2", "pool2", "relu3", "output"]
    assert (config.data.shuffled_labels, config.data.luminance_gradient) == (
        variant == "_shuffled",
        100.0 if variant == "_gradient" else 0.0,
    )


def test_ansuini_dynamics(configure: Callable[..., DictConfig]) -> None:
    given = ("data.batch_size=80", "trainer.max_epochs=1", "callbacks.resuming=null", "stimuli.count=40")
    config = configure("experiment=ansuini_dynamics", *_TINY_DATA, *given, *_QUICK, tiny=[])

    rows = load(train.train(config))

    assert sorted(set(rows.step)) == [0, 1, 2], "log-spaced steps within the epoch, and its end"
    places = rows[rows.quantity == "two_nn"].drop_duplicates("layer").sort_values("layer_index").layer
    assert [str(name).removeprefix("network.") for name in places] == [
        "input", *(f"features.{i}" for i in (4, 9, 16, 23, 30)), "classifier.1", "classifier.4", "classifier.6",
    ]  # fmt: skip


@pytest.mark.parametrize("experiment", ["fashion_mnist", "ansuini_pretrained", "muratore"])
def test_an_experiment_of_another_command_is_refused_in_one_line(
    experiment: str, refuse: Callable[..., str], tmp_path: Path
) -> None:
    of_training = experiment == "fashion_mnist"
    name, main, given = ("probe", probe.main, ["out=out"]) if of_training else ("train", train.main, [])

    said = refuse(f"pdtrain-{name}", main, [f"experiment={experiment}", *given])

    right = "train" if of_training else "probe"
    assert re.search(
        rf"experiment={experiment}: sets \w+, which this command has not; give it to pdtrain-{right}", said
    )
    assert not (tmp_path / "out").exists()


def test_an_experiment_of_weights_is_none_of_a_run(refuse: Callable[..., str]) -> None:
    said = refuse("pdtrain-probe", probe.main, ["experiment=muratore", "run_dir=run"])

    assert "experiment=muratore: is for weights from elsewhere" in said
