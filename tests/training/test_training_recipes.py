"""The recipes, run whole on a few small images that lie as the real ones do."""

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from image_net import make_image_net
from omegaconf import DictConfig

from pdtrain.commands.train import train
from pdtrain.errors import InputError
from pdtrain.results import load

_FEW_PROBES = [
    "probes.unit_information=null", "probes.object_information=null", "report=false",
    "+trainer.enable_progress_bar=false",
]  # fmt: skip
_SMALL = [
    *_FEW_PROBES, "data.pixels=32", "data.resize=36", "data.batch_size=16", "data.workers=2", "stimuli.count=60",
    "trainer.max_epochs=1", "trainer.precision=32-true", "callbacks.probing.checkpoints=null",
    "callbacks.checkpoint=null",
]  # fmt: skip
_RECIPES = {
    "imagenet_resnet50": ["layers.names=[maxpool,layer4.2.relu,fc]"],
    # the form for small images, of which 32 pixels are
    "imagenet_vgg16": ["layers.names=[features.30,classifier.*]", "model.network.small_images=true"],
}


@pytest.fixture(scope="module")
def image_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image_net(tmp_path_factory.mktemp("image_net"), per_class=8, validation=60, noise=60)


def _given(experiment: str, root: Path) -> list[str]:
    labels = f"data.validation_labels={root}/ILSVRC2012_devkit_t12"
    return [f"experiment={experiment}", *_RECIPES[experiment], f"data.root={root}", labels]


@pytest.mark.parametrize("experiment", _RECIPES)
def test_recipes_of_image_net(
    experiment: str, image_net: Path, configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    config = configure(*_given(experiment, image_net), tiny=_SMALL)

    run_dir = train(config)

    rows = load(run_dir)
    assert sorted(rows.epoch.unique()) == [0, 1]
    assert rows[rows.quantity == "two_nn"].value.notna().all()
    metrics = pd.read_csv(run_dir / "csv" / "metrics.csv")
    assert np.isfinite(metrics["val/loss"].dropna()).all() and metrics["val/loss"].notna().sum() == 1
    assert len(list((tmp_path / "data" / "file_lists").iterdir())) == 2


def test_a_corrupt_image_ends_the_training_by_its_name(
    image_net: Path, configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    torn = next((image_net / "train").rglob("*.JPEG"))
    whole = torn.read_bytes()
    torn.write_bytes(whole[:200])
    options = [
        f"data.root={image_net}",
        f"data.validation_labels={image_net}/ILSVRC2012_devkit_t12",
        "layers.names=[input]",
    ]

    with pytest.raises(InputError, match=f"{torn.name}: corrupt image file"):
        train(configure("data=imagenet", "model.network.widths=[4]", *options, tiny=_SMALL))

    torn.write_bytes(whole)
    assert load(tmp_path / "run").epoch.unique().tolist() == [0], "what was measured before is kept"


def _write_cifar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(parents=True)
    files = {"batches.meta": pickle.dumps({"label_names": [str(i) for i in range(10)]})}
    for name, count in (("data_batch_1", 48), ("test_batch", 60)):
        pixels = np.random.default_rng(count).integers(256, size=(count, 3072), dtype=np.uint8)
        files[name] = pickle.dumps({"data": pixels, "labels": [i % 10 for i in range(count)]})
    sums = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    lists = [[[name, sums[name]]] for name in ("data_batch_1", "test_batch")]
    for name, value in (("meta", meta), ("train_list", lists[0]), ("test_list", lists[1])):
        monkeypatch.setattr(torchvision.datasets.CIFAR10, name, value)


def test_recipe_of_cifar(configure: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_cifar(tmp_path / "data" / "cifar-10-batches-py", monkeypatch)
    options = ["data.batch_size=16", "data.workers=0", "stimuli.count=60", "trainer.max_epochs=1"]

    run_dir = train(configure("experiment=cifar10_resnet18", *options, "layers.names=[fc]", tiny=_FEW_PROBES))

    assert sorted(load(run_dir).epoch.unique()) == [0, 1]
    kept = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["state_dict"]["network.conv1.weight"].shape == (64, 3, 3, 3), "the form for small images"
    assert kept["lr_schedulers"][0]["_last_lr"] == [0.0]
