"""What tells runs apart: the setting of each, by a short name, and which of its setting it is, such as the seed.

What only says how a run was made is no setting; what changes training or measurement is one. The choices of groups
stand for the keys that they decide, so that networks are called small_vgg and resnet18.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdtrain.errors import one_line, unknown_name
from pdtrain.results.configuration import is_at_or_below
from pdtrain.results.counting_keys import FOLDER, REPLICATES, CountingKeys, counting_keys
from pdtrain.results.run_folder import TRAINING

ALL = "all runs"  # the setting where nothing differs
_CONFIGURED, _OWN_SCRIPT = "pdtrain-train", "own script"  # said where both are compared
_WHOLE = ("experiment",)  # groups whose files set keys of the others
_NAMELESS = ("sweep", "logger", "paths", "hydra")  # groups whose choices name no setting
_BARE = ("model", "data", "experiment", "optimizer")  # groups whose choices say by themselves what they are
_FEW = 3  # keys that a name holds where they are enough
_TARGET = "_target_"
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


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

    def decides(self, key: str, runs: Mapping[str, CountingKeys]) -> bool:
        """Whether runs with the same name have the same value of a key below."""
        if self.below and not is_at_or_below(key, self.below):
            return False
        return _is_function({run: self.values[run] for run in runs}, {run: _of(runs[run], key) for run in runs})


def settings_of(runs: Sequence[str], by: str | Sequence[str] | None = None, *, probe_set: str = TRAINING) -> Settings:
    """Group runs by all that tells their settings apart, or by some keys.

    Parameters
    ----------
    runs
        Their folders.
    by
        A key of the configuration, the name of a group, or several; None takes all that differ but seeds. Runs of a
        script of one's own, which have no configuration, are then told apart by the hyperparameters that Lightning kept
        (`save_hyperparameters`), and where it kept none each is a setting of its own.
    probe_set
        What of the runs is compared: its rows may have been measured otherwise than those of training.

    Raises
    ------
    InputError
        If a run has lost its configuration, or no run has such a key or group.
    """
    of_runs = {run: counting_keys(run, probe_set) for run in runs}
    alike = [part for part in _by_origin(of_runs) if part]
    differing = list(dict.fromkeys(key for part in alike for key in _differing(part)))
    if by is None:
        labels = {run: label for part in alike for run, label in _labels_of_all(part, lonely=len(alike) == 1).items()}
    else:
        parts = [_labels_by(key, of_runs) for key in ([by] if isinstance(by, str) else by)]
        labels = {run: ", ".join(part[run] for part in parts) for run in runs}
    return Settings(
        labels,
        _replicates(of_runs, [*differing, *REPLICATES], labels),
        {run: {key: _value(of, key) for key in differing} for run, of in of_runs.items()},
    )


def _by_origin(runs: Mapping[str, CountingKeys]) -> tuple[dict[str, CountingKeys], dict[str, CountingKeys]]:
    """Runs that kept a configuration, and those of a script of one's own, which have no keys in common with them."""
    configured = {run: of for run, of in runs.items() if of.is_configured}
    return configured, {run: of for run, of in runs.items() if run not in configured}


def _differing(runs: Mapping[str, CountingKeys]) -> list[str]:
    """Keys that tell the settings of runs apart."""
    return [key for key in _keys(runs) if key not in REPLICATES and _differs(key, runs)]


def _labels_of_all(runs: Mapping[str, CountingKeys], *, lonely: bool) -> dict[str, str]:
    """Names by all that differs; of runs of a script that kept nothing their folders: seeds or settings they may be."""
    if any(set(of.stored) == {FOLDER} for of in runs.values()):
        return {run: _in_words(run) for run in runs}
    labels, is_configured = _labels(runs, _differing(runs)), all(of.is_configured for of in runs.values())
    if lonely:
        return labels
    origin = _CONFIGURED if is_configured else _OWN_SCRIPT
    return {run: origin if label == ALL else f"{origin}, {label}" for run, label in labels.items()}


def _keys(runs: Mapping[str, CountingKeys]) -> list[str]:
    """All keys; what another version's probes do not know tells versions apart, not settings."""
    keys = sorted({key for run in runs.values() for key in run.stored})
    return [key for key in keys if not key.startswith("probes.") or all(key in run.stored for run in runs.values())]


def _value(run: CountingKeys, key: str) -> Any:
    """Of a key that counts; None where the run does not have it, or it does not count there."""
    stored = run.stored.get(key)
    return run.values.get(key, stored) if "${" in str(stored) else stored


def _of(run: CountingKeys, key: str) -> str:
    """A value as it is compared: 1 is 1.0, and a key that is missing is null."""
    return _as_compared(_value(run, key))


def _as_compared(value: Any) -> str:
    return str(float(value)) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _differs(key: str, runs: Mapping[str, CountingKeys]) -> bool:
    """Whether runs have other values; where each has that of a key that some refer to, that one tells them apart."""
    stored = {_as_compared(run.stored.get(key)) for run in runs.values()}
    referred = next((found[1] for found in map(_REFERENCE.fullmatch, sorted(stored)) if found), None)
    if len(stored) == 1 or (
        referred and all(_of(run, key) == _as_compared(run.values.get(referred)) for run in runs.values())
    ):
        return False
    return len({_of(run, key) for run in runs.values()}) > 1


def _is_function(of: Mapping[str, Any], value: Mapping[str, str]) -> bool:
    """Whether runs that are alike in the one are alike in the other."""
    pairs = {(of[run], value[run]) for run in value}
    return len(pairs) == len({one for one, _ in pairs})


def _labels(runs: Mapping[str, CountingKeys], differing: Sequence[str]) -> dict[str, str]:
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


def _names(runs: Mapping[str, CountingKeys], differing: Sequence[str]) -> Iterator[_Name]:
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
            classes = {run: of.stored.get(key) for run, of in runs.items()}
            yield _Name(part, part, {run: name and _in_words(name).rpartition(".")[2] for run, name in classes.items()})


def _is_known(group: str, runs: Mapping[str, CountingKeys]) -> bool:
    """Whether all runs say what was chosen: runs of before 0.2.0 do not."""
    return all(group in run.choices for run in runs.values())


def _named_keys(run: CountingKeys, keys: Sequence[str], names: Sequence[_Name]) -> list[str]:
    """Keys with their values; one that this run's part does not have says nothing of it."""
    shown = [
        key for key in keys if key in run.stored or not any(is_at_or_below(key, n.below) for n in names if n.below)
    ]
    return [f"{key}={_in_words(_value(run, key))}" for key in shown]


def _labels_by(by: str, runs: Mapping[str, CountingKeys]) -> dict[str, str]:
    """By the choice of a group where all runs say it, a key, or what differs below a part of the configuration."""
    chosen = next((name for name in _names(runs, []) if name.key == by), None)
    if chosen is not None:
        return {run: chosen.label(run) for run in runs}
    keys = {key for run in runs.values() for key in run.values}
    if by in keys:
        return {run: f"{by}={_in_words(of.values.get(by))}" for run, of in runs.items()}
    if not any(is_at_or_below(key, by) for key in keys):
        groups = {group for run in runs.values() for group in run.choices}
        raise unknown_name("by", by, sorted({*keys, *groups}), of="key of the configuration", rest="run.yaml of a run")
    return _labels(runs, [key for key in _keys(runs) if is_at_or_below(key, by) and _differs(key, runs)])


def _replicates(runs: Mapping[str, CountingKeys], keys: Sequence[str], labels: Mapping[str, str]) -> dict[str, str]:
    """What differs within settings; alike in runs that pair, and in runs that are one counted twice."""
    within = [
        key
        for key in dict.fromkeys(keys)
        if _differs(key, runs) and not _is_function(labels, {run: _of(of, key) for run, of in runs.items()})
    ]
    return {
        run: ", ".join(f"{key}={_in_words(_value(of, key))}" for key in within if key != FOLDER or key in of.stored)
        for run, of in runs.items()
    }


def _in_words(value: Any) -> str:
    return one_line(str(value))
