"""Experiments of the user: a file that sets any key of any group, chooses other groups and adds what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from pdtrain.commands.configuration_check import check_values
from pdtrain.errors import InputError
from pdtrain.results.configuration import leaves

_MINE = """
# @package _global_
defaults:
  - override /data: mine
  - override /model: resnet18
  - override /probes: full

seed: 7
compile: true
report: false
resume: auto
sweep:
  metric: index/distillation

data:
  subset: 100
model:
  network:
    small_images: false
optimizer:
  lr: 0.5
layers:
  max_units: 10
stimuli:
  count: 60
probes:
  seed: 3
  object_information: null
trainer:
  precision: 64
paths:
  data: elsewhere
callbacks:
  progress:
    mode: quiet
  stopping:
    _target_: pytorch_lightning.callbacks.EarlyStopping
    monitor: val/accuracy
logger:
  csv: null
hydra:
  run:
    dir: runs/mine
"""
_DATA = """
defaults:
  - /image_data@_here_

_target_: pdtrain.training.image_sets.ImageFolderData
root: photographs
"""
_EXPECTED = {
    "seed": 7,
    "data.seed": 7,
    "compile": True,
    "report": False,
    "resume": "auto",
    "sweep.metric": "index/distillation",
    "data._target_": "pdtrain.training.image_sets.ImageFolderData",
    "data.root": "photographs",
    "data.subset": 100,
    "data.flip": False,
    "model.network.name": "resnet18",
    "model.network.small_images": False,
    "optimizer.lr": 0.5,
    "scheduler.max_lr": 0.5,
    "layers.max_units": 10,
    "layers.seed": 3,
    "stimuli.count": 60,
    "probes.discriminability.folds": 5,
    "probes.object_information": None,
    "trainer.precision": 64,
    "paths.data": "elsewhere",
    "callbacks.progress.mode": "quiet",
    "callbacks.stopping._target_": "pytorch_lightning.callbacks.EarlyStopping",
    "logger.csv": None,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a user gives as --config-dir, beside the images that it names."""
    (tmp_path / "photographs").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, text in {"experiment/mine": _MINE, "data/mine": _DATA}.items():
        path = tmp_path / "mine" / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text.lstrip())
    return tmp_path / "mine"


def _composed(folder: Path, *overrides: str) -> DictConfig:
    given = [f"hydra.searchpath=[file://{folder}]", *overrides]
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        return compose("train", given, return_hydra_config=True)


def _check(config: DictConfig) -> None:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        check_values(config, config.hydra)


def _held(config: DictConfig, keys: list[str]) -> dict:
    return {key: OmegaConf.select(config, key, default="missing") for key in keys}


def test_an_experiment_of_ones_own_sets_any_key(folder: Path) -> None:
    config = _composed(folder, "experiment=mine")

    _check(config)
    assert _held(config, list(_EXPECTED)) == _EXPECTED
    assert config.hydra.run.dir == "runs/mine"
    ready_made = ["checkpoint", "probing", "progress", "resuming", "training_accuracy", "wandb_media"]
    assert sorted(config.callbacks) == sorted([*ready_made, "stopping"]), "added to the others"


def test_the_command_line_wins_over_an_experiment_and_a_sweep_too(folder: Path) -> None:
    (folder / "sweep").mkdir()
    (folder / "sweep" / "mine.yaml").write_text("# @package _global_\nreport: true\ncompile: false\n")

    config = _composed(folder, "experiment=mine", "sweep=mine", "seed=9", "compile=true", "model=small_vgg")

    assert (config.seed, config.data.seed, config.compile, config.report) == (9, 9, True, True)
    assert "widths" in config.model.network


def test_every_key_of_the_entry_configuration_may_be_set(tmp_path: Path) -> None:
    """None is lost behind the defaults of conf/train.yaml, which are the last that could hide one."""
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        ours = OmegaConf.to_container(compose("train"), resolve=False)
    keys = [key for key, _ in leaves(ours)]
    mine = OmegaConf.create({})
    for key in keys:
        OmegaConf.update(mine, key, f"set: {key}", force_add=True)
    (tmp_path / "experiment").mkdir()
    path = tmp_path / "experiment" / "mine.yaml"
    path.write_text(f"# @package _global_\n{OmegaConf.to_yaml(mine)}")

    config = _composed(tmp_path, "experiment=mine")

    assert _held(config, keys) == {key: f"set: {key}" for key in keys}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: x", "seed=x: a whole number is needed, such as 0"),
        ("defaults: [override /data: imagefolder]\ndata: {root: x, flip: 3}", "data.flip=3: true or false"),
    ],
)
def test_wrong_values_of_an_experiment_are_named(text: str, said: str, folder: Path) -> None:
    (folder / "experiment" / "wrong.yaml").write_text(f"# @package _global_\n{text}\n")

    with pytest.raises(InputError) as caught:
        _check(_composed(folder, "experiment=wrong"))

    assert str(caught.value).startswith(said)


def test_a_group_of_ones_own_is_nobodys_default(folder: Path) -> None:
    (folder / "plan").mkdir()
    (folder / "plan" / "short.yaml").write_text("weeks: 3\n")

    config = _composed(folder, "+plan=short")

    _check(config)
    assert config.plan.weeks == 3


def test_the_command_takes_a_folder_of_experiments(folder: Path) -> None:
    given = ["--config-dir", "mine", "experiment=mine", "--cfg", "job"]
    command = [sys.executable, "-m", "pdtrain.commands.train", *given]

    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=True)

    shown = OmegaConf.create(done.stdout)
    shown.paths.run_dir = ""  # of a job alone
    assert _held(shown, list(_EXPECTED)) == _EXPECTED
