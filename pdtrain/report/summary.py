"""The table in the terminal: each layer before and after training, and the indices."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pdtrain.report.page import report_folder
from pdtrain.results.caveats import Caveat, caveats_of_run, label_note_of_run, not_estimated
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.store import TRAINING, ResultsStore


def print_summary(run_dir: str | Path, console: Console, *, probe_set: str = TRAINING) -> None:
    """Print, per layer, ID and mean information before and after training, then the indices and where files are."""
    frame = epoch_ends(load(run_dir, probe_set=probe_set))
    first, last = frame["epoch"].min(), frame["epoch"].max()
    information = frame[(frame.probe == "unit_information") & (frame.quantity == "mean")]
    columns = {"ID": (_by_place(frame[(frame.probe == "intrinsic_dimension") & (frame.quantity == "two_nn")]), 1)}
    for name in dict.fromkeys(information.property):
        words = name.replace("@receptive_field", " (field)").replace("_", " ")
        columns["\n".join(words.split())] = (_by_place(information[information.property == name]), 1000)
    layers = list(dict.fromkeys(frame[frame.layer != ""].sort_values("layer_index").layer))
    console.print(f"epoch {first} → epoch {last}: ID (dimensions), mean information per unit (millibit)")
    for part in _batched(columns.items(), max(1, (console.width - 12) // 13)):
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("layer", no_wrap=True)
        for title, _ in part:
            table.add_column(title, justify="right", no_wrap=True)
        for layer in layers:
            cells = [_change(values, layer, (first, last), scale) for _, (values, scale) in part]
            table.add_row(layer, *cells)
        console.print(table)
    indices = frame[(frame.probe == "index") & (frame.epoch == last) & (frame.layer == "")]
    for row in indices.itertuples():
        interval = f"  [{row.lower:.2f}, {row.upper:.2f}]" if pd.notna(row.lower) else ""
        console.print(f"{row.quantity:>15} ({row.property}): {row.value:.2f}{interval}", highlight=False)
    if (note := label_note_of_run(run_dir, frame, probe_set=probe_set)) is not None:
        console.print(note, highlight=False)
    for sentence in not_estimated(frame):
        console.print(sentence, highlight=False)
    print_caveats(caveats_of_run(run_dir, frame, probe_set=probe_set), console)
    console.print(f"results: {ResultsStore(run_dir, probe_set=probe_set).folder}", soft_wrap=True)
    page = report_folder(run_dir, probe_set) / "report.html"
    if page.exists():
        console.print(f"report:  {page}", soft_wrap=True)


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


def _by_place(rows: pd.DataFrame) -> dict[tuple[str, int], float]:
    """The last value of each layer and epoch."""
    return dict(zip(zip(rows.layer, rows.epoch, strict=True), rows.value, strict=True))


def _change(values: dict[tuple[str, int], float], layer: str, epochs: tuple[int, int], scale: float) -> str:
    found = [values.get((layer, epoch)) for epoch in epochs]
    return "→".join("–" if pd.isna(value) else f"{value * scale:.0f}" for value in found)
