"""What tells runs apart, and what their settings are called."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf, open_dict

from pdtrain.commands.choices import keep_choices
from pdtrain.errors import InputError
from pdtrain.results.configuration import keep_configuration, load_configuration, save_configuration
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.settings import ALL, settings_of

Make = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[DictConfig], str]:
    """Keep the configuration of a run, and return its folder."""

    def write_one(config: DictConfig) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        save_configuration(folder, config)
        return str(folder)

    return write_one


@pytest.fixture
def make(write: Callable[[DictConfig], str]) -> Make:
    """Keep the configurations of runs, one for each list of overrides, and return their folders."""
    return lambda *runs, choices=True: [write(_composed(tuple(overrides), choices)) for overrides in runs]


@cache
def _composed(overrides: tuple[str, ...] = (), choices: bool = True) -> DictConfig:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("train", [*overrides, "paths.run_dir=run"], return_hydra_config=True)
    hydra = config.hydra
    with open_dict(config):
        del config["hydra"]
    if choices:
        keep_choices(config, hydra)
    return config


def _changed(key: str, value: object) -> DictConfig:
    config = _composed().copy()
    OmegaConf.set_struct(config, False)
    OmegaConf.update(config, key, value)
    return config


def _names(runs: list[str], by: str | list[str] | None = None) -> list[str]:
    return list(settings_of(runs, by).setting_of.values())


def test_what_says_how_a_run_was_made_is_no_setting(write: Callable[[DictConfig], str], make: Make) -> None:
    how = {
        "sweep.resume": True, "resume": "auto", "debug": True, "report": False, "paths.runs": "elsewhere", "seed": 2,
        "data.workers": 3, "callbacks.progress.mode": "quiet", "trainer.enable_progress_bar": False,
        "trainer.accelerator": "cpu", "callbacks.wandb_media": None, "callbacks.resuming": None,
        "trainer.log_every_n_steps": 1, "compile": True, "channels_last": True, "layers.batch_size": 7,
        "callbacks.probing.on_error": "warn", "callbacks.checkpoint": None, "logger.csv": None,
    }  # fmt: skip
    runs = [write(_changed(key, value)) for key, value in how.items()]

    assert set(_names([*make([], ["logger=csv_wandb", "sweep=seeds"]), *runs])) == {ALL}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trainer.precision", "bf16-mixed"), ("trainer.max_epochs", 3), ("trainer.limit_train_batches", 2),
        ("trainer.accumulate_grad_batches", 4), ("trainer.gradient_clip_val", 1.0), ("trainer.devices", 2),
        ("optimizer.lr", 0.5), ("ckpt_path", "other.ckpt"), ("label_smoothing", 0.1), ("data.root", "elsewhere"),
        ("callbacks.probing.network", "backbone"),
    ],
)  # fmt: skip
def test_what_changes_training_or_what_is_measured_is_a_setting(
    key: str, value: object, write: Callable[[DictConfig], str]
) -> None:
    one, other = _names([write(_composed()), write(_changed(key, value))])

    assert one != other and other == f"{key}={value}"


def test_callbacks_that_train_are_settings(make: Make) -> None:
    stopping = ["+callbacks.stopping._target_=pytorch_lightning.callbacks.EarlyStopping"]
    stopping.append("+callbacks.stopping.monitor=val/loss")

    assert _names(make([], ["callbacks=averaged"], choices=False)) == [
        "no callbacks.averaging", "callbacks.averaging=EMAWeightAveraging"
    ]  # fmt: skip
    assert _names(make([], ["callbacks=averaged"])) == ["callbacks=default", "callbacks=averaged"]
    assert _names(make([], stopping)) == ["no callbacks.stopping", "callbacks.stopping=EarlyStopping"]


def test_networks_are_called_by_what_was_chosen(make: Make) -> None:
    runs = make(*([f"model={model}", f"seed={seed}"] for model in ("small_vgg", "resnet18") for seed in (0, 1)))

    found = settings_of(runs)

    assert list(found.setting_of.values()) == ["small_vgg", "small_vgg", "resnet18", "resnet18"]
    assert list(found.replicate_of.values()) == ["seed=0", "seed=1"] * 2
    keys = found.keys_of[runs[2]]
    assert keys["model.network.name"] == "resnet18" and keys["model.network.widths"] is None
    assert "seed" not in keys and "choices.model" not in keys


def test_a_choice_stands_for_no_more_than_it_decides(make: Make) -> None:
    widths = ["model.network.widths=[4]", "model.network.widths=[8]"]
    models = make(["model=small_vgg", widths[0]], ["model=small_vgg", widths[1]], ["model=resnet18"])
    sets = make(["experiment=fashion_mnist"], [], ["optimizer.lr=0.5"])

    assert _names(models) == [f"small_vgg, {widths[0]}", f"small_vgg, {widths[1]}", "resnet18"]
    assert _names(sets) == [
        "fashion_mnist, optimizer.lr=0.003", "no experiment, optimizer.lr=0.003", "no experiment, optimizer.lr=0.5"
    ]  # fmt: skip


def test_runs_that_kept_no_choices_are_called_by_their_keys(make: Make) -> None:
    old, new = make(["model=small_vgg"], ["model=resnet18"], choices=False), make(["model=resnet18", "seed=1"])

    for runs in ([*old], [*old, *new]):
        names = _names(runs)
        assert names[0] == "model.network=small_vgg" and set(names[1:]) == {"model.network=torchvision_model"}
        assert _names(runs, "model") == names


def test_runs_are_grouped_by_any_key_or_group_or_several(make: Make) -> None:
    runs = make(*([f"seed={seed}", f"optimizer={name}"] for seed in (1, 2) for name in ("sgd", "adamw")))

    assert _names(runs, "seed") == ["seed=1", "seed=1", "seed=2", "seed=2"]
    assert _names(runs, "optimizer") == ["sgd", "adamw"] * 2
    assert _names(runs, "model.network.widths") == ["model.network.widths=[16, 32, 64]"] * 4
    assert _names(runs, "optimizer.momentum")[:2] == ["optimizer.momentum=0.9", "optimizer.momentum=None"]
    assert _names(runs, ["optimizer", "seed"])[:2] == ["sgd, seed=1", "adamw, seed=1"]
    by_seed = settings_of(runs, "seed").replicate_of
    assert by_seed[runs[0]] == by_seed[runs[2]] != by_seed[runs[1]], "what else differs pairs them"
    with pytest.raises(InputError, match=r"by=sed: no such key of the configuration; did you mean seed\?"):
        settings_of(runs, "sed")


def test_a_configuration_of_the_first_version_is_no_setting_of_its_own(make: Make) -> None:
    runs = make(["seed=1"], ["seed=2"], choices=False)
    config = load_configuration(runs[0])
    assert config is not None
    with open_dict(config):
        del config.probes.object_information.most_pairs
        config.probes.unit_information.gaussian_copula = False
        config.probes.unit_information.correction = "panzeri_treves"
        del config.probes.unit_information.nearest_neighbors
        del config.data.luminance_gradient
        del config.trainer.plugins
        del config.trainer.precision
    save_configuration(runs[0], config)

    assert _names(runs) == [ALL, ALL]


def test_choices_from_elsewhere_are_text_or_none(make: Make) -> None:
    runs = make(["model=small_vgg"], ["model=resnet18"])
    for run, odd in zip(runs, ({"model": {"a": 1}, "data": 5}, "words"), strict=True):
        config = load_configuration(run)
        assert config is not None
        with open_dict(config):
            config.choices = odd
        save_configuration(run, config)

    assert _names(runs) == ["model.network=small_vgg", "model.network=torchvision_model"]


def test_what_a_probe_set_was_measured_with_is_a_setting_and_what_training_measured_is_none(make: Make) -> None:
    runs = make(["seed=1", "stimuli.count=100"], ["seed=2"], ["seed=3"], ["seed=4"])
    other_data = "data=fashion_mnist"
    measured = ["stimuli.count=300"], ["stimuli.count=300"], ["stimuli.count=60"], ["stimuli.count=300", other_data]
    for run, overrides in zip(runs, measured, strict=True):
        folder = RunFolder(run).results("after")
        keep_configuration(folder, _composed(tuple(overrides)), ["data", "stimuli", "layers", "probes"])

    assert _names(runs) == ["stimuli.count=100", *["stimuli.count=1000"] * 3]
    names = list(settings_of(runs, probe_set="after").setting_of.values())
    assert names[0] == names[1] and len(set(names)) == 3
    assert names[2].endswith("stimuli.count=60") and names[3].startswith("probed.data=TorchvisionData")
    by_count = settings_of(runs, "stimuli.count", probe_set="after").setting_of
    assert list(by_count.values())[1:3] == ["stimuli.count=300", "stimuli.count=60"]


def test_keys_that_refer_to_others_have_their_values(make: Make) -> None:
    runs = make(["optimizer.lr=0.1"], ["optimizer.lr=0.2"], ["optimizer.lr=0.1", "scheduler.max_lr=0.1"])

    assert _names(runs, "scheduler.max_lr") == [f"scheduler.max_lr={rate}" for rate in (0.1, 0.2, 0.1)]
    assert _names(runs) == [f"optimizer.lr={rate}" for rate in (0.1, 0.2, 0.1)], "said once, however it was given"


def test_runs_of_a_script_of_ones_own_are_told_apart_by_their_hyperparameters(tmp_path: Path, make: Make) -> None:
    runs = []
    for place, rate in enumerate((0.1, 0.1, 0.2)):
        (tmp_path / f"version_{place}").mkdir()
        (tmp_path / f"version_{place}" / "hparams.yaml").write_text(f"lr: {rate}\n")
        runs.append(str(tmp_path / f"version_{place}"))

    found = settings_of(runs)
    assert list(found.setting_of.values()) == ["lr=0.1", "lr=0.1", "lr=0.2"]
    assert len(set(found.replicate_of.values())) == 3, "no seed is known, and none is taken for another"
    assert _names([*make([]), runs[2]]) == ["pdtrain-train", "own script"]
    for place, seed in ((0, 7), (2, 7)):
        (tmp_path / f"version_{place}" / "hparams.yaml").write_text(f"lr: 0.{place}\nseed: {seed}\n")
    assert len(set(settings_of([runs[0], runs[2]]).replicate_of.values())) == 1, "one seed, which pairs them"
    (tmp_path / "version_1" / "hparams.yaml").write_text("net: !!python/object/apply:os.system [false]\n")
    assert _names(runs) == runs, "who kept nothing that is data is pooled with none"
    RunFolder(runs[0]).status.touch()
    with pytest.raises(InputError, match=r"version_0: its run\.yaml is missing"):
        settings_of(runs)
