"""Figures of recorded neurons: the hierarchy of areas, with the layers of a network beside it."""

from collections.abc import Iterator, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.report.style import (
    TRAINED,
    UNTRAINED,
    ends,
    label_layers,
    layer_colours,
    layers_of,
    mark_lower_bounds,
    title_of,
)
from pdtrain.responses.noise import CORRECTED

_CORRECTED_COLOUR = "#D55E00"
_UNITS = {"intrinsic_dimension": "dimensions", "discriminability": "accuracy"}
_TITLES = {
    "two_nn": "intrinsic dimension",
    "view_invariant": "view-invariant object information",
    "accuracy": "linear discriminability of objects",
}
_Measured = tuple[str, str, str]  # probe, quantity, property


def area_profiles(areas: pd.DataFrame, network: pd.DataFrame | None = None) -> Figure:
    """What is measured of each area, one line of panels each; on the right the same of a network, where it has it."""
    measured = list(_measured(areas))
    columns = 1 if network is None else 2
    size = (4.2 * columns + 1, 2.4 * len(measured))
    figure, drawn = plt.subplots(len(measured), columns, figsize=size, squeeze=False)
    for (probe, quantity, property), panels in zip(measured, drawn, strict=True):
        title = _title(quantity, property)
        unit = _UNITS.get(probe, "bit per neuron")
        _draw_areas(
            panels[0], _chosen(areas, probe, quantity, property), _chosen(areas, probe, quantity + CORRECTED, property)
        )
        panels[0].set(title=title, ylabel=unit)
        chance = _chosen(areas, probe, "chance", property)
        if len(chance):
            panels[0].axhline(chance.value.iloc[0], color="black", lw=0.8, ls=":", label="chance")
        if network is not None:
            _draw_network(panels[1], _chosen(network, probe, quantity, property))
            panels[1].set(title=title, ylabel=unit.replace("neuron", "unit"))
    for axes in drawn[0]:
        if axes.lines:
            axes.legend(frameon=False, fontsize=7)
    return figure


def neuron_distribution(units: pd.DataFrame, property: str) -> Figure:
    """Cumulative distribution of information about a property over the neurons of each area."""
    figure, axes = plt.subplots(figsize=(5, 3.2))
    chosen = units[units.property == property]
    areas = list(dict.fromkeys(chosen.layer))
    styles = ("-", "--", "-.", ":")
    for place, (area, colour) in enumerate(layer_colours(areas).items()):
        bits = np.sort(chosen[chosen.layer == area].information_bits)
        share = np.arange(1, len(bits) + 1) / len(bits)
        axes.step(bits, share, where="post", color=colour, ls=styles[place % len(styles)], label=area)
    axes.set(xlabel=f"{title_of(property)} information (bit)", ylabel="share of neurons", ylim=(0, 1.03))
    axes.legend(frameon=False)
    return figure


def _measured(areas: pd.DataFrame) -> Iterator[_Measured]:
    """Dimension first, then information about each property, then view-invariant information."""
    for probe, quantity in (
        ("intrinsic_dimension", "two_nn"),
        ("unit_information", "mean"),
        ("object_information", "view_invariant"),
        ("discriminability", "accuracy"),
    ):
        chosen = areas[(areas.probe == probe) & (areas.quantity == quantity)]
        for property in dict.fromkeys(chosen.property):
            yield probe, quantity, property


def _title(quantity: str, property: str) -> str:
    return _TITLES.get(quantity, f"{title_of(property)} information")


def _chosen(rows: pd.DataFrame, probe: str, quantity: str, property: str) -> pd.DataFrame:
    return rows[(rows.probe == probe) & (rows.quantity == quantity) & (rows.property == property)]


def _draw_areas(axes: plt.Axes, measured: pd.DataFrame, corrected: pd.DataFrame) -> None:
    names = layers_of(measured)
    for rows, colour, label in (
        (measured, TRAINED, "mean of the trials"),
        (corrected, _CORRECTED_COLOUR, "noise corrected"),
    ):
        if len(rows):
            line = rows.set_index("layer").loc[names]
            _band(axes, range(len(names)), line, colour, label, dashed=rows is corrected)
            mark_lower_bounds(axes, line.assign(place=range(len(names))), place="place")
    axes.set_xticks(range(len(names)), names)
    axes.axhline(0, color="black", lw=0.5)


def _draw_network(axes: plt.Axes, rows: pd.DataFrame) -> None:
    if rows.empty:
        axes.axis("off")
        axes.text(0.5, 0.5, "not measured in the network", ha="center", fontsize=8)
        return
    for epoch, colour, label in ends(rows):
        line = rows[rows.epoch == epoch].sort_values("layer_index")
        _band(axes, line.layer_index, line, colour, label, dashed=colour == UNTRAINED)
        mark_lower_bounds(axes, line)
    axes.axhline(0, color="black", lw=0.5)
    label_layers(axes, rows)


def _band(
    axes: plt.Axes, places: Sequence[int] | pd.Series, line: pd.DataFrame, colour: str, label: str, *, dashed: bool
) -> None:
    axes.plot(places, line.value, "--" if dashed else "-", color=colour, marker="o", ms=3, label=label)
    axes.fill_between(places, line.lower, line.upper, color=colour, alpha=0.2, lw=0)
