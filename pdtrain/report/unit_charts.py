"""Charts of single units and stimuli: how information is spread, which unit carries what, how properties vary."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from pdtrain.report.charts import Axis, Chart, Table, View
from pdtrain.report.style import TRAINED, UNTRAINED, first_and_last
from pdtrain.report.unit_figures import sorted_units
from pdtrain.results.measures import UNIT, words

_SHARES = np.arange(0, 51) / 50
_BINS = 30


def spread_chart(units: pd.DataFrame, about: str) -> Chart:
    """Quantiles of information over the units of each layer, untrained and trained."""
    chosen = UNIT.rows(units[units.property == about])
    ends = first_and_last(chosen)
    of_units = shares("units")
    moments = _moments(ends)
    views = []
    for layer in dict.fromkeys(chosen.layer):
        of_layer = chosen[chosen.layer == layer]
        values = [quantiles(of_layer[of_layer.epoch == epoch].value.to_numpy()) for epoch, *_ in ends]
        views.append(View(Table(layer, UNIT.unit, moments, of_units, np.array(values)), of_units, "steps"))
    return Chart(views)


def unit_map_chart(units: pd.DataFrame, layer: str) -> Chart:
    """Units of a layer by property, sorted by what they tell most about, untrained and trained."""
    chosen = UNIT.rows(units[units.layer == layer])
    names = list(dict.fromkeys(chosen.property))
    properties = Axis("properties", "Properties", "", list(map(words, names)), ticks=list(map(words, names)))
    tables = [(label, sorted_units(chosen[chosen.epoch == epoch], names)) for epoch, _, label in first_and_last(chosen)]
    top = max(max(float(np.nanquantile(table, 0.995)) for _, table in tables), 1e-3)
    most = max(len(table) for _, table in tables)
    ranked = Axis("units by rank", "", "units, sorted", [f"unit {place + 1} in this order" for place in range(most)])
    views = []
    for label, table in tables:
        values = np.full((most, len(names)), np.nan)
        values[: len(table)] = table
        views.append(
            View(
                Table(f"{layer}, {label}", UNIT.unit, ranked, properties, values),
                properties,
                "map",
                zero=None,
                limits=(0.0, top),
                root=True,
            )
        )
    return Chart(views)


def histogram_chart(values: Mapping[str, np.ndarray]) -> Chart:
    """How each property is distributed over the stimuli."""
    views = []
    for name, column in values.items():
        counts, edges = np.histogram(column[np.isfinite(column)], bins=_BINS)
        ranges = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
        bins = Axis(
            f"bins of {name}", "", "", ranges,
            ticks=[f"{low:.2g}" if place % 6 == 0 else "" for place, low in enumerate(edges[:-1])],
        )  # fmt: skip
        stimuli = Axis("stimuli", "", "", [""], colours=[TRAINED])
        views.append(View(Table(words(name), "stimuli", stimuli, bins, counts[None].astype(float)), bins, "bars"))
    return Chart(views)


def shares(whose: str) -> Axis:
    """Shares of units, or of neurons, at which `quantiles` gives their values."""
    said = [f"{share:.0%} of {whose} have less or as much" for share in _SHARES]
    return Axis(f"shares of {whose}", "", f"share of {whose}", said, places=list(_SHARES))


def _moments(ends: Sequence[tuple[int, str, str]]) -> Axis:
    return Axis(
        "first and last", "Epochs", "", [label for *_, label in ends], colours=[colour for _, colour, _ in ends],
        dashed=[colour == UNTRAINED for _, colour, _ in ends],
    )  # fmt: skip


def quantiles(values: np.ndarray) -> np.ndarray:
    """At each share: the least value that so many units do not exceed."""
    known = values[np.isfinite(values)]
    return np.quantile(known, _SHARES, method="inverted_cdf") if len(known) else np.full(len(_SHARES), np.nan)
