"""A small table of one probe point: what is measured of every layer, with arrows against before."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pdtrain.results.measures import RECEPTIVE_FIELD, Catalogue, Measure
from pdtrain.results.rows import ProbePoint, Row

_STEADY = 0.02  # changes of less are no change


_Cells = dict[tuple[str, str], tuple[Measure, float]]


def point_table(point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue, before: Sequence[Row] = ()) -> Table:
    """Layers by the measures that have a heading, such as ID, and information about each whole-image property."""
    table = Table(title=f"epoch {point.epoch}, step {point.step}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    now, past = _cells(rows, catalogue), _cells(before, catalogue)
    columns = list(dict.fromkeys(column for _, column in now))
    table.add_column("layer", no_wrap=True)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for layer in dict.fromkeys(layer for layer, _ in now):
        table.add_row(layer, *(_cell(now.get((layer, c)), past.get((layer, c))) for c in columns))
    return table


def _cells(rows: Sequence[Row], catalogue: Catalogue) -> _Cells:
    measures = [(catalogue.of(row), row) for row in rows if row.layer and RECEPTIVE_FIELD not in row.property]
    return {(row.layer, m.heading_of(row.property)): (m, row.value) for m, row in measures if m.heading}


def _cell(now: tuple[Measure, float] | None, before: tuple[Measure, float] | None) -> str:
    if now is None:
        return ""
    measure, value = now
    if before is None:
        return measure.shown(value)
    change = value - before[1]
    least_shown = 0.5 * 10**-measure.digits / measure.scale
    steady = abs(change) <= max(_STEADY * abs(before[1]), least_shown)
    return f"{measure.shown(value)} {'→' if steady else '↑' if change > 0 else '↓'}"
