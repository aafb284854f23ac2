"""Compares runs: the mean over seeds and its interval, for each setting of what else differs between them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from scipy.stats import t as student

from pdtrain.errors import InputError, one_line, unknown_name
from pdtrain.estimators.lower_bounds import lower_bound_in
from pdtrain.report.comparison_accuracy import against_error, compared_accuracy, correlations
from pdtrain.report.comparison_figures import compared_dynamics, compared_indices, compared_profiles
from pdtrain.report.comparison_tables import write_table
from pdtrain.report.csv_tables import write_csv
from pdtrain.report.figure_files import save_figure
from pdtrain.report.page import COMPARISON, DIFFERENCES, Panel, data_uri, write_page
from pdtrain.results.caveats import caveats_of_run, label_note_of_run, mixes_in
from pdtrain.results.configuration import PRETRAINED_WEIGHTS, leaves, load_configuration
from pdtrain.results.differences import differences
from pdtrain.results.measures import DISTILLATION, Catalogue, Measure, catalogue_of, foremost_indices
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.run_folder import TRAINING, RunFolder, files_of_rows
from pdtrain.results.versions import ADDED, apart_by_estimator

CAVEATS = "caveats.csv"
ACCURACY = "accuracy.csv"
_CONFIDENCE = 0.95
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
    # of weights from elsewhere: where their rows lie, and what goes with the network
    "out",
    "published",
)


def write_comparison(
    run_dirs: Sequence[str | Path], out: str | Path, *, by: str | None = None, probe_set: str = TRAINING
) -> Path:
    """Write `out`/comparison.html, its figures, and tables (CSV, LaTeX) of indices and layers; return the page's path.

    Of two runs that saw the same stimuli, layers that differ are marked, and the tests stand in `out`/differences.csv.
    Dimension of the last hidden layer and error of each setting stand in `out`/accuracy.csv.
    What there is to say of single runs stands on the page and in `out`/caveats.csv, and the tables count such runs.

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
    setting_of = settings(sorted(every["run"].unique()), by)
    every["setting"] = every["run"].map(setting_of)
    every["setting"] = apart_by_estimator(every, "setting")
    rows = every[every.epoch == every.groupby("run")["epoch"].transform("max")]
    folder = Path(out)
    caveats = _caveats(every, setting_of, probe_set)
    concerned = rows[rows["run"].isin(set(caveats["run"]))]
    table = with_caveats(summarise(_indices(rows)), concerned)
    catalogue = _catalogue(sorted(every["run"].unique()), rows, probe_set)
    of_layers = rows[rows.layer != ""]
    compared = [measure.rows(of_layers) for measure in catalogue if measure.figure or measure.tabulated]
    layers = with_caveats(summarise(pd.concat([of_layers[:0], *compared])), concerned)
    write_csv(caveats, folder / CAVEATS)
    write_table(table, folder / "indices")
    write_table(layers, folder / "layers")
    shown = _indices(foremost_indices(rows))
    trained = every[every["weights"] != PRETRAINED_WEIGHTS]  # of the others epochs are not known
    figures: dict[str, tuple[Figure | None, Sequence[Measure]]] = {
        "comparison_indices": (compared_indices(shown, summarise(shown)), ()),
        "comparison_dynamics": (compared_dynamics(summarise(_indices(foremost_indices(trained)), also=["epoch"])), ()),
    }
    networks = against_error(rows, {run: load_configuration(run) for run in setting_of})
    write_csv(networks, folder / ACCURACY)
    figures["comparison_accuracy"] = (compared_accuracy(networks), ())
    different = None
    if rows["run"].nunique() == 2:
        different = two_differ(sorted(rows["run"].unique()), catalogue.drawn(rows), probe_set)
        write_csv(different, folder / DIFFERENCES)
    for name, measures in catalogue.figures(rows).items():
        figures[f"{COMPARISON}{name}"] = (compared_profiles(layers, measures, different), measures)
    panels = [
        Panel(name, data_uri(save_figure(figure, folder, name)), measures)
        for name, (figure, measures) in figures.items()
        if figure is not None
    ]
    return write_page(
        folder / "comparison.html",
        template="comparison.html",
        title=f"Comparison of {rows['run'].nunique()} runs",
        caveats=[
            *(f"{line.run}: {line.sentence}" for line in caveats.itertuples()),
            *(caveat.sentence for caveat in mixes_in(every)),
        ],
        notes=[
            *_label_notes(every, setting_of, probe_set),
            *(f"Last hidden dimension and {found.error_of}: {found}." for found in correlations(networks)),
        ],
        panels=panels,
        table=table.to_dict("records"),
    )


def summarise(rows: pd.DataFrame, *, also: Sequence[str] = ()) -> pd.DataFrame:
    """Mean over runs of each setting, with the 95% interval of the mean by Student's t; NaN for a single run.

    `also` names columns that tell groups apart besides setting, layer and quantity.

    Returns
    -------
    pandas.DataFrame
        Columns setting, layer, layer_index, depth, probe, quantity, property, mean, lower, upper, runs, note: whether
        one of the values is a lower bound.
    """
    keys = [*also, "setting", "layer", "layer_index", "depth", "probe", "quantity", "property"]
    groups = rows.dropna(subset=["value"]).groupby(keys, sort=False, dropna=False)
    table = groups.agg(
        mean=("value", "mean"), deviation=("value", "std"), runs=("value", "size"), note=("note", _lower_bound)
    ).reset_index()
    half = student.ppf((1 + _CONFIDENCE) / 2, table.runs - 1) * table.deviation / table.runs**0.5
    table["lower"], table["upper"] = table["mean"] - half, table["mean"] + half
    return table.drop(columns="deviation")


def _lower_bound(notes: pd.Series) -> str:
    return next(filter(None, map(lower_bound_in, notes)), "")


def with_caveats(table: pd.DataFrame, concerned: pd.DataFrame) -> pd.DataFrame:
    """Add a column `with_caveat`: how many runs of a line's setting are among those whose rows are given."""
    runs = concerned.groupby("setting")["run"].nunique()
    return table.assign(with_caveat=table["setting"].map(runs).fillna(0).astype(int))


def settings(runs: Sequence[str], by: str | None) -> dict[str, str]:
    """What tells each run from the others: the values of `by`, or of all keys that differ but seeds."""
    configurations = {run: _leaves_of(run) for run in runs}
    keys = sorted({key for leaves_of in configurations.values() for key in leaves_of})
    if by is not None:
        if by not in keys:
            raise unknown_name("by", by, keys, of="key of the configuration")
        return {run: one_line(f"{by}={leaves_of.get(by)}") for run, leaves_of in configurations.items()}
    # what another version's configuration does not know tells versions apart, not settings
    known = [key for key in keys if not key.startswith("probes.") or all(key in c for c in configurations.values())]
    differing = [key for key in known if len({str(c.get(key)) for c in configurations.values()}) > 1]
    differing = [key for key in differing if not key.startswith(_UNIMPORTANT)]
    return {
        run: one_line(", ".join(f"{key}={c.get(key)}" for key in differing)) or "all runs"
        for run, c in configurations.items()
    }


def two_differ(runs: Sequence[str], measures: Sequence[Measure], probe_set: str) -> pd.DataFrame:
    """Layers of the second run's last epoch against the first's, where both saw the same stimuli."""
    ends, units = [], []
    for run in runs:
        rows = epoch_ends(load(run, probe_set=probe_set, half_differences=True))
        ends.append(rows[rows["epoch"] == rows["epoch"].max()])
        if any(files_of_rows(run, "units", probe_set)):
            of_units = epoch_ends(load(run, units=True, probe_set=probe_set))
            units.append(of_units[of_units["epoch"] == of_units["epoch"].max()])
    return differences(ends[0], ends[1], measures, (units[0], units[1]) if len(units) == len(ends) else None)


def _leaves_of(run: str) -> dict[str, Any]:
    config = load_configuration(run)
    if config is None:
        raise InputError(f"run_dir={run}: its configuration is missing")
    container = OmegaConf.to_container(config, resolve=False)
    assert isinstance(container, dict)
    return _without_as_published(ADDED | dict(leaves(container)))


def _without_as_published(leaves_of: dict[str, Any]) -> dict[str, Any]:
    """Images that are shown as the publisher of the weights showed them are no setting: they go with the network."""
    as_published = "published.preprocessing."
    return {
        key: value
        for key, value in leaves_of.items()
        if not key.startswith("preprocessing.") or leaves_of.get(f"{as_published}{key.partition('.')[2]}") != value
    }


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


def _catalogue(runs: Sequence[str], rows: pd.DataFrame, probe_set: str) -> Catalogue:
    """The measures of all runs; of two with one name that of the first counts."""
    of_runs = [catalogue_of(RunFolder(run).results(probe_set), rows[rows["run"] == run]) for run in runs]
    return Catalogue(measure for catalogue in of_runs for measure in catalogue)


def _caveats(rows: pd.DataFrame, setting_of: Mapping[str, str], probe_set: str) -> pd.DataFrame:
    """What there is to say of each run: columns run, setting, kind, sentence."""
    lines = [
        (run, setting_of[str(run)], caveat.kind, caveat.sentence)
        for run, of_run in rows.groupby("run", sort=False)
        for caveat in caveats_of_run(str(run), of_run, probe_set=probe_set)
    ]
    return pd.DataFrame(lines, columns=["run", "setting", "kind", "sentence"])


def _label_notes(rows: pd.DataFrame, setting_of: Mapping[str, str], probe_set: str) -> list[str]:
    """Which labels identity and the like refer to, once for each setting that has shuffled ones."""
    notes = {
        f"{setting_of[str(run)]}: {note}": None
        for run, of_run in rows.groupby("run", sort=False)
        if (note := label_note_of_run(str(run), of_run, probe_set=probe_set)) is not None
    }
    return list(notes)


def _indices(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows.probe == DISTILLATION.probe) & (rows.layer == "")]
