"""What tells runs apart: the setting of each, by a short name, and which of its setting it is, such as the seed.

What only says how a run was made is no setting; what changes training or measurement is one. The choices of groups
stand for the keys that they decide, so that networks are called small_vgg and resnet18.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pdtrain.errors import InputError, one_line, unknown_name
from pdtrain.results.configuration import (
    CHANGES_NO_NUMBER,
    CHOICES,
    choices_of,
    is_at_or_below,
    leaves,
    load_configuration,
)
from pdtrain.results.versions import ADDED

ALL = "all runs"  # the setting where nothing differs
# runs that differ in these alone are of one setting: its replicates
_REPLICATES = ("seed", "data.seed", "fingerprint")
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
_WHOLE = ("experiment",)  # groups whose files set keys of the others
_NAMELESS = ("sweep", "logger", "paths", "hydra")  # groups whose choices name no setting
_BARE = ("model", "data", "experiment", "optimizer")  # groups whose choices say by themselves what they are
_FEW = 3  # keys that a name holds where they are enough
_TARGET = "_target_"


@dataclass(frozen=True)
class Settings:
    """How runs are grouped.

    Attributes
    ----------
    setting_of
        Name of each run's setting.
    replicate_of
        What else tells a run from others of its setting, such as "seed=1": runs of two settings pair where it is the
        same, and are one run counted twice where both are.
    keys_of
        All keys that tell settings apart, with their values in each run; a key that a run does not have is None.
    """

    setting_of: dict[str, str]
    replicate_of: dict[str, str]
    keys_of: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Run:
    """What is asked of a run: its keys that count, those of its replicates among them; all keys; and its choices."""

    leaves: Mapping[str, Any]
    every: Mapping[str, Any]
    choices: Mapping[str, str | None]


@dataclass(frozen=True)
class _Name:
    """A choice of a group, or the class of a part: it stands for the keys below that it decides."""

    key: str
    below: str  # "" for all keys
    values: Mapping[str, str | None]  # by run
    is_choice: bool = False

    def label(self, run: str) -> str:
        value = self.values[run]
        if value is None:
            return f"no {self.key}"
        return value if self.is_choice and self.key in _BARE and value != "default" else f"{self.key}={value}"

    def decides(self, key: str, runs: Mapping[str, _Run]) -> bool:
        """Whether runs with the same name have the same value of a key below."""
        if self.below and not is_at_or_below(key, self.below):
            return False
        return _is_function({run: self.values[run] for run in runs}, {run: _of(runs[run], key) for run in runs})


def settings_of(runs: Sequence[str], by: str | Sequence[str] | None = None) -> Settings:
    """Group runs by all that tells their settings apart, or by some keys.

    Parameters
    ----------
    runs
        Their folders.
    by
        A key of the configuration, the name of a group, or several; None takes all that differ but seeds.

    Raises
    ------
    InputError
        If a run has no configuration, or no run has such a key or group.
    """
    of_runs = {run: _run(run) for run in runs}
    counting = [key for key in _keys(of_runs) if key not in _REPLICATES]
    differing = [key for key in counting if _differs(key, of_runs)]
    if by is None:
        labels = _labels(of_runs, differing)
    else:
        parts = [_labels_by(key, of_runs) for key in ([by] if isinstance(by, str) else by)]
        labels = {run: ", ".join(part[run] for part in parts) for run in runs}
    return Settings(
        labels,
        _replicates(of_runs, [*differing, *_REPLICATES], labels),
        {run: {key: of.leaves.get(key) for key in differing} for run, of in of_runs.items()},
    )


def _run(run: str) -> _Run:
    config = load_configuration(run)
    if config is None:
        raise InputError(
            f"run_dir={run}: its run.yaml is missing, which a comparison groups runs by; those of a script of your own "
            "have none: load() reads them together, and each has its own report"
        )
    container = _container(config)
    return _Run(_counting(container), ADDED | dict(leaves(container)), choices_of(config))


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
    counting = {key: value for key, value in found.items() if not any(is_at_or_below(key, how) for how in _ONLY_HOW)}
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


def _keys(runs: Mapping[str, _Run]) -> list[str]:
    """All keys; what another version's probes do not know tells versions apart, not settings."""
    keys = sorted({key for run in runs.values() for key in run.leaves})
    return [key for key in keys if not key.startswith("probes.") or all(key in run.leaves for run in runs.values())]


def _of(run: _Run, key: str) -> str:
    """A value as it is compared: 1 is 1.0, and a key that is missing is null."""
    value = run.leaves.get(key)
    return str(float(value)) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _differs(key: str, runs: Mapping[str, _Run]) -> bool:
    return len({_of(run, key) for run in runs.values()}) > 1


def _is_function(of: Mapping[str, Any], value: Mapping[str, str]) -> bool:
    """Whether runs that are alike in the one are alike in the other."""
    pairs = {(of[run], value[run]) for run in value}
    return len(pairs) == len({one for one, _ in pairs})


def _labels(runs: Mapping[str, _Run], differing: Sequence[str]) -> dict[str, str]:
    """The names that decide the differing keys, and the keys that none decides."""
    left, names = list(differing), []
    for name in _names(runs, differing):
        decided = [key for key in left if name.decides(key, runs)]
        if decided:
            names.append(name)
            left = [key for key in left if key not in decided]
    every = {run: [*(name.label(run) for name in names), *_named_keys(of, left, names)] for run, of in runs.items()}
    shown = next(
        count
        for count in range(len(names) + _FEW, len(names) + max(_FEW, len(left)) + 1)
        if len({tuple(parts[:count]) for parts in every.values()}) == len({tuple(parts) for parts in every.values()})
    )
    return {run: _shortened(parts, shown) or ALL for run, parts in every.items()}


def _shortened(parts: Sequence[str], shown: int) -> str:
    """The first, which are enough to tell settings apart, and how many there are beside them."""
    more = len(parts) - shown
    return ", ".join(parts[:shown]) + (f" and {more} more {'key' if more == 1 else 'keys'}" if more > 0 else "")


def _names(runs: Mapping[str, _Run], differing: Sequence[str]) -> Iterator[_Name]:
    """What may stand for several keys: first what may decide all, then choices of groups, then classes of parts."""
    groups = [
        group for group in dict.fromkeys(g for run in runs.values() for g in run.choices) if _is_known(group, runs)
    ]
    for group in sorted(groups, key=lambda group: (group not in _WHOLE, group)):
        if not any(is_at_or_below(group.replace("/", "."), nameless) for nameless in _NAMELESS):
            below = "" if group in _WHOLE else (group.partition("@")[2] or group).replace("/", ".")
            yield _Name(group, below, {run: of.choices[group] for run, of in runs.items()}, is_choice=True)
    for key in differing:
        part, _, last = key.rpartition(".")
        if last == _TARGET:
            classes = {run: of.leaves.get(key) for run, of in runs.items()}
            yield _Name(part, part, {run: name and _in_words(name).rpartition(".")[2] for run, name in classes.items()})


def _is_known(group: str, runs: Mapping[str, _Run]) -> bool:
    """Whether all runs say what was chosen: runs of before 0.2.0 do not."""
    return all(group in run.choices for run in runs.values())


def _named_keys(run: _Run, keys: Sequence[str], names: Sequence[_Name]) -> list[str]:
    """Keys with their values; one that this run's part does not have says nothing of it."""
    shown = [
        key for key in keys if key in run.leaves or not any(is_at_or_below(key, n.below) for n in names if n.below)
    ]
    return [f"{key}={_in_words(run.leaves.get(key))}" for key in shown]


def _labels_by(by: str, runs: Mapping[str, _Run]) -> dict[str, str]:
    """By the choice of a group where all runs say it, a key, or what differs below a part of the configuration."""
    chosen = next((name for name in _names(runs, []) if name.key == by), None)
    if chosen is not None:
        return {run: chosen.label(run) for run in runs}
    keys = {key for run in runs.values() for key in run.every}
    if by in keys:
        return {run: f"{by}={_in_words(of.every.get(by))}" for run, of in runs.items()}
    if not any(is_at_or_below(key, by) for key in keys):
        groups = {group for run in runs.values() for group in run.choices}
        raise unknown_name("by", by, sorted({*keys, *groups}), of="key of the configuration", rest="run.yaml of a run")
    return _labels(runs, [key for key in _keys(runs) if is_at_or_below(key, by) and _differs(key, runs)])


def _replicates(runs: Mapping[str, _Run], keys: Sequence[str], labels: Mapping[str, str]) -> dict[str, str]:
    """What differs within settings; alike in runs that pair, and in runs that are one counted twice."""
    within = [
        key
        for key in dict.fromkeys(keys)
        if _differs(key, runs) and not _is_function(labels, {run: _of(of, key) for run, of in runs.items()})
    ]
    return {run: ", ".join(f"{key}={_in_words(of.leaves.get(key))}" for key in within) for run, of in runs.items()}


def _in_words(value: Any) -> str:
    return one_line(str(value))
