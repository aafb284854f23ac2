"""Charts that compare settings: profiles along depth, and indices over epochs, with intervals over seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pdtrain.estimators.lower_bounds import lower_bound_in
from pdtrain.report.charts import Axis, Chart, Table, View
from pdtrain.report.comparison_figures import limits_of, line_style, with_n
from pdtrain.results.measures import INDICES, Measure

_AXIS = "place"  # column of a table: where its lines stand along an axis


def profiles_chart(table: pd.DataFrame, measures: Sequence[Measure], different: pd.DataFrame | None = None) -> Chart:
    """As `compared_profiles`: mean over runs against depth, a line for each setting."""
    of_figure = pd.concat([measure.rows(table) for measure in measures])
    settings, same_layers = _settings(table), _same_layers(of_figure)
    placed, axis = _by_layer(of_figure) if same_layers else _by_depth(of_figure)
    views = []
    for measure in measures:
        for about, chosen in measure.rows(placed).groupby("property", sort=False):
            stars: list[int] = []
            if same_layers and different is not None:
                layers = measure.rows(different[different["property"] == about])
                differing = set(layers[layers["differs"].astype(bool)].layer)
                stars = [place for place, name in enumerate(axis.items) if name in differing]
            shown = _table(measure.title_of(str(about)), measure.unit, chosen, settings, axis)
            views.append(View(shown, axis, stars=stars, zero=None, limits=limits_of(chosen), gaps=same_layers))
    return Chart(views)


def dynamics_chart(table: pd.DataFrame) -> Chart:
    """As `compared_dynamics`: mean indices over epochs, a line for each setting."""
    epochs = sorted(map(int, table.epoch.unique()))
    completed = Axis(
        "epochs", "Epochs", "epochs completed", [f"epoch {epoch}" for epoch in epochs], places=epochs
    )  # fmt: skip
    placed = table.assign(**{_AXIS: table.epoch.map({epoch: place for place, epoch in enumerate(epochs)})})
    views = []
    for measure in INDICES:
        chosen = measure.rows(placed)
        if len(chosen):
            shown = _table(measure.title_of(""), "", chosen, _settings(table), completed)
            views.append(View(shown, completed, zero=None, limits=limits_of(chosen), gaps=False))
    return Chart(views)


def _settings(table: pd.DataFrame) -> tuple[Axis, list[str]]:
    """The axis of settings, said with their number of seeds, and their names."""
    said = with_n(table)
    styles = [line_style(place) for place in range(len(said))]
    axis = Axis(
        "settings", "Settings", "", list(said.values()), colours=[style["color"] for style in styles],
        dashed=[style["linestyle"] != "-" for style in styles],
    )  # fmt: skip
    return axis, list(said)


def _same_layers(table: pd.DataFrame) -> bool:
    """Whether layers have names in common; networks with other layers have only their relative depth."""
    return bool(table.groupby("layer_index").layer.nunique().max() == 1)


def _by_layer(table: pd.DataFrame) -> tuple[pd.DataFrame, Axis]:
    layers = table.drop_duplicates("layer_index").sort_values("layer_index")
    places = {index: place for place, index in enumerate(layers.layer_index)}
    known = layers.depth.notna().all()
    ticks = [f"{row.layer} ({row.depth:.2f})" if known else str(row.layer) for row in layers.itertuples()]
    label = "layer (relative depth)" if known else "layer"
    axis = Axis("layers", "Layers", label, list(layers.layer), "layer", ticks)
    return table.assign(**{_AXIS: table.layer_index.map(places)}), axis


def _by_depth(table: pd.DataFrame) -> tuple[pd.DataFrame, Axis]:
    """Each depth that a layer has; twice, where a network has two layers there."""
    of_line = table.sort_values("layer_index").groupby(["setting", "probe", "quantity", "property", "depth"])
    keys = list(zip(table.depth, of_line.cumcount().reindex(table.index), strict=True))
    known = sorted(set(keys))
    axis = Axis(
        "depths", "", "relative depth", [f"relative depth {depth:.2f}" for depth, _ in known],
        places=[depth for depth, _ in known],
    )  # fmt: skip
    return table.assign(**{_AXIS: [known.index(key) for key in keys]}), axis


def _table(title: str, unit: str, chosen: pd.DataFrame, settings: tuple[Axis, list[str]], along: Axis) -> Table:
    lines, names = settings
    line_of = {name: place for place, name in enumerate(names)}
    at = ([line_of[name] for name in chosen.setting], chosen[_AXIS].to_numpy())
    values, lower, upper = (np.full((len(line_of), len(along.items)), np.nan) for _ in range(3))
    for filled, column in ((values, "mean"), (lower, "lower"), (upper, "upper")):
        filled[at] = chosen[column]
    bounds = np.zeros(values.shape, dtype=bool)
    bounds[at] = [bool(lower_bound_in(note)) for note in chosen["note"].fillna("")]
    return Table(title, unit, lines, along, values, lower, upper, bounds)
