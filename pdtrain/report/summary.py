"""The table in the terminal: each layer before and after training, and the indices."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from pdtrain.results.reader import load


def print_summary(run_dir: str | Path, console: Console) -> None:
    """Print, per layer, ID and mean information before and after training, then the indices and where files are."""
    frame = load(run_dir)
    first, last = frame["epoch"].min(), frame["epoch"].max()
    information = frame[(frame.probe == "unit_information") & (frame.quantity == "mean")]
    properties = list(dict.fromkeys(information.property))
    table = Table(title=f"epoch {first} → epoch {last}: ID (dimensions), mean information per unit (millibit)")
    table.add_column("layer")
    table.add_column("ID", justify="right")
    for name in properties:
        table.add_column(name.replace("@receptive_field", " (field)").replace("_", " "), justify="right")
    dimension = frame[(frame.probe == "intrinsic_dimension") & (frame.quantity == "two_nn")]
    for layer in dict.fromkeys(frame[frame.layer != ""].sort_values("layer_index").layer):
        cells = [_change(dimension[dimension.layer == layer], first, last, 1)]
        for name in properties:
            chosen = information[(information.layer == layer) & (information.property == name)]
            cells.append(_change(chosen, first, last, 1000))
        table.add_row(layer, *cells)
    console.print(table)
    indices = frame[(frame.probe == "index") & (frame.epoch == last) & (frame.layer == "")]
    for row in indices.itertuples():
        interval = f"  [{row.lower:.2f}, {row.upper:.2f}]" if pd.notna(row.lower) else ""
        console.print(f"{row.quantity:>15} ({row.property}): {row.value:.2f}{interval}", highlight=False)
    console.print(f"results: {Path(run_dir) / 'results'}", soft_wrap=True)
    page = Path(run_dir) / "report" / "report.html"
    if page.exists():
        console.print(f"report:  {page}", soft_wrap=True)


def _change(rows: pd.DataFrame, first: int, last: int, scale: float) -> str:
    def at(epoch: int) -> str:
        values = rows[rows.epoch == epoch].value
        return f"{values.iloc[-1] * scale:.0f}" if len(values) and pd.notna(values.iloc[-1]) else "–"

    return f"{at(first)} → {at(last)}"
