"""Charts of recorded neurons: the hierarchy of areas, with the layers of a network beside it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from pdtrain.estimators.lower_bounds import lower_bound_in
from pdtrain.report.area_figures import CORRECTED_COLOUR
from pdtrain.report.charts import Axis, Chart, Table, View
from pdtrain.report.measured_charts import MeasuredCharts
from pdtrain.report.profiles import panels_of, references
from pdtrain.report.style import TRAINED, first_and_last, layer_colours, layers_of
from pdtrain.report.unit_charts import quantiles, shares
from pdtrain.responses.noise import CORRECTED
from pdtrain.results.measures import UNIT, Measure

_KINDS = ("mean of the trials", "noise corrected")


def areas_chart(areas: pd.DataFrame, measures: Sequence[Measure], network: pd.DataFrame | None = None) -> Chart:
    """What is measured of each area, each with the same of a network, where it has it."""
    names = layers_of(areas)
    kinds = Axis("kinds", "Noise", "", list(_KINDS), colours=[TRAINED, CORRECTED_COLOUR], dashed=[False, True])
    hierarchy = Axis("areas", "Areas", "area", names, "area", names)
    of_network = {} if network is None else _of_network(network, measures)
    views = []
    for measure, about, measured in panels_of(areas, measures):
        corrected = measure.of(measure.quantity + CORRECTED).rows(areas[areas.property == about])
        unit = measure.unit.replace("unit", "neuron")
        table = _table(measure.title_of(about), unit, [measured, corrected], kinds, hierarchy)
        views.append(View(table, hierarchy, reference=next(references(areas, measure), None)))
        beside = of_network.get(measure.title_of(about))
        if beside is not None:
            views.append(replace(beside, table=replace(beside.table, title=f"{beside.table.title}, network")))
    return Chart(views)


def neurons_chart(units: pd.DataFrame, about: str) -> Chart:
    """Quantiles of information over the neurons of each area."""
    chosen = UNIT.rows(units[units.property == about])
    names = list(dict.fromkeys(chosen.layer))
    colours = [to_hex(colour) for colour in layer_colours(names).values()]
    areas = Axis("recorded areas", "Areas", "", names, "area", colours=colours)
    of_neurons = shares("neurons")
    values = np.array([quantiles(chosen[chosen.layer == name].value.to_numpy()) for name in names])
    return Chart([View(Table(UNIT.title_of(about), UNIT.unit, areas, of_neurons, values), of_neurons, "steps")])


def _of_network(network: pd.DataFrame, measures: Sequence[Measure]) -> dict[str, View]:
    """Its views by title, of the first and the last epoch."""
    ends = network[network["epoch"].isin([epoch for epoch, *_ in first_and_last(network)])]
    known = [measure for measure in measures if len(panels_of(ends, [measure]))]
    return {view.table.title: view for view in MeasuredCharts(ends, known).along_depth(known).views}


def _table(title: str, unit: str, kinds: Sequence[pd.DataFrame], lines: Axis, areas: Axis) -> Table:
    place_of = {name: place for place, name in enumerate(areas.items)}
    values, lower, upper = (np.full((len(kinds), len(place_of)), np.nan) for _ in range(3))
    bounds = np.zeros(values.shape, dtype=bool)
    for line, rows in enumerate(kinds):
        at = [place_of[name] for name in rows.layer]
        for filled, column in ((values, "value"), (lower, "lower"), (upper, "upper")):
            filled[line, at] = rows[column]
        bounds[line, at] = [bool(lower_bound_in(note)) for note in rows["note"].fillna("")]
    return Table(title, unit, lines, areas, values, lower, upper, bounds)
