"""What of a run counts when runs are compared: the keys that change training or what is measured.

What only says how a run was made is none of them. Of what was measured after the fact those keys count that it was
measured with; of a training in a script of one's own, the hyperparameters that Lightning kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from yaml import AliasEvent, SafeLoader, YAMLError, parse, safe_load

from pdtrain.errors import InputError
from pdtrain.results.configuration import (
    CHANGES_NO_NUMBER,
    CHOICES,
    choices_of,
    is_at_or_below,
    leaves,
    load_configuration,
    probe_set_configuration,
    values_of,
)
from pdtrain.results.run_folder import TRAINING, RunFolder
from pdtrain.results.versions import ADDED

FOLDER = "folder"  # stands for a run of a script of one's own, which keeps no seed
# runs that differ in these alone are of one setting: its replicates
REPLICATES = ("seed", "data.seed", "fingerprint", FOLDER)
_ONLY_HOW = (
    *CHANGES_NO_NUMBER,
    CHOICES,
    "logger",
    "hydra",
    "compile",
    "channels_last",
    "layers.batch_size",
    *(
        f"trainer.{key}"
        for key in (
            "accelerator", "barebones", "benchmark", "detect_anomaly", "deterministic", "enable_checkpointing",
            "enable_model_summary", "log_every_n_steps", "logger", "num_sanity_val_steps", "profiler",
            "use_distributed_sampler",
        )
    ),
    # keys of `pdtrain-probe`: where the rows of weights from elsewhere lie, and what goes with the network
    "force", "out", "probe_set", "published", "run_dir", "trust", "wandb", "watch",
)  # fmt: skip
# callbacks that watch a training and leave it as it is: ours, and these of Lightning
_OURS = "pdtrain."
_WATCHING = {
    "DeviceStatsMonitor", "LearningRateMonitor", "ModelCheckpoint", "ModelSummary", "OnExceptionCheckpoint",
    "RichModelSummary", "RichProgressBar", "TQDMProgressBar", "ThroughputMonitor",
}  # fmt: skip
_PROBED_PART = "callbacks.probing.network"  # says what is measured
_TARGET = "_target_"
# of the configuration of a probe set, what its rows were measured with in place of what training measured with
_MEASURED_WITH = ("layers", "preprocessing", "probes", "stimuli", "untrained", "untrained_batch_norm")
_PROBED = "probed"  # begins the keys of data that were shown in place of the training's
_HYPERPARAMETERS = "hparams.yaml"  # what Lightning's loggers keep of `save_hyperparameters`


@dataclass(frozen=True)
class CountingKeys:
    """The keys of a run.

    Attributes
    ----------
    stored
        Those that tell settings or replicates apart, as they stand in the configuration.
    values
        All keys, with what they come to where they refer to others.
    choices
        What was chosen of groups.
    is_configured
        Whether the run kept a configuration; one of a script of one's own did not.
    """

    stored: Mapping[str, Any]
    values: Mapping[str, Any]
    choices: Mapping[str, str | None]
    is_configured: bool = True


def counting_keys(run: str, probe_set: str = TRAINING) -> CountingKeys:
    """The keys of a run that count in a comparison of what a probe set holds.

    Raises
    ------
    InputError
        If a run of `pdtrain-train` has lost its configuration.
    """
    config = load_configuration(run)
    if config is None:
        return _of_a_script(run)
    choices, stored, values = choices_of(config), _counting(_container(config)), ADDED | values_of(config)
    measured = None if probe_set == TRAINING else probe_set_configuration(RunFolder(run).results(probe_set))
    if measured is not None:
        choices = {group: choice for group, choice in choices.items() if not _says_how_measured(group)}
        measured_with = _measured_with(measured, values)
        stored, values = (_without_measurement(keys) | measured_with for keys in (stored, values))
    return CountingKeys(stored, values, choices)


def _of_a_script(run: str) -> CountingKeys:
    """What Lightning kept of `save_hyperparameters`; without, the run's folder is all that tells it from others."""
    folder = RunFolder(run)
    if folder.status.exists():
        raise InputError(f"run_dir={run}: its run.yaml is missing, which a comparison groups runs by")
    parameters = _hyperparameters(folder.path / _HYPERPARAMETERS)
    found = dict(leaves(parameters)) if parameters else {}
    if not found.keys() & set(REPLICATES):
        found[FOLDER] = run
    return CountingKeys(found, found, {}, is_configured=False)


def _hyperparameters(path: Path) -> dict[str, Any]:
    """As text and numbers; none where there are others, which are read as code, or parts that hold themselves."""
    try:
        text = path.read_text()
        found = (
            {} if any(isinstance(event, AliasEvent) for event in parse(text, Loader=SafeLoader)) else safe_load(text)
        )
    except (OSError, ValueError, YAMLError):
        return {}
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def _measured_with(measured: DictConfig, values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that the rows of a probe set were measured with, and those of data that were not the training's."""
    counting = {key: value for key, value in values_of(measured).items() if not _only_says_how(key)}
    other_data = {
        f"{_PROBED}.{key}": value
        for key, value in counting.items()
        if is_at_or_below(key, "data") and key in values and values[key] != value
    }
    return {key: value for key, value in counting.items() if _says_how_measured(key)} | other_data


def _without_measurement(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if not _says_how_measured(key)}


def _says_how_measured(key: str) -> bool:
    return any(is_at_or_below(key, group) for group in _MEASURED_WITH)


def _only_says_how(key: str) -> bool:
    return any(is_at_or_below(key, how) for how in _ONLY_HOW)


def _container(config: DictConfig) -> dict[str, Any]:
    container = OmegaConf.to_container(config, resolve=False)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _counting(config: dict[str, Any]) -> dict[str, Any]:
    """Keys that tell settings or replicates apart, with their values."""
    callbacks, trainer = config.get("callbacks"), config.get("trainer")
    changed: dict[str, Any] = {}
    if isinstance(callbacks, dict):
        changed["callbacks"] = {name: node for name, node in callbacks.items() if not _only_watches(node)}
    if isinstance(trainer, dict) and isinstance(trainer.get("plugins"), list):
        others = [plugin for plugin in trainer["plugins"] if not _is_ours(plugin)]
        changed["trainer"] = trainer | {"plugins": others or None}
    found = ADDED | {key: value for key, value in leaves(config | changed) if value != {}}
    probed = dict(leaves({"callbacks": callbacks})).get(_PROBED_PART)
    found |= {_PROBED_PART: probed} if probed is not None else {}
    counting = {key: value for key, value in found.items() if not _only_says_how(key)}
    return _without_as_published(counting, found)


def _only_watches(node: Any) -> bool:
    """Whether a callback, or what stands for none, leaves the training as it is."""
    if not isinstance(node, dict):
        return True
    return _is_ours(node) or str(node.get(_TARGET)).rpartition(".")[2] in _WATCHING


def _is_ours(node: Any) -> bool:
    return isinstance(node, dict) and str(node.get(_TARGET)).startswith(_OURS)


def _without_as_published(counting: dict[str, Any], every: Mapping[str, Any]) -> dict[str, Any]:
    """Images that are shown as the publisher of the weights showed them are no setting: they go with the network."""
    as_published = "published.preprocessing."
    return {
        key: value
        for key, value in counting.items()
        if not key.startswith("preprocessing.") or every.get(f"{as_published}{key.partition('.')[2]}") != value
    }
