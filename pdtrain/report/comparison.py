"""Compares runs: the mean over seeds and its interval, for each setting of what else differs between them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf
from scipy.stats import t as student

from pdtrain.errors import InputError, unknown_name
from pdtrain.report.comparison_figures import compared_dynamics, compared_indices, compared_profiles
from pdtrain.report.comparison_tables import write_table
from pdtrain.report.page import Panel, data_uri, write_page
from pdtrain.report.style import save
from pdtrain.results.configuration import leaves, load_configuration
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.store import TRAINING

_CONFIDENCE = 0.95
_OF_LAYERS = ("two_nn", "mean", "view_invariant", "accuracy", "informative_fraction", "pruned_fraction")
_UNIMPORTANT = (
    "seed",
    "data.seed",
    "paths.",
    "logger.",
    "callbacks.",
    "hydra.",
    "resume",
    "report",
    "debug",
    "trainer.",
)


def write_comparison(
    run_dirs: Sequence[str | Path], out: str | Path, *, by: str | None = None, probe_set: str = TRAINING
) -> Path:
    """Write `out`/comparison.html, its figures, and tables (CSV, LaTeX) of indices and layers; return the page's path.

    Parameters
    ----------
    run_dirs
        Runs, or sweeps of runs.
    out
        Folder to write to.
    by
        Key of the configuration that runs are grouped by; None takes all that differ but seeds.
    probe_set
        Rows to compare.

    Raises
    ------
    InputError
        If there are fewer than two runs, or none has the key.
    """
    every = _epochs(run_dirs, probe_set)
    every["setting"] = every["run"].map(settings(sorted(every["run"].unique()), by))
    rows = every[every.epoch == every.groupby("run")["epoch"].transform("max")]
    folder = Path(out)
    table = summarise(_indices(rows))
    layers = summarise(rows[(rows.layer != "") & rows.quantity.isin(_OF_LAYERS)])
    write_table(table, folder / "indices")
    write_table(layers, folder / "layers")
    figures = {
        "comparison_indices": compared_indices(rows, table),
        "comparison_dynamics": compared_dynamics(summarise(_indices(every), also=["epoch"])),
        "comparison_dimension": compared_profiles(layers[layers.quantity == "two_nn"], "dimensions"),
        "comparison_information": compared_profiles(
            layers[(layers.probe == "unit_information") & (layers.quantity == "mean")], "bit per unit"
        ),
    }
    panels = [
        Panel(name, [("", data_uri(save(figure, folder, name).read_bytes()))])
        for name, figure in figures.items()
        if figure is not None
    ]
    return write_page(
        folder / "comparison.html",
        template="comparison.html",
        title=f"Comparison of {rows['run'].nunique()} runs",
        panels=panels,
        table=table.to_dict("records"),
    )


def summarise(rows: pd.DataFrame, *, also: Sequence[str] = ()) -> pd.DataFrame:
    """Mean over runs of each setting, with the 95% interval of the mean by Student's t; NaN for a single run.

    `also` names columns that tell groups apart besides setting, layer and quantity.

    Returns
    -------
    pandas.DataFrame
        Columns setting, layer, layer_index, depth, probe, quantity, property, mean, lower, upper, runs.
    """
    keys = [*also, "setting", "layer", "layer_index", "depth", "probe", "quantity", "property"]
    groups = rows.dropna(subset=["value"]).groupby(keys, sort=False, dropna=False)["value"]
    table = groups.agg(mean="mean", deviation="std", runs="size").reset_index()
    half = student.ppf((1 + _CONFIDENCE) / 2, table.runs - 1) * table.deviation / table.runs**0.5
    table["lower"], table["upper"] = table["mean"] - half, table["mean"] + half
    return table.drop(columns="deviation")


def settings(runs: Sequence[str], by: str | None) -> dict[str, str]:
    """What tells each run from the others: the values of `by`, or of all keys that differ but seeds."""
    configurations = {run: _leaves_of(run) for run in runs}
    keys = sorted({key for leaves_of in configurations.values() for key in leaves_of})
    if by is not None:
        if by not in keys:
            raise unknown_name("by", by, keys, of="key of the configuration")
        return {run: f"{by}={leaves_of.get(by)}" for run, leaves_of in configurations.items()}
    differing = [key for key in keys if len({str(c.get(key)) for c in configurations.values()}) > 1]
    differing = [key for key in differing if not key.startswith(_UNIMPORTANT)]
    return {
        run: ", ".join(f"{key}={c.get(key)}" for key in differing) or "all runs" for run, c in configurations.items()
    }


def _leaves_of(run: str) -> dict[str, Any]:
    config = load_configuration(run)
    if config is None:
        raise InputError(f"run_dir={run}: its configuration is missing")
    return dict(leaves(OmegaConf.to_container(config, resolve=False)))


def _epochs(run_dirs: Sequence[str | Path], probe_set: str) -> pd.DataFrame:
    frames = []
    for run_dir in run_dirs:
        frame = epoch_ends(load(run_dir, probe_set=probe_set))
        frame["run"] = [str(Path(run_dir) / run) for run in frame["run"]]
        frames.append(frame)
    rows = pd.concat(frames, ignore_index=True)
    if rows["run"].nunique() < 2:
        raise InputError(f"run_dir={run_dirs[0]}: a comparison needs at least two runs")
    return rows


def _indices(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows.probe == "index") & (rows.layer == "")]
