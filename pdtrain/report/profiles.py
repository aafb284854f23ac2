"""Figures against depth: intrinsic dimension, information per unit, object information. Untrained is grey."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.report.style import (
    TRAINED,
    UNTRAINED,
    ends,
    grid,
    label_layers,
    layer_colours,
    layers_of,
    mark_lower_bounds,
    outstanding_input,
    title_of,
)


def dimension_profile(rows: pd.DataFrame, quantity: str = "two_nn") -> Figure:
    """Intrinsic dimension with its 95% interval against relative depth, one line per epoch, untrained dashed.

    Lower bounds are open triangles.
    """
    figure, axes = plt.subplots(figsize=(6, 3.6))
    chosen = _dimension(rows, quantity)
    epochs = sorted(chosen.epoch.unique())
    for epoch in epochs:
        first = epoch == epochs[0]
        colour = UNTRAINED if first else plt.cm.viridis_r(0.15 + 0.8 * epoch / max(epochs[-1], 1))
        label = f"epoch {epoch}" if epoch in (epochs[0], epochs[-1], epochs[len(epochs) // 2]) else None
        _line(axes, chosen[chosen.epoch == epoch], colour, label, dashed=first)
    mark_lower_bounds(axes, chosen)
    _finish_dimension(axes, chosen)
    return figure


def dimension_frame(rows: pd.DataFrame, epoch: int, quantity: str = "two_nn") -> Figure:
    """The profile after one epoch, over that of the first; a point per layer in the layer's colour."""
    figure, axes = plt.subplots(figsize=(6, 3.6))
    chosen = _dimension(rows, quantity)
    first = chosen.epoch.min()
    _line(axes, chosen[chosen.epoch == first], UNTRAINED, f"epoch {first}", dashed=True)
    now = chosen[chosen.epoch == epoch].sort_values("layer_index")
    _line(axes, now, TRAINED, f"epoch {epoch}")
    colours = layer_colours(layers_of(rows))
    axes.scatter(now.layer_index, now.value, c=[colours[layer] for layer in now.layer], s=28, zorder=3)
    mark_lower_bounds(axes, chosen[chosen.epoch.isin([first, epoch])])
    _finish_dimension(axes, chosen)
    axes.set_ylim(0, 1.05 * chosen[["value", "upper"]].max().max())  # the same in every frame
    return figure


def information_profile(rows: pd.DataFrame) -> Figure:
    """Mean information per unit against depth for each property, untrained and trained, with 95% intervals."""
    return _information(rows, [epoch for epoch, *_ in ends(_mean_information(rows))])


def information_frame(rows: pd.DataFrame, epoch: int) -> Figure:
    """The information profiles after one epoch, over those of the first."""
    return _information(rows, sorted({int(rows.epoch.min()), epoch}))


def object_profile(rows: pd.DataFrame) -> Figure:
    """View-invariant object information per unit, and discriminability where measured, untrained and trained."""
    panels = [
        ("view-invariant object information", "bit per unit and pair", "object_information", "view_invariant"),
        ("share of the total information", "ratio", "object_information", "ratio"),
        ("linear discriminability, held-out views", "accuracy", "discriminability", "accuracy"),
    ]
    measured = [p for p in panels if ((rows.probe == p[2]) & (rows.quantity == p[3])).any()]
    figure, panels_drawn = grid(len(measured), height=2.6)
    for axes, (title, unit, probe, quantity) in zip(panels_drawn, measured, strict=False):
        chosen = rows[(rows.probe == probe) & (rows.quantity == quantity)]
        for epoch, colour, label in ends(chosen):
            _band(axes, chosen[chosen.epoch == epoch], colour, label)
        chance = rows[(rows.probe == probe) & (rows.quantity == "chance")]
        if len(chance):
            axes.axhline(chance.value.iloc[0], color="black", lw=0.5, ls=":", label="chance")
        axes.set(title=title, ylabel=unit)
        label_layers(axes, chosen)
    panels_drawn[0].legend(frameon=False)
    return figure


def _dimension(rows: pd.DataFrame, quantity: str) -> pd.DataFrame:
    return rows[(rows.probe == "intrinsic_dimension") & (rows.quantity == quantity)]


def _mean_information(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows.probe == "unit_information") & (rows.quantity == "mean")]


def _line(axes: plt.Axes, line: pd.DataFrame, colour: object, label: str | None, *, dashed: bool = False) -> None:
    line = line.sort_values("layer_index")
    interval = [(line.value - line.lower).fillna(0), (line.upper - line.value).fillna(0)]
    axes.errorbar(
        line.layer_index, line.value, interval, color=colour, ls="--" if dashed else "-",
        marker="o", ms=3, lw=1.4, elinewidth=0.8, label=label,
    )  # fmt: skip


def _band(axes: plt.Axes, line: pd.DataFrame, colour: object, label: str | None) -> None:
    line = line.sort_values("layer_index")
    dashed = colour == UNTRAINED
    axes.plot(line.layer_index, line.value, "--" if dashed else "-", color=colour, marker="o", ms=3, label=label)
    axes.fill_between(line.layer_index, line.lower, line.upper, color=colour, alpha=0.2, lw=0)


def _finish_dimension(axes: plt.Axes, chosen: pd.DataFrame) -> None:
    label_layers(axes, chosen)
    axes.set(ylabel="intrinsic dimension (TwoNN)", ylim=(0, None))
    axes.legend(frameon=False)


def _information(rows: pd.DataFrame, epochs: list[int]) -> Figure:
    chosen = _mean_information(rows)
    properties = list(dict.fromkeys(chosen.property))
    figure, panels = grid(len(properties), height=2.5)
    for axes, name in zip(panels, properties, strict=False):
        of_property = chosen[chosen.property == name]
        for epoch in epochs:
            first = epoch == chosen.epoch.min()
            _band(axes, of_property[of_property.epoch == epoch], UNTRAINED if first else TRAINED, f"epoch {epoch}")
        axes.set(title=title_of(name), ylabel="bit per unit")
        above = outstanding_input(of_property)
        shown = of_property if above is None else of_property[of_property.layer_index > 0]
        low, high = min(0.0, shown.lower.min()), shown.upper.max()
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))  # the same in every frame
        axes.axhline(0, color="black", lw=0.5)
        if above is not None:
            axes.text(1, 1, f"input: {above:.2g} bit", transform=axes.transAxes, fontsize=7, va="top", ha="right")
        label_layers(axes, chosen)
    panels[0].legend(frameon=False)
    return figure
