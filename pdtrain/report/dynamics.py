"""Figures over epochs: accuracy, every layer's path, the indices, and layer-by-epoch maps."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.image import AxesImage, BboxImage
from matplotlib.transforms import Bbox, TransformedBbox

from pdtrain.report.profiles import panels_of
from pdtrain.report.style import (
    INDEX_COLOURS,
    TRAINED,
    grid,
    in_legend,
    label_layers,
    layer_colours,
    layers_of,
    lowest,
    mark_lower_bounds,
    moment,
    outstanding_input,
    panel_title,
    with_shown_interval,
)
from pdtrain.results.configuration import PRETRAINED_WEIGHTS
from pdtrain.results.logged import EVALUATED_ACCURACY
from pdtrain.results.measures import (
    ACTIVE_PRUNING,
    CONTRACTION,
    DISTILLATION,
    DISTILLATION_AT_FIXED_IDENTITY,
    EXPANSION,
    PRUNED_FRACTION,
    PRUNING_AT_FIXED_IDENTITY,
    Measure,
    words,
)

_MARKERS = "osD^vP*X<>"
_MOST_TICKS = 10
ACCURACIES = (("train/accuracy", "training", "--"), ("val/accuracy", "validation", "-"))
# what stands in one panel, where nothing is, and how far it is in sight at most
INDEX_PANELS = (
    ((DISTILLATION, ACTIVE_PRUNING, DISTILLATION_AT_FIXED_IDENTITY, PRUNING_AT_FIXED_IDENTITY), 0, (-1, 6)),
    ((EXPANSION, CONTRACTION), 1, (-1, 6)),
)


def holds_accuracy(metrics: pd.DataFrame) -> bool:
    """Whether anything was trained, or validated, while the metrics were kept."""
    return any(column in metrics for column, _, _ in ACCURACIES)


def accuracy(metrics: pd.DataFrame) -> Figure:
    """Training and validation accuracy over epochs."""
    figure, axes = plt.subplots(figsize=(5, 3))
    for column, label, style in ACCURACIES:
        if column in metrics:
            values = metrics.dropna(subset=[column])
            axes.plot(values["epoch"], values[column], style, marker="o", ms=3, color=TRAINED, label=label)
    if EVALUATED_ACCURACY in metrics:
        last = metrics.dropna(subset=[EVALUATED_ACCURACY]).iloc[-1]
        place = ([last["epoch"]], [last[EVALUATED_ACCURACY]])
        axes.plot(*place, "s", color=TRAINED, mfc="none", clip_on=False, label="training, evaluated")
    axes.set(xlabel="epochs completed", ylabel="accuracy", ylim=(0, 1))
    axes.legend(frameon=False)
    return figure


def trajectories(rows: pd.DataFrame, measures: Sequence[Measure], about: str | None) -> Figure:
    """Each layer's value of each measure over epochs; of those about properties, of `about` or else of their first."""
    panels = []
    for measure in measures:
        of_measure = panels_of(rows, [measure])
        panels.append(next((panel for panel in of_measure if panel[1] == about), of_measure[0]))
    figure, drawn = grid(len(panels), height=3.6, columns=2)
    colours = layer_colours(layers_of(rows))
    for axes, (measure, about_it, chosen) in zip(drawn, panels, strict=False):
        for place, (layer, colour) in enumerate(colours.items()):
            line = chosen[chosen.layer == layer].sort_values("epoch")
            marker = _MARKERS[place % len(_MARKERS)]
            axes.plot(line.epoch, line.value, color=colour, marker=marker, ms=4, lw=1.2, label=in_legend(layer))
            axes.fill_between(line.epoch, line.lower, line.upper, color=colour, alpha=0.15, lw=0)
        mark_lower_bounds(axes, chosen, place="epoch")
        axes.set(title=panel_title(measure, about_it), ylabel=measure.unit, xlabel="epochs completed")
    figure.legend(*drawn[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=7)
    return figure


def pruning_and_distillation(rows: pd.DataFrame) -> Figure:
    """The indices of one property over epochs with their 95% intervals, and the share of units pruned in each layer."""
    pruned = with_shown_interval(PRUNED_FRACTION.rows(rows), PRUNED_FRACTION)
    figure, drawn = grid(2 + bool(len(pruned)), height=2.8)
    for axes, (shown, nothing, (least, greatest)) in zip(drawn, INDEX_PANELS, strict=False):
        for measure, style in zip(shown, ("-", "--", "-.", ":"), strict=False):
            line = measure.rows(rows).sort_values("epoch")
            line = with_shown_interval(line[line.value.notna()], measure)
            if line.empty:
                continue
            colour = INDEX_COLOURS[measure]
            axes.plot(line.epoch, line.value, style, color=colour, marker="o", ms=3, label=measure.title_of(""))
            axes.fill_between(line.epoch, line.lower, line.upper, color=colour, alpha=0.2, lw=0)
        low, high = axes.get_ylim()
        axes.set(
            title=" and ".join(m.title_of("") for m in shown[:2]),
            xlabel="epochs completed",
            ylabel="index",
            ylim=(max(low, least), min(high, greatest)),
        )
        axes.axhline(nothing, color="black", lw=0.5)
        if PRETRAINED_WEIGHTS in set(rows["weights"]):
            epochs = sorted(rows["epoch"].unique())
            axes.set_xticks(epochs, [moment(rows, epoch) for epoch in epochs])
            axes.set_xlabel("")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=7)
    if len(pruned):
        last = pruned[pruned.epoch == pruned.epoch.max()].sort_values("layer_index")
        colours = layer_colours(layers_of(rows))
        reach = [(last.value - last.lower).clip(lower=0), (last.upper - last.value).clip(lower=0)]
        bars = {"color": [colours[layer] for layer in last.layer], "error_kw": {"lw": 0.8}}
        drawn[2].bar(last.layer_index, last.value, yerr=reach, **bars)
        drawn[2].set(title=f"units that lost\n{words(last.property.iloc[0])}", ylabel=PRUNED_FRACTION.unit, ylim=(0, 1))
        label_layers(drawn[2], last)
    return figure


def heat_maps(rows: pd.DataFrame, measures: Sequence[Measure]) -> Figure:
    """Layer by epoch: every measure about every property."""
    panels = panels_of(rows, measures)
    figure, drawn = grid(len(panels), height=2.3)
    layers = pd.concat([chosen for *_, chosen in panels]).drop_duplicates("layer_index").sort_values("layer_index")
    lines, epochs = list(layers.layer_index), sorted(rows.epoch.unique())
    step = -(-len(epochs) // _MOST_TICKS)
    below = lowest(drawn, len(panels))
    for place, (axes, (measure, about, chosen)) in enumerate(zip(drawn, panels, strict=False)):
        table = chosen.pivot_table(index="layer_index", columns="epoch", values="value", aggfunc="last")
        above = outstanding_input(chosen) is not None
        top = table.iloc[1:].max().max() if above else None
        table = table.reindex(index=lines, columns=epochs)
        image = axes.imshow(table, aspect="auto", origin="lower", cmap="viridis", vmax=top, interpolation="none")
        _colour_scale(axes, image, measure.unit, beyond=above)
        # the same layers and epochs in all panels: named where they stand first
        named = axes.get_subplotspec().is_first_col()
        axes.set_yticks(range(len(lines)), layers.layer if named else [""] * len(lines), fontsize=6)
        axes.set_xticks(range(0, len(epochs), step), epochs[::step] if below[place] else [""] * len(epochs[::step]))
        axes.tick_params(axis="x", labelsize=7)
        axes.set(title=panel_title(measure, about), xlabel="epoch" if below[place] else "")
    return figure


def _colour_scale(axes: plt.Axes, image: AxesImage, unit: str, *, beyond: bool) -> None:
    """The colours, the least and the greatest value, on the right; a colour bar would take as long as a panel."""
    low, high = image.get_clim()
    place = TransformedBbox(Bbox.from_extents(1.04, 0, 1.09, 1), axes.transAxes)
    scale = BboxImage(place, cmap=image.get_cmap(), origin="lower")
    scale.set_data(np.linspace(0, 1, 256)[:, None])
    scale.set_clip_on(False)
    axes.add_artist(scale)
    for height, value, more in ((0, low, ""), (1, high, "≥ " if beyond else "")):
        axes.text(1.12, height, f"{more}{value:.2g}", transform=axes.transAxes, fontsize=7, va="center")
    axes.text(1.15, 0.5, unit, transform=axes.transAxes, fontsize=7, va="center", rotation=90)
