"""Figures that compare settings: profiles along depth, and indices, with intervals over seeds."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.report.style import grid, label_layers, mark_lower_bounds, title_of

_INDICES = ("expansion", "contraction", "distillation", "active_pruning")
_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito


def compared_profiles(table: pd.DataFrame, unit: str) -> Figure | None:
    """Mean over runs against depth, one line per setting, one panel per property; None if nothing was measured."""
    if table.empty:
        return None
    properties = list(dict.fromkeys(table.property))
    # networks with other layers have only their relative depth in common
    same_layers = table.groupby("layer_index").layer.nunique().max() == 1
    place_of = "layer_index" if same_layers else "depth"
    figure, drawn = grid(len(properties), height=3.4 if len(properties) == 1 else 2.6, columns=min(3, len(properties)))
    for axes, name in zip(drawn, properties, strict=False):
        for place, setting in enumerate(dict.fromkeys(table.setting)):
            line = table[(table.property == name) & (table.setting == setting)].sort_values("layer_index")
            style = _line_style(place)
            axes.plot(line[place_of], line["mean"], ms=4, label=setting, **style)
            axes.fill_between(line[place_of], line.lower, line.upper, color=style["color"], alpha=0.2, lw=0)
            mark_lower_bounds(axes, line, place=place_of, value="mean")
        axes.set(title=title_of(name) or "intrinsic dimension", ylabel=unit)
        if same_layers:
            label_layers(axes, table)
        else:
            axes.set_xlabel("relative depth")
    figure.legend(*drawn[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, fontsize=8)
    return figure


def compared_indices(rows: pd.DataFrame, table: pd.DataFrame) -> Figure | None:
    """Every run's indices as dots, their mean and 95% interval as a bar, one panel per index."""
    names = [name for name in _INDICES if name in set(table.quantity)]
    if not names:
        return None
    settings = list(dict.fromkeys(rows.setting))
    figure, drawn = plt.subplots(1, len(names), figsize=(9.5, 1.6 + 0.3 * len(settings)), sharey=True, squeeze=False)
    of_runs = rows[(rows.probe == "index") & (rows.layer == "")]
    for axes, name in zip(drawn[0], names, strict=True):
        for place, setting in enumerate(settings):
            colour = _COLOURS[place % len(_COLOURS)]
            dots = of_runs[(of_runs.quantity == name) & (of_runs.setting == setting)].value.dropna()
            axes.plot(dots, np.full(len(dots), place), "o", ms=4, color=colour, alpha=0.5)
            for row in table[(table.quantity == name) & (table.setting == setting)].to_dict("records"):
                axes.plot([row["mean"]] * 2, [place - 0.25, place + 0.25], color=colour, lw=2)
                axes.plot([row["lower"], row["upper"]], [place] * 2, color=colour, lw=1)
        axes.set(title=title_of(name), xlabel="index")
    drawn[0][0].set_yticks(range(len(settings)), settings, fontsize=7)
    drawn[0][0].invert_yaxis()
    return figure


def compared_dynamics(table: pd.DataFrame) -> Figure | None:
    """Mean indices over epochs, one line per setting with its 95% interval over runs; None with one epoch only."""
    names = [name for name in _INDICES if name in set(table.quantity)]
    if not names or table.epoch.nunique() < 2:
        return None
    figure, drawn = grid(len(names), height=2.6, columns=2)
    for axes, name in zip(drawn, names, strict=False):
        for place, setting in enumerate(dict.fromkeys(table.setting)):
            line = table[(table.quantity == name) & (table.setting == setting)].sort_values("epoch")
            style = _line_style(place)
            axes.plot(line.epoch, line["mean"], ms=4, label=setting, **style)
            axes.fill_between(line.epoch, line.lower, line.upper, color=style["color"], alpha=0.2, lw=0)
        axes.set(title=title_of(name), xlabel="epochs completed", ylabel="index")
    figure.legend(*drawn[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, fontsize=8)
    return figure


def _line_style(place: int) -> dict[str, Any]:
    """Colour, dashes and marker of a setting: told apart in grey too, and none twice among 140."""
    cycle = {"color": _COLOURS, "linestyle": _STYLES, "marker": _MARKERS}
    return {name: values[place % len(values)] for name, values in cycle.items()}
