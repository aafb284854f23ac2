"""Charts of what is measured of layers: along depth, over epochs, as maps, and the indices; they share their tables."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from pdtrain.estimators.lower_bounds import lower_bound_in
from pdtrain.report.charts import Axis, Beside, Chart, Table, View
from pdtrain.report.dynamics import ACCURACIES, INDEX_PANELS
from pdtrain.report.profiles import PUBLISHED_COLOUR, panels_of, references
from pdtrain.report.published import PublishedProfile
from pdtrain.report.similarity_figures import square
from pdtrain.report.style import (
    INDEX_COLOURS,
    TRAINED,
    UNTRAINED,
    epoch_colours,
    layer_colours,
    layers_of,
    moment,
    outstanding_input,
    with_shown_interval,
)
from pdtrain.results.measures import PRUNED_FRACTION, Measure, words

_SHOWN_AT_FIRST = 4  # epochs along depth: of more, the others are switched on
_HEADROOM = 0.05  # of a scale


class MeasuredCharts:
    """The charts of the rows of a run, which share their tables.

    Parameters
    ----------
    rows
        Of the epochs that are shown.
    measures
        Those with a figure.
    """

    def __init__(self, rows: pd.DataFrame, measures: Sequence[Measure]) -> None:
        self._rows, self._measures = rows, measures
        self._names = layers_of(rows)
        self._layers, self._epochs = _layers(rows), _epochs(rows)

    @cached_property
    def _tables(self) -> dict[tuple[Measure, str], tuple[Table, pd.DataFrame]]:
        return {
            (measure, about): (self._table(measure, about, chosen), chosen)
            for measure, about, chosen in panels_of(self._rows, self._measures)
        }

    def along_depth(
        self,
        measures: Sequence[Measure],
        different: pd.DataFrame | None = None,
        published: Sequence[PublishedProfile] = (),
    ) -> Chart:
        """Measures of one figure against depth: a line for each epoch."""
        views = []
        for (measure, about), (table, chosen) in self._tables.items():
            if measure not in measures:
                continue
            views.append(
                View(
                    table,
                    table.lines,
                    stars=self._differing(measure, about, different),
                    reference=next(references(self._rows, measure), None),
                    beside=list(self._published(measure, published)),
                    **_without_outstanding(chosen, measure),
                )
            )
        return Chart(views, hidden={self._epochs.name: _hidden(len(self._epochs.items))})

    def over_epochs(self, measures: Sequence[Measure], about: str | None) -> Chart:
        """Each layer's path; of measures about properties, of `about` or else of their first."""
        views = []
        for measure in measures:
            of_measure = {key[1]: found for key, found in self._tables.items() if key[0] == measure}
            table, chosen = of_measure.get(str(about), next(iter(of_measure.values())))
            views.append(View(table, table.columns, **_without_outstanding(chosen, measure)))
        return Chart(views)

    def maps(self) -> Chart:
        """Layer by epoch, every measure about every property."""
        views = []
        for table, chosen in self._tables.values():
            above = outstanding_input(chosen)
            top = None if above is None else float(chosen[chosen.layer_index > 0].value.max())
            low = float(np.nanmin(table.values))
            views.append(
                View(
                    table,
                    table.columns,
                    "map",
                    zero=None,
                    limits=None if top is None else (low, top),
                    note="" if top is None else "the input is beyond the colours",
                )
            )
        return Chart(views)

    def between_layers(self, measures: Sequence[Measure]) -> Chart:
        """Layers by layers, a map for each measure and epoch."""
        views = []
        for measure in measures:
            chosen = measure.rows(self._rows)
            for epoch, of_epoch in chosen.groupby("epoch"):
                title = f"{measure.title_of('')}, {moment(self._rows, int(str(epoch)))}"
                table = Table(title, measure.unit, self._layers, self._layers, square(of_epoch, self._names))
                views.append(View(table, self._layers, "map", limits=(min(0.0, float(chosen.value.min())), 1.0)))
        return Chart(views)

    def indices(self, rows: pd.DataFrame) -> Chart:
        """The indices of one property over epochs, and the share of units pruned in each layer."""
        views = []
        for place, (measures, nothing, (low, high)) in enumerate(INDEX_PANELS):
            found = {measure: with_shown_interval(measure.rows(rows), measure) for measure in measures}
            found = {measure: line for measure, line in found.items() if line.value.notna().any()}
            if not found:
                continue
            names = Axis(
                f"indices {place}",
                "Indices",
                "",
                [measure.title_of("") for measure in found],
                colours=[INDEX_COLOURS[measure] for measure in found],
            )
            lines = pd.concat([line.assign(index=measure.title_of("")) for measure, line in found.items()])
            title = " and ".join(measure.title_of("") for measure in measures[:2])
            table = self._tabulated(title, "", lines, names, "index")
            reach = np.nan_to_num([table.lower, table.upper, table.values], nan=nothing)
            views.append(
                View(table, table.columns, zero=nothing, limits=(max(reach.min(), low), min(reach.max(), high)))
            )
        pruned = with_shown_interval(PRUNED_FRACTION.rows(rows), PRUNED_FRACTION)
        if len(pruned):
            last = pruned[pruned.epoch == pruned.epoch.max()]
            title = f"units that lost {words(str(last.property.iloc[0]))}"
            table = self._tabulated(title, PRUNED_FRACTION.unit, last, self._layers, "layer")
            views.append(View(table, table.lines, "bars", limits=(0.0, 1.0)))
        return Chart(views)

    def _table(self, measure: Measure, about: str, chosen: pd.DataFrame) -> Table:
        return self._tabulated(measure.title_of(about), measure.unit, chosen, self._layers, "layer")

    def _tabulated(self, title: str, unit: str, chosen: pd.DataFrame, lines: Axis, column: str) -> Table:
        """Values by line and epoch."""
        line_of = {name: place for place, name in enumerate(self._names if lines is self._layers else lines.items)}
        epoch_of = {epoch: place for place, epoch in enumerate(sorted(self._rows.epoch.unique()))}
        columns = self._epochs
        if chosen.epoch.nunique() == 1 and lines is self._layers and len(epoch_of) > 1:
            columns = _epochs(chosen)
            epoch_of = {chosen.epoch.iloc[0]: 0}
        at = (chosen[column].map(line_of).to_numpy(), chosen.epoch.map(epoch_of).to_numpy())
        values, lower, upper = (np.full((len(line_of), len(epoch_of)), np.nan) for _ in range(3))
        for filled, name in ((values, "value"), (lower, "lower"), (upper, "upper")):
            filled[at] = chosen[name]
        bounds = np.zeros(values.shape, dtype=bool)
        bounds[at] = [bool(lower_bound_in(note or "")) for note in chosen["note"].fillna("")]
        return Table(title, unit, lines, columns, values, lower, upper, bounds)

    def _differing(self, measure: Measure, about: str, different: pd.DataFrame | None) -> list[int]:
        if different is None:
            return []
        of_view = measure.rows(different[different["property"] == about])
        layers = set(of_view[of_view["differs"].astype(bool)].layer)
        return [place for place, name in enumerate(self._names) if name in layers]

    def _published(self, measure: Measure, published: Sequence[PublishedProfile]) -> Iterator[Beside]:
        places = {index: place for place, index in enumerate(self._layer_indices)}
        for profile in published:
            found = profile.at(self._rows).sort_values("layer_index")
            if profile.quantity == measure.quantity and len(found):
                yield Beside(
                    f"{profile.label}, digitised",
                    PUBLISHED_COLOUR,
                    [places[index] for index in found.layer_index],
                    list(found.value),
                    list(found.deviation),
                )

    @property
    def _layer_indices(self) -> list[int]:
        of_layers = self._rows[self._rows.layer != ""].drop_duplicates("layer")
        return sorted(of_layers.layer_index)


def accuracy_chart(metrics: pd.DataFrame) -> Chart:
    """Training and validation accuracy over epochs."""
    known = {label: metrics.dropna(subset=[column]).drop_duplicates("epoch", keep="last").set_index("epoch")[column]
             for column, label, _ in ACCURACIES if column in metrics}  # fmt: skip
    epochs = sorted({int(epoch) for of_label in known.values() for epoch in of_label.index})
    completed = Axis(
        "epochs of the metrics", "Epochs", "epochs completed", [f"epoch {epoch}" for epoch in epochs],
        places=epochs,
    )  # fmt: skip
    dashes = {label: style == "--" for _, label, style in ACCURACIES}
    lines = Axis(
        "accuracies", "Accuracies", "", list(known), colours=[TRAINED] * len(known),
        dashed=[dashes[label] for label in known],
    )  # fmt: skip
    values = np.array([of_label.reindex(epochs).to_numpy(float) for of_label in known.values()])
    return Chart([View(Table("accuracy", "accuracy", lines, completed, values), completed, limits=(0.0, 1.0))])


def _layers(rows: pd.DataFrame) -> Axis:
    of_layers = rows[rows.layer != ""].drop_duplicates("layer").sort_values("layer_index")
    known = of_layers.depth.notna().all()
    names = list(of_layers.layer)
    return Axis(
        "layers",
        "Layers",
        "layer (relative depth)" if known else "layer",
        names,
        "layer",
        [f"{name} ({depth:.2f})" if known else name for name, depth in zip(names, of_layers.depth, strict=True)],
        colours=[to_hex(colour) for colour in layer_colours(names).values()],
    )


def _epochs(rows: pd.DataFrame) -> Axis:
    epochs = sorted(map(int, rows.epoch.unique()))
    first, last = epochs[0], epochs[-1]
    return Axis(
        "epochs" if len(epochs) > 1 else f"epoch {last}",
        "Epochs",
        "epochs completed",
        [moment(rows, epoch) for epoch in epochs],
        ticks=list(map(str, epochs)),
        places=epochs,
        colours=[UNTRAINED, *map(to_hex, epoch_colours(epochs)[1:])],
        dashed=[epoch == first for epoch in epochs],
        steps=len(epochs) > 2,
    )


def _hidden(count: int) -> list[int]:
    """Items that are off at first: all but a few, the first and the last among them."""
    shown = set(np.linspace(0, count - 1, min(count, _SHOWN_AT_FIRST)).round().astype(int).tolist())
    return [place for place in range(count) if place not in shown]


def _without_outstanding(chosen: pd.DataFrame, measure: Measure) -> dict[str, Any]:
    """Limits and note of a view in which the input would press all others to the axis."""
    above = outstanding_input(chosen)
    if above is None:
        return {}
    others = chosen[chosen.layer_index > 0]
    low, high = min(0.0, others[["value", "lower"]].min().min()), others[["value", "upper"]].max().max()
    room = _HEADROOM * (high - low)
    return {"limits": (low - room, high + room), "note": f"input: {above:.2g} {measure.unit.partition(' ')[0]}"}
