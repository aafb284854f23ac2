"""Figures that compare settings: profiles along depth, and indices, with intervals over seeds."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.report.profiles import mark_differences
from pdtrain.report.style import grid, in_legend, label_layers, mark_lower_bounds, panel_title
from pdtrain.results.measures import INDICES, Measure

_LABEL_WIDTH = 40  # longer names of settings are broken
_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito


def compared_profiles(
    table: pd.DataFrame, measures: Sequence[Measure], different: pd.DataFrame | None = None
) -> Figure:
    """Mean over runs against depth, one line per setting, one panel per measure and property.

    A star at the top marks layers of which `different` says that they differ.
    """
    panels = [
        (measure, str(about), of_property)
        for measure in measures
        for about, of_property in measure.rows(table).groupby("property", sort=False)
    ]
    # networks with other layers have only their relative depth in common
    same_layers = all(of.groupby("layer_index").layer.nunique().max() == 1 for *_, of in panels)
    place_of = "layer_index" if same_layers else "depth"
    figure, drawn = grid(len(panels), height=3.4 if len(panels) == 1 else 2.6, columns=min(3, len(panels)))
    settings = list(dict.fromkeys(table.setting))
    for axes, (measure, about, of_property) in zip(drawn, panels, strict=False):
        for place, setting in enumerate(settings):
            line = of_property[of_property.setting == setting].sort_values("layer_index")
            style = _line_style(place)
            axes.plot(line[place_of], line["mean"], ms=4, label=in_legend(setting), **style)
            axes.fill_between(line[place_of], line.lower, line.upper, color=style["color"], alpha=0.2, lw=0)
            mark_lower_bounds(axes, line, place=place_of, value="mean")
        axes.set(title=panel_title(measure, about), ylabel=measure.unit)
        if same_layers:
            label_layers(axes, of_property)
            mark_differences(axes, measure, about, different)
        else:
            axes.set_xlabel("relative depth")
    figure.legend(*drawn[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, fontsize=8)
    return figure


def compared_indices(rows: pd.DataFrame, table: pd.DataFrame) -> Figure | None:
    """Every run's indices as dots, their mean and 95% interval as a bar, one panel per index."""
    found = [measure for measure in INDICES if len(measure.rows(table))]
    if not found:
        return None
    settings = list(dict.fromkeys(rows.setting))
    figure, drawn = plt.subplots(
        1, len(found), figsize=(2.4 * len(found), 1.6 + 0.3 * len(settings)), sharey=True, squeeze=False
    )
    for axes, measure in zip(drawn[0], found, strict=True):
        of_runs, of_table = measure.rows(rows), measure.rows(table)
        for place, setting in enumerate(settings):
            colour = _COLOURS[place % len(_COLOURS)]
            dots = of_runs[of_runs.setting == setting].value.dropna()
            axes.plot(dots, np.full(len(dots), place), "o", ms=4, color=colour, alpha=0.5)
            for row in of_table[of_table.setting == setting].to_dict("records"):
                axes.plot([row["mean"]] * 2, [place - 0.25, place + 0.25], color=colour, lw=2)
                axes.plot([row["lower"], row["upper"]], [place] * 2, color=colour, lw=1)
        axes.set(title=measure.title_of(""), xlabel=measure.unit)
    drawn[0][0].set_yticks(range(len(settings)), [fill(setting, _LABEL_WIDTH) for setting in settings], fontsize=7)
    drawn[0][0].invert_yaxis()
    return figure


def compared_dynamics(table: pd.DataFrame) -> Figure | None:
    """Mean indices over epochs, one line per setting with its 95% interval over runs; None with one epoch only."""
    found = [measure for measure in INDICES if len(measure.rows(table))]
    if not found or table.epoch.nunique() < 2:
        return None
    figure, drawn = grid(len(found), height=2.6, columns=2)
    for axes, measure in zip(drawn, found, strict=False):
        of_table = measure.rows(table)
        for place, setting in enumerate(dict.fromkeys(table.setting)):
            line = of_table[of_table.setting == setting].sort_values("epoch")
            style = _line_style(place)
            axes.plot(line.epoch, line["mean"], ms=4, label=in_legend(setting), **style)
            axes.fill_between(line.epoch, line.lower, line.upper, color=style["color"], alpha=0.2, lw=0)
        axes.set(title=measure.title_of(""), xlabel="epochs completed", ylabel=measure.unit)
    figure.legend(*drawn[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, fontsize=8)
    return figure


def _line_style(place: int) -> dict[str, Any]:
    """Colour, dashes and marker of a setting: told apart in grey too, and none twice among 140."""
    cycle = {"color": _COLOURS, "linestyle": _STYLES, "marker": _MARKERS}
    return {name: values[place % len(values)] for name, values in cycle.items()}
