"""Maps of how alike representations are: layers by layers, epochs by epochs, layers of runs by those of others."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.report.style import grid, in_legend, layers_of, moment
from pdtrain.results.measures import Measure

_MOST_WRITTEN = 10  # layers of a map whose values are written in it
_MOST_MAPS = 6  # of pairs of settings
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
_STYLES = ("-", "--", "-.", ":")
QUANTITIES = {"cka": "CKA", "rsa": "RSA"}


def layer_maps(rows: pd.DataFrame, measures: Sequence[Measure]) -> Figure:
    """Layers by layers, a line of panels each measure: the first epoch on the left, on the right the last."""
    epochs = sorted(map(int, rows.epoch.unique()))
    of_pairs = pd.concat([measure.rows(rows) for measure in measures])
    layers = [layer for layer in layers_of(rows) if layer in {*of_pairs.layer, *of_pairs.property}]
    columns = 1 if len(epochs) == 1 else 2
    figure, drawn = plt.subplots(
        len(measures), columns, figsize=(4.75 * columns, 3.9 * len(measures)), squeeze=False, sharex=True, sharey=True
    )
    for line, measure in zip(drawn, measures, strict=True):
        chosen = measure.rows(rows)
        maps = {epoch: square(chosen[chosen.epoch == epoch], layers) for epoch in {epochs[0], epochs[-1]}}
        low = min(0.0, *(float(np.nanmin(found)) for found in maps.values()))
        mesh = _map(line[0], maps[epochs[0]], low=low)
        line[0].set_title(measure.title_of("") + (f", {moment(rows, epochs[0])}" if len(epochs) > 1 else ""))
        for axes in line[1:]:
            _map(axes, maps[epochs[-1]], low=low)
            axes.set_title(f"{measure.title_of('')}, {moment(rows, epochs[-1])}")
        figure.colorbar(mesh, ax=list(line), label=measure.unit)
        line[0].set_yticks(np.arange(len(layers)) + 0.5, layers, fontsize=6)
    for axes in drawn[-1]:
        axes.set_xticks(np.arange(len(layers)) + 0.5, layers, fontsize=6, rotation=60, ha="right")
    return figure


def epoch_maps(maps: Mapping[str, np.ndarray], names: Sequence[str], *, unit: str) -> Figure:
    """Epochs by epochs, a panel each layer.

    Parameters
    ----------
    maps
        By layer, similarity of each epoch to each other.
    names
        Of the epochs.
    """
    figure, drawn = grid(len(maps), height=2.5, columns=4)
    mesh = None
    for axes, (layer, found) in zip(drawn, maps.items(), strict=False):
        mesh = _map(axes, found, low=min(0.0, *(float(np.nanmin(each)) for each in maps.values())), written=False)
        step = max(1, -(-len(names) // 6))
        middles = np.arange(0, len(names), step) + 0.5
        axes.set_xticks(middles, names[::step], fontsize=6, rotation=60, ha="right")
        axes.set_yticks(middles, names[::step], fontsize=6)
        axes.set_title(fill(layer, 24), fontsize=8)
    if mesh is not None:
        figure.colorbar(mesh, ax=drawn[: len(maps)], label=unit, shrink=0.8)
    return figure


def run_maps(table: pd.DataFrame, names: Mapping[str, tuple[str, str]]) -> Figure:
    """Layers of runs by layers of others, a panel each quantity and two settings; at most six of either.

    Parameters
    ----------
    table
        What `between_runs` gives.
    names
        By title of a panel's settings, what stands at its vertical and horizontal axis.
    """
    pairs = list(table.groupby(["quantity", "setting", "other_setting"], sort=False))[: 2 * _MOST_MAPS]
    figure, drawn = plt.subplots(
        -(-len(pairs) // 2), min(2, len(pairs)), figsize=(9.5, 4.0 * -(-len(pairs) // 2)), squeeze=False
    )
    for axes in drawn.flat[len(pairs) :]:
        axes.axis("off")
    low = min(0.0, float(table["mean"].min()))
    for axes, ((quantity, one, other), chosen) in zip(drawn.flat, pairs, strict=False):
        square = chosen.pivot(index="layer_index", columns="other_index", values="mean")
        mesh = _map(axes, square.to_numpy(), low=low)
        rows, columns = (chosen.drop_duplicates(index).sort_values(index) for index in ("layer_index", "other_index"))
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows.layer, fontsize=6)
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns.other_layer, fontsize=6, rotation=60, ha="right")
        vertical, horizontal = names[f"{one}/{other}"]
        axes.set_ylabel(fill(vertical, 40), fontsize=7)
        axes.set_xlabel(fill(horizontal, 50), fontsize=7)
        axes.set_title(f"{QUANTITIES.get(str(quantity), str(quantity))}, {_pairs(int(chosen.pairs.iloc[0]))}")
        figure.colorbar(mesh, ax=axes, label="similarity")
    return figure


def same_layers(table: pd.DataFrame) -> Figure:
    """Similarity of the same layer in two runs along depth, a line each two settings, with 95% intervals."""
    same = table[table.layer == table.other_layer]
    quantities = list(dict.fromkeys(same.quantity))
    figure, drawn = grid(len(quantities), height=3.4, columns=2)
    for axes, quantity in zip(drawn, quantities, strict=False):
        of_quantity = same[same.quantity == quantity]
        for place, ((one, other), line) in enumerate(of_quantity.groupby(["setting", "other_setting"], sort=False)):
            colour, style = _COLOURS[place % len(_COLOURS)], _STYLES[place // len(_COLOURS) % len(_STYLES)]
            label = str(one) if one == other else f"{one} with {other}"
            line = line.sort_values("layer_index")
            axes.plot(line.layer_index, line["mean"], style, color=colour, marker="o", ms=3, label=in_legend(label))
            axes.fill_between(line.layer_index, line.lower, line.upper, color=colour, alpha=0.2, lw=0)
        names = of_quantity.drop_duplicates("layer_index").sort_values("layer_index")
        axes.set_xticks(names.layer_index, names.layer, fontsize=6, rotation=60, ha="right")
        axes.axhline(0, color="black", lw=0.5)
        low = min(0.0, float(of_quantity["mean"].min()))  # not those of intervals, which few runs make very wide
        title = QUANTITIES.get(str(quantity), str(quantity))
        axes.set(title=title, ylabel="similarity", ylim=(low - 0.1, 1.05))
    figure.legend(*drawn[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, fontsize=7)
    return figure


def _pairs(number: int) -> str:
    return "two runs" if number == 1 else f"mean over {number} pairs of runs"


def square(rows: pd.DataFrame, layers: Sequence[str]) -> np.ndarray:
    """Values of pairs of layers as a symmetric matrix, with ones on its diagonal where a layer has any value."""
    place = {layer: index for index, layer in enumerate(layers)}
    found = np.full((len(layers), len(layers)), np.nan)
    for one, other, value in zip(rows.layer, rows.property, rows.value, strict=True):
        found[place[one], place[other]] = found[place[other], place[one]] = value
    np.fill_diagonal(found, np.where(np.isfinite(found).any(1), 1.0, np.nan))
    return found


def _map(axes: plt.Axes, found: np.ndarray, *, low: float, written: bool = True) -> plt.cm.ScalarMappable:
    """A matrix as colours, from `low` to 1, and as numbers where there is room."""
    mesh = axes.pcolormesh(found, vmin=low, vmax=1.0, cmap="viridis", edgecolors="face", linewidth=0.3)
    axes.set_aspect("equal")
    if written and max(found.shape) <= _MOST_WRITTEN:
        for (row, column), value in np.ndenumerate(found):
            if np.isfinite(value):
                colour = "white" if value < (1 + low) / 2 else "black"
                text = f"{value:z.2f}".replace("0.", ".")
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=5.5, color=colour)
    return mesh
