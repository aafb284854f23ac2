"""The settings of a comparison as a table: the runs of each, how many seeds, and all keys that tell them apart."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pdtrain.errors import one_line
from pdtrain.report.csv_tables import write_csv
from pdtrain.results.settings import Settings

SETTINGS = "settings.csv"


def settings_table(settings: Settings, *, without: Collection[str] = ()) -> list[dict[str, Any]]:
    """One line for each setting: setting, n (seeds), runs, seeds, and keys; n and seeds leave some runs out."""
    return [
        {
            "setting": setting,
            "n": len(seeds := dict.fromkeys(settings.replicate_of[run] for run in runs if run not in without)),
            "runs": len(runs),
            "seeds": "; ".join(filter(None, seeds)),
            "keys": ", ".join(_keys(settings, runs)),
        }
        for setting, runs in _runs_of(settings).items()
    ]


def counted_once(settings: Settings) -> list[str]:
    """A sentence for each seed that several runs of one setting have: they are no two samples of anything."""
    return [
        f"Counted once: {', '.join(Path(run).name for run in alike)} are of one setting and seed "
        f"({', '.join(filter(None, [setting, seed]))})."
        for setting, runs in _runs_of(settings).items()
        for seed in dict.fromkeys(settings.replicate_of[run] for run in runs)
        if len(alike := [run for run in runs if settings.replicate_of[run] == seed]) > 1
    ]


def write_settings(settings: Settings, folder: Path) -> None:
    """Write `folder`/settings.csv: one line for each run, one column for each key that tells settings apart."""
    lines = [
        {"setting": setting, "run": run, "replicate": settings.replicate_of[run]} | _as_cells(settings.keys_of[run])
        for run, setting in settings.setting_of.items()
    ]
    write_csv(pd.DataFrame(lines), folder / SETTINGS)


def _runs_of(settings: Settings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run, setting in settings.setting_of.items():
        found.setdefault(setting, []).append(run)
    return found


def _keys(settings: Settings, runs: list[str]) -> Iterator[str]:
    """Keys that the runs of a setting have, with all their values."""
    for key in settings.keys_of[runs[0]]:
        values = dict.fromkeys(one_line(str(settings.keys_of[run][key])) for run in runs)
        if list(values) != [str(None)]:
            yield f"{key}={' or '.join(values)}"


def _as_cells(keys: dict[str, Any]) -> dict[str, Any]:
    return {one_line(key): str(value) if isinstance(value, list | dict) else value for key, value in keys.items()}
