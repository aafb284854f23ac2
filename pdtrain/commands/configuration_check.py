"""Checks every value of a configuration against the type of its default, and against what it can be, before anything
is built from it."""

from functools import lru_cache
from typing import Any

from hydra import compose
from hydra.conf import HydraConf
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from pdtrain.commands.fitting_keys import check_fitting, check_stimuli
from pdtrain.commands.signatures import check_arguments
from pdtrain.errors import InputError
from pdtrain.limits import LIMITS, check_value

_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a group"}
_AT_LEAST = {
    "seed": 0,
    "data.batch_size": 1,
    "data.workers": 0,
    "data.prefetch_factor": 1,
    "data.random_crop_padding": 0,
    "data.identities": 2,
    "data.pixels": 4,
    "data.training_images": 1,
    "data.validation_images": 1,
    "data.split_seed": 0,
    "layers.max_units": 1,
    "layers.memory_bytes": 1,
    "stimuli.count": 1,
    "stimuli.identities": 1,
    "stimuli.objects": 1,
    "stimuli.views": 1,
    "layers.batch_size": 1,
    "model.network.hidden": 1,
    "optimizer.lr": 0,
    "optimizer.momentum": 0,
    "optimizer.weight_decay": 0,
}
_LARGEST_SEED = 2**32 - 1
# null by default: what else they may be
_WHEN_GIVEN: dict[str, Any] = {
    "ckpt_path": "a path",
    "data.subset": 1000,
    "data.validation_fraction": 0.2,
    "data.random_resized_crop": 0.08,
    "data.rand_augment": 9,
    "data.resize": 256,
    "data.validation_labels": "a path",
    "layers.names": ["relu*"],
    "layers.batch_size": 100,
    "probes.intrinsic_dimension.projected_features": 512,
    "callbacks.probing.schedule.log_spaced_steps": 1,
    "model.network.weights": "DEFAULT",
    "model.network.num_classes": 1000,
    "model.network.transform_input": True,
    "probe_set": "probe",
    "preprocessing.pixels": 224,
    "preprocessing.resize_to": 256,
    "preprocessing.interpolation": "bilinear",
    "preprocessing.mean": [0.5],
    "preprocessing.standard_deviation": [0.25],
    "preprocessing.squash": True,
    "stimuli.root": "a path",
}
# what else a switch, or a word, may be
_ALSO: dict[str, tuple[str | bool, ...]] = {"untrained": ("shuffled",), "channels_last": (True, False)}
# groups whose files set keys of the others, which are checked like those of the command line
_SETTING_OTHERS = ("experiment", "sweep", "hydra")
# a value for all, or a list of one for each
_ONE_OR_SEVERAL = ("data.mean", "data.standard_deviation")
# a list, of which a single one needs no brackets
_SEVERAL_OR_ONE = ("trust",)
# entry configurations that have experiments
_COMMANDS = {"train": "pdtrain-train", "probe": "pdtrain-probe"}
# libraries' own options, of which many may be null though they have a default
_MAY_BE_NULL = ("trainer", "callbacks", "logger", "scheduler")


def check_values(config: DictConfig, hydra: HydraConf) -> None:
    """Compare `config` with what its groups say by themselves, without experiment, sweep and command line.

    Raises
    ------
    InputError
        For the first value of another type than its default, or below the least it may be. A whole number is a number;
        a group may be null: it is switched off. For an experiment of another command.
    """
    _check_experiment(config, hydra)
    given, defaults = _plain(config), _plain(_defaults(hydra))
    _compare(given, defaults, "")
    if hydra.job.config_name == "train":
        check_fitting(given)
    else:
        check_stimuli(given)
    check_arguments(given, defaults)


def _check_experiment(config: DictConfig, hydra: HydraConf) -> None:
    """An experiment may add what it likes, but not what another command has and this one has not."""
    chosen, entry = hydra.runtime.choices.get("experiment"), hydra.job.config_name
    if chosen is None:
        return
    loader = GlobalHydra.instance().config_loader()
    added = set(map(str, config)) - set(map(str, _composed(loader, str(entry), ())))
    for other in _COMMANDS.keys() - {entry}:
        if foreign := added & set(map(str, _composed(loader, other, ()))):
            raise other_command(chosen, min(foreign), entry)


def other_command(experiment: str, key: str, entry: str | None) -> InputError:
    """What to say of an experiment that sets or chooses what the command of `entry` has not."""
    others = " or ".join(command for name, command in _COMMANDS.items() if name != entry)
    return InputError(f"experiment={experiment}: sets {key}, which this command has not; give it to {others}")


def _defaults(hydra: HydraConf) -> DictConfig:
    """The groups as they were chosen; those that an experiment or the command line adds have no defaults of ours."""
    folders = [override for override in hydra.overrides.hydra if override.startswith("hydra.searchpath=")]
    ours = _own_groups(GlobalHydra.instance().config_loader(), str(hydra.job.config_name), tuple(folders))
    choices = [
        f"{group}={choice}"
        for group, choice in hydra.runtime.choices.items()
        if group in ours and choice is not None and group.partition("/")[0] not in _SETTING_OTHERS
    ]
    return _composed(GlobalHydra.instance().config_loader(), str(hydra.job.config_name), (*folders, *choices))


@lru_cache
def _composed(loader: ConfigLoader, entry: str, overrides: tuple[str, ...]) -> DictConfig:
    """Once for all jobs of a sweep that make the same choices; another command of this process has another `loader`."""
    return compose(entry, list(overrides))


@lru_cache
def _own_groups(loader: ConfigLoader, entry: str, folders: tuple[str, ...]) -> frozenset[str]:
    return frozenset(compose(entry, list(folders), return_hydra_config=True).hydra.runtime.choices)


def _plain(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=False)


def _compare(value: Any, default: Any, key: str) -> None:
    if isinstance(value, dict) and isinstance(default, dict):
        for name in (name for name in value if name in default):
            path = f"{key}.{name}" if key else name
            _compare(value[name], default[name], path)
            if path in LIMITS and _has_limits(value) and not _is_reference(str(value[name])):
                check_value(path, value[name])
        return
    if default is None:
        default = value if value is None else _WHEN_GIVEN.get(key)
    if not _suits(value, default, key):
        words = "".join(f" or {_shown(word)}" for word in _ALSO.get(key, ()))
        raise InputError(f"{key}={_shown(value)}: {_NAMES[type(default)]}{words} is needed, such as {_shown(default)}")
    if isinstance(value, list) and isinstance(default, list) and default:
        for item in value:
            _compare(item, default[0], key)
    if key in _AT_LEAST and isinstance(value, int | float) and value < _AT_LEAST[key]:
        raise InputError(f"{key}={value}: give {_AT_LEAST[key]} or more")
    check_seed(key, value)


def check_seed(key: str, value: Any) -> None:
    """Raise InputError for a seed that is no whole number, or beyond what generators of random numbers take."""
    if not key.endswith("seed") or _is_reference(value):
        return
    if type(value) is not int or not 0 <= value <= _LARGEST_SEED:
        raise InputError(f"{key}={value}: give a whole number from 0 to {_LARGEST_SEED}")


def _suits(value: Any, default: Any, key: str) -> bool:
    if key in _SEVERAL_OR_ONE and isinstance(value, str):
        return True
    if key in LIMITS and key.startswith("trainer."):  # of several types, all of which its limit knows
        return True
    if default is None or _is_reference(value) or _is_reference(default):
        return True
    if any(value is word or (isinstance(word, str) and value == word) for word in _ALSO.get(key, ())):
        return True
    if value is None:
        return isinstance(default, dict) or key.startswith(_MAY_BE_NULL)
    if key in _ONE_OR_SEVERAL and isinstance(value, list):
        return all(_suits(item, default, "") for item in value)
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)


def _has_limits(node: dict[Any, Any]) -> bool:
    """Whether values are handed to code that we know; others' code may take what it likes."""
    return str(node.get("_target_", "pdtrain.")).startswith(("pdtrain.", "pytorch_lightning."))


def _is_reference(value: Any) -> bool:
    """Whether a value is missing or refers to another key, which is checked itself."""
    return isinstance(value, str) and (value == "???" or "${" in value)


def _shown(value: Any) -> str:
    return str(value).replace("True", "true").replace("False", "false").replace("None", "null")
