"""Which runs of a sweep belong to which group of a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from pdtrain.claims.profiles import MeasuredRun
from pdtrain.errors import InputError
from pdtrain.results.caveats import caveats_of_run
from pdtrain.results.configuration import choices_of, leaves, load_configuration, runs_below
from pdtrain.results.run_folder import TRAINING, files_of_rows, usual_set
from pdtrain.results.settings import settings_of
from pdtrain.results.status import is_unfinished
from pdtrain.results.versions import mixed_estimators

_SPOILS = ("dead network", "not memorised", "memorising unknown")  # kinds of caveats of a run that shows nothing


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds alone.

    Attributes
    ----------
    runs
        By seed.
    left_out
        Why runs that belong to it were left out, by folder.
    """

    runs: Mapping[int, MeasuredRun]
    left_out: Mapping[str, str]


def groups_of(
    folders: Sequence[str | Path], wanted: Mapping[str, Mapping[str, Any]], *, probe_set: str = TRAINING
) -> dict[str, Group]:
    """Find the runs of each group, at the folders or below.

    A run that is not finished, one whose control is none, as one with shuffled labels that has not memorised them, and
    a dead network are left out, and said.

    Parameters
    ----------
    folders
        Runs, or sweeps of runs.
    wanted
        For each group the keys and values that the configurations of its runs have.

    Raises
    ------
    InputError
        If two runs of a group have the same seed, or differ in more than it: in a setting, in what layers were
        measured, or in the estimators that measured.
    """
    every = [(run, keys_of(run)) for folder in folders for run in runs_below(folder)]
    return {
        name: _group(name, [(run, keys) for run, keys in every if has(keys, values)], probe_set)
        for name, values in wanted.items()
    }


def _group(name: str, members: Sequence[tuple[Path, Mapping[str, Any]]], probe_set: str) -> Group:
    runs: dict[int, MeasuredRun] = {}
    left_out: dict[str, str] = {}
    for folder, keys in members:
        if is_unfinished(folder):
            left_out[str(folder)] = "Not finished; the same command with resume=auto (sweep.resume=true) goes on."
            continue
        its_set = usual_set(folder) if probe_set == TRAINING else probe_set  # weights from elsewhere have no training
        if not any(files_of_rows(folder, "rows", its_set)):
            left_out[str(folder)] = f"No rows of {its_set}."
            continue
        run = MeasuredRun(folder, int(keys["seed"]), probe_set=its_set)
        spoilt = [caveat for caveat in caveats_of_run(folder, run.rows, probe_set=its_set) if caveat.kind in _SPOILS]
        if spoilt:
            left_out[str(folder)] = spoilt[0].sentence
        elif run.seed in runs:
            raise InputError(
                f"run_dir: {runs[run.seed].folder} and {folder} are both of seed {run.seed} and group {name}; give "
                "each run once, or another file of claims"
            )
        else:
            runs[run.seed] = run
    _check_alike(name, list(runs.values()), probe_set)
    return Group(dict(sorted(runs.items())), left_out)


def _check_alike(name: str, runs: Sequence[MeasuredRun], probe_set: str) -> None:
    """Raise InputError unless the runs of a group differ in their seeds alone: else their mean is one of nothing."""
    if len(runs) < 2:
        return
    keys_of_runs = settings_of([str(run.folder) for run in runs], probe_set=probe_set).keys_of
    first, *others = runs
    for other in others:
        one, its = keys_of_runs[str(first.folder)], keys_of_runs[str(other.folder)]
        differing = [f"{key}={one[key]} and {its[key]}" for key in one if one[key] != its[key]]
        if first.layers != other.layers:
            differing.append(f"layers {', '.join(first.layers)} and {', '.join(other.layers)}")
        if differing:
            raise InputError(
                f"run_dir: {first.folder} and {other.folder} are both of group {name} and differ in more than their "
                f"seeds: {'; '.join(differing)}; leave one out, or give a file of claims that tells them apart"
            )
    named = ["probe", "quantity", "property", "estimator"]
    for mix in mixed_estimators(pd.concat([run.rows[named] for run in runs])):
        raise InputError(f"run_dir: runs of group {name}: {mix}")


def keys_of(run: Path) -> dict[str, Any]:
    """Keys of a run's configuration, and the choices of its groups."""
    config = load_configuration(run)
    if config is None:
        return {}
    keys: dict[str, Any] = dict(leaves(OmegaConf.to_container(config, resolve=False)))
    return keys | choices_of(config)


def has(keys: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether the keys of a run have these values."""
    return bool(keys) and all(keys.get(key) == value for key, value in values.items())
