"""A small table of one probe point: intrinsic dimension and information of every layer, with arrows against before."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pdtrain.results.rows import ProbePoint, Row

_STEADY = 0.02  # changes of less are no change


def point_table(point: ProbePoint, rows: Sequence[Row], before: Sequence[Row] = ()) -> Table:
    """Layers by TwoNN (dimensions) and mean information about each whole-image property (millibit per unit)."""
    table = Table(title=f"epoch {point.epoch}, step {point.step}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    now, past = _values(rows), _values(before)
    columns = list(dict.fromkeys(column for _, column in now))
    table.add_column("layer", no_wrap=True)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for layer in dict.fromkeys(layer for layer, _ in now):
        table.add_row(layer, *(_cell(now.get((layer, c)), past.get((layer, c))) for c in columns))
    return table


def _values(rows: Sequence[Row]) -> dict[tuple[str, str], float]:
    values = {}
    for row in rows:
        if (row.probe, row.quantity) == ("intrinsic_dimension", "two_nn"):
            values[row.layer, "ID"] = row.value
        elif (row.probe, row.quantity) == ("unit_information", "mean") and "@" not in row.property:
            values[row.layer, row.property] = 1000 * row.value
    return values


def _cell(value: float | None, before: float | None) -> str:
    if value is None:
        return ""
    if before is None:
        return f"{value:.0f}"
    change = value - before
    steady = abs(change) <= max(_STEADY * abs(before), 0.5)
    return f"{value:.0f} {'→' if steady else '↑' if change > 0 else '↓'}"
