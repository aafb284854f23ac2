"""The table in the terminal: each layer before and after training, and the indices."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pdtrain.report.style import moment
from pdtrain.report.whole_run import WholeRun
from pdtrain.results.caveats import Caveat, caveats_of_run, label_note_of_run, not_estimated
from pdtrain.results.measures import RECEPTIVE_FIELD, Measure, catalogue_of, foremost_indices, words
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
    first, last = frame["epoch"].min(), frame["epoch"].max()
    ends = frame[frame["epoch"].isin([first, last])]
    columns: dict[str, tuple[_Values, Measure]] = {}
    for measure in catalogue:
        for about, of_property in measure.rows(ends if measure.heading else ends[:0]).groupby("property", sort=False):
            heading = measure.heading_of(str(about)).replace(RECEPTIVE_FIELD, " (field)").replace("_", " ")
            columns["\n".join(heading.split())] = (_by_place(of_property), measure)
    layers = list(dict.fromkeys(frame[frame.layer != ""].sort_values("layer_index").layer))
    shown = dict.fromkeys(_legend(measure) for _, measure in columns.values())
    moments = dict.fromkeys([moment(frame, first), moment(frame, last)])
    console.print(f"{' → '.join(moments)}: {', '.join(shown)}", highlight=False)
    for part in _batched(columns.items(), max(1, (console.width - 12) // 13)):
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("layer", no_wrap=True)
        for title, _ in part:
            table.add_column(title, justify="right", no_wrap=True)
        for layer in layers:
            cells = [_change(values, layer, (first, last), measure) for _, (values, measure) in part]
            table.add_row(layer, *cells)
        console.print(table)
    indices = foremost_indices(frame[frame.epoch == last])
    for row in indices[indices.layer == ""].to_dict("records"):
        interval = f"  [{row['lower']:.2f}, {row['upper']:.2f}]" if pd.notna(row["lower"]) else ""
        value = f"{row['value']:.2f}" if pd.notna(row["value"]) else f"not given ({row['note']})"
        console.print(f"{words(row['quantity']):>31} ({row['property']}): {value}{interval}", highlight=False)
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


_Item = TypeVar("_Item")


def _batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Split into lists of at most `size` (as itertools.batched of Python 3.12)."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def _legend(measure: Measure) -> str:
    """What a column is of, and in which unit."""
    name = words(measure.probe) if "{" in measure.heading else measure.heading
    return f"{name} ({'milli' if measure.scale == 1000 else ''}{measure.unit})"


def _by_place(rows: pd.DataFrame) -> _Values:
    """The last value of each layer and epoch."""
    return dict(zip(zip(rows.layer, rows.epoch, strict=True), rows.value, strict=True))


def _change(values: _Values, layer: str, epochs: tuple[int, int], measure: Measure) -> str:
    found = [values.get((layer, epoch)) for epoch in dict.fromkeys(epochs)]
    return "→".join("–" if value is None or pd.isna(value) else measure.shown(value) for value in found)
