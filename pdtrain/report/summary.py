"""What a run has come to, in the terminal: each layer before and after training, and the indices."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pdtrain.report.layer_table import Column, layer_tables
from pdtrain.report.style import moment
from pdtrain.report.whole_run import WholeRun
from pdtrain.results.catalogue import Catalogue, catalogue_of
from pdtrain.results.caveats import Caveat, caveats_of_run, label_note_of_run, not_estimated
from pdtrain.results.measures import Measure, foremost_indices, words
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.run_folder import TRAINING, RunFolder

_Values = dict[tuple[str, int], float]  # by layer and epoch


def print_summary(
    run_dir: str | Path,
    console: Console,
    *,
    probe_set: str = TRAINING,
    rows: pd.DataFrame | None = None,
    whole: WholeRun | None = None,
) -> None:
    """Print, per layer, what is measured before and after training, then the indices and where files are.

    Where a report has read them, `rows` are of the first and the last completed epoch at least, and `whole` is what
    there is to say of all.
    """
    frame = epoch_ends(load(run_dir, probe_set=probe_set)) if rows is None else rows
    folder = RunFolder(run_dir)
    catalogue = catalogue_of(folder.results(probe_set), frame)
    _print_layers(frame, catalogue, console)
    _print_indices(frame, catalogue, console)
    if (note := label_note_of_run(run_dir, frame, probe_set=probe_set)) is not None:
        console.print(note, highlight=False)
    for sentence in not_estimated(frame, catalogue) if whole is None else whole.not_estimated:
        console.print(sentence, highlight=False)
    print_caveats(caveats_of_run(run_dir, frame, probe_set=probe_set) if whole is None else whole.caveats, console)
    console.print(f"results: {folder.results(probe_set)}", soft_wrap=True)
    if folder.page(probe_set).exists():
        console.print(f"report:  {folder.page(probe_set)}", soft_wrap=True)


def print_caveats(caveats: Sequence[Caveat], console: Console) -> None:
    """Print each sentence so that it is not overlooked."""
    for caveat in caveats:
        console.print(caveat.sentence, style="bold red", highlight=False, markup=False)


def _print_layers(frame: pd.DataFrame, catalogue: Catalogue, console: Console) -> None:
    of_layers = frame[frame["layer"] != ""].sort_values("layer_index", kind="stable")
    epochs = list(dict.fromkeys([frame["epoch"].min(), frame["epoch"].max()]))
    first = set(of_layers.loc[of_layers["depth"] == 0, "layer"])
    columns, shown = [], []
    for measure in catalogue:
        for about, rows in measure.rows(frame if measure.heading else frame[:0]).groupby("property", sort=False):
            columns.append(Column(measure, str(about), partial(_change, _by_place(rows), epochs, measure, first)))
            shown.append(_legend(measure))
    moments = " → ".join(dict.fromkeys(moment(frame, epoch) for epoch in epochs))
    console.print(f"{moments}: {', '.join(dict.fromkeys(shown))}", highlight=False)
    for table in layer_tables(columns, list(dict.fromkeys(of_layers["layer"])), width=console.width):
        console.print(table)


def _print_indices(frame: pd.DataFrame, catalogue: Catalogue, console: Console) -> None:
    """Those of the network after training: a table of those that are given, and why the others are not."""
    indices = foremost_indices(frame[frame["epoch"] == frame["epoch"].max()])
    indices = indices[indices["layer"] == ""]
    if indices.empty:
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("index", "of", "value", "95% interval", "unit"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for measure in catalogue:
        for row in measure.rows(indices[indices["value"].notna()]).to_dict("records"):
            interval = f"{row['lower']:z.2f} to {row['upper']:z.2f}" if pd.notna(row["lower"]) else ""
            table.add_row(
                words(row["quantity"]), words(row["property"]), f"{row['value']:z.2f}", interval, measure.shown_unit
            )
    if table.row_count:
        console.print(table)
    for (about, why), missing in indices[indices["value"].isna()].groupby(["property", "note"], sort=False):
        names = " and ".join(map(words, missing["quantity"]))
        console.print(f"Not given: {names} of {words(str(about))} ({why}).", highlight=False)


def _legend(measure: Measure) -> str:
    """What a column is of, and in which unit."""
    name = words(measure.probe) if "{" in measure.heading else measure.heading
    return f"{name} ({measure.shown_unit})" if measure.unit else name


def _by_place(rows: pd.DataFrame) -> _Values:
    """The last value of each layer and epoch."""
    return dict(zip(zip(rows.layer, rows.epoch, strict=True), rows.value, strict=True))


def _change(values: _Values, epochs: Sequence[int], measure: Measure, first: set[str], layer: str) -> str:
    """The value of each epoch; one for what comes before any weights, if that is what it was."""
    found = [values.get((layer, epoch)) for epoch in epochs]
    shown = ["–" if value is None or pd.isna(value) else measure.shown(value) for value in found]
    return "→".join(dict.fromkeys(shown) if layer in first else shown)
