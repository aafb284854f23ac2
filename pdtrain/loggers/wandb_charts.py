"""What W&B is shown of probe points beside curves: one table of all rows of a point, and charts along depth."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from pdtrain.results.catalogue import Catalogue
from pdtrain.results.measures import PAIR
from pdtrain.results.reader import moment
from pdtrain.results.rows import COLUMNS, HALF_DIFFERENCES, ProbePoint, Row

TABLE = "table/rows"
DEPTH = "depth"  # section of the charts
_LEFT_OUT = (HALF_DIFFERENCES, "stimuli")
_COLUMNS = [name for name in COLUMNS[Row] if name not in _LEFT_OUT]
_MOST_LINES = 8  # of a chart: the first epoch, the last, and some between
_SPECIFICATION = "wandb/lineseries/v0"  # of Vega, in W&B


def rows_table(point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue) -> Any:
    """All that was measured at a point but for pairs of layers, a line each, with its key in metrics.csv."""
    import wandb

    lines: list[Iterable[Any]] = [
        [point.epoch, point.step, catalogue.of(row).key(row.layer, row.property), *(getattr(row, c) for c in _COLUMNS)]
        for row in rows
        if catalogue.of(row).per != PAIR
    ]
    return wandb.Table(["epoch", "step", "key", *_COLUMNS], lines)


def depth_charts(rows: pd.DataFrame, catalogue: Catalogue) -> dict[str, Any]:
    """A chart of each headline quantity along relative depth, a line for each of some epochs.

    Parameters
    ----------
    rows
        Of completed epochs, as `pdtrain.results.load` gives them.
    catalogue
        Says what is headline.
    """
    import wandb

    charts = {}
    for name, (measure, about, of_measure) in catalogue.headline_profiles(rows).items():
        lines = of_measure[of_measure["epoch"].isin(_some(of_measure["epoch"]))].sort_values(["epoch", "layer_index"])
        names = {epoch: moment(lines, epoch) for epoch in lines["epoch"].unique()}
        data: list[Iterable[Any]] = [
            [line.depth, line.layer, names[line.epoch], line.value] for line in lines.itertuples()
        ]
        charts[f"{DEPTH}/{name}"] = wandb.plot_table(
            _SPECIFICATION,
            wandb.Table(["depth", "layer", "after", "value"], data),
            {"step": "depth", "lineKey": "after", "lineVal": "value"},
            {"title": f"{measure.title_of(about)}, {measure.unit}", "xname": "relative depth"},
        )
    return charts


def hide_numbers(run: Any, charts: Iterable[str]) -> None:
    """Let a `wandb.Run` show no panels of the tables that its charts are drawn from."""
    for key in charts:
        run.define_metric(f"{key}_table", hidden=True)


def _some(epochs: pd.Series) -> list[int]:
    """At most so many of the epochs, evenly spaced, with the first and the last."""
    measured = sorted(map(int, epochs.unique()))
    last = len(measured) - 1
    return [measured[round(place * last / (_MOST_LINES - 1))] for place in range(_MOST_LINES)]
