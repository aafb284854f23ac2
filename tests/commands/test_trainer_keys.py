"""What Lightning's Trainer takes are keys, checked before it is built; null is Lightning's own default."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import pytorch_lightning as lightning
from omegaconf import DictConfig, OmegaConf

from pdtrain.commands.configuration_check import _compare
from pdtrain.commands.fitting_keys import check_fitting
from pdtrain.commands.train import train
from pdtrain.commands.trainer import NOT_KEYS, build_trainer, check_accelerator, check_parts
from pdtrain.errors import InputError
from pdtrain.limits import LIMITS, STRATEGIES
from pdtrain.results.configuration import differences
from pdtrain.results.reader import load
from pdtrain.results.run_folder import RunFolder

_ROOT = Path(__file__).parents[2]
Configure = Callable[..., DictConfig]


def _default() -> DictConfig:
    config = OmegaConf.load(_ROOT / "conf" / "trainer" / "default.yaml")
    assert isinstance(config, DictConfig)
    return config


def test_keys_are_the_arguments_of_the_trainer() -> None:
    arguments = inspect.signature(lightning.Trainer).parameters.keys()
    keys = {*_default()} - {"_target_"}

    assert arguments - keys == NOT_KEYS.keys(), "a new Lightning: give the argument a key and a limit, or say why not"
    assert keys - arguments == set()
    assert {f"trainer.{key}" for key in keys - {"plugins"}} == {key for key in LIMITS if key.startswith("trainer.")}


def test_names_are_those_that_lightning_has() -> None:
    from lightning_fabric.plugins.precision.precision import _PRECISION_INPUT
    from pytorch_lightning.accelerators import AcceleratorRegistry
    from pytorch_lightning.strategies import StrategyRegistry

    def names(key: str) -> set[str]:
        return {*getattr(LIMITS[key], "plain", LIMITS[key]).names}  # type: ignore[union-attr]

    assert {*STRATEGIES} - {"auto"} <= {*StrategyRegistry.available_strategies()}
    assert names("trainer.accelerator") == {*AcceleratorRegistry.available_accelerators(), "auto", "gpu"}
    precisions = {str(name) for literal in get_args(_PRECISION_INPUT) for name in get_args(literal)}
    assert names("trainer.precision") == precisions


@pytest.mark.parametrize("name", ["gpu", "cuda", "mps", "tpu"])
def test_an_accelerator_that_is_not_there_is_refused_by_its_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator, XLAAccelerator

    for kind in (CUDAAccelerator, MPSAccelerator, XLAAccelerator):
        monkeypatch.setattr(kind, "is_available", lambda: False)

    with pytest.raises(InputError, match=rf"^trainer\.accelerator={name}: .* choose cpu or auto$"):
        check_accelerator(name)


@pytest.mark.parametrize("name", ["gpu", "mps", "auto", "cpu", None, {"_target_": "mine.Accelerator"}])
def test_an_accelerator_that_is_there_is_taken(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_lightning.accelerators import MPSAccelerator

    monkeypatch.setattr(MPSAccelerator, "is_available", lambda: True)

    check_accelerator(name)


_READ_BACK = (
    "max_epochs", "max_steps", "num_sanity_val_steps", "val_check_interval", "limit_train_batches", "precision",
    "gradient_clip_val", "fast_dev_run", "check_val_every_n_epoch",
)  # fmt: skip


def test_null_is_lightnings_own_default(configure: Configure) -> None:
    config = configure("callbacks=no_probes", "trainer.max_epochs=null", "trainer.num_sanity_val_steps=null")
    ours = build_trainer(config, callbacks=[], logger=False)
    theirs = lightning.Trainer(logger=False, accelerator="auto", devices=1, default_root_dir=config.paths.run_dir)

    for name in _READ_BACK:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert type(ours.strategy) is type(theirs.strategy) and type(ours.profiler) is type(theirs.profiler)
    across = configure("trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=3")
    assert build_trainer(across, callbacks=[], logger=False).check_val_every_n_epoch is None


_BEFORE = {
    "_target_", "max_epochs", "accelerator", "devices", "precision", "accumulate_grad_batches", "deterministic",
    "log_every_n_steps", "num_sanity_val_steps", "default_root_dir", "enable_model_summary", "use_distributed_sampler",
    "plugins", "enable_progress_bar",
}  # fmt: skip


def test_a_run_that_was_stored_before_the_keys_were_there_goes_on(configure: Configure) -> None:
    config = configure()
    stored = config.copy()
    stored.trainer = {key: value for key, value in stored.trainer.items() if key in _BEFORE}

    assert differences(stored, config) == []
    assert differences(stored, configure("trainer.limit_train_batches=3")) == [("trainer.limit_train_batches", None, 3)]


_RIGHT: dict[str, list[Any]] = {
    "max_epochs": [0, -1, 3], "max_steps": [-1, 0, 100], "max_time": ["00:12:00:00", {"hours": 2}, {"minutes": 1.5}],
    "accelerator": ["cpu", {"_target_": "mine.Accelerator"}], "devices": [1, "auto", -1, [0, 2], "0,1", "1"],
    "strategy": ["ddp", "auto", {"_target_": "pytorch_lightning.strategies.DDPStrategy"}],
    "precision": [16, "bf16-mixed", "32", 64], "deterministic": [True, False, "warn"],
    "limit_train_batches": [0, 1, 1.0, 0.1, 200],
    "val_check_interval": [1, 0.25, 1.0, 500, "00:00:10:00", {"minutes": 10}], "gradient_clip_val": [0, 1, 0.5],
    "profiler": ["simple", {"_target_": "pytorch_lightning.profilers.AdvancedProfiler"}], "fast_dev_run": [True, 3, 0],
    "num_sanity_val_steps": [-1, 2], "plugins": [[], None],
}  # fmt: skip
_WRONG: dict[str, list[Any]] = {
    "max_epochs": [-2, 2.5, "abc", True], "max_steps": [-3, "many"], "max_time": [5, "01:00", {"hour": 3}, {}],
    "accelerator": ["quantum", 3, {"x": 1}], "devices": [0, -2, "two", [], True, 1.5], "strategy": ["dp", "fsdp", 3],
    "precision": [3, "16-mixd", 16.5], "deterministic": ["maybe", 1], "num_nodes": [0, "two"],
    "limit_train_batches": [1.5, -1, "all", True], "val_check_interval": [0, 1.5, "00:01", -3],
    "check_val_every_n_epoch": [0, 0.5], "gradient_clip_val": [-1, "abc", True], "gradient_clip_algorithm": ["norms"],
    "accumulate_grad_batches": [0, 1.5], "profiler": ["fast"], "fast_dev_run": [-1, "maybe", 0.5],
    "use_distributed_sampler": [True], "default_root_dir": ["/tmp/x"], "benchmark": [3, "yes"],
    "enable_checkpointing": ["no"], "log_every_n_steps": [-1], "num_sanity_val_steps": [-2],
}  # fmt: skip


def _check(key: str, value: Any) -> None:
    default = OmegaConf.to_container(_default())
    assert isinstance(default, dict)
    _compare({"trainer": default | {key: value}}, {"trainer": default}, "")


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in _RIGHT.items() for value in values])
def test_what_it_takes_is_taken(key: str, value: Any) -> None:
    _check(key, value)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in _WRONG.items() for value in values])
def test_what_it_does_not_take_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^trainer\.{key}="):
        _check(key, value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"min_epochs": 9, "max_epochs": 8}, "trainer.min_epochs=9: more than trainer.max_epochs=8"),
        ({"max_epochs": -1}, "trainer.max_epochs=-1: the scheduler must know how long"),
        ({"accelerator": "cpu", "devices": [0, 1]}, r"trainer.devices=\[0, 1\]: with trainer.accelerator=cpu"),
        ({"gradient_clip_algorithm": "value"}, "trainer.gradient_clip_algorithm=value: nothing is clipped"),
        ({"val_check_interval": 0.5, "check_val_every_n_epoch": None}, "trainer.val_check_interval=0.5: with"),
    ],
)
def test_keys_that_do_not_fit_each_other_are_refused(given: dict[str, Any], said: str) -> None:
    scheduler = {"_target_": "torch.optim.lr_scheduler.OneCycleLR"}
    with pytest.raises(InputError, match=f"^{said}"):
        check_fitting({"trainer": given, "scheduler": scheduler})
    check_fitting({"trainer": {"max_epochs": -1, "max_steps": 10, "min_epochs": 3}, "scheduler": scheduler})
    for endless in (None, {"_target_": "torch.optim.lr_scheduler.ConstantLR"}):
        check_fitting({"trainer": {"max_epochs": -1}, "scheduler": endless})


class _Data:
    """A data set of ten and four batches."""

    train_dataloader = staticmethod(lambda: range(10))
    val_dataloader = staticmethod(lambda: range(4))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"val_check_interval": 11}, "trainer.val_check_interval=11: the batches of an epoch are 10"),
        (
            {"val_check_interval": 4, "limit_train_batches": 3},
            "trainer.val_check_interval=4: the batches of an epoch are 3",
        ),
        ({"limit_train_batches": 0.05}, "trainer.limit_train_batches=0.05: no batch of 10; give 0, 0.1 or more"),
        ({"limit_val_batches": 0.1}, "trainer.limit_val_batches=0.1: no batch of 4; give 0, 0.25 or more"),
    ],
)
def test_parts_that_are_no_batch_are_refused_before_training(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"^{said}"):
        check_parts(given, _Data())
    for right in (
        {},
        {"val_check_interval": 10},
        {"limit_val_batches": 0.25},
        {"limit_train_batches": 0},
    ):
        check_parts(right, _Data())
    check_parts({"val_check_interval": 11, "check_val_every_n_epoch": None}, _Data())
    check_parts({"val_check_interval": 11, "limit_val_batches": 0}, _Data())


_FEW = [
    "probes.unit_information=null",
    "probes.object_information=null",
    "layers.names=[relu1,output]",
    "data.batch_size=16",
]


def test_a_training_with_many_keys_of_the_trainer(configure: Configure, tmp_path: Path) -> None:
    keys = [
        "trainer.precision=bf16-mixed", "trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=0.5",
        "trainer.gradient_clip_algorithm=value", "trainer.limit_train_batches=6", "trainer.limit_val_batches=1",
        "trainer.val_check_interval=3", "trainer.profiler=simple", "trainer.strategy=single_device",
        "trainer.min_epochs=1", "trainer.max_time=00:10:00:00", "trainer.detect_anomaly=true",
        "trainer.check_val_every_n_epoch=1", "trainer.num_sanity_val_steps=1",
    ]  # fmt: skip
    config = configure(*_FEW, *keys)

    train(config)

    assert load(tmp_path / "run").groupby("epoch").step.max().to_dict() == {0: 0, 1: 3, 2: 6}
    assert any(RunFolder(tmp_path / "run").checkpoints.glob("best*.ckpt"))


def test_without_checkpointing_there_is_no_checkpoint(configure: Configure, tmp_path: Path) -> None:
    ends = ["trainer.max_steps=3", "trainer.max_epochs=-1", "callbacks.probing.schedule.every_epochs=null"]
    train(configure(*_FEW, "trainer.enable_checkpointing=false", *ends))

    assert load(tmp_path / "run").step.unique().tolist() == [0, 3], (
        "the last step is probed, though no last epoch is known"
    )
    assert not any(RunFolder(tmp_path / "run").path.rglob("*.ckpt"))
