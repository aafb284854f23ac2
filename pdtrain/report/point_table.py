"""Small tables of one probe point: what is measured of every layer, with arrows against before."""

from collections.abc import Sequence
from functools import partial

from rich.table import Table

from pdtrain.report.layer_table import Column, layer_tables
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.measures import RECEPTIVE_FIELD, Measure
from pdtrain.results.rows import ProbePoint, Row

_STEADY = 0.02  # changes of less are no change

_Cells = dict[tuple[str, str], tuple[Measure, str, float]]  # by layer and heading


def point_tables(
    point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue, before: Sequence[Row] = (), *, width: int
) -> list[Table]:
    """Layers by the measures that have a heading, such as ID, and information about each whole-image property.

    What comes before any weights, the input above all, is shown once: it is left out where nothing of it has changed
    since the point before.

    Parameters
    ----------
    point, rows, catalogue
        What was measured, when, and what it is of.
    before
        Rows of the point before, which arrows compare with.
    width
        Of the terminal: columns that find no room stand in a further table.
    """
    now, past = _cells(rows, catalogue), _cells(before, catalogue)
    first = {row.layer for row in rows if row.depth == 0}
    unchanged = {layer for layer in first if _shown(layer, now) == _shown(layer, past)}
    layers = list(dict.fromkeys(layer for layer, _ in now if layer not in unchanged))
    of_headings = {heading: (measure, about) for (_, heading), (measure, about, _) in now.items()}
    columns = [Column(*of, partial(_cell, now, past, heading)) for heading, of in of_headings.items()]
    return list(layer_tables(columns, layers, width=width, title=f"epoch {point.epoch}, step {point.step}"))


def _cells(rows: Sequence[Row], catalogue: Catalogue) -> _Cells:
    measures = [(catalogue.of(row), row) for row in rows if row.layer and RECEPTIVE_FIELD not in row.property]
    return {
        (row.layer, measure.heading_of(row.property)): (measure, row.property, row.value)
        for measure, row in measures
        if measure.heading
    }


def _shown(layer: str, cells: _Cells) -> dict[str, str]:
    """What is printed of a layer, without arrows."""
    return {name: measure.shown(value) for (of, name), (measure, _, value) in cells.items() if of == layer}


def _cell(now: _Cells, past: _Cells, heading: str, layer: str) -> str:
    if (layer, heading) not in now:
        return ""
    measure, _, value = now[layer, heading]
    if (layer, heading) not in past:
        return measure.shown(value)
    before = past[layer, heading][2]
    change = value - before
    least_shown = 0.5 * 10**-measure.digits / measure.scale
    steady = abs(change) <= max(_STEADY * abs(before), least_shown)
    return f"{measure.shown(value)} {'→' if steady else '↑' if change > 0 else '↓'}"
