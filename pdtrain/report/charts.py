"""What the charts of a page are made of: axes, tables of values over two of them, and views that show a table.

Data alone: `charts.js` draws them, and names from elsewhere are text to it. Each table goes into the page once,
however many charts show it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

_DIGITS = 6  # significant ones of a value in the page


@dataclass(frozen=True)
class Axis:
    """What the lines or the columns of tables stand for.

    Attributes
    ----------
    name
        Of this axis: two of one name are the same.
    title
        Of its switches, such as "Layers".
    label
        Beside the axis where it is drawn.
    items
        Their names: "relu1", "epoch 4".
    noun
        What is said before a name, such as "layer".
    ticks
        What is written at the axis; empty for nothing.
    places
        Where they stand on a scale of numbers; empty side by side.
    colours
        Of the lines that stand for them; empty where none do.
    dashed
        Which of these are dashed.
    steps
        Whether a reader may step through them, each beside the first, as through epochs.
    """

    name: str
    title: str
    label: str
    items: Sequence[str]
    noun: str = ""
    ticks: Sequence[str] = ()
    places: Sequence[float] = ()
    colours: Sequence[str] = ()
    dashed: Sequence[bool] = ()
    steps: bool = False


@dataclass(frozen=True)
class Table:
    """Values over two axes.

    Attributes
    ----------
    title, unit
        What is measured.
    lines, columns
        The axes; an item of `lines` is said first.
    values
        Shape (lines, columns); NaN where there is none.
    lower, upper
        Interval of each; None for none.
    bounds
        Which are lower bounds; None for none.
    """

    title: str
    unit: str
    lines: Axis
    columns: Axis
    values: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    bounds: np.ndarray | None = None


@dataclass(frozen=True)
class Beside:
    """Values of others that stand beside, with open markers: places along the axis, and the deviation of each."""

    label: str
    colour: str
    places: Sequence[int]
    values: Sequence[float]
    deviations: Sequence[float]


@dataclass(frozen=True)
class View:
    """A table as it is shown.

    Attributes
    ----------
    table
        What is shown.
    along
        The axis from left to right; each item of the other is a line, or a line of cells.
    kind
        "lines" with bands, "bars", "map" of cells, or "steps": places upwards, values to the right.
    stars
        Items of `along` in which something differs.
    reference
        Value that all are seen against.
    zero
        Where nothing is, which is always in sight; None for none.
    limits
        Least and greatest value in sight; None for all.
    note
        What is not in sight.
    root
        Whether the colours of a map are stretched at the low end.
    beside
        What papers found, or the like.
    gaps
        Whether a line ends where there is no value, or goes on at the next.
    """

    table: Table
    along: Axis
    kind: Literal["lines", "bars", "map", "steps"] = "lines"
    stars: Sequence[int] = ()
    reference: float | None = None
    zero: float | None = 0.0
    limits: tuple[float, float] | None = None
    note: str = ""
    root: bool = False
    beside: Sequence[Beside] = ()
    gaps: bool = True


@dataclass(frozen=True)
class Chart:
    """Views that stand side by side and are switched together; `hidden` are items of axes that are off at first."""

    views: Sequence[View]
    hidden: Mapping[str, Sequence[int]] | None = None


def chart_data(charts: Mapping[str, Chart]) -> dict[str, Any]:
    """All charts of a page as JSON has them, by name: `axes`, `tables` and `charts`, each table once.

    Examples
    --------
    >>> layers, epochs = Axis("layers", "Layers", "layer", ["relu1"]), Axis("epochs", "Epochs", "epoch", ["untrained"])
    >>> table = Table("dimension", "dimensions", layers, epochs, np.array([[12.3456789]]))
    >>> data = chart_data({"dimension": Chart([View(table, layers)]), "map": Chart([View(table, epochs, "map")])})
    >>> [table["values"] for table in data["tables"]]
    [[[12.3457]]]
    """
    tables: dict[int, Table] = {id(view.table): view.table for chart in charts.values() for view in chart.views}
    places = {identity: place for place, identity in enumerate(tables)}
    axes = {axis.name: _axis(axis) for table in tables.values() for axis in (table.lines, table.columns)}
    return {
        "axes": axes,
        "tables": [_table(table) for table in tables.values()],
        "charts": {
            name: {
                "views": [_view(view, places[id(view.table)]) for view in chart.views],
                "hidden": {axis: list(items) for axis, items in (chart.hidden or {}).items()},
            }
            for name, chart in charts.items()
        },
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "title": axis.title,
        "label": axis.label,
        "items": list(axis.items),
        "noun": axis.noun,
        "ticks": list(axis.ticks),
        "places": list(_numbers(axis.places)),
        "colours": list(axis.colours),
        "dashed": [bool(dashed) for dashed in axis.dashed],
        "steps": axis.steps,
    }


def _table(table: Table) -> dict[str, Any]:
    said: dict[str, Any] = {
        "title": table.title,
        "unit": table.unit,
        "lines": table.lines.name,
        "columns": table.columns.name,
        "values": _lines(table.values),
    }
    if table.lower is not None and table.upper is not None and np.isfinite(table.lower).any():
        said |= {"lower": _lines(table.lower), "upper": _lines(table.upper)}
    if table.bounds is not None and table.bounds.any():
        said["bounds"] = table.bounds.astype(int).tolist()
    return said


def _view(view: View, place: int) -> dict[str, Any]:
    return {
        "table": place,
        "along": view.along.name,
        "kind": view.kind,
        "stars": list(map(int, view.stars)),
        "reference": next(_numbers([view.reference if view.reference is not None else np.nan])),
        "zero": view.zero,
        "limits": None if view.limits is None else list(_numbers(view.limits)),
        "note": view.note,
        "root": view.root,
        "gaps": view.gaps,
        "beside": [
            {
                "label": beside.label,
                "colour": beside.colour,
                "places": list(map(int, beside.places)),
                "values": list(_numbers(beside.values)),
                "deviations": list(_numbers(beside.deviations)),
            }
            for beside in view.beside
        ],
    }


def _lines(values: np.ndarray) -> list[list[float | None]]:
    return [list(_numbers(line)) for line in values]


def _numbers(values: Iterable[float]) -> Iterator[float | None]:
    """Numbers that JSON knows."""
    for value in values:
        yield float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
