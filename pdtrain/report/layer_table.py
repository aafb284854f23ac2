"""Tables of layers in the terminal: a column for each measure, its unit beneath its name, as wide as the terminal."""

from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pdtrain.results.measures import RECEPTIVE_FIELD, Measure

_FIELD = " (field)"  # ends the name of a property of each unit's own field
_NARROW = 10  # signs of a heading's line
_GAP = 2  # signs between columns
_MARGIN = 4  # signs around the table


class Column:
    """What is measured of every layer.

    Parameters
    ----------
    measure
        Says what it is called, in which unit it is, and how values are shown.
    about
        The property that it is about; "" where there is none.
    cell
        The text of a layer.
    """

    def __init__(self, measure: Measure, about: str, cell: Callable[[str], str]) -> None:
        name = measure.heading_of(about).replace(RECEPTIVE_FIELD, _FIELD).replace("_", " ")
        lines = [line for text in (name, measure.shown_unit) for line in wrap(text, _NARROW, break_long_words=False)]
        self.heading = "\n".join(lines)
        self.cell = cell


def layer_tables(columns: Sequence[Column], layers: Sequence[str], *, width: int, title: str = "") -> Iterator[Table]:
    """Tables beside each other's place: as many columns in each as there is room for, the layers in all."""
    cells = [[column.cell(layer) for layer in layers] for column in columns]
    needed = [
        max(len(line) for line in [*column.heading.splitlines(), *of_layers]) + _GAP
        for column, of_layers in zip(columns, cells, strict=True)
    ]
    left = width - _MARGIN - max(map(len, [*layers, "layer"]))
    first = 0
    while first < len(columns):
        last = first + 1
        while last < len(columns) and sum(needed[first : last + 1]) <= left:
            last += 1
        yield _table(columns[first:last], cells[first:last], layers, title if first == 0 else "")
        first = last


def _table(columns: Sequence[Column], cells: Sequence[Sequence[str]], layers: Sequence[str], title: str) -> Table:
    table = Table(title=title or None, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layer", no_wrap=True)
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for place, layer in enumerate(layers):
        table.add_row(layer, *(of_layers[place] for of_layers in cells))
    return table
