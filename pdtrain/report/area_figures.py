"""Figures of recorded neurons: the hierarchy of areas, with the layers of a network beside it."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.report.profiles import band, panels_of, references
from pdtrain.report.style import (
    TRAINED,
    UNTRAINED,
    first_and_last,
    in_legend,
    label_layers,
    layer_colours,
    layers_of,
    mark_lower_bounds,
    panel_title,
)
from pdtrain.responses.noise import CORRECTED
from pdtrain.results.measures import UNIT, Measure

CORRECTED_COLOUR = "#D55E00"


def area_profiles(areas: pd.DataFrame, measures: Sequence[Measure], network: pd.DataFrame | None = None) -> Figure:
    """What is measured of each area, one line of panels each; on the right the same of a network, where it has it."""
    panels = panels_of(areas, measures)
    columns = 1 if network is None else 2
    size = (4.2 * columns + 1, 2.4 * len(panels))
    figure, drawn = plt.subplots(len(panels), columns, figsize=size, squeeze=False)
    for (measure, about, measured), axes in zip(panels, drawn, strict=True):
        corrected = measure.of(measure.quantity + CORRECTED).rows(areas[areas.property == about])
        _draw_areas(axes[0], measured, corrected)
        axes[0].set(title=panel_title(measure, about), ylabel=measure.unit.replace("unit", "neuron"))
        for reference in references(areas, measure):
            axes[0].axhline(reference, color="black", lw=0.8, ls=":", label=measure.reference)
        if network is not None:
            _draw_network(axes[1], measure.rows(network[network.property == about]))
            axes[1].set(title=panel_title(measure, about), ylabel=measure.unit)
    for axes in drawn[0]:
        if axes.lines:
            axes.legend(frameon=False, fontsize=7)
    return figure


def neuron_distribution(units: pd.DataFrame, about: str) -> Figure:
    """Cumulative distribution of information about a property over the neurons of each area."""
    figure, axes = plt.subplots(figsize=(5, 3.2))
    chosen = UNIT.rows(units[units.property == about])
    areas = list(dict.fromkeys(chosen.layer))
    styles = ("-", "--", "-.", ":")
    for place, (area, colour) in enumerate(layer_colours(areas).items()):
        bits = np.sort(chosen[chosen.layer == area].value)
        share = np.arange(1, len(bits) + 1) / len(bits)
        axes.step(bits, share, where="post", color=colour, ls=styles[place % len(styles)], label=in_legend(area))
    axes.set(xlabel=f"{UNIT.title_of(about)} ({UNIT.unit})", ylabel="share of neurons", ylim=(0, 1.03))
    axes.legend(frameon=False)
    return figure


def _draw_areas(axes: plt.Axes, measured: pd.DataFrame, corrected: pd.DataFrame) -> None:
    names = layers_of(measured)
    for rows, colour, label in (
        (measured, TRAINED, "mean of the trials"),
        (corrected, CORRECTED_COLOUR, "noise corrected"),
    ):
        if len(rows):
            line = rows.set_index("layer").loc[names].assign(place=range(len(names)))
            band(axes, line, colour, label, place="place", dashed=rows is corrected)
            mark_lower_bounds(axes, line, place="place")
    axes.set_xticks(range(len(names)), names)
    axes.axhline(0, color="black", lw=0.5)


def _draw_network(axes: plt.Axes, rows: pd.DataFrame) -> None:
    if rows.empty:
        axes.axis("off")
        axes.text(0.5, 0.5, "not measured in the network", ha="center", fontsize=8)
        return
    for epoch, colour, label in first_and_last(rows):
        line = rows[rows.epoch == epoch].sort_values("layer_index")
        band(axes, line, colour, label, dashed=colour == UNTRAINED)
        mark_lower_bounds(axes, line)
    axes.axhline(0, color="black", lw=0.5)
    label_layers(axes, rows)
