"""Compares runs: the mean over seeds and its interval, for each setting of what else differs between them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from pdtrain.errors import InputError
from pdtrain.report import similarity
from pdtrain.report.charts import chart_data
from pdtrain.report.comparison_accuracy import against_error, compared_accuracy, correlations
from pdtrain.report.comparison_charts import dynamics_chart, profiles_chart
from pdtrain.report.comparison_figures import (
    compared_differences,
    compared_dynamics,
    compared_indices,
    compared_profiles,
)
from pdtrain.report.comparison_settings import counted_once, settings_table, write_settings
from pdtrain.report.comparison_tables import summarise, with_caveats, write_table
from pdtrain.report.comparison_tests import OF_LAYERS, differences_of_settings, why_untested
from pdtrain.report.csv_tables import write_csv
from pdtrain.report.figure_files import save_figure
from pdtrain.report.page import COMPARISON, DIFFERENCES, Panel, data_uri, write_page
from pdtrain.results.catalogue import Catalogue, catalogue_of
from pdtrain.results.caveats import Caveat, caveats_of_run, label_note_of_run, mixes_in
from pdtrain.results.configuration import PRETRAINED_WEIGHTS, load_configuration
from pdtrain.results.differences import differences
from pdtrain.results.measures import DISTILLATION, PAIR, Measure, foremost_indices
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.run_folder import TRAINING, RunFolder, files_of_rows
from pdtrain.results.settings import settings_of
from pdtrain.results.status import is_unfinished
from pdtrain.results.versions import apart_by_estimator

CAVEATS = "caveats.csv"
ACCURACY = "accuracy.csv"
DYNAMICS = "comparison_dynamics"
OF_INDICES, OF_EVERY_LAYER = "indices_differences.csv", "layers_differences.csv"


def write_comparison(
    run_dirs: Sequence[str | Path],
    out: str | Path,
    *,
    by: str | Sequence[str] | None = None,
    probe_set: str = TRAINING,
) -> Path:
    """Write `out`/comparison.html, its figures, and tables (CSV, LaTeX) of indices and layers; return the page's path.

    Settings are compared two by two over their seeds, in `out`/indices_differences.csv and layers_differences.csv; of
    two settings layers that differ are marked. Of two runs that saw the same stimuli it is over these, in
    `out`/differences.csv. What tells the settings apart stands in `out`/settings.csv, dimension of the last hidden
    layer and error of each in `out`/accuracy.csv. What there is to say of single runs stands on the page and in
    `out`/caveats.csv, and the tables count such runs.

    Parameters
    ----------
    run_dirs
        Runs, or sweeps of runs.
    out
        Folder to write to.
    by
        Key of the configuration that runs are grouped by, name of a group such as "model", or several of them; None
        takes all that differ but seeds.
    probe_set
        Rows to compare.

    Raises
    ------
    InputError
        If there are fewer than two runs, or none has the key.
    """
    every = _epochs(run_dirs, probe_set)
    settings = settings_of(list(every["run"].unique()), by, probe_set=probe_set)
    every = every.assign(
        setting=every["run"].map(settings.setting_of), replicate=every["run"].map(settings.replicate_of)
    )
    every["setting"] = apart_by_estimator(every, "setting")
    behind = _behind(every)
    rows = every[(every.epoch == every.groupby("run")["epoch"].transform("max")) & ~every["run"].isin(behind)]
    folder = Path(out)
    caveats = _caveats(every, settings.setting_of, probe_set, behind)
    concerned = rows[rows["run"].isin(set(caveats["run"]))]
    catalogue = _catalogue(list(settings.setting_of), rows, probe_set)
    of_layers = rows[rows.layer != ""]
    compared = [measure.rows(of_layers) for measure in _along_depth(catalogue)]
    in_table = pd.concat([of_layers[:0], *compared])
    table, layers = (with_caveats(summarise(found), concerned) for found in (_indices(rows), in_table))
    networks = against_error(rows, {run: load_configuration(run) for run in settings.setting_of})
    tests = differences_of_settings(_indices(foremost_indices(rows)))
    tests_of_layers = differences_of_settings(in_table, together=OF_LAYERS)
    different = tests_of_layers if len(set(settings.setting_of.values())) == 2 else None
    if rows["run"].nunique() == 2:
        different = two_differ(list(rows["run"].unique()), catalogue.drawn(rows), probe_set)
        write_csv(different, folder / DIFFERENCES)
    write_settings(settings, folder)
    write_csv(caveats, folder / CAVEATS)
    write_csv(networks, folder / ACCURACY)
    write_csv(tests, folder / OF_INDICES)
    write_csv(tests_of_layers, folder / OF_EVERY_LAYER)
    write_table(table, folder / "indices")
    write_table(layers, folder / "layers")
    alike = similarity.compared_runs(rows, settings.setting_of, settings.replicate_of, probe_set)
    if len(alike.table):
        write_csv(alike.table, folder / similarity.TABLE)
    over_epochs = _over_epochs(every)
    figures = [
        *_of_indices(over_epochs, rows, tests),
        ("comparison_accuracy", compared_accuracy(networks), ()),
        *((name, figure, ()) for name, figure in alike.figures.items()),
        *_of_measures(catalogue, rows, layers, different),
    ]
    panels = [
        Panel(name, data_uri(save_figure(figure, folder, name)), measures)
        for name, figure, measures in figures
        if figure is not None
    ]
    charts = {
        f"{COMPARISON}{name}": profiles_chart(layers, measures, different)
        for name, measures in catalogue.figures(rows).items()
    }
    if any(panel.name == DYNAMICS for panel in panels):
        charts[DYNAMICS] = dynamics_chart(over_epochs)
    return write_page(
        folder / "comparison.html",
        template="comparison.html",
        title=f"Comparison of {every['run'].nunique()} runs",
        caveats=[
            *(f"{line.run}: {line.sentence}" for line in caveats.itertuples()),
            *(caveat.sentence for caveat in mixes_in(every)),
        ],
        notes=[
            *counted_once(settings),
            *filter(None, [why_untested(tests)]),
            *_label_notes(every, settings.setting_of, probe_set),
            *alike.notes,
            *(f"Last hidden dimension and {found.error_of}: {found}." for found in correlations(networks)),
        ],
        panels=panels,
        charts=chart_data(charts),
        settings=settings_table(settings, without=behind),
        tests=tests.to_dict("records") if tests["p_value"].notna().any() else [],
        tested=int(tests["p_value"].notna().sum()),
        table=table.to_dict("records"),
    )


def _along_depth(catalogue: Catalogue) -> list[Measure]:
    """Measures of single layers that are drawn or tabulated."""
    return [measure for measure in catalogue if (measure.figure or measure.tabulated) and measure.per != PAIR]


_Figure = tuple[str, Figure | None, Sequence[Measure]]


def _over_epochs(every: pd.DataFrame) -> pd.DataFrame:
    """Means of the foremost indices at each epoch."""
    trained = every[every["weights"] != PRETRAINED_WEIGHTS]  # of the others epochs are not known
    return summarise(_indices(foremost_indices(trained)), also=["epoch"])


def _of_indices(over_epochs: pd.DataFrame, rows: pd.DataFrame, tests: pd.DataFrame) -> Iterator[_Figure]:
    """Figures of the foremost indices: after training, their differences, and over epochs."""
    shown = _indices(foremost_indices(rows))
    yield "comparison_indices", compared_indices(shown, summarise(shown)), ()
    yield "comparison_differences", compared_differences(tests), ()
    yield DYNAMICS, compared_dynamics(over_epochs), ()


def _of_measures(
    catalogue: Catalogue, rows: pd.DataFrame, layers: pd.DataFrame, different: pd.DataFrame | None
) -> Iterator[_Figure]:
    """Figures along depth."""
    for name, measures in catalogue.figures(rows).items():
        yield f"{COMPARISON}{name}", compared_profiles(layers, measures, different), measures


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


def _epochs(run_dirs: Sequence[str | Path], probe_set: str) -> pd.DataFrame:
    """Rows of completed epochs, of each run once, runs in the order of their numbers."""
    frames: list[pd.DataFrame] = []
    known: set[Path] = set()  # a run may be given beside the sweep that it is of
    for run_dir in run_dirs:
        frame = epoch_ends(load(run_dir, probe_set=probe_set))
        frame["run"] = [str(Path(run_dir) / run) for run in frame["run"]]
        new = [run for run in frame["run"].unique() if Path(run).resolve() not in known]
        known |= {Path(run).resolve() for run in new}
        frames += [frame[frame["run"] == run] for run in sorted(new, key=_numbers_in)]
    rows = pd.concat(frames, ignore_index=True)
    if rows["run"].nunique() < 2:
        raise InputError(f"run_dir={run_dirs[0]}: a comparison needs at least two runs")
    return rows


def _numbers_in(run: str) -> list[tuple[int, str]]:
    """What sorts job 10 after job 2."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", run)]


def _catalogue(runs: Sequence[str], rows: pd.DataFrame, probe_set: str) -> Catalogue:
    """The measures of all runs; of two with one name that of the first counts."""
    of_runs = [catalogue_of(RunFolder(run).results(probe_set), rows[rows["run"] == run]) for run in runs]
    return Catalogue(measure for catalogue in of_runs for measure in catalogue)


def _behind(rows: pd.DataFrame) -> set[str]:
    """Runs that are not finished and end before another of their setting: they are no seeds beside it."""
    ends = rows.groupby("run").agg(epoch=("epoch", "max"), setting=("setting", "first"))
    furthest = ends.groupby("setting")["epoch"].transform("max")
    return {str(run) for run in ends.index[ends["epoch"] < furthest] if is_unfinished(str(run))}


def _caveats(
    rows: pd.DataFrame, setting_of: Mapping[str, str], probe_set: str, behind: Collection[str]
) -> pd.DataFrame:
    """What there is to say of each run: columns run, setting, kind, sentence."""
    lines = [
        (run, setting_of[str(run)], caveat.kind, caveat.sentence)
        for run, of_run in rows.groupby("run", sort=False)
        for caveat in [
            *caveats_of_run(str(run), of_run, probe_set=probe_set),
            *_unfinished(str(run), int(of_run["epoch"].max()), left_out=run in behind),
        ]
    ]
    return pd.DataFrame(lines, columns=["run", "setting", "kind", "sentence"])


def _unfinished(run: str, epoch: int, *, left_out: bool) -> Iterator[Caveat]:
    if is_unfinished(run):
        shown = "it is left out of all but the indices over epochs" if left_out else "its values are those there"
        yield Caveat(
            "not finished",
            f"Not finished: it ends at epoch {epoch}, and {shown}; the same command with resume=auto (a sweep: with "
            "sweep.resume=true) goes on.",
        )


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
